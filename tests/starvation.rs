//! A guardian without descriptors, processes or disk, as far as a host can be brought there. The machine as a whole goes
//! short in vm_starvation, in a guest.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use support::{Run, Running, Scene, is_root, python, skip};

/// Takes memory without end once it is told to.
const LEAK: &str = r"
import time
print('ready', flush=True)
input()
taken = []
while len(taken) < 600:
    taken.append(b'x' * (1 << 20))
    time.sleep(0.01)
time.sleep(1000)
";

fn leaking(scene: &Scene, options: &[&str]) -> Command {
    let mut sentinel = scene.guarded(&[&["-m", "80M"], options].concat(), &[python(), "-c", LEAK]);
    sentinel.stdin(Stdio::piped());
    sentinel
}

fn limited(scene: &Scene, limit: &str, command: &Command) -> Running {
    let words = ["prlimit", limit];
    let mut outer = scene.through(&words, command);
    outer.stdin(Stdio::piped());
    Running::start(&mut outer)
}

#[test]
fn too_few_descriptors_at_the_start_are_refused() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let sentinel = scene.guarded(&["--socket", &socket], &["true"]);
    let run = |count: u32| limited(&scene, &format!("--nofile={count}"), &sentinel).finish();
    let mut refused = 0;
    let enough = (3..200).find(|count| {
        let run = run(*count);
        let left = scene.leftovers();
        assert!(left.is_empty() && !scene.socket().exists(), "{count}: {left:?}");
        if run.code() == 0 {
            return true;
        }
        let why = run.stderr.lines().last().unwrap_or_default();
        assert!(why.starts_with("sentinel: ") && why.contains("Too many open files"), "{run:?}");
        assert_eq!(run.code(), 125, "{count}: {run:?}");
        refused += 1;
        false
    });
    println!("{} descriptors are enough", enough.unwrap());
    assert!(refused > 5);
}

/// So many descriptors as the guardian has open, and no more.
fn leave_no_descriptor(guardian: &Running) {
    let pid = guardian.pid().to_string();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = open.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap());
    let limit = format!("--nofile={}", numbers.max().unwrap() + 1);
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

#[test]
fn without_a_descriptor_left_it_acts_in_time() {
    let scene = Scene::new();
    let mut guardian = Running::start(&mut leaking(&scene, &[]));
    guardian.await_out("ready");
    leave_no_descriptor(&guardian);
    guardian.type_line("go");
    assert_in_time(&guardian.finish());
}

#[test]
fn clients_that_want_all_descriptors_do_not_blind_it() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let mut guardian = limited(&scene, "--nofile=64", &leaking(&scene, &["--socket", &socket]));
    guardian.await_out("ready");
    scene.await_mailbox();
    // More than there are descriptors, and none of them says a word.
    let connect = |_| UnixStream::connect(scene.socket()).unwrap();
    let mut clients: Vec<_> = (0..80).map(connect).collect();
    let mut said = String::new();
    clients.last_mut().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.starts_with("error: "), "turned away: {said:?}");
    guardian.type_line("go");
    assert_in_time(&guardian.finish());
    drop(clients);
}

fn assert_in_time(run: &Run) {
    assert!(matches!(run.code(), 143 | 137), "{run:?}");
    assert!(run.stderr.contains("reached the limit 80.0M"), "{run:?}");
    assert!(!run.stderr.contains("failed to "), "{run:?}");
}

#[test]
fn no_process_to_be_had_is_one_line() {
    if !is_root() {
        return skip("the limit counts all processes of a user");
    }
    let scene = Scene::new();
    let sentinel = scene.guarded(&["-q"], &["true"]);
    let mut command = scene.as_nobody("prlimit");
    command.arg("--nproc=1").arg(sentinel.get_program()).args(sentinel.get_args());
    let run = Running::start(&mut command).finish().expect(125);
    assert_eq!(run.stderr, "sentinel: fork: Resource temporarily unavailable (os error 11)\n");
}

#[test]
fn a_guardian_that_may_not_fork_acts() {
    let scene = Scene::new();
    let mut guardian = Running::start(&mut leaking(&scene, &[]));
    guardian.await_out("ready");
    let pid = guardian.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, "--nproc=0"]).status();
    assert!(status.unwrap().success());
    guardian.type_line("go");
    assert_in_time(&guardian.finish());
}

#[test]
fn a_full_disk_costs_the_record_and_nothing_else() {
    let scene = Scene::new();
    let run = scene.run(&["--json", "/dev/full"], &["sh", "-c", "exit 7"]).expect(7);
    run.says("sentinel: cannot write the record to /dev/full: No space left on device");
    let mut guardian = leaking(&scene, &["--json", "/dev/full"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut guardian = Running::start(guardian.stderr(full));
    guardian.await_out("ready");
    guardian.type_line("go");
    let code = guardian.finish().code();
    assert!(matches!(code, 143 | 137), "{code}");
}

#[test]
fn the_guardian_goes_first_and_the_command_as_its_caller_meant() {
    let scene = Scene::new();
    let script = "echo $(nice); echo $(ps -o cls=,ni= -p $PPID)";
    let sentinel = scene.guarded(&[], &["sh", "-c", script]);
    let run = Running::start(&mut scene.through(&["nice", "-n", "5"], &sentinel)).finish();
    // Begun by somebody who is nice already, it is more than 5.
    let callers = Running::start(scene.program("nice").args(["-n", "5", "nice"])).finish().stdout();
    let best = Running::start(scene.program("nice").args(["-n", "-40", "nice"])).finish().stdout();
    // Real time where that is allowed, else the best that a nice value gives; or all is as it was.
    let guardians = match best.as_str() {
        "-20\n" => vec!["RR -\n".to_owned(), format!("TS {best}")],
        _ => vec![format!("TS {callers}")],
    };
    let said = run.stdout();
    assert!(guardians.iter().any(|it| said == format!("{callers}{it}")), "{run:?}");
}
