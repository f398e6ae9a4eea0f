//! Each system call of a start fails once.

use crate::support::{Running, Scene};
use crate::{assert_orderly, has_strace};

/// What fails, and how. Those that only name or close things, and those before main, are left out.
const TABLE: &[(&str, &[&str])] = &[
    ("openat", &["EMFILE", "EACCES"]),
    ("read", &["EIO", "EINTR"]),
    ("pread64", &["EIO", "ENODEV", "EINTR"]),
    ("write", &["ENOSPC", "EINTR"]),
    ("pwrite64", &["EIO", "EINTR"]),
    ("mkdirat", &["ENOSPC"]),
    ("getdents64", &["EIO"]),
    ("lseek", &["EIO"]),
    ("pipe2", &["EMFILE"]),
    ("clone,fork,vfork", &["EAGAIN"]),
    ("clone3", &["ENOSYS"]),
    ("socket", &["EMFILE"]),
    ("bind", &["ENOSPC"]),
    ("listen", &["EIO"]),
    ("epoll_create1", &["EMFILE"]),
    ("epoll_ctl", &["ENOMEM"]),
    ("epoll_wait", &["EINTR", "EIO"]),
    ("signalfd4", &["ENFILE"]),
    ("memfd_create", &["EMFILE"]),
    ("socketpair", &["EMFILE"]),
    ("pidfd_open", &["EMFILE"]),
    ("pidfd_send_signal", &["EPERM"]),
    ("prctl", &["EINVAL"]),
    ("mlockall", &["ENOMEM"]),
    ("wait4", &["EINTR"]),
];
/// So many of each kind, evenly spread, when not all of them are asked for. In a guest, where strace(1) takes seconds, it is one of
/// them, another in each row.
const FEW: usize = 4;
const STATUS: i32 = 7;

#[test]
fn a_fault_at_the_start_is_refused_or_lived_with() {
    if !has_strace() {
        return;
    }
    let scene = Scene::new();
    let all = std::env::var("SENTINEL_FAULTS").as_deref() == Ok("all");
    let in_guest = std::env::var_os("SENTINEL_VM").is_some();
    let (mut runs, mut refused) = (0, 0);
    for (row, (calls, errors)) in TABLE.iter().enumerate() {
        let count = count(&scene, calls);
        let few = if all { count } else { FEW.min(count) };
        for error in *errors {
            // The last of a few is the last of all.
            let parts = (1..=few).filter(|part| all || !in_guest || part % few == row % few);
            for number in parts.map(|part| part * count / few) {
                let what = format!("{calls}:error={error}:when={number}");
                refused += usize::from(!goes_on(&scene, &what));
                runs += 1;
            }
        }
    }
    println!("{runs} runs, {refused} refused");
    let least = if in_guest { (20, 5) } else { (50, 10) };
    assert!(
        runs > least.0 && refused > least.1,
        "the faults were met: {runs} runs, {refused} refused"
    );
}

/// How often an undisturbed run makes these calls.
fn count(scene: &Scene, calls: &str) -> usize {
    traced(scene, &["-e", &format!("trace={calls}")]).expect(STATUS);
    let trace = scene.read("trace");
    trace.lines().filter(|line| line.contains('(')).count()
}

/// False when the run was refused.
fn goes_on(scene: &Scene, fault: &str) -> bool {
    let run = traced(scene, &["-e", &format!("inject={fault}")]);
    assert_orderly(&run, fault);
    assert!(matches!(run.code(), 125 | STATUS), "{fault}: {run:?}");
    let left = scene.leftovers();
    assert!(left.is_empty() && !scene.socket().exists(), "{fault}: left behind: {left:?}");
    run.code() == STATUS
}

fn traced(scene: &Scene, options: &[&str]) -> crate::support::Run {
    let (trace, socket) = (scene.text_path("trace"), scene.text_path("s.socket"));
    let record = scene.text_path("record.json");
    let sentinel =
        scene.guarded(&["--socket", &socket, "--json", &record], &["sh", "-c", "exit 7"]);
    let words = [&["strace", "-qq", "-o", &trace], options].concat();
    Running::start(&mut scene.through(&words, &sentinel)).finish()
}
