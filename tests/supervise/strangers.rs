//! Children that the shell had before it became sentinel by exec(3) are nobody's of the workload: neither waited for, counted,
//! named nor signalled; nor are theirs.

use crate::support::{Run, Running, Scene, is_alive, is_root, python, send, skip};
use nix::libc::SIGKILL;
use std::process::Command;

/// Sentinel where a shell was that has run this before. With what the tier is: the best there is, then without cgroups.
fn after(scene: &Scene, script: &str, options: &[&str], command: &[&str]) -> Vec<Command> {
    let script = format!("{script}\nexec \"$@\"");
    let guarded = scene.guarded(options, command);
    let best = scene.through(&["bash", "-c", &script, "bash"], &guarded);
    if !is_root() {
        skip("only root can take the cgroup file system away");
        return vec![best];
    }
    let without = scene.without_cgroups(&best);
    vec![best, without]
}

#[track_caller]
fn says_nothing_of_them(run: Run) -> Run {
    for word in ["left the workload", "waiting for the rest", "failed", "given up"] {
        assert!(!run.stderr.contains(word), "{word}: {run:?}");
    }
    run
}

const HELPER: &str = "sleep 100000 < /dev/null > /dev/null 2>&1 & echo helper $!";

/// The command ends with this status, beside a helper who lives on.
#[track_caller]
fn leaves_a_helper_alone(options: &[&str], command: &str, status: i32) {
    let scene = Scene::new();
    for mut shell in after(&scene, HELPER, options, &["sh", "-c", command]) {
        let running = Running::start(&mut shell);
        let helper = running.number_after("helper ");
        says_nothing_of_them(running.finish().expect(status));
        assert!(is_alive(helper));
        send(helper, SIGKILL);
    }
}

#[test]
fn a_helper_is_not_waited_for_and_lives() {
    leaves_a_helper_alone(&[], "sleep 0.2; exit 3", 3);
}

#[test]
fn a_helper_is_not_signalled() {
    let options = ["--timeout", "500ms", "--grace", "100ms"];
    leaves_a_helper_alone(&options, "trap '' TERM; sleep 100; sleep 100", 137);
}

/// What a container's entrypoint does to keep a log.
#[test]
fn who_writes_the_log_is_not_waited_for() {
    let scene = Scene::new();
    let script = "exec > >(tee /dev/null) 2>&1";
    for mut shell in after(&scene, script, &[], &["sh", "-c", "echo said; exit 3"]) {
        let run = Running::start(&mut shell).finish().expect(3);
        assert!(run.stdout().contains("said"), "{run:?}");
        assert!(!run.stdout().contains("left the workload"), "{run:?}");
    }
}

#[test]
fn memory_of_a_helper_is_not_counted() {
    let scene = Scene::new();
    let script = "python3 -c 'import os, time
x = bytearray(60 << 20)
print(\"helper\", os.getpid(), flush=True)
os.dup2(0, 1), os.dup2(0, 2)
time.sleep(100000)' < /dev/null &
sleep 0.5";
    for mut shell in after(&scene, script, &["-m", "30M"], &["sh", "-c", "sleep 1.5; exit 3"]) {
        let running = Running::start(&mut shell);
        let helper = running.number_after("helper ");
        says_nothing_of_them(running.finish().expect(3));
        send(helper, SIGKILL);
    }
}

/// Its orphans become ours, since we reap those of the workload.
#[test]
fn orphans_of_a_helper_are_its_own() {
    let scene = Scene::new();
    let orphan = "(sleep 0.5; sh -c 'echo orphan $$; exec sleep 100000 < /dev/null > /dev/null 2>&1' & sleep 0.2) &";
    for monitor in ["", "set -m; "] {
        let script = format!("{monitor}{orphan}");
        leaves_an_orphan_alone(&scene, &script);
    }
}

/// The script leaves one, who says its number, while the command runs.
#[track_caller]
fn leaves_an_orphan_alone(scene: &Scene, script: &str) {
    for mut shell in after(scene, script, &[], &["sh", "-c", "sleep 2; exit 3"]) {
        let running = Running::start(&mut shell);
        let orphan = running.number_after("orphan ");
        says_nothing_of_them(running.finish().expect(3));
        assert!(is_alive(orphan));
        send(orphan, SIGKILL);
    }
}

/// Also one whose parent is gone before anybody looked, in a session of its own, as daemons are.
#[test]
fn a_daemon_of_a_helper_is_its_own() {
    let scene = Scene::new();
    let daemon = "(sh -c \"sleep 0.3; setsid sh -c 'echo orphan \\$\\$; exec sleep 100000 < /dev/null > /dev/null 2>&1' & exit 0\") &";
    leaves_an_orphan_alone(&scene, daemon);
}

/// And one of the workload that joins their process group is of the workload.
#[test]
fn nobody_hides_among_them() {
    let scene = Scene::new();
    let command = "import os, time\n\
        group = os.getpgid(os.getppid())\n\
        if os.fork() == 0:\n\
        \x20   os.setpgid(0, group)\n\
        \x20   if os.fork() == 0:\n\
        \x20       print('hidden', os.getpid(), flush=True)\n\
        \x20       os.closerange(0, 3)\n\
        \x20       time.sleep(100000)\n\
        \x20   os._exit(0)\n\
        os._exit(3)";
    for mut shell in after(&scene, HELPER, &[], &[python(), "-c", command]) {
        let mut running = Running::start(&mut shell);
        let (helper, hidden) = (running.number_after("helper "), running.number_after("hidden "));
        running.await_err("waiting for the rest");
        assert!(is_alive(hidden) && !running.has_ended());
        send(hidden, SIGKILL);
        running.finish().expect(3);
        assert!(is_alive(helper));
        send(helper, SIGKILL);
    }
}

/// And those of the workload stay so.
#[test]
fn orphans_of_the_command_are_waited_for_all_the_same() {
    let scene = Scene::new();
    let command =
        "(setsid sh -c 'echo daemon $$; exec sleep 100000 < /dev/null > /dev/null 2>&1' &); exit 3";
    for mut shell in after(&scene, HELPER, &[], &["sh", "-c", command]) {
        let mut running = Running::start(&mut shell);
        let (helper, daemon) = (running.number_after("helper "), running.number_after("daemon "));
        running.await_err("waiting for the rest");
        assert!(is_alive(daemon) && !running.has_ended());
        send(daemon, SIGKILL);
        running.finish().expect(3);
        assert!(is_alive(helper));
        send(helper, SIGKILL);
    }
}
