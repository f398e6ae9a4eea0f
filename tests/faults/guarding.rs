//! System calls of a guardian at work fail, some for a while and some for ever.

use crate::support::{Running, Scene, is_root, python, skip};
use crate::{assert_orderly, attach, has_strace};

/// What the workload does once the fault is in place.
#[derive(Clone, Copy)]
enum Does {
    /// Takes memory without end, and listens to SIGTERM.
    Leaks,
    /// The same without listening, with a child that does not listen either.
    LeaksDeaf,
    /// Ends by itself with status 7.
    Ends,
}

struct Row {
    /// The tiers that make this call.
    tiers: &'static [&'static str],
    fault: &'static str,
    does: Does,
    status: i32,
    /// Said exactly once; nothing else may have failed.
    says: Option<&'static str>,
}

const BLIND: &str = "failed to read all of the workload's memory: ";
const HYBRID: &[&str] = &["hybrid"];
const POLLED: &[&str] = &["polled"];
const SUMMED: &[&str] = &["hybrid", "polled"];
const KERNEL: &[&str] = &["kernel"];
const CGROUP: &[&str] = &["kernel", "hybrid"];
const ANY: &[&str] = &["kernel", "hybrid", "polled"];

const fn row(
    tiers: &'static [&'static str],
    fault: &'static str,
    does: Does,
    status: i32,
    says: Option<&'static str>,
) -> Row {
    Row { tiers, fault, does, status, says }
}

use Does::{Ends, Leaks, LeaksDeaf};

const TABLE: &[Row] = &[
    // No descriptors: once, which those in reserve are for; for a while; and for good.
    row(SUMMED, "openat:error=EMFILE:when=1", Leaks, 143, None),
    row(HYBRID, "openat:error=EMFILE:when=1..60", Leaks, 143, Some(BLIND)),
    row(SUMMED, "openat:error=ENFILE:when=1+", Ends, 7, Some(BLIND)),
    row(
        CGROUP,
        "pidfd_open:error=EMFILE:when=1+",
        LeaksDeaf,
        137,
        Some("failed to signal every process: "),
    ),
    // Reads that fail or are interrupted.
    row(SUMMED, "read:error=EINTR:when=1..20", Leaks, 143, None),
    row(HYBRID, "read:error=EIO:when=1..40", Leaks, 143, Some(BLIND)),
    // So many that they are not used up by whether anybody is left, which reads all of /proc too.
    row(POLLED, "read:error=EIO:when=1..60", Leaks, 143, Some(BLIND)),
    // Whether there are cgroups below, which is looked for then.
    row(HYBRID, "newfstatat:error=EIO:when=1..6", Leaks, 143, None),
    // Where /proc cannot be walked through, the lists of children do.
    row(POLLED, "lseek:error=EIO:when=1..6", Leaks, 143, None),
    row(POLLED, "getdents64:error=EIO:when=1..6", Leaks, 143, None),
    row(HYBRID, "pread64:error=EIO:when=1..20", Leaks, 143, Some(BLIND)),
    row(HYBRID, "pread64:error=EINTR:when=1..20", Ends, 7, None),
    row(KERNEL, "pread64:error=EINTR:when=1..20", Leaks, 143, None),
    row(KERNEL, "pread64:error=EIO:when=1..4", Leaks, 143, Some(BLIND)),
    row(KERNEL, "pread64:error=EIO:when=1+", Ends, 7, Some(BLIND)),
    // The wait itself.
    row(ANY, "epoll_wait:error=EINTR:when=1..50", Leaks, 143, None),
    row(ANY, "epoll_wait:error=EIO:when=1+", Leaks, 143, None),
    row(ANY, "epoll_wait:error=EIO:when=1+", Ends, 7, None),
    row(ANY, "wait4:error=EINTR:when=1..5", Leaks, 143, None),
    // Deeds that are refused.
    row(CGROUP, "pidfd_send_signal:error=EPERM:when=1+", Leaks, 137, None),
    row(
        HYBRID,
        "pwrite64:error=EIO:when=1",
        LeaksDeaf,
        137,
        Some("failed to kill every process at once: "),
    ),
    row(CGROUP, "pwrite64:error=EINTR:when=1..3", LeaksDeaf, 137, None),
    row(KERNEL, "pwrite64:error=EIO:when=1", Leaks, 143, Some("failed to move memory.high: ")),
    row(
        KERNEL,
        "pwrite64:error=EIO:when=2",
        LeaksDeaf,
        137,
        Some("failed to kill every process at once: "),
    ),
    // Our own lines: late, in part, or never.
    row(ANY, "write:error=EAGAIN:when=1..5", Leaks, 143, None),
    row(ANY, "write:error=EIO:when=1+", Leaks, 143, None),
    row(ANY, "write:retval=1:when=1..3", Leaks, 143, None),
];

