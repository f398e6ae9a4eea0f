//! What each verb answers, for people and for programs, and what it does.

use crate::clients::status;
use crate::states::{FOREVER, kill};
use crate::support::{Running, Scene, eventually, is_alive, python, state, until};
use sentinel::status::{EventLine, Limits, ProcessRow, State, Tier, WatchLine};
use sentinel::units::{Bytes, Limit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

fn json<T: serde::de::DeserializeOwned>(scene: &Scene, verb: &str) -> T {
    let answer = scene.ask(&format!("{verb} json")).expect(0).stdout();
    assert_eq!(answer.matches('\n').count(), 1, "one line: {answer}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{verb}: {error}: {answer}"))
}

/// With a command that has a child, so that there is something to list.
fn family(scene: &Scene, options: &[&str]) -> (Running, u32) {
    let running = scene.with_mailbox(options, &["sh", "-c", "sleep 100000 & echo pid $!; wait"]);
    let child = running.number_after("pid ");
    eventually("it sleeps", || {
        let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (comm == "sleep\n" && state(child) == Some('S')).then_some(())
    });
    (running, child)
}

#[test]
fn status_and_limits() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &["-m", "64M", "--grace", "7s"]);
    until("both are counted at the next look", || status(&scene).processes == 2);
    let status = status(&scene);
    assert_eq!((status.state, status.frozen, status.dry_run), (State::Running, false, false));
    assert_eq!(status.guardian_pid, running.pid());
    assert_eq!(status.command[..2], ["sh", "-c"]);
    assert_eq!((status.limits.limit, status.limits.grace_ms), (Bytes::mib(64), 7000));
    assert!(status.memory.footprint > Bytes(0) && status.memory.footprint < Bytes::mib(64));
    assert_eq!(json::<Limits>(&scene, "limits"), status.limits);
    let text = scene.ask("limits").expect(0).stdout();
    assert!(text.starts_with("lines      limit 64.0M, ") && text.contains("grace 7.0s"), "{text}");
    let text = scene.ask("STATUS").expect(0).stdout();
    assert!(text.contains("processes  2 of ") && text.contains("memory     "), "{text}");
    kill(&scene, running);
}

#[test]
fn a_signal_reaches_one_process_of_the_workload_and_nobody_else() {
    let scene = Scene::new();
    let (running, child) = family(&scene, &[]);
    let stranger = std::process::id();
    let run = scene.ask(&format!("signal {stranger} TERM")).expect(1);
    assert_eq!(
        run.stderr,
        format!("error: {stranger} is not a process of the workload (see ps)\n")
    );
    scene.ask(&format!("signal {} KILL", running.pid())).expect(1);
    let answer = scene.ask(&format!("signal {child} usr1")).expect(0).stdout();
    assert_eq!(answer, format!("ok: sent SIGUSR1 to {child}\n"));
    // The shell waited for it and exits.
    let run = running.finish().expect(0);
    assert!(run.stderr.contains(&format!("sent SIGUSR1 to process {child}")), "{run:?}");
}

#[test]
fn ps() {
    let scene = Scene::new();
    let (running, child) = family(&scene, &[]);
    let rows: Vec<ProcessRow> = json(&scene, "ps");
    let mut names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["sh", "sleep"]);
    let row = rows.iter().find(|row| row.pid == child).unwrap();
    assert_eq!((row.ppid, row.state), (status(&scene).child_pid, 'S'));
    assert!(rows.windows(2).all(|pair| pair[0].rss >= pair[1].rss), "largest first: {rows:?}");
    let text = scene.ask("ps").expect(0).stdout();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains(&format!(" {child} ")) && text.contains("PID"), "{text}");
    assert!(text.contains(" sleep 100000"), "command lines: {text}");
    kill(&scene, running);
}

/// A process that was seen twice has a growth; the workload's CPU time is that of all its processes.
#[test]
fn growth_and_cpu_are_known_once_it_was_looked_at_twice() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &[]);
    until("both processes have a growth", || {
        let rows: Vec<ProcessRow> = json(&scene, "ps");
        rows.len() == 2 && rows.iter().all(|row| row.growth.is_some() && row.cpu_permille.is_some())
    });
    let usage = status(&scene).usage.expect("the tiers of a host all tell");
    assert!(usage.cpu_permille.is_some_and(|permille| permille < 100_000), "{usage:?}");
    assert!(scene.ask("status").expect(0).stdout().contains("usage      cpu "));
    kill(&scene, running);
}

