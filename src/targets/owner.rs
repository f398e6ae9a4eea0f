//! Who started what is guarded and keeps a state of it: systemd, Docker, podman. Asked to stop it, an owner ends it in its own way,
//! knows that it was stopped, and does not start it again (systemd.service(5), Restart=; docker-run(1), podman-run(1), --restart).

use super::container::{INNER, id_in};
use super::engines;
use crate::cgroup::hierarchy::place_of;
use crate::escape::{escape, shown};
use crate::systemd::bus::PATIENCE;
use crate::systemd::{Manager, UnitState};
use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// An engine kills at its own deadline. Ours comes first.
const BEHIND_OURS: Duration = Duration::from_secs(10);
const PODMAN: &str = "podman";

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetOwner {
    /// A unit of systemd's.
    Unit {
        /// Of the calling user's manager, not of the system's.
        of_user: bool,
        /// Its whole name.
        name: String,
        /// Where it runs: another unit may have the name by the time that it is stopped.
        place: PathBuf,
    },
    /// A container of Docker's, by its id.
    Docker(String),
    /// A container of podman's, by its id.
    Podman(String),
}

impl TargetOwner {
    /// The owner of what runs in this cgroup, who can be asked by us.
    ///
    /// # Errors
    /// When nobody is known to own it, or its owner cannot be asked.
    pub fn of(directory: &Path) -> Result<TargetOwner> {
        let owner = TargetOwner::by_name(directory)?;
        owner.check(directory)?;
        Ok(owner)
    }

    /// The same by the names that owners give to their cgroups alone: nobody is asked.
    ///
    /// # Errors
    /// When nobody is known to own it.
    pub fn by_name(directory: &Path) -> Result<TargetOwner> {
        let within = directory.file_name() == Some(INNER.as_ref());
        let outer = directory.parent().filter(|outer| within && id_of(outer).is_some());
        let directory = outer.unwrap_or(directory);
        let name = directory.file_name().unwrap_or_default();
        if let Some(id) = id_of(directory) {
            return match engine_of(directory) {
                Some("docker") => Ok(TargetOwner::Docker(id)),
                Some("libpod") => Ok(TargetOwner::Podman(id)),
                _ => bail!("{} is of an engine that sentinel cannot ask", shown(directory)),
            };
        }
        let name = name.to_str().filter(|name| super::unit::has_processes(name));
        let Some(name) = name else {
            bail!("{} is no unit of systemd's and no container", shown(directory))
        };
        let place =
            place_of(directory).with_context(|| format!("find {} in a mount", shown(directory)))?;
        let of_user = place.ancestors().skip(1).any(|above| user_of(above).is_some());
        Ok(TargetOwner::Unit { of_user, name: name.to_owned(), place })
    }

    fn check(&self, directory: &Path) -> Result<()> {
        let uid = geteuid();
        match self {
            TargetOwner::Unit { of_user: false, name, .. } => {
                ensure!(
                    uid.is_root(),
                    "only root may ask the system's manager to stop {}",
                    escape(name.as_bytes())
                );
                self.confirm(PATIENCE)
            }
            TargetOwner::Unit { of_user: true, place, .. } => {
                let whose = place.ancestors().find_map(user_of);
                ensure!(
                    whose == Some(uid.as_raw()),
                    "{} is a unit of another user's manager: attach as that user",
                    shown(directory)
                );
                self.confirm(PATIENCE)
            }
            TargetOwner::Docker(id) => {
                engines::ask_docker("GET", &format!("/containers/{id}/json"), Duration::ZERO)
                    .map(drop)
            }
            TargetOwner::Podman(_) => {
                let whose = std::fs::metadata(directory)
                    .with_context(|| format!("read {}", shown(directory)))?
                    .uid();
                ensure!(
                    whose == uid.as_raw(),
                    "{} is a container of another user's: attach as that user",
                    shown(directory)
                );
                podman().map(drop)
            }
        }
    }

