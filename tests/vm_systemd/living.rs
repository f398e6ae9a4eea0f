//! Beside a systemd that goes on with its work: reloads, changed properties, stopped scopes.

use crate::guest::{
    Guest, as_root, do_not_linger, in_session, linger, ran, start_oomd, stop_oomd, wait_until,
};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A workload under guard, which waits.
struct Guarded {
    child: Child,
    cgroup: String,
    unit: String,
}

impl Guarded {
    fn start(mut command: Command) -> Guarded {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let line = BufReader::new(out).lines().next().unwrap().unwrap();
        let cgroup = line.strip_prefix("0::").unwrap_or_else(|| panic!("{line}")).to_owned();
        let unit = cgroup.rsplit('/').nth(1).unwrap().to_owned();
        Guarded { child, cgroup: format!("/sys/fs/cgroup{cgroup}"), unit }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("{}/{file}", self.cgroup)).unwrap().trim().to_owned()
    }

    fn assert_guarded(&self, when: &str) {
        assert_eq!(self.read("memory.high"), (100 << 20).to_string(), "{when}");
        assert_eq!(self.read("memory.max"), (164 << 20).to_string(), "{when}");
        assert_eq!(self.read("memory.swap.max"), "0", "{when}");
    }

    /// Its exit status and all that it said.
    fn end(self) -> (i32, String) {
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

const WAIT: [&str; 6] =
    ["--plain", "--", "sh", "-c", "grep ^0:: /proc/self/cgroup; exec sleep 1000", "sh"];

fn words(sentinel: &str) -> Vec<&str> {
    std::iter::once(sentinel).chain(WAIT).collect()
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_scope_of_the_machine_s_survives_reloads_and_its_stop_is_told() {
    if !Guest::this().limits_memory() {
        return;
    }
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let guarded = Guarded::start(as_root(&words(&sentinel)));
    guarded.assert_guarded("at the start");
    for verb in ["daemon-reload", "daemon-reexec"] {
        ran(as_root(&["systemctl", verb])).text();
        guarded.assert_guarded(verb);
    }
    ran(as_root(&["systemctl", "set-property", "--runtime", &guarded.unit, "MemoryHigh=300M"]))
        .text();
    guarded.assert_guarded("set-property");
    ran(as_root(&["systemctl", "stop", &guarded.unit])).text();
    let unit = guarded.unit.clone();
    let (status, said) = guarded.end();
    assert_eq!(status, 143, "{said}");
    assert!(said.contains("systemd stopped its scope (exit 143)"), "{said}");
    let report = ran(as_root(&[&sentinel, "report"]));
    assert!(report.text().contains("reason systemd-stop, ended by systemd-stop"), "{report}");
    wait_until("the scope is gone", || {
        ran(as_root(&["systemctl", "is-active", &unit])).status != 0
    });
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_scope_of_the_user_s_survives_its_manager_s_reexecution() {
    if !Guest::this().limits_memory() {
        return;
    }
    linger();
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let guarded = Guarded::start(in_session(&words(&sentinel)));
    guarded.assert_guarded("at the start");
    for verb in ["daemon-reload", "daemon-reexec"] {
        ran(in_session(&["systemctl", "--user", verb])).text();
        guarded.assert_guarded(verb);
    }
    // The end of the user's manager is the end of its scopes.
    ran(as_root(&["systemctl", "stop", "user@1000.service"])).text();
    let (status, said) = guarded.end();
    assert_eq!(status, 143, "{said}");
    assert!(said.contains("systemd stopped its scope"), "{said}");
    do_not_linger();
}

/// Its keeper ends the workload; where that was killed too, the next guardian tells.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_guardian_killed_beside_its_scope_leaves_nothing_unsaid() {
    if !Guest::this().limits_memory() {
        return;
    }
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let guarded = Guarded::start(as_root(&words(&sentinel)));
    let unit = guarded.unit.clone();
    let active = |unit: &str| ran(as_root(&["systemctl", "is-active", unit])).status == 0;
    ran(as_root(&["kill", "-KILL", &guarded.child.id().to_string()])).text();
    let (_, said) = guarded.end();
    assert!(said.contains("is gone: sent SIGTERM to the workload"), "{said}");
    wait_until("the scope is gone", || !active(&unit));

    let guarded = Guarded::start(as_root(&words(&sentinel)));
    let (unit, cgroup) = (guarded.unit.clone(), guarded.cgroup.clone());
    let family = format!("pkill -KILL -P {0} sentinel-keeper; kill -KILL {0}", guarded.child.id());
    ran(as_root(&["sh", "-c", &family])).text();
    assert!(active(&unit));
    let next = ran(as_root(&[&sentinel, "--plain", "true"]));
    let told = format!("a guardian that is gone left processes in {cgroup}");
    assert!(next.stderr.contains(&told), "{}", next.stderr);
    let high = std::fs::read_to_string(format!("{cgroup}/memory.high")).unwrap();
    assert_eq!(high.trim(), "max");
    std::fs::write(format!("{cgroup}/cgroup.kill"), "1").unwrap();
    guarded.end();
    wait_until("the scope is gone", || !active(&unit));
}

/// The pressure that our own throttle makes can call systemd-oomd in: that end is not claimed as ours, nor as the command's.
#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn systemd_oomd_is_named() {
    if !Guest::this().limits_memory() {
        return;
    }
    let settings = "/run/systemd/oomd.conf.d";
    std::fs::create_dir_all(settings).unwrap();
    std::fs::write(
        format!("{settings}/test.conf"),
        "[OOM]\nDefaultMemoryPressureDurationSec=1s\nDefaultMemoryPressureLimit=1%\n",
    )
    .unwrap();
    assert!(start_oomd());
    let properties = ["ManagedOOMMemoryPressure=kill", "ManagedOOMMemoryPressureLimit=1%"];
    let set =
        [&["systemctl", "set-property", "--runtime", "press.slice"], &properties[..]].concat();
    ran(as_root(&["systemctl", "start", "press.slice"])).text();
    ran(as_root(&set)).text();
    let sentinel = std::env::var("SENTINEL_BIN").unwrap();
    let script =
        "head -c 300M /dev/zero > /var/tmp/big; while :; do cat /var/tmp/big > /dev/null; done";
    let options =
        ["--plain", "--slice", "press.slice", "-m", "20M", "--thrash", "off", "--timeout", "120s"];
    let line = [&[sentinel.as_str()], &options[..], &["--", "sh", "-c", script]].concat();
    let run = ran(as_root(&line));
    stop_oomd();
    std::fs::remove_file("/var/tmp/big").unwrap();
    std::fs::remove_dir_all(settings).unwrap();
    ran(as_root(&["systemctl", "stop", "press.slice"])).text();
    assert_eq!(run.status, 137, "{run}");
    assert!(run.stderr.contains("sh was killed by systemd-oomd (exit 137)"), "{run}");
    let report = ran(as_root(&[&sentinel, "report"]));
    assert!(report.text().contains("reason systemd-oomd, ended by systemd-oomd"), "{report}");
}