#[test]
fn events() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &[]);
    scene.ask("freeze").expect(0);
    scene.ask("thaw").expect(0);
    let events: Vec<EventLine> = json(&scene, "events");
    let texts: Vec<_> = events.iter().map(|event| event.text.as_str()).collect();
    assert!(texts[0].starts_with("tier "), "{texts:?}");
    assert!(texts.ends_with(&["frozen", "thawed"]), "{texts:?}");
    assert!(events.is_sorted_by_key(|event| event.at_ms));
    let text = scene.ask("events").expect(0).stdout();
    assert_eq!(text.lines().count(), events.len(), "{text}");
    kill(&scene, running);
}

#[test]
fn watch() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &[]);
    let watch = |request: &str| {
        let stream = UnixStream::connect(scene.socket()).unwrap();
        (&stream).write_all(request.as_bytes()).unwrap();
        BufReader::new(stream).lines().map_while(Result::ok)
    };
    assert!(
        watch("watch\n").next().unwrap().contains("info    tier "),
        "the log from its beginning"
    );
    let counted = |line: &String| line.ends_with(" 2 processes, running");
    let line = watch("watch\n").find(counted).unwrap();
    assert!(line.contains(" of 100.0M "), "{line}");
    let lines = watch("watch json\n");
    let mut lines = lines.map(|line| serde_json::from_str::<WatchLine>(&line).unwrap());
    assert!(lines.any(|line| matches!(line, WatchLine::Status { .. })));
    scene.ask("freeze").expect(0);
    assert!(lines.any(|line| matches!(line, WatchLine::Event(event) if event.text == "frozen")));
    let frozen =
        |line: &WatchLine| matches!(line, WatchLine::Status { status, .. } if status.frozen);
    assert!(lines.any(|line| frozen(&line)));
    kill(&scene, running);
}

/// What would end the workload is refused, with the number that would not, and done when somebody insists.
#[test]
fn a_limit_below_what_is_in_use_takes_force() {
    let scene = Scene::new();
    let script =
        "held = bytearray(60 << 20)\nprint('held', flush=True)\nimport time; time.sleep(100000)";
    let running = scene.with_mailbox(&["-m", "200M"], &[python(), "-c", script]);
    running.await_out("held");
    let before: Limits = json(&scene, "limits");
    let refusal = scene.ask("set memory 30M").expect(1).stderr;
    assert!(refusal.starts_with("error: limit 30.0M is below the "), "{refusal}");
    assert!(refusal.contains("set memory 30M --force"), "{refusal}");
    assert_eq!(json::<Limits>(&scene, "limits"), before, "nothing changed");
    let least = refusal.split("; ").find_map(|part| part.strip_suffix(" would not")).unwrap();
    let answer = scene.ask(&format!("set memory {least}")).expect(0).stdout();
    assert!(answer.contains("was 200.0M"), "{answer}");
    let now = status(&scene).uptime_ms;
    until("it was looked at more than once", || status(&scene).uptime_ms > now + 500);
    assert_eq!(status(&scene).state, State::Running);
    scene.ask("set memory 30M --force").expect(0);
    running.finish().expect(143).says("reached the limit 30.0M");
}

/// By the mailbox itself: `sentinel ctl` sends nothing that it knows to be none.
fn answered(scene: &Scene, request: &str) -> String {
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    writeln!(stream, "{request}").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn set_memory_and_grace() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &[]);
    assert_eq!(
        scene.ask("set memory 200M").expect(0).stdout(),
        "ok: limit 200.0M in force, was 100.0M\n"
    );
    let answer = scene.ask("set grace 9s").expect(0).stdout();
    assert_eq!(answer, "ok: grace period 9.0s, was 3.0s\n");
    let limits: Limits = json(&scene, "limits");
    assert_eq!((limits.limit, limits.grace_ms), (Bytes::mib(200), 9000));
    assert!(limits.limit < limits.relief_line && limits.second_line < limits.ceiling);
    running.await_err("limit is now 200.0M");
    running.await_err("grace period is now 9.0s");
    for (request, needle) in [
        ("set memory 1M", "limit 1.0M is below"),
        ("set memory 900T", "is above what this machine's memory allows"),
        ("set memory lots", "lots"),
        ("set memory", "set takes a setting and a value"),
        ("set grace soon", "soon"),
        ("set timeout max", "is not a duration"),
        ("set pids 0", "from 1 to"),
        ("set colour red", "memory, grace, timeout and pids can be set"),
    ] {
        let answer = answered(&scene, request);
        assert!(answer.starts_with("error: ") && answer.contains(needle), "{request}: {answer}");
        assert_eq!(answer.lines().count(), 1, "{answer}");
    }
    assert_eq!(json::<Limits>(&scene, "limits"), limits, "nothing changed");
    kill(&scene, running);
}

