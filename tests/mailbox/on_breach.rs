//! What is done at the limit other than ending the workload at once, and what operators can do then.

use crate::clients::status;
use crate::states::kill;
use crate::support::{Running, Scene, eventually, is_root, python, skip, until};
use sentinel::status::{BreachState, Status};

/// Takes so many times 4 MiB, says how far it is, and stays.
const GROWS: &str = "
import sys, time
kept = []
for _ in range(int(sys.argv[1])):
    kept.append(bytearray(4 << 20))
    time.sleep(0.02)
print('done', flush=True)
while True:
    time.sleep(0.05)
";

/// A run that is frozen at its limit, where the place can freeze.
fn frozen(scene: &Scene, options: &[&str], chunks: &str) -> Option<Running> {
    let socket = scene.text_path("s.socket");
    let own = ["-m", "60M", "--on-breach", "freeze", "--socket", &socket];
    let words = [python(), "-c", GROWS, chunks];
    let running = scene.start(&[&own, options].concat(), &words);
    let can = eventually("it is frozen, or refused", || {
        let text = running.err.text();
        let refused = text.contains("cannot enforce --on-breach freeze");
        (refused || text.contains("frozen, and ended in")).then_some(!refused)
    });
    if !can {
        running.finish().expect(125);
        skip("nothing can be frozen here");
        return None;
    }
    Some(running)
}

fn kernel_says(status: &Status, what: &str) -> bool {
    let events =
        status.cgroup.as_ref().map(|path| std::path::Path::new(path).join("cgroup.events"));
    events.is_some_and(|path| std::fs::read_to_string(path).unwrap().contains(what))
}

#[test]
fn a_raised_limit_saves_what_is_frozen() {
    let scene = Scene::new();
    let Some(running) = frozen(&scene, &[], "30") else { return };
    until("the kernel says so", || kernel_says(&status(&scene), "frozen 1"));
    let seen = status(&scene);
    assert!(seen.frozen && seen.breach == Some(BreachState::Frozen), "{seen:?}");
    assert!(seen.breach_left_ms.is_some_and(|left| left <= 600_000), "{seen:?}");
    assert!(seen.reason.is_some_and(|reason| reason.contains("reached the limit 60.0M")));
    let text = scene.ask("status").expect(0).stdout();
    assert!(text.contains("running, frozen, ended in "), "{text}");
    let metrics = scene.ask("metrics").expect(0).stdout();
    let line = metrics.lines().find(|line| line.contains("breach=\"frozen\""));
    assert!(line.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    let answer = scene.ask("set memory 400M").expect(0).stdout();
    assert!(answer.ends_with(", thawed\n"), "{answer}");
    running.await_out("done");
    running.await_err("thawed: ");
    let seen = status(&scene);
    assert!(!seen.frozen && seen.breach.is_none() && seen.reason.is_none(), "{seen:?}");
    kill(&scene, running);
}

#[test]
fn what_is_frozen_is_ended_when_nobody_acts() {
    let scene = Scene::new();
    let record = scene.text_path("record.json");
    let options = ["--freeze-for", "300ms", "--json", &record];
    let Some(running) = frozen(&scene, &options, "1000") else { return };
    let run = running.finish().expect(143);
    assert!(run.stderr.contains("(--freeze-for), and nobody acted"), "{run:?}");
    assert!(run.stderr.contains(", after it had been frozen for "), "{run:?}");
    let outcome = &scene.record()["outcome"];
    assert_eq!(outcome["reason"], "breach", "{outcome}");
    assert!(outcome["frozen_ms"].as_u64() >= Some(300), "{outcome}");
}

#[test]
fn who_is_thawed_over_the_limit_is_frozen_again_when_it_has_grown() {
    let scene = Scene::new();
    let Some(running) = frozen(&scene, &[], "1000") else { return };
    scene.ask("thaw").expect(0);
    running.await_err("in use: frozen again at ");
    let freezes = || running.err.text().matches("frozen, and ended in").count();
    until("it is frozen again", || freezes() == 2);
    assert_eq!(scene.ask("terminate").expect(0).stdout(), "ok: terminating\n");
    let run = running.finish().expect(143);
    assert!(run.stderr.contains("requested by an operator, after it had been frozen"), "{run:?}");
}

#[test]
fn a_breach_is_told_and_no_more() {
    let scene = Scene::new();
    let words = [python(), "-c", GROWS, "1000"];
    let running = scene.with_mailbox(&["-m", "60M", "--on-breach", "warn"], &words);
    running.await_err("at the limit you are only told");
    running.await_err("nothing is done (--on-breach warn)");
    let seen = eventually("what is said of it", || {
        let text = running.err.text();
        let ended = text.contains("sent SIG");
        let status = (!ended).then(|| status(&scene));
        (ended || status.as_ref().is_some_and(|it| it.breach.is_some())).then_some(status)
    });
    // Where nothing slows it down it may be at its second line by now.
    assert!(seen.is_none_or(|it| it.breach == Some(BreachState::GoesOn)));
    let _ = scene.ask("kill");
    running.finish().expect(137);
}

#[test]
fn the_second_line_ends_who_was_only_told() {
    let scene = Scene::new();
    let words = [python(), "-c", GROWS, "1000"];
    for more in [["--on-breach", "warn"], ["--hold", "1h"]] {
        let options = [&["-m", "60M", "--headroom", "4M"][..], &more].concat();
        let run = Running::start(&mut scene.deaf(&options, &words)).finish().expect(137);
        let said = ["reached the second line", "before SIGKILL takes effect"];
        assert!(said.iter().any(|said| run.stderr.contains(said)), "{run:?}");
    }
}

#[test]
fn a_breach_that_does_not_last_is_none() {
    let scene = Scene::new();
    let script = "import time\nheld = bytearray(58 << 20)\ntime.sleep(0.5)\ndel held";
    let options = ["-m", "60M", "--hold", "1h"];
    let (run, record) = scene.recorded(&options, &[python(), "-c", script]);
    run.expect(0).says("reached for 1h00m");
    let peak = record["status"]["memory"]["peak_footprint"].as_u64();
    assert!(peak >= Some(60 << 20), "{record:#}");
    let run = scene.run(&["-m", "60M", "--hold", "200ms"], &[python(), "-c", GROWS, "16"]);
    run.expect(143).says("reached the limit 60.0M").says("sent SIGTERM");
}

#[test]
fn where_nothing_can_be_frozen_that_is_an_error() {
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    let scene = Scene::new();
    let run = |options: &[&str]| {
        let guarded = scene.guarded(options, &["true"]);
        Running::start(&mut scene.without_cgroups(&guarded)).finish()
    };
    let freeze = ["--on-breach", "freeze"];
    run(&freeze).expect(125).says("tier polled cannot enforce --on-breach freeze (cgroup.freeze");
    let run = run(&[&freeze[..], &["--best-effort"]].concat()).expect(0);
    assert!(run.stderr.contains("not in force in tier polled"), "{run:?}");
    assert!(!run.stderr.contains("at the limit it is frozen"), "{run:?}");
}
