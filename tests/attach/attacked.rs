//! Who is guarded may do what it likes with its processes and its cgroups: nobody else is signalled for it.

use super::place::Place;
use super::support::{Running, Scene, python, until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Children that come and go all the time, and their parent. Whoever of them hears a signal, or does not end by itself, says so.
const BYSTANDERS: &str = "import os, random, signal, sys, time
hit = sys.argv[1]
def note(what):
    with open(hit, 'a') as file: file.write(what + '\\n')
for number in (1, 2, 3, 10, 12, 15, 18):
    signal.signal(number, lambda number, _: note(f'signal {number}'))
living = 0
while living or not os.path.exists(hit + '.enough'):
    if living < 12 and not os.path.exists(hit + '.enough'):
        if os.fork() == 0:
            time.sleep(random.random() / 50); os._exit(0)
        living += 1
        continue
    pid, status = os.wait()
    living -= 1
    if status: note(f'{pid} ended with {status}')";

/// Takes memory, while families of processes wander through cgroups that they make and remove, and leave numbers behind for others.
const ATTACKER: &str = "import os, random, sys, time
own = sys.argv[1]
def wander():
    name = f'{own}/n{random.randrange(4)}'
    for step in range(random.randrange(3)):
        try: os.mkdir(name)
        except OSError: pass
        try:
            with open(name + '/cgroup.procs', 'w') as file: file.write('0')
        except OSError: pass
        name += f'/n{random.randrange(3)}'
    if os.fork() == 0:
        if random.randrange(2): os.setsid()
        time.sleep(random.random() / 100)
    os._exit(0)
def storm():
    while True:
        if os.fork() == 0: wander()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]: pass
        except ChildProcessError: pass
        for name in ('n0/n1', 'n1/n0', 'n2', 'n3'):
            try: os.rmdir(f'{own}/{name}')
            except OSError: pass
        time.sleep(random.random() / 200)
for _ in range(3):
    if os.fork() == 0: storm()
held = []
while True:
    held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.02)";

/// In a guest numbers come round soon.
struct FewNumbers(Option<String>);

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

impl FewNumbers {
    fn set() -> FewNumbers {
        let before = std::env::var_os("SENTINEL_VM").map(|_| fs::read_to_string(PID_MAX).unwrap());
        if before.is_some() {
            fs::write(PID_MAX, "800").unwrap();
        }
        FewNumbers(before)
    }
}

impl Drop for FewNumbers {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            fs::write(PID_MAX, before).unwrap();
        }
    }
}

fn remove_below(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            remove_below(&entry.path());
            fs::remove_dir(entry.path()).unwrap();
        }
    }
}

#[test]
fn nobody_outside_is_signalled_for_what_is_done_inside() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let _few = FewNumbers::set();
    let mut bystanders = place.cgroup("bystanders");
    let hit = scene.path("hit");
    bystanders.run(Command::new(python()).args(["-c", BYSTANDERS]).arg(&hit));
    for round in 0..5 {
        let mut attacker = place.cgroup(&format!("attacker-{round}"));
        let path = attacker.path().to_owned();
        attacker.run(Command::new(python()).args(["-c", ATTACKER, &path]));
        let mut command = scene.sentinel();
        command.args(["attach", "--as", scene.name(), "--socket", "off", "-m", "60M"]);
        let guardian =
            Running::start(command.args(["--grace", "200ms", "--cgroup", attacker.path()]));
        let run = guardian.finish();
        assert!(matches!(run.status.code(), Some(143 | 137)), "{run:?}");
        assert!(run.stderr.contains("reached the limit 60.0M"), "{run:?}");
        assert!(!hit.exists(), "{}: {run:?}", fs::read_to_string(&hit).unwrap_or_default());
        assert!(bystanders.lives());
        assert_eq!(attacker.says("cgroup.events").lines().next(), Some("populated 0"));
        remove_below(Path::new(attacker.path()));
    }
    scene.write("hit.enough", "");
    until("they have ended", || bystanders.says("cgroup.events").starts_with("populated 0"));
    assert!(!hit.exists(), "{}", fs::read_to_string(&hit).unwrap_or_default());
}