    /// That the unit still is what was meant.
    fn confirm(&self, patience: Duration) -> Result<()> {
        let TargetOwner::Unit { of_user, name, place } = self else { return Ok(()) };
        let shown_name = escape(name.as_bytes());
        match manager(*of_user).unit(geteuid().as_raw(), name, patience)? {
            UnitState::Runs(there) if there == *place => Ok(()),
            UnitState::Runs(_) => bail!("the unit {shown_name} runs in another cgroup"),
            UnitState::Rests | UnitState::Unknown => {
                bail!("systemd has no unit {shown_name} that runs")
            }
        }
    }

    /// What people call it.
    pub fn called(&self) -> &'static str {
        match self {
            TargetOwner::Unit { .. } => "systemd",
            TargetOwner::Docker(_) => "Docker",
            TargetOwner::Podman(_) => PODMAN,
        }
    }

    /// Asks for it to be stopped. May take as long as that does.
    ///
    /// # Errors
    /// What the owner said, or that it did not answer.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        let patience = grace.saturating_add(BEHIND_OURS);
        let seconds = patience.as_secs().saturating_add(1);
        match self {
            TargetOwner::Unit { of_user, name, .. } => {
                self.confirm(patience)?;
                manager(*of_user).stop(geteuid().as_raw(), name, patience)
            }
            TargetOwner::Docker(id) => {
                let path = format!("/containers/{id}/stop?t={seconds}");
                engines::ask_docker("POST", &path, patience).map(drop)
            }
            TargetOwner::Podman(id) => {
                let mut command = Command::new(podman()?);
                command.args(["stop", "--time", &seconds.to_string(), id]);
                command.stdin(Stdio::null()).stdout(Stdio::null());
                let output = command.output().context("run podman stop")?;
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or("it said nothing");
                ensure!(output.status.success(), "podman stop: {}", escape(last.as_bytes()));
                Ok(())
            }
        }
    }
}

fn manager(of_user: bool) -> Manager {
    if of_user { Manager::User } else { Manager::System }
}

fn podman() -> Result<PathBuf> {
    crate::command::find(&[OsString::from(PODMAN)])
        .context("podman is needed to stop its containers")
}

fn id_of(directory: &Path) -> Option<String> {
    id_in(directory.file_name()?)
}

/// `docker-ID.scope`, `libpod-ID`: what stands before the id; or `docker/ID`, where the directory around has the name.
fn engine_of(directory: &Path) -> Option<&str> {
    let name = directory.file_name()?.to_str()?;
    match name.split_once('-') {
        Some((engine, _)) => Some(engine),
        None => directory.parent()?.file_name()?.to_str(),
    }
}

/// `user@1000.service` is the cgroup of that user's manager.
fn user_of(place: &Path) -> Option<u32> {
    let name = place.file_name()?.as_bytes();
    let number = name.strip_prefix(b"user@")?.strip_suffix(b".service")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_the_names_of_their_cgroups() {
        let id = "0123456789abcdef".repeat(4);
        let of = |place: String| {
            TargetOwner::by_name(Path::new(&place)).map_err(|error| error.to_string())
        };
        for place in [format!("/c/docker-{id}.scope"), format!("/c/docker/{id}")] {
            assert_eq!(of(place), Ok(TargetOwner::Docker(id.clone())));
        }
        for place in [
            format!("/c/libpod-{id}.scope/container"),
            format!("/c/libpod-{id}.scope"),
            format!("/c/libpod_parent/libpod-{id}"),
        ] {
            assert_eq!(of(place), Ok(TargetOwner::Podman(id.clone())));
        }
        let strange = of(format!("/c/cri-containerd-{id}.scope")).unwrap_err();
        assert!(strange.contains("of an engine that sentinel cannot ask"), "{strange}");
        // What is inside of a container is not the container.
        for place in [
            format!("/c/docker-{id}.scope/a"),
            "/c/container".to_owned(),
            format!("/c/libpod-conmon-{id}.scope/x"),
        ] {
            assert!(of(place.clone()).unwrap_err().contains("no container"), "{place}");
        }
    }

    #[test]
    fn managers_of_users_are_known() {
        assert_eq!(user_of(Path::new("/user.slice/user-7.slice/user@7.service")), Some(7));
        for other in ["/user@x.service", "/user@7.slice", "/user-7.slice", "/"] {
            assert_eq!(user_of(Path::new(other)), None, "{other}");
        }
    }
}
