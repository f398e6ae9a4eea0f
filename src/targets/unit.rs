//! The cgroup of a unit, asked of the system's manager and of the user's.

use super::Located;
use crate::cgroup::hierarchy::directory_of;
use crate::escape::{escape, shown};
use crate::systemd::bus::PATIENCE;
use crate::systemd::{Manager, UnitState};
use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

/// Kinds of units (systemd.unit(5)) that have processes,
const WITH_CGROUP: [&str; 6] = ["service", "scope", "slice", "socket", "mount", "swap"];
/// and that have none.
const WITHOUT: [&str; 5] = ["target", "timer", "path", "device", "automount"];

/// Where this unit runs. A user's own manager is asked first, for root that is the system's.
pub(super) fn find(typed: &str) -> Result<Located> {
    let name = full_name(typed)?;
    let uid = geteuid().as_raw();
    let mut managers = vec![Manager::of(uid), Manager::System];
    managers.dedup();
    let (mut rests, mut unanswered) = (false, None);
    for manager in managers {
        match manager.unit(uid, &name, PATIENCE) {
            Ok(UnitState::Runs(place)) => {
                let directory = directory_of(&place).with_context(|| {
                    format!("cannot find {} in a mounted tree of cgroups", shown(&place))
                })?;
                return Ok(Located::in_cgroup(directory, escape(name.as_bytes())));
            }
            Ok(UnitState::Rests) => rests = true,
            Ok(UnitState::Unknown) => {}
            Err(error) => unanswered = Some(error),
        }
    }
    let shown = escape(name.as_bytes());
    match unanswered {
        _ if rests => bail!("{shown} is not running; try: systemctl status {shown}"),
        Some(error) => Err(error.context(format!("cannot find {shown}"))),
        None => bail!("there is no unit {shown}; systemctl list-units shows those that run"),
    }
}

/// Whether this is the name of a unit that has a cgroup.
pub(super) fn has_processes(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| WITH_CGROUP.contains(&kind))
}

fn full_name(typed: &str) -> Result<String> {
    let kind = typed.rsplit_once('.').map(|(_, kind)| kind);
    match kind {
        Some(kind) if WITH_CGROUP.contains(&kind) => Ok(typed.to_owned()),
        Some(kind) if WITHOUT.contains(&kind) => {
            bail!("{}: a {kind} has no processes", escape(typed.as_bytes()))
        }
        _ => Ok(format!("{typed}.service")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_kind_it_is_a_service() {
        let full = |typed| full_name(typed).unwrap();
        assert_eq!(full("db"), "db.service");
        assert_eq!(full("app-1.2"), "app-1.2.service");
        assert_eq!(full("user.slice"), "user.slice");
        assert!(full_name("multi-user.target").unwrap_err().to_string().contains("no processes"));
    }
}
