//! The machine's floor: who is within its limit is ended when the machine runs short, and for that reason. The floor is a little below what
//! is available, so that a few hundred MiB do.

use crate::support::{Run, Scene, python};
use sentinel::units::{Bytes, MIB};
use serde_json::Value;

/// Takes so many MiB, some at a time, and holds them.
const TAKES: &str = "import sys, time
held = []
for _ in range(int(sys.argv[1]) // 4):
    held.append(bytearray(b'x' * (4 << 20))); time.sleep(0.02)
time.sleep(1000)";

/// A size of /proc/meminfo.
fn meminfo(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Runs what takes 400 MiB of a machine that may lose 150. Where others gave that back meanwhile, or took it before, once more.
fn run_short(scene: &Scene, options: &[&str]) -> (Run, Value) {
    for _ in 0..10 {
        let floor = (meminfo("MemAvailable") - 150 * MIB).to_string();
        let limits = ["-m", "600M", "--timeout", "20s", "--min-available", &floor];
        let words = [python(), "-c", TAKES, "400"];
        let (run, record) = scene.recorded(&[&limits[..], options].concat(), &words);
        let is_above = run.stderr.contains("that are available now");
        if !is_above && record["outcome"]["reason"] != "timeout" {
            return (run, record);
        }
    }
    panic!("others use this machine too much");
}

#[test]
fn who_takes_the_last_of_the_machine_is_ended_within_its_limit() {
    let scene = Scene::new();
    let (run, record) = run_short(&scene, &[]);
    let run = run.expect(143).says("fell below the machine's floor");
    assert!(run.stderr.contains("ended python3"), "{run:?}");
    assert_eq!(record["outcome"]["reason"], "host-memory", "{record:#}");
    let number = |path: &str| record.pointer(path).and_then(Value::as_u64).unwrap();
    let floor = number("/status/limits/min_available");
    assert!(run.stderr.contains(&Bytes(floor).to_string()), "{run:?}");
    let footprint = number("/term/footprint");
    assert!((16 * MIB..600 * MIB).contains(&footprint), "{record:#}");
    assert!(number("/status/memory/available") > 0, "{record:#}");
    let report = scene.sentinel().args(["report", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["verdict"]["reason"], "host-memory", "{report:#}");
    assert_eq!(report["limits"]["min_available"], floor, "{report:#}");
}

#[test]
fn a_floor_that_the_machine_is_below_is_refused_with_one_that_would_do() {
    let scene = Scene::new();
    let total = meminfo("MemTotal").to_string();
    let run = scene.run(&["--min-available", &total], &["true"]).expect(125);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    let would = run.stderr.split("; --min-available ").nth(1).unwrap();
    let would = would.split(' ').next().unwrap();
    assert!(run.stderr.contains("that are available now"), "{run:?}");
    assert!(would.parse::<Bytes>().unwrap() < Bytes(meminfo("MemTotal")), "{run:?}");
    // A dry run is told, and runs.
    let options = ["--dry-run", "--min-available", &total];
    scene.run(&options, &["true"]).expect(0).says("without --dry-run this run would be refused");
}

#[test]
fn the_floor_and_what_is_left_are_shown() {
    let scene = Scene::new();
    let _running = scene.with_mailbox(&["--min-available", "1M"], &["sleep", "100000"]);
    let status = scene.ask("status").expect(0).stdout();
    assert!(status.contains("\nmachine    floor 1.0M ("), "{status}");
    let metrics = scene.ask("metrics").expect(0).stdout();
    assert!(metrics.contains("\n# TYPE sentinel_available_bytes gauge\n"), "{metrics}");
    let floor = |line: &&str| line.starts_with("sentinel_min_available_bytes{");
    let line = metrics.lines().find(floor).unwrap();
    assert!(line.ends_with(" 1048576"), "{line}");
    scene.ask("terminate").expect(0);
}
