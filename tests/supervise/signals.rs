//! Signals sent to sentinel reach the command; once the command is gone they end what it left.

use crate::support::{Running, Scene, eventually, is_alive, python, state, until};
use nix::libc::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};

/// Tells each signal that comes, until SIGTERM.
const LISTENER: &str = "
import signal
every = set(range(1, 65)) - {9, 17, 19, 32, 33}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
print('ready', flush=True)
number = 0
while number != 15:
    number = int(signal.sigwait(every))
    print(f'<{number}>', flush=True)
raise SystemExit(42)
";

/// Not those that no process can hear, or that tell of children and the C library. Those of a fault are sent by somebody here, and those
/// that stop for the terminal too.
fn is_passed_on(signal: &i32) -> bool {
    !matches!(signal, 9 | 15 | 17 | 18 | 19 | 32 | 33)
}

#[test]
fn every_signal_is_passed_on() {
    let scene = Scene::new();
    let running = scene.start(&[], &[python(), "-c", LISTENER]);
    running.await_out("ready");
    for signal in (1..=64).filter(is_passed_on).chain([SIGCONT, SIGTERM]) {
        running.send(signal);
        running.await_out(&format!("<{signal}>"));
    }
    let run = running.finish().expect(42);
    assert_eq!(run.stdout().matches("<28>").count(), 1, "once each: {run:?}");
}

#[test]
fn a_signal_reaches_the_whole_group() {
    let scene = Scene::new();
    // Whoever says that all are ready is started when the other one is.
    let script = "trap 'echo leader; wait; exit 5' USR1
        sh -c 'trap \"echo member; exit\" USR1; echo ready; while :; do sleep 0.05; done' &
        wait; exit 1";
    let running = scene.start(&[], &["sh", "-c", script]);
    running.await_out("ready");
    running.send(nix::libc::SIGUSR1);
    let run = running.finish().expect(5);
    assert!(run.stdout().contains("leader") && run.stdout().contains("member"), "{run:?}");
}

#[test]
fn what_the_command_does_not_handle_ends_it() {
    let scene = Scene::new();
    for signal in [SIGHUP, SIGINT, SIGTERM, 40] {
        let running = scene.start(&[], &["sh", "-c", "echo ready; exec sleep 1000"]);
        running.await_out("ready");
        running.send(signal);
        running.finish().expect(128 + signal).says("was killed by");
    }
}

/// Whatever the moment: the command gets it, or it never ran. What was made for it is gone in either case.
#[test]
fn a_signal_in_the_first_moments_is_the_command_s_or_ends_the_start() {
    let scene = Scene::new();
    for round in 0..60_u8 {
        let signal = [SIGHUP, SIGINT, SIGTERM][usize::from(round) % 3];
        let socket = scene.text_path(&format!("{round}.socket"));
        let record = scene.text_path("record.json");
        let options = ["-q", "--socket", &socket, "--json", &record];
        let running = scene.start(&options, &["sleep", "1000"]);
        let seen = scene.path(&format!("{round}.socket"));
        // What we wait for differs from round to round: nothing, its socket, its command.
        match round % 4 {
            0 => (0..u32::from(round) * 1000).for_each(|turn| {
                std::hint::black_box(turn);
            }),
            1 => until("it has a socket", || seen.exists()),
            2 => until("the record is open", || scene.path("record.json").exists()),
            _ => until("it listens", || std::os::unix::net::UnixStream::connect(&seen).is_ok()),
        }
        running.send(signal);
        let run = running.finish();
        assert!(!seen.exists(), "the socket is left behind: {run:?}");
        assert!([128 + signal, -signal].contains(&run.code()), "{run:?}");
        if run.code() == 128 + signal {
            assert_eq!(scene.record()["exit_status"], 128 + signal, "{run:?}");
            assert!(!run.stderr.contains("operator"), "{run:?}");
        }
        let _ = std::fs::remove_file(scene.path("record.json"));
    }
}

#[test]
fn what_is_harmless_stays_so() {
    let scene = Scene::new();
    let running = scene.start(&[], &["sh", "-c", "echo ready; exec sleep 1000"]);
    running.await_out("ready");
    for signal in [SIGWINCH, SIGCONT, nix::libc::SIGURG] {
        running.send(signal);
    }
    running.send(SIGTERM);
    running.finish().expect(143);
}

