//! What is served: every guardian's metrics, each family once, good enough for promtool and Prometheus itself.

use crate::serving::{Exporter, GET, ask, body};
use crate::stage::Stage;
use crate::support::{eventually, state, until};
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
    let labels = |name: &str, pid: u32| format!("guard=\"{name}\",uid=\"0\",pid=\"{pid}\"");
    let (first, second) = (labels("one", one.pid()), labels("two", two.pid()));
    for line in [
        format!("sentinel_guard_up{{{first}}} 1"),
        format!("sentinel_memory_limit_bytes{{{first}}} 67108864"),
        format!("sentinel_memory_limit_bytes{{{second}}} 104857600"),
        format!("sentinel_guard_state{{{second},state=\"running\"}} 1"),
    ] {
        assert!(page.lines().any(|l| l == line), "no {line} in {page}");
    }
    for start in [
        format!("sentinel_cpu_seconds_total{{{first}}} "),
        format!("sentinel_memory_rss_bytes{{{first}}} "),
        format!("sentinel_guard_start_time_seconds{{{first}}} 1"),
        format!("sentinel_guard_info{{{first},version="),
    ] {
        assert!(page.lines().any(|l| l.starts_with(&start)), "no {start} in {page}");
    }
    let heads: Vec<_> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heads.len(), "{page}");
    two.send(SIGSTOP);
    until("it is stopped", || state(two.pid()) == Some('T'));
    let silent = format!("sentinel_guard_up{{{second}}} 0\n");
    until("the stopped one is down", || body(&exporter.ask(GET)).contains(&silent));
    two.send(SIGCONT);
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
    until("they are gone", || !body(&exporter.ask(GET)).contains("pid="));
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
            answer.contains("guard_up{guard=\"one\"").then_some(answer)
        });
        // It is no part of the workload.
        let own =
            format!("sentinel_processes{{guard=\"one\",uid=\"0\",pid=\"{}\"}} 1\n", one.pid());
        assert!(page.contains(&own), "{page}");
        one.send(signal);
        one.finish();
        until("the port is free", || TcpListener::bind(address).is_ok());
    }
    let run = stage.run(&["--plain", "--socket", "off", "--metrics", ":0", "--", "true"]);
    run.expect(125).says("no metrics without a mailbox");
}