#[test]
fn set_timeout() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &["--timeout", "3h"]);
    let limits = || json::<Limits>(&scene, "limits").timeout_ms;
    assert_eq!(limits(), Some(3 * 3_600_000));
    assert!(scene.ask("status").expect(0).stdout().contains(", timeout 3h00m, "));
    let answer = |request: &str| scene.ask(request).expect(0).stdout();
    assert_eq!(answer("set timeout off"), "ok: timeout off, was 3h00m\n");
    running.await_err("timeout is off now");
    assert_eq!(limits(), None);
    assert!(answer("status").contains(", timeout off, "));
    assert_eq!(answer("set timeout 2h"), "ok: timeout 2h00m, was off\n");
    running.await_err("timeout is now 2h00m");
    assert_eq!(limits(), Some(2 * 3_600_000));
    // Counted from the start: of this one nothing is left.
    let over = "ok: timeout 1ms, was 2h00m, which is over: terminating\n";
    assert_eq!(answer("set timeout 1ms"), over);
    let run = running.finish().expect(143);
    run.says("timeout is now 1ms")
        .says("ended sh with SIGTERM: reached its timeout of 1ms (exit 143)");
}

#[test]
fn set_timeout_ends_a_run_on_time_and_saves_none_that_is_being_ended() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    scene.ask("set timeout 2s").expect(0);
    running.finish().expect(143).says("reached its timeout of 2.0s (exit 143)");
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let running = scene.with_mailbox(&["--grace", "1000s"], &["sh", "-c", script]);
    running.await_out("ready");
    scene.ask("terminate").expect(0);
    let refused = scene.ask("set timeout off").expect(1).stderr;
    assert_eq!(refused, "error: the workload is being ended, whatever its timeout\n");
    kill(&scene, running);
}

#[test]
fn set_pids() {
    let scene = Scene::new();
    let (running, _) = family(&scene, &[]);
    if status(&scene).tier == Tier::Kernel {
        assert_eq!(scene.ask("set pids 77").expect(0).stdout(), "ok: pids.max 77, was 4096\n");
        assert_eq!(status(&scene).limits.pids, Limit::At(77));
        scene.ask("set pids max").expect(0);
        assert_eq!(status(&scene).limits.pids, Limit::Max);
    } else {
        scene
            .ask("set pids 77")
            .expect(1)
            .says("error: cannot set pids.max to 77: there is no pids controller");
    }
    kill(&scene, running);
}

#[test]
fn freeze_and_thaw() {
    let scene = Scene::new();
    let script = "while :; do echo tick; sleep 0.02; done";
    let running = scene.with_mailbox(&[], &["sh", "-c", script]);
    running.await_out("tick");
    for _ in 0..2 {
        assert_eq!(scene.ask("freeze").expect(0).stdout(), "ok: frozen\n");
        if let Some(cgroup) = status(&scene).cgroup {
            let events = std::path::Path::new(&cgroup).join("cgroup.events");
            let events = || std::fs::read_to_string(&events).unwrap();
            until("the kernel says so", || events().contains("frozen 1"));
        }
        assert!(status(&scene).frozen);
        let before = running.out.bytes().len();
        assert_eq!(scene.ask("thaw").expect(0).stdout(), "ok: running\n");
        until("it goes on", || running.out.bytes().len() > before);
        assert!(!status(&scene).frozen);
    }
    kill(&scene, running);
}

#[test]
fn terminate_and_kill() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    assert_eq!(scene.ask("terminate").expect(0).stdout(), "ok: terminating\n");
    running
        .finish()
        .expect(143)
        .says("ended sleep with SIGTERM: requested by an operator (exit 143)");
    let (running, child) = family(&scene, &[]);
    kill(&scene, running);
    assert!(!is_alive(child));
}

#[test]
fn help_names_every_verb() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let help = scene.ask("help").expect(0).stdout();
    for verb in [
        "ping",
        "status",
        "ps",
        "limits",
        "events",
        "metrics",
        "watch",
        "set memory",
        "set grace",
        "set timeout",
        "set pids",
        "freeze",
        "thaw",
        "terminate",
        "kill",
        "help",
    ] {
        assert!(help.contains(verb), "{verb}: {help}");
    }
    kill(&scene, running);
}

#[test]
fn what_is_not_understood_is_told_in_one_line() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    for (request, answer) in [
        ("stauts", "error: unknown request stauts, did you mean status; try: help\n"),
        ("explode", "error: unknown request explode; try: help\n"),
        ("stop", "error: unknown request stop, did you mean terminate; try: help\n"),
        ("ping me", "error: ping takes no argument, but got \"me\"; try: help\n"),
        ("status xml", "error: status takes json or nothing, not \"xml\"; try: help\n"),
        ("kill -9", "error: kill takes no argument, but got \"-9\"; try: help\n"),
    ] {
        assert_eq!(answered(&scene, request), answer, "{request}");
    }
    kill(&scene, running);
}