/// A workload whose command left something that does not mind SIGTERM.
fn leftover(scene: &Scene, options: &[&str]) -> (Running, u32) {
    let script =
        "(trap '' TERM HUP INT; echo; exec sleep 1000) & read -r line; echo pid $!; exit 5";
    let mut sentinel = scene.guarded(options, &["sh", "-c", script]);
    let mut running = Running::start(sentinel.stdin(std::process::Stdio::piped()));
    running.await_out("\n");
    running.type_line("");
    let pid = running.number_after("pid ");
    running.await_err("waiting for the rest");
    (running, pid)
}

#[test]
fn once_the_command_is_gone_a_signal_ends_the_rest_and_a_second_one_at_once() {
    let scene = Scene::new();
    for (first, second) in [(SIGTERM, SIGTERM), (SIGINT, SIGHUP)] {
        let record = scene.text_path("record.json");
        let (running, pid) = leftover(&scene, &["--grace", "1000s", "--json", &record]);
        running.send(first);
        running.await_err("requested by an operator: sent SIGTERM");
        assert!(is_alive(pid), "it does not mind");
        running.send(second);
        let run = running.finish().says("requested by an operator: sent SIGKILL").says(
            "sh exited with 5; the rest was ended with SIGKILL: requested by an operator (exit 137)",
        );
        assert!(!is_alive(pid), "{run:?}");
        assert_eq!(scene.record()["outcome"]["ended_by"], "sentinel");
        assert_eq!(scene.record()["outcome"]["child_exited"], 5);
    }
}

#[test]
fn other_signals_do_not_end_the_rest() {
    let scene = Scene::new();
    let (running, pid) = leftover(&scene, &["--grace", "100ms"]);
    for signal in [SIGWINCH, nix::libc::SIGUSR1, SIGCONT, 50] {
        running.send(signal);
    }
    // Signals are taken in the order of their numbers or arrival; this one is answered last.
    running.send(SIGTERM);
    running.await_err("sent SIGKILL");
    let run = running.finish();
    assert!(!is_alive(pid) && !run.stderr.contains("SIGUSR1"), "{run:?}");
}

#[test]
fn without_a_terminal_sigtstp_stops_both_and_sigcont_goes_on() {
    let scene = Scene::new();
    let running = scene.start(&[], &["sh", "-c", "echo pid $$; exec sleep 1000"]);
    let child = running.number_after("pid ");
    eventually("it sleeps", || {
        let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (comm == "sleep\n").then_some(())
    });
    for _ in 0..3 {
        running.send(SIGTSTP);
        until("both stop", || state(child) == Some('T') && state(running.pid()) == Some('T'));
        running.send(SIGCONT);
        until("both go on", || state(child) == Some('S') && state(running.pid()) == Some('S'));
    }
    running.send(SIGTERM);
    running.finish().expect(143);
}

/// A stopped guardian is not a dead one: what was due is done when it goes on.
#[test]
fn a_guardian_that_was_stopped_catches_up() {
    let scene = Scene::new();
    let running = scene.start(&["--timeout", "2s"], &["sh", "-c", "echo pid $$; exec sleep 1000"]);
    let child = running.number_after("pid ");
    running.send(nix::libc::SIGSTOP);
    until("it stops", || state(running.pid()) == Some('T'));
    running.send(SIGCONT);
    running.finish().expect(143);
    assert!(!is_alive(child));
}

/// As timeout(1) has it. Nobody else may come to let it go on.
#[test]
fn who_is_stopped_hears_what_asks_it_to_end() {
    let scene = Scene::new();
    for (signal, name) in [(SIGTERM, "TERM"), (SIGHUP, "HUP"), (SIGINT, "INT")] {
        let script =
            format!("trap 'echo heard; exit 9' {name}; echo pid $$; kill -STOP $$; sleep 1000");
        let running = scene.start(&[], &["sh", "-c", &script]);
        let command = running.number_after("pid ");
        until("it is stopped", || state(command) == Some('T'));
        running.send(signal);
        let run = running.finish().expect(9);
        assert!(run.stdout().contains("heard"), "{run:?}");
    }
}
