//! What ended stays countable: by whatever it ended, also between two scrapes, also when guardian or exporter are gone.

use crate::serving::{Exporter, GET, body};
use crate::stage::Stage;
use crate::support::{Running, Scene, binary, eventually, is_root, python, send, until};
use nix::libc::{SIGKILL, SIGTERM};

/// Ends of runs of this name: user, reason, signal, count.
pub fn ends(page: &str, guard: &str) -> Vec<(String, String, String, u64)> {
    let start = format!("sentinel_runs_ended_total{{guard=\"{guard}\",");
    let lines = page.lines().filter_map(|line| line.strip_prefix(&start));
    let read = lines.map(|line| {
        let words: Vec<&str> = line.split('"').collect();
        let [_, uid, _, reason, _, signal, count] = words[..] else { panic!("{line}") };
        let count = count.strip_prefix("} ").unwrap().parse().unwrap();
        (uid.to_owned(), reason.to_owned(), signal.to_owned(), count)
    });
    read.collect()
}

fn start(scene: &Scene, name: &str, options: &[&str], command: &[&str]) -> Running {
    let mut sentinel = scene.sentinel();
    sentinel.args(["--plain", "--socket", "off", "--name", name]).args(options).arg("--");
    Running::start(sentinel.args(command))
}

/// Takes memory until somebody stops it.
pub const HOG: &str = "x = [bytearray(b'x' * (1 << 20)) for _ in range(400)]; input()";

#[test]
fn whatever_ended_a_run_it_is_counted() {
    let scene = Scene::new();
    let exporter = Exporter::start(&scene);
    let me = nix::unistd::geteuid().to_string();
    let before = body(&exporter.ask(GET)).to_owned();
    assert!(before.contains("sentinel_build_info{version="), "on an empty machine too: {before}");
    start(&scene, "hog", &["-m", "60M"], &[python(), "-c", HOG]).finish();
    start(&scene, "late", &["--timeout", "100ms"], &["sleep", "1000"]).finish().expect(143);
    start(&scene, "good", &[], &["true"]).finish().expect(0);
    start(&scene, "good", &[], &["false"]).finish().expect(1);
    start(&scene, "crash", &[], &["sh", "-c", "kill -SEGV $$"]).finish().expect(139);
    start(&scene, "none", &[], &["/nonexistent/program"]).finish().expect(127);
    start(&scene, "bad", &["-m", "nonsense"], &["true"]).finish().expect(125);
    start(&scene, "worse", &["--headroom", "1E", "-m", "16E"], &["true"]).finish().expect(125);
    // Pages are kept for a second.
    until("the page is a new one", || ends(body(&exporter.ask(GET)), "none").len() == 1);
    let page = body(&exporter.ask(GET)).to_owned();
    let one = |name: &str, reason: &str, signal: &str, count: u64| {
        let expected = (me.clone(), reason.to_owned(), signal.to_owned(), count);
        assert_eq!(ends(&page, name), [expected], "{page}");
    };
    one("late", "timeout", "SIGTERM", 1);
    one("good", "exited", "none", 2);
    one("crash", "signaled", "SIGSEGV", 1);
    one("none", "not-started", "none", 1);
    let hog = ends(&page, "hog").remove(0);
    assert!(["breach", "second-line", "climb"].contains(&hog.1.as_str()), "{hog:?}");
    for family in ["end_timestamp_seconds", "duration_seconds", "memory_peak_bytes", "cpu_seconds"]
    {
        let start = format!("sentinel_run_last_{family}{{guard=\"hog\",");
        let line = page.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no {start}: {page}"));
        assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() > 0.0, "{line}");
    }
    // Nothing was looked at in what did not run.
    assert!(!page.contains("sentinel_run_last_memory_peak_bytes{guard=\"none\""), "{page}");
    exporter.end();
    let exporter = Exporter::start(&scene);
    let sum = |page: &str| ["hog", "late", "good"].map(|name| ends(page, name));
    assert_eq!(sum(body(&exporter.ask(GET))), sum(&page), "after a restart of the exporter");
    start(&scene, "good", &[], &["true"]).finish().expect(0);
    until("it goes on from there", || ends(body(&exporter.ask(GET)), "good")[0].3 == 3);
    exporter.end();
}

#[test]
fn the_keeper_counts_what_its_guardian_cannot() {
    let scene = Scene::new();
    let guardian = start(&scene, "killed", &[], &["sh", "-c", "echo $$; exec sleep 1000"]);
    let child: u32 = guardian.number_after("");
    guardian.send(SIGKILL);
    guardian.finish();
    let page = || {
        let mut command = scene.sentinel();
        Running::start(command.args(["metrics", "--once"])).finish().expect(0).stdout()
    };
    let ends =
        eventually("it is counted", || Some(ends(&page(), "killed")).filter(|e| !e.is_empty()));
    assert_eq!((ends[0].1.as_str(), ends[0].3), ("guardian-death", 1));
    until("the command is gone", || !crate::support::is_alive(child));
}

