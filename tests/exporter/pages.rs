//! What is served: every guardian's metrics, each family once, good enough for promtool and Prometheus itself.

use crate::serving::{Exporter, GET, ask, body};
use crate::stage::Stage;
use crate::support::{Running, eventually, has_program, skip, state, until};
use nix::libc::{SIGCONT, SIGSTOP, SIGTERM};
use std::net::TcpListener;

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn all_guardians_are_on_one_page() {
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &["-m", "64M"], &FOREVER);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &FOREVER);
    let exporter = Exporter::of(stage.start(&["metrics", "--listen", "127.0.0.1:0"]));
    let answer = exporter.ask(GET);
    let page = body(&answer);
    for line in [
        "sentinel_guard_up{guard=\"one\"} 1",
        "sentinel_memory_limit_bytes{guard=\"one\"} 67108864",
        "sentinel_memory_limit_bytes{guard=\"two\"} 104857600",
        "sentinel_guard_state{guard=\"two\",state=\"running\"} 1",
    ] {
        assert!(page.lines().any(|l| l == line), "no {line} in {page}");
    }
    let heads: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heads.len(), "{page}");
    two.send(SIGSTOP);
    until("it is stopped", || state(two.pid()) == Some('T'));
    let silent = "sentinel_guard_up{guard=\"two\"} 0\n";
    until("the stopped one is down", || body(&exporter.ask(GET)).contains(silent));
    two.send(SIGCONT);
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
    until("they are gone", || !body(&exporter.ask(GET)).contains("guard="));
    exporter.end();
}

/// Its exporter goes with it, however it goes.
#[test]
fn a_guardian_may_bring_its_exporter() {
    let Some(stage) = Stage::open() else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    for signal in [SIGTERM, nix::libc::SIGKILL] {
        let options = ["--metrics", &address.to_string()];
        let one = stage.guard("one", &options, &FOREVER);
        let page = eventually("it serves", || {
            let answer = ask(address, GET);
            answer.contains("guard=\"one\"").then_some(answer)
        });
        // It is no part of the workload.
        assert!(page.contains("sentinel_processes{guard=\"one\"} 1\n"), "{page}");
        one.send(signal);
        one.finish();
        until("the port is free", || TcpListener::bind(address).is_ok());
    }
    let run = stage.run(&["--plain", "--socket", "off", "--metrics", ":0", "--", "true"]);
    run.expect(125).says("no metrics without a mailbox");
}

#[test]
fn promtool_has_nothing_to_say() {
    if !has_program("promtool") {
        return skip("promtool is not installed (Debian: prometheus)");
    }
    let Some(stage) = Stage::open() else { return };
    let one = stage.guard("one", &[], &FOREVER);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &FOREVER);
    let page = stage.run(&["metrics", "--once"]).expect(0).stdout();
    assert!(page.contains("guard=\"one\"") && page.contains("guard=\"two\""), "{page}");
    let mut command = stage.scene.program("promtool");
    command.args(["check", "metrics"]).stdin(std::process::Stdio::piped());
    let mut promtool = Running::start(&mut command);
    std::io::Write::write_all(&mut promtool.stdin(), page.as_bytes()).unwrap();
    let run = promtool.finish().expect(0);
    assert_eq!((run.stdout().as_str(), run.stderr.as_str()), ("", ""));
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}
