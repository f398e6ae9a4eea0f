//! What is guarded is named as people know it: by a process, a program, a container. Units are in tests/vm_systemd/attached.rs.

use super::place::Place;
use super::support::{Running, Scene, is_root, python, send, skip, until};
use super::{attach, refused};
use nix::libc::{SIGKILL, SIGTERM};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Started by the test, where others are too; ended with it.
struct Bystander(Child);

impl Bystander {
    fn start(command: &mut Command) -> Bystander {
        Bystander(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // Ended already, some of them.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Python that begins a child which hears no SIGTERM, tells its number, grows as soon as it may, and goes on SIGTERM.
fn family(scene: &Scene) -> Command {
    let (go, child) = (scene.path("go"), scene.path("child"));
    let script = format!(
        "import os, signal, subprocess, sys, time
deaf = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '1000'], preexec_fn=deaf)
def heard(*_):
    open({go:?} + '.heard', 'w').write('SIGTERM'); sys.exit(0)
signal.signal(signal.SIGTERM, heard)
open({child:?} + '.part', 'w').write(str(child.pid)); os.rename({child:?} + '.part', {child:?})
while not os.path.exists({go:?}): time.sleep(0.02)
held = []
while True:
    held.append(bytearray(b'x' * (1 << 20))); time.sleep(0.02)"
    );
    let mut command = Command::new(python());
    command.args(["-c", &script]);
    command
}

fn is_there(pid: u32) -> bool {
    let stat = procfs::process::Process::new(pid.cast_signed()).and_then(|it| it.stat());
    stat.is_ok_and(|stat| stat.state != 'Z')
}

#[test]
fn a_process_among_others_is_ended_with_its_descendants_and_nobody_else() {
    let scene = Scene::new();
    let mut other = Bystander::start(Command::new("sleep").arg("1000"));
    let mut family = Bystander::start(&mut family(&scene));
    until("it has a child", || scene.path("child").exists());
    let child: u32 = scene.read("child").parse().unwrap();
    let running = attach(&scene, &["--pid", &family.pid(), "-m", "60M", "--grace", "500ms"]);
    running.await_err("it is guarded with all that descend from it: it shares its cgroup");
    scene.await_mailbox();
    scene.ask("freeze").expect(1).says("they have no cgroup of their own");
    assert!(scene.ask("status").expect(0).stdout().contains("processes  2"));
    scene.write("go", "");
    running.await_err("sent SIGTERM, SIGKILL in 500ms");
    // Its parent is gone by then, and it is nobody's of ours.
    running.finish().expect(137).says("the grace period of 500ms is over");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    assert!(!is_there(child) && !family.lives());
    assert!(other.lives());
}

#[test]
fn a_process_that_ends_by_itself_ends_the_guard() {
    let scene = Scene::new();
    let rests = Bystander::start(Command::new("sleep").arg("1000"));
    let running = attach(&scene, &["--pid", &rests.pid(), "-m", "60M"]);
    running.await_err("limit 60.0M");
    send(rests.0.id(), SIGKILL);
    running.finish().expect(0).says("sleep ended by itself");
}

#[test]
fn a_process_that_is_guarded_already_is_nobody_else_s() {
    /// Outlives its parent.
    struct Orphan(u32);
    impl Drop for Orphan {
        fn drop(&mut self) {
            send(self.0, SIGKILL);
        }
    }
    let scene = Scene::new();
    let mut family = Bystander::start(&mut family(&scene));
    until("it has a child", || scene.path("child").exists());
    let child = Orphan(scene.read("child").parse().unwrap());
    let number = child.0.to_string();
    let running = attach(&scene, &["--pid", &family.pid(), "-m", "60M"]);
    running.await_err("limit 60.0M");
    scene.await_mailbox();
    let by = format!("is guarded by sentinel {} already", running.pid());
    let again = refused(&scene, &["--pid", &family.pid(), "-m", "50M"]);
    again.says(&format!("process {} {by}", family.pid()));
    let below = refused(&scene, &["--pid", &number, "-m", "50M"]);
    below.says(&format!("process {number}, a descendant of {}, {by}", family.pid()));
    running.send(SIGTERM);
    running.finish().expect(0);
    let running = attach(&scene, &["--pid", &number, "-m", "60M"]);
    running.await_err("limit 60.0M");
    running.send(SIGTERM);
    running.finish().expect(0);
    assert!(family.lives());
}

#[test]
fn a_process_that_is_let_go_lives() {
    let scene = Scene::new();
    let mut rests = Bystander::start(Command::new("sleep").arg("1000"));
    let running = attach(&scene, &["--pid", &rests.pid(), "-m", "60M"]);
    running.await_err("limit 60.0M");
    running.send(SIGTERM);
    running.finish().expect(0);
    let running = attach(&scene, &["--pid", &rests.pid(), "-m", "60M"]);
    running.await_err("limit 60.0M");
    running.send(SIGKILL);
    running.finish();
    assert!(rests.lives());
}

#[test]
fn a_process_with_a_cgroup_for_itself_is_guarded_by_that() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = place.cgroup("alone");
    let pid = theirs.rests().to_string();
    let running = attach(&scene, &["--pid", &pid, "-m", "60M"]);
    running.await_err(&format!("{}, limit 60.0M", theirs.path()));
    running.send(SIGTERM);
    running.finish().expect(0);
    // One more that is not its child, and it is not alone any more.
    theirs.rests();
    let running = attach(&scene, &["--pid", &pid, "-m", "60M"]);
    running.await_err("tier polled: no cgroup");
    running.await_err("/alone, with sleep (");
    running.send(SIGTERM);
    running.finish().expect(0);
}