/// Many at the same moment: none is lost, and none is late.
#[test]
fn ends_at_the_same_moment_are_all_counted() {
    let scene = Scene::new();
    let runs: Vec<_> =
        (0..20).map(|n| start(&scene, &format!("r{}", n % 4), &[], &["true"])).collect();
    runs.into_iter().for_each(|run| _ = run.finish().expect(0));
    let mut command = scene.sentinel();
    let page = Running::start(command.args(["metrics", "--once"])).finish().expect(0).stdout();
    let counts: Vec<u64> =
        (0..4).flat_map(|n| ends(&page, &format!("r{n}"))).map(|end| end.3).collect();
    assert_eq!(counts, [5, 5, 5, 5], "{page}");
}

/// Where nothing can be kept a run is a run all the same, and says nothing of it.
#[test]
fn a_caller_without_a_home_is_left_in_peace() {
    let scene = Scene::new();
    for state in ["/proc/none", "/nonexistent/home", "/dev/null/state"] {
        if is_root() && state == "/nonexistent/home" {
            continue;
        }
        let mut command = scene.sentinel();
        command
            .env("XDG_STATE_HOME", state)
            .args(["-q", "--plain", "--socket", "off", "--", "true"]);
        let run = Running::start(&mut command).finish().expect(0);
        assert!(!run.stderr.contains("count"), "{state}: {run:?}");
    }
}

/// A user of the password file, with a home of its own.
const USER: &str = "65531";
const HOME: &str = "/tmp/ann";

fn as_ann(stage: &Stage, words: &[&str]) {
    let (uid, home) = (format!("--reuid={USER}"), format!("HOME={HOME}"));
    let own = ["--clear-groups", uid.as_str(), "env", "-u", "XDG_STATE_HOME", home.as_str()];
    let run = stage.here("setpriv", &[&own, words].concat());
    assert_eq!(run.code(), 0, "{run:?}");
}

#[test]
fn root_s_exporter_reads_everybody_s_and_follows_nobody() {
    let Some(stage) = Stage::open() else { return };
    let line = format!("ann:x:{USER}:{USER}::{HOME}:/bin/sh\n");
    let passwd = stage.scene.write("passwd", format!("root:x:0:0::/root:/bin/sh\n{line}"));
    assert_eq!(stage.here("mount", &["--bind", &passwd, "/etc/passwd"]).code(), 0);
    assert_eq!(stage.here("install", &["-d", "-o", USER, "-g", USER, HOME]).code(), 0);
    let binary = binary();
    let run = [&binary, "--plain", "-q", "--name", "anns", "--", "true"];
    as_ann(&stage, &run);
    stage.run(&["--plain", "-q", "--socket", "off", "--name", "roots", "--", "true"]).expect(0);
    let page = || stage.run(&["metrics", "--once"]).expect(0).stdout();
    let (text, end) = (page(), |uid: &str, count| {
        vec![(uid.to_owned(), "exited".to_owned(), "none".to_owned(), count)]
    });
    assert_eq!((ends(&text, "anns"), ends(&text, "roots")), (end(USER, 1), end("0", 1)), "{text}");
    assert!(text.contains("sentinel_scrape_errors_total{problem=\"ledger\"} 0\n"), "{text}");
    // Now what the user could put there to harm root's exporter.
    let file = format!("{HOME}/.local/state/sentinel/ended.json");
    let own = stage.scene.path("home/state/sentinel/ended.json");
    let own = own.to_str().unwrap();
    for script in [
        format!("rm {file}; mkfifo {file}"),
        format!("rm {file}; ln -s {own} {file}"),
        format!("rm {file}; ln -s /dev/zero {file}"),
        format!("rm {file}; head -c 300000 /dev/zero > {file}"),
        format!("rm {file}; echo nonsense > {file}"),
        format!("rm -r {HOME}/.local; ln -s {} {HOME}/.local", stage.scene.dir().display()),
    ] {
        as_ann(&stage, &["sh", "-c", &script]);
        let text = page();
        assert_eq!(ends(&text, "anns"), [], "{script}: {text}");
        assert_eq!(ends(&text, "roots"), end("0", 1), "{script}: {text}");
        assert!(text.contains("sentinel_scrape_errors_total{problem=\"ledger\"} 1\n"), "{script}");
    }
    assert_eq!(stage.here("umount", &["/etc/passwd"]).code(), 0);
}

/// A series keeps its labels for life, also when a second of the same name comes and goes.
#[test]
fn two_of_one_name_are_two_from_the_start() {
    let Some(stage) = Stage::open() else { return };
    let forever = ["sleep", "100000"];
    let first = stage.guard("same", &[], &forever);
    let series = |pid: u32| {
        let labels = format!("{{guard=\"same\",uid=\"0\",pid=\"{pid}\"");
        let page = stage.run(&["metrics", "--once"]).expect(0).stdout();
        let own = page.lines().filter(|line| line.contains(&labels));
        own.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    let alone = series(first.pid());
    assert!(alone.len() > 30, "{alone:?}");
    let second = stage.guard("same", &["--socket", "/tmp/other.socket"], &forever);
    until("both are listed", || stage.ps(&[]).stdout().matches("same ").count() == 2);
    assert_eq!((series(first.pid()), series(second.pid()).len()), (alone.clone(), alone.len()));
    second.send(SIGTERM);
    second.finish().expect(143);
    assert_eq!(series(first.pid()), alone);
    send(first.pid(), SIGTERM);
    first.finish().expect(143);
}