const LEAK: &str = r"
import os, signal, sys, time
if 'deaf' in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(1000)
print('ready', flush=True)
input()
if 'ends' in sys.argv:
    time.sleep(1)
    sys.exit(7)
taken = []
while len(taken) < 600:
    taken.append(b'x' * (1 << 20))
    time.sleep(0.01)
time.sleep(1000)
";

#[test]
fn where_we_are() {
    if has_strace() {
        through_the_table(None, |_, command| command);
    }
}

#[test]
fn without_a_cgroup() {
    match has_strace() {
        true if is_root() => {
            through_the_table(Some("polled"), |scene, command| scene.without_cgroups(&command));
        }
        true => skip("only root can take the cgroups away"),
        false => {}
    }
}

type Place = fn(&Scene, std::process::Command) -> std::process::Command;

fn through_the_table(tier: Option<&str>, place: Place) {
    let found = tier.map_or_else(tier_here, str::to_owned);
    let rows = TABLE.iter().filter(|row| row.tiers.contains(&found.as_str()));
    let count = rows.map(|row| survives(row, &found, place)).count();
    println!("tier {found}: {count} rows");
    assert!(count >= 10);
}

fn tier_here() -> String {
    let scene = Scene::new();
    let run = scene.run(&[], &["true"]);
    let rest = run.stderr.strip_prefix("sentinel: tier ").unwrap_or_default();
    rest.split([' ', ':']).next().unwrap_or_default().to_owned()
}

fn survives(row: &Row, tier: &str, place: Place) {
    println!("tier {tier}: {}", row.fault);
    let scene = Scene::new();
    let word = match row.does {
        Leaks => "listens",
        LeaksDeaf => "deaf",
        Ends => "ends",
    };
    let command = [python(), "-c", LEAK, word];
    let mut sentinel = place(&scene, scene.guarded(&["-m", "80M", "--grace", "500ms"], &command));
    let mut guardian = Running::start(sentinel.stdin(std::process::Stdio::piped()));
    guardian.await_out("ready");
    let inject = format!("inject={}", row.fault);
    let strace = attach(&scene, &guardian, &["-e", &inject]);
    guardian.type_line("go");
    let run = guardian.finish();
    strace.finish();
    let what = format!("tier {tier}, {}, {word}", row.fault);
    let trace = scene.read("trace");
    assert!(trace.contains("(INJECTED)"), "{what}: nothing was injected");
    // On a busy machine the grace period can be over before somebody who listens has gone.
    let late = row.status == 143 && run.code() == 137;
    assert!(run.code() == row.status || late, "{what}: {run:?}");
    assert_orderly(&run, &what);
    let failures = run.stderr.matches("failed to ").count();
    assert_eq!(failures, usize::from(row.says.is_some()), "{what}: {run:?}");
    assert!(run.stderr.contains(row.says.unwrap_or_default()), "{what}: {run:?}");
    assert_no_busy_loop(&trace, &what);
}

/// A loop that spins makes tens of thousands of turns in the time of a run here, one that rests some hundreds.
fn assert_no_busy_loop(trace: &str, what: &str) {
    let turns = trace.lines().filter(|line| line.starts_with("epoll_wait(")).count();
    assert!(turns < 5000, "{what}: {turns} turns");
}