/// `sleep` under a name that nobody else has; longer than the kernel keeps.
fn named(scene: &Scene) -> (PathBuf, String) {
    let name = format!("sleeps-{}-of-its-own", std::process::id());
    let path = scene.path(&name);
    let path = Path::new(&path).to_owned();
    std::fs::copy("/bin/sleep", &path).unwrap();
    (path, name)
}

#[test]
fn a_program_is_found_by_its_name() {
    let scene = Scene::new();
    let (path, name) = named(&scene);
    refused(&scene, &["--name", &name, "-m", "60M"]).says(&format!("no process is called {name}"));
    let first = Bystander::start(Command::new(&path).arg("1000"));
    let called = |pid: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|it| name.starts_with(it.trim()))
    };
    until("it is called so", || called(&first.pid()));
    let running = attach(&scene, &["--name", &name, "-m", "60M"]);
    running.await_err("it is guarded with all that descend from it: ");
    scene.await_mailbox();
    assert!(scene.ask("ps").expect(0).stdout().contains(&first.pid()));
    running.send(SIGTERM);
    running.finish().expect(0);
    let second = Bystander::start(Command::new(&path).arg("1000"));
    until("the second is called so", || called(&second.pid()));
    let several = refused(&scene, &["--name", &name, "-m", "60M"]);
    assert!(several.stderr.contains("2 processes are called"), "{several:?}");
    assert!(several.stderr.contains(&second.pid()), "{several:?}");
}

#[test]
fn a_container_is_found_by_its_id() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let unique = format!("{:08x}", std::process::id());
    let id = unique.repeat(8);
    let mut monitor = place.cgroup(&format!("libpod-conmon-{id}.scope"));
    monitor.rests();
    let missing = refused(&scene, &["--container", &id, "-m", "60M"]);
    assert!(missing.stderr.contains("no container called"), "{missing:?}");
    let mut container = place.cgroup(&format!("docker-{id}.scope"));
    container.rests();
    for typed in [&id[..], &id[..12]] {
        let running = attach(&scene, &["--container", typed, "-m", "60M"]);
        running.await_err(&format!("/docker-{id}.scope, limit 60.0M"));
        running.send(SIGTERM);
        running.finish().expect(0);
    }
    let mut other = place.cgroup(&format!("{}{}", &id[..56], "0123456a"));
    other.rests();
    let several = refused(&scene, &["--container", &id[..12], "-m", "60M"]);
    assert!(several.stderr.contains("several containers are meant by"), "{several:?}");
}

#[test]
fn what_is_not_to_be_guarded_is_refused() {
    let scene = Scene::new();
    let above = std::process::id().to_string();
    for (options, why) in [
        (&["--pid", "2147483647", "-m", "60M"][..], "there is no process 2147483647"),
        (&["--pid", &above, "-m", "60M"], "is sentinel itself, or what started it"),
        (&["--container", "not-there", "-m", "60M"], "no container called not-there is running"),
        (&["--unit", "a.timer", "-m", "60M"], "a.timer: a timer has no processes"),
    ] {
        let run = refused(&scene, options);
        assert!(run.stderr.contains(why), "{options:?}: {run:?}");
    }
    let rests = Bystander::start(Command::new("sleep").arg("1000"));
    let pid = rests.pid();
    let run = refused(&scene, &["--pid", &pid]);
    assert!(run.stderr.contains("no limit was given: use -m SIZE"), "{run:?}");
    let bigger = Bystander::start(&mut family(&scene));
    until("it has a child", || scene.path("child").exists());
    let run = refused(&scene, &["--pid", &bigger.pid(), "-m", "2M"]);
    assert!(run.stderr.contains("is below what process"), "{run:?}");
    send(scene.read("child").parse().unwrap(), SIGKILL);
    if !is_root() {
        return skip("only root has somebody else's process to be refused for another user");
    }
    // The program may lie where another user cannot run it.
    let copy = scene.path("sentinel-of-all");
    std::fs::copy(super::support::binary(), &copy).unwrap();
    let mut command = scene.as_nobody(&copy);
    command.args(["attach", "--socket", "off", "--pid", &pid, "-m", "60M"]);
    let run = Running::start(&mut command).finish().expect(125);
    assert!(run.stderr.contains("cannot signal process"), "{run:?}");
}
