//! From each kind of place: the tier and the row that is promised, a leak that is ended in time, and nothing left behind.

use crate::guest::{
    Cgroupfs, Guest, Layout, Owner, Ran, as_root, as_user, by_sudo, do_not_linger, in_container,
    in_docker_s_place, in_service, in_session, linger, ran, wait_until,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path_of(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"))
}

/// The command line of a leak under guard.
fn leak(options: &[&str]) -> Vec<String> {
    leak_at("100M", options)
}

/// The same in a container, slow enough for a guardian that nothing throttles the workload for.
fn slow_leak() -> Vec<String> {
    leak_at("40M", &["--socket", "off"])
}

fn leak_at(rate: &str, options: &[&str]) -> Vec<String> {
    let (sentinel, hog) = (path_of("SENTINEL_BIN"), path_of("SENTINEL_HOG"));
    let options = options.iter().copied();
    let hog = [hog.as_str(), "touch", "--cap", "1G", "--rate", rate];
    ["--plain"].into_iter().chain(options).chain(["--"]).chain(hog).fold(
        vec![sentinel.clone()],
        |mut words, word| {
            words.push(word.to_owned());
            words
        },
    )
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// What is seen of it from outside: cgroups and units of that name.
fn leftovers() -> Vec<PathBuf> {
    let mut found = Vec::new();
    find(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

fn find(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with("sentinel-") {
                found.push(entry.path());
            }
            find(&entry.path(), found);
        }
    }
}

/// Runs a leak by this command: it is ended politely in this tier, and nothing is left.
#[track_caller]
fn ends_in_time(command: Command, tier: &str) -> Ran {
    let run = ran(command);
    assert_eq!(run.status, 143, "{run}");
    assert!(run.stderr.contains(&format!("sentinel: tier {tier}: ")), "{tier}: {run}");
    assert!(run.stderr.contains(" with SIGTERM: footprint "), "{run}");
    if tier.starts_with("kernel") {
        assert!(run.stderr.contains(" max 0 oom 0 oom_kill 0"), "{run}");
    }
    wait_until("cgroups and scopes are gone", || leftovers().is_empty());
    let left = fs::read_dir("/run/sentinel").into_iter().flatten().flatten();
    let sockets = left.filter(|it| it.file_name().to_string_lossy().ends_with(".socket")).count();
    assert_eq!((sockets, Path::new("/tmp/sentinel.socket").exists()), (0, false), "{run}");
    run
}

/// `kernel (ROW)` where the guest can, else what is left.
fn expected(row: &str, otherwise: &str) -> String {
    let guest = Guest::this();
    if guest.limits_memory() { format!("kernel ({row})") } else { otherwise.to_owned() }
}

/// What doctor says of the same place.
#[track_caller]
fn doctor_agrees(run: impl Fn(&[&str]) -> Command, tier: &str) {
    let said = ran(run(&[&path_of("SENTINEL_BIN"), "doctor"]));
    let kernel = tier.starts_with("kernel");
    assert_eq!(said.status, i32::from(!kernel), "{said}");
    assert_eq!(said.stdout.lines().next(), Some(format!("tier {tier}").as_str()), "{said}");
    assert_eq!(said.stdout.contains("\n  better: "), !kernel, "{said}");
    if said.stdout.contains("\ncontainer    none\n") {
        let version = format!("\nsystemd      {}", Guest::this().systemd);
        assert!(said.stdout.contains(&version), "{said}");
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_of_root_without_delegation() {
    let tier = expected("system-scope", "hybrid");
    ends_in_time(as_root(&words(&leak(&[]))), &tier);
    ends_in_time(in_service(&[], &words(&leak(&[]))), &tier);
    doctor_agrees(|words| in_service(&[], words), &tier);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_of_root_with_delegation() {
    let tier = expected("delegated", "hybrid");
    ends_in_time(in_service(&["Delegate=yes"], &words(&leak(&[]))), &tier);
    doctor_agrees(|words| in_service(&["Delegate=yes"], words), &tier);
    if Guest::this().systemd != "252" {
        let properties = ["Delegate=yes", "DelegateSubgroup=supervisor"];
        ends_in_time(in_service(&properties, &words(&leak(&[]))), &tier);
    }
}

/// A shell that stays in the service's cgroup moves aside too.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_script_in_a_service_with_delegation() {
    let script = "\"$@\"; code=$?; cat /proc/self/cgroup; exit $code";
    let mut line = vec!["sh", "-c", script, "sh"];
    let leak = leak(&[]);
    line.extend(words(&leak));
    let tier = expected("delegated", "hybrid");
    let run = ends_in_time(in_service(&["Delegate=yes"], &line), &tier);
    assert!(!run.stdout.contains("sentinel"), "back where it was: {run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn sudo_in_a_login_session() {
    let tier = expected("system-scope", "hybrid");
    ends_in_time(by_sudo(&words(&leak(&[]))), &tier);
    doctor_agrees(by_sudo, &tier);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_user_in_a_login_session() {
    let tier = expected("user-scope", "polled");
    ends_in_time(in_session(&words(&leak(&[]))), &tier);
    doctor_agrees(in_session, &tier);
}

/// What doctor says is pasted, and gives the better tier.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_user_without_a_session_and_what_doctor_says() {
    let tier = "polled";
    do_not_linger();
    let there = || Path::new("/run/user/1000/bus").exists();
    wait_until("the manager is gone", || !there());
    ends_in_time(as_user(&words(&leak(&[]))), tier);
    doctor_agrees(as_user, tier);
    if !Guest::this().limits_memory() {
        return;
    }
    // The run says it once a boot.
    let said = ran(as_user(&[&path_of("SENTINEL_BIN"), "doctor"]));
    assert!(said.stdout.contains("better: sudo loginctl enable-linger"), "{said}");
    linger();
    wait_until("the manager is there", there);
    ends_in_time(as_user(&words(&leak(&[]))), "kernel (user-scope)");
    doctor_agrees(as_user, "kernel (user-scope)");
    do_not_linger();
}

fn container(owner: Owner) {
    let guest = Guest::this();
    let limit: &[&str] = if guest.limits_memory() { &["--memory=200m"] } else { &[] };
    let contained = |cgroupfs| move |words: &[&str]| in_container(owner, cgroupfs, limit, words);
    let leak = slow_leak();
    let (read_only, writable) = match guest.limits_memory() {
        true => ("observed", "kernel (namespace-root)"),
        false => ("polled", if guest.layout == Layout::Hybrid { "polled" } else { "hybrid" }),
    };
    let run = ends_in_time(contained(Cgroupfs::ReadOnly)(&words(&leak)), read_only);
    doctor_agrees(contained(Cgroupfs::ReadOnly), read_only);
    if guest.limits_memory() {
        assert!(run.stderr.contains("limit 160.0M"), "a share of the container's: {run}");
    }
    ends_in_time(contained(Cgroupfs::Writable)(&words(&leak)), writable);
    doctor_agrees(contained(Cgroupfs::Writable), writable);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_root() {
    container(Owner::Root);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_the_user() {
    container(Owner::User);
    do_not_linger();
}

/// Children that the container's shell had before it became sentinel are none of the workload: what they hold is taken off, and what
/// the container's limit leaves beside them is guarded.
fn beside_a_helper(owner: Owner) {
    if !Guest::this().limits_memory() {
        return;
    }
    let (sentinel, hog) = (path_of("SENTINEL_BIN"), path_of("SENTINEL_HOG"));
    let beside = |helper: &str, options: &str, command: &str| {
        let helper = format!("{hog} {helper} < /dev/null > /dev/null 2>&1 &");
        let line = format!("{helper} exec {sentinel} --plain --socket off {options} -- {command}");
        ran(in_container(owner, Cgroupfs::ReadOnly, &["--memory=200m"], &["sh", "-c", &line]))
    };
    let run = beside("touch --cap 60M", "-m 30M", "sh -c 'sleep 3; exit 3'");
    assert_eq!(run.status, 3, "{run}");
    assert!(run.stderr.contains("tier observed"), "{run}");
    let run = beside("touch --cap 60M", "-m 30M", &format!("{hog} step --rate 20M --cap 60M"));
    assert_eq!(run.status, 143, "{run}");
    assert!(run.stderr.contains("reached the limit 30.0M"), "{run}");
    let holds = format!("{hog} touch --cap 80M");
    let run = beside("step --rate 10M --cap 150M", "-m 100M", &holds);
    assert_eq!(run.status, 143, "{run}");
    assert!(run.stderr.contains("fell below the machine's floor"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_root_beside_a_helper() {
    beside_a_helper(Owner::Root);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_the_user_beside_a_helper() {
    beside_a_helper(Owner::User);
    do_not_linger();
}

/// Docker's place for containers, the host's cgroup namespace, and privilege: each sees another part of the tree.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_as_docker_makes_them() {
    if !Guest::this().limits_memory() {
        return;
    }
    let leak = slow_leak();
    let cases: [(Cgroupfs, &[&str], &str); 5] = [
        (Cgroupfs::ReadOnly, &[], "observed"),
        (Cgroupfs::Writable, &[], "kernel (namespace-root)"),
        (Cgroupfs::ReadOnly, &["--cgroupns=host"], "observed"),
        (Cgroupfs::ReadOnly, &["--privileged"], "kernel (namespace-root)"),
        (Cgroupfs::ReadOnly, &["--privileged", "--cgroupns=host"], "kernel (plain)"),
    ];
    for (cgroupfs, options, tier) in cases {
        let options = [&["--memory=200m"], options].concat();
        let contained = |words: &[&str]| in_docker_s_place(cgroupfs, &options, words);
        ends_in_time(contained(&words(&leak)), tier);
        if options.contains(&"--cgroupns=host") {
            doctor_agrees(contained, tier);
        }
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_slice_and_a_cgroup_of_one_s_choice() {
    if !Guest::this().limits_memory() {
        let run = ran(as_root(&words(&leak(&["--require", "kernel"]))));
        assert_eq!(run.status, 125, "{run}");
        assert!(run.stderr.contains("--require kernel: that tier is not available here"), "{run}");
        return;
    }
    let run =
        ends_in_time(as_root(&words(&leak(&["--slice", "batch.slice"]))), "kernel (system-scope)");
    assert!(run.stderr.contains(": /sys/fs/cgroup/batch.slice/sentinel-hog-"), "{run}");
    let own = Path::new("/sys/fs/cgroup/own");
    fs::create_dir(own).unwrap();
    let given = words(&leak(&["--cgroup", "/sys/fs/cgroup/own"])).join(" ");
    ends_in_time(as_root(&["sh", "-c", &given]), "kernel (given)");
    fs::remove_dir(own).unwrap();
    let run = ran(as_root(&words(&leak(&["--cgroup", "/sys/fs/cgroup/none"]))));
    assert_eq!(run.status, 125, "{run}");
    assert!(run.stderr.contains("/sys/fs/cgroup/none"), "{run}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn the_limit_of_a_unit_around_is_respected() {
    if !Guest::this().limits_memory() {
        return;
    }
    let properties = ["Delegate=yes", "MemoryMax=150M"];
    let run = ran(in_service(&properties, &words(&leak(&["-m", "200M"]))));
    assert_eq!(run.status, 125, "{run}");
    assert!(run.stderr.contains("/memory.max allows (150.0M)"), "{run}");
    let run =
        ends_in_time(in_service(&properties, &words(&leak(&["-m", "50%"]))), "kernel (delegated)");
    assert!(run.stderr.contains("limit 75.0M"), "{run}");
}

/// sudo works for this user, and not under `--no-new-privs`.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn sudo_has_no_effect_without_new_privileges() {
    let sentinel = path_of("SENTINEL_BIN");
    let line =
        [sentinel.as_str(), "--plain", "-q", "--no-new-privs", "--", "sudo", "-n", "id", "-u"];
    let with = ran(in_session(&[&line[..3], &line[4..]].concat()));
    assert_eq!((with.status, with.stdout.trim()), (0, "0"), "{with}");
    let without = ran(in_session(&line));
    assert!(without.status != 0 && without.stdout.is_empty(), "{without}");
    assert!(without.stderr.contains("no new privileges"), "{without}");
}

/// Its name, its groups, its home; and the limit is in force all the same.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn root_runs_it_as_the_user_as_a_login_would() {
    let sentinel = path_of("SENTINEL_BIN");
    let said = "id; echo \"$HOME $USER\"";
    let line = [sentinel.as_str(), "--plain", "-q", "--user", "user", "--", "sh", "-c", said];
    let (run, login) = (ran(as_root(&line)), ran(in_session(&["sh", "-c", said])));
    assert_eq!((run.status, &run.stdout), (0, &login.stdout), "{run} {login}");
    let leak = leak(&["--user", "user"]);
    ends_in_time(as_root(&words(&leak)), &expected("system-scope", "hybrid"));
}
