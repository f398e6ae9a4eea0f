//! The page, read by those who read it: promtool, and the official parser for Python; also when all that answers is hostile.

use crate::impostors::{Impostors, KINDS, MOST_KIB, template};
use crate::serving::{Exporter, GET, body};
use crate::stage::Stage;
use crate::support::{Run, Running, has_program, python, skip};
use nix::libc::SIGTERM;

/// Reads standard input; fails at what the format forbids, and at what the parser lets pass: a sample or a family that comes twice.
const PARSE: &str = r"
import sys
from prometheus_client.parser import text_string_to_metric_families
seen, names = set(), set()
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in names, family.name
    assert family.type in ('gauge', 'counter') and family.documentation, family
    names.add(family.name)
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, key
        assert all(c.isprintable() or c == '\n' for value in sample.labels.values() for c in value), sample
        seen.add(key)
print(len(seen))
";

fn read_by(stage: &Stage, program: &str, words: &[&str], page: &str) -> Run {
    let mut command = stage.scene.program(program);
    let mut running = Running::start(command.args(words).stdin(std::process::Stdio::piped()));
    std::io::Write::write_all(&mut running.stdin(), page.as_bytes()).unwrap();
    running.finish()
}

fn check(stage: &Stage, page: &str) {
    let run = read_by(stage, "promtool", &["check", "metrics"], page).expect(0);
    assert_eq!((run.stdout().as_str(), run.stderr.as_str()), ("", ""));
    let run = read_by(stage, python(), &["-c", PARSE], page);
    assert_eq!(run.code(), 0, "{run:?}");
    let samples = page.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(run.stdout().trim(), samples.to_string());
}

fn can_read(stage: &Stage) -> bool {
    if !has_program("promtool") {
        skip("promtool is not installed (Debian: prometheus)");
        return false;
    }
    let has_parser = read_by(stage, python(), &["-c", "import prometheus_client.parser"], "");
    if has_parser.code() != 0 {
        skip("the parser is not installed (Debian: python3-prometheus-client)");
    }
    has_parser.code() == 0
}

#[test]
fn they_have_nothing_to_say() {
    let Some(stage) = Stage::open() else { return };
    if !can_read(&stage) {
        return;
    }
    check(&stage, &stage.run(&["metrics", "--once"]).expect(0).stdout());
    let one = stage.guard("one", &[], &["sleep", "100000"]);
    let two = stage.guard("two", &["--socket", "/tmp/other.socket"], &["sleep", "100000"]);
    stage.run(&["--plain", "-q", "--name", "gone", "--", "true"]).expect(0);
    let page = stage.run(&["metrics", "--once"]).expect(0).stdout();
    for guard in ["one", "two", "gone"] {
        assert!(page.contains(&format!("guard=\"{guard}\"")), "{page}");
    }
    check(&stage, &page);
    check(&stage, &stage.run(&["ctl", "-g", "one", "metrics"]).expect(0).stdout());
    for running in [one, two] {
        running.send(SIGTERM);
        running.finish().expect(143);
    }
}

#[test]
fn no_answer_spoils_the_page_or_fills_the_memory() {
    let Some(stage) = Stage::open() else { return };
    if !can_read(&stage) {
        return;
    }
    let ours = stage.guard("zzz", &[], &["sleep", "100000"]);
    let template = template(&stage, "zzz");
    let place = "/tmp/sentinel-65534";
    let named = ("aaa", 100_000, 1000);
    let theirs = Impostors::come(&stage, (65_534, place), named, (&template, &KINDS));
    // As if the same guardian were listed twice.
    let named = ("zzz", ours.pid(), 1);
    let twin = Impostors::come(&stage, (65_534, place), named, (&template, &["labels"]));
    let exporter = Exporter::of(stage.start(&["metrics", "--listen", "127.0.0.1:0"]));
    for _ in 0..3 {
        let answer = exporter.ask(GET);
        let page = body(&answer).to_owned();
        crate::support::until("the page is a new one", || body(&exporter.ask(GET)) != page);
        let page = page.as_str();
        check(&stage, page);
        // Whether it had the time to answer beside so many is another matter.
        let ours = format!("sentinel_guard_up{{guard=\"zzz\",uid=\"0\",pid=\"{}\"}} ", ours.pid());
        assert!(page.contains(&ours), "{page}");
        assert!(page.matches("sentinel_guard_up{guard=\"aaa\"").count() > 200, "{page}");
        assert!(page.contains("\"} 0\n") && !page.contains("sentinel_guard_up{guard=\"root\""));
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.running.pid()));
    let status = status.unwrap();
    let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = high.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < MOST_KIB, "the exporter had {kib} KiB");
    exporter.end();
    [theirs, twin].into_iter().for_each(Impostors::go);
    ours.send(SIGTERM);
    ours.finish().expect(143);
}
