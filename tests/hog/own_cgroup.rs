//! Shapes that change the cgroup they are in, as a hostile or a careless workload may.

use crate::memory;
use crate::processes::{forked, sleep};
use anyhow::{Context, Result, ensure};
use nix::unistd::{ForkResult, pause};
use sentinel::units::Bytes;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What is taken in each cgroup on the way.
const STOP: Bytes = Bytes::mib(4);

/// Stops all of its own cgroup, itself included.
pub fn freeze() -> Result<()> {
    write("cgroup.freeze", "1", &own()?)
}

/// Goes into a new cgroup below its own: what it takes there counts in both.
pub fn move_below() -> Result<()> {
    write("cgroup.procs", "0", &made(&own()?, "hog")?)
}

/// A child goes into a cgroup below, which then stops; its parent goes on outside.
pub fn freeze_below() -> Result<()> {
    let below = made(&own()?, "frozen")?;
    if let ForkResult::Child = forked()? {
        write("cgroup.procs", "0", &below)?;
        write("cgroup.freeze", "1", &below)?;
        loop {
            pause();
        }
    }
    let is_frozen = || {
        let events = fs::read_to_string(below.join("cgroup.events"));
        events.is_ok_and(|text| text.contains("populated 1") && text.contains("frozen 1"))
    };
    wait_until("the cgroup below is frozen", is_frozen)
}

/// Moves through cgroups that it makes, ever deeper and then side by side, and takes some in each.
pub fn wander(cap: Bytes) -> Result<()> {
    let mut cgroup = own()?;
    let parent = cgroup.clone();
    let mut taken = 0;
    for number in 0.. {
        cgroup = made(if number < 8 { &cgroup } else { &parent }, &format!("{number}"))?;
        write("cgroup.procs", "0", &cgroup)?;
        memory::touch(STOP);
        taken += STOP.0;
        if taken >= cap.0 {
            break;
        }
    }
    Ok(())
}

/// Takes everybody's rights to its cgroup away.
pub fn close() -> Result<()> {
    let cgroup = own()?;
    let none = Permissions::from_mode(0o0);
    fs::set_permissions(&cgroup, none).with_context(|| format!("chmod {}", cgroup.display()))
}

/// Asks systemd for a scope of its own, and is in it when this returns.
pub fn leave() -> Result<()> {
    let before = own()?;
    let pid = std::process::id().to_string();
    let unit = format!("hog-{pid}.scope");
    let mut call = Command::new("busctl");
    call.args(["call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"]);
    call.args(["org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))"]);
    call.args([unit.as_str(), "fail", "1", "PIDs", "au", "1", &pid, "0"]);
    ensure!(call.status().context("run busctl")?.success(), "systemd gives no scope");
    wait_until("the scope is there", || own().is_ok_and(|now| now != before))
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    for _ in 0..3000 {
        if is_so() {
            return Ok(());
        }
        sleep(Duration::from_millis(10));
    }
    anyhow::bail!("not in time: {what}")
}

fn made(parent: &Path, name: &str) -> Result<PathBuf> {
    let below = parent.join(format!("{name}-{}", std::process::id()));
    fs::create_dir(&below).with_context(|| format!("make {}", below.display()))?;
    Ok(below)
}

fn write(file: &str, value: &str, cgroup: &Path) -> Result<()> {
    let path = cgroup.join(file);
    fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
}

/// The folder of its own cgroup in the v2 hierarchy, wherever that is mounted.
fn own() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let root = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .context("no cgroup2 is mounted")?[1]
        .to_owned();
    let cgroups = fs::read_to_string("/proc/self/cgroup")?;
    let path =
        cgroups.lines().find_map(|line| line.strip_prefix("0::/")).context("no v2 cgroup")?;
    Ok(PathBuf::from(root).join(path))
}
