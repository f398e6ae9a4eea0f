//! What stands between a place and tier `kernel`, as one line, and the lines to paste against it.

use super::RefusedRoute;
use super::surroundings::Surroundings;
use crate::cgroup::Cgroup;
use crate::escape::shown;
use crate::status::Tier;
use crate::systemd::Manager;
use nix::fcntl::OFlag;

/// The one thing in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The memory controller is bound to cgroup v1.
    V1,
    /// The kernel was started without the memory controller.
    Disabled,
    /// No cgroup v2 file system is mounted.
    NotMounted,
    /// It is mounted, without the memory controller and without a sign why.
    NoController,
    /// Inside a container with a read-only cgroup file system.
    ReadOnly,
    /// Not root, and no systemd of the user's that could be asked.
    NoManager,
    /// Something that the rows say themselves.
    Other,
}

/// Finds it.
pub fn find(around: &Surroundings) -> Obstacle {
    match around.memory() {
        None if around.memory_v1 => Obstacle::V1,
        None if around.memory_disabled => Obstacle::Disabled,
        None if around.hierarchies.is_empty() => Obstacle::NotMounted,
        None => Obstacle::NoController,
        Some(memory) if memory.read_only => Obstacle::ReadOnly,
        Some(_) if around.uid != 0 && around.why_no_manager(Manager::User).is_some() => {
            Obstacle::NoManager
        }
        Some(_) => Obstacle::Other,
    }
}

/// It in words; where the rows know more, the first of those that were tried and failed.
pub fn reason(around: &Surroundings, refusals: &[RefusedRoute]) -> String {
    match find(around) {
        Obstacle::V1 | Obstacle::Disabled | Obstacle::NotMounted | Obstacle::NoController => {
            why_no_memory(around)
        }
        Obstacle::ReadOnly => "cgroup v2 is mounted read-only here".to_owned(),
        Obstacle::NoManager => {
            let manager = Manager::User.absent(around.uid);
            format!("no cgroup is delegated to this user, and {manager}")
        }
        Obstacle::Other => {
            let tried =
                refusals.iter().find(|refusal| super::why_not(refusal.row, around, None).is_none());
            tried.or(refusals.last()).map_or_else(String::new, |refusal| refusal.why.clone())
        }
    }
}

/// Why there is no memory controller to be used.
pub(super) fn why_no_memory(around: &Surroundings) -> String {
    let why = match find(around) {
        Obstacle::V1 => "the memory controller belongs to cgroup v1 here",
        Obstacle::Disabled => "the kernel was started with the memory controller off",
        Obstacle::NotMounted => "no cgroup v2 file system is mounted",
        Obstacle::NoController | Obstacle::ReadOnly | Obstacle::NoManager | Obstacle::Other => {
            "cgroup v2 has no memory controller here"
        }
    };
    why.to_owned()
}

/// What to do about it: lines to paste, with a word on where.
pub fn remedy(around: &Surroundings) -> Vec<String> {
    let lines: &[&str] = match find(around) {
        Obstacle::V1 if around.wsl() && wsl_conf_asks_for_v1() => &[
            "in /etc/wsl.conf remove cgroups=v1 under [automount], then in PowerShell: wsl --shutdown",
        ],
        Obstacle::V1 if around.wsl() => &[
            "in PowerShell: wsl --update, then wsl --shutdown (WSL 2.5.1 and later use cgroup v2)",
            "or in %UserProfile%\\.wslconfig under [wsl2]: kernelCommandLine = cgroup_no_v1=all, then wsl --shutdown",
        ],
        Obstacle::V1 if !around.systemd => {
            &["boot with cgroup_no_v1=all on the kernel's command line, and mount cgroup2"]
        }
        Obstacle::V1 => &[
            "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all on the kernel's command line",
        ],
        Obstacle::Disabled => &[
            "remove cgroup_disable=memory from the kernel's command line and reboot",
            "on a Raspberry Pi append cgroup_enable=memory to /boot/firmware/cmdline.txt and reboot",
        ],
        Obstacle::NotMounted => &["sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup"],
        Obstacle::NoController => &["boot a kernel with CONFIG_MEMCG=y"],
        Obstacle::ReadOnly => &[
            "docker run --security-opt writable-cgroups=true … (Docker 28 and later)",
            "podman run --security-opt unmask=/sys/fs/cgroup …",
        ],
        Obstacle::NoManager if around.systemd => {
            &["sudo loginctl enable-linger $USER, then log in again", "or run it with sudo"]
        }
        Obstacle::NoManager => &["run it with sudo"],
        Obstacle::Other => &["run it with sudo, or as a service with Delegate=yes"],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Why there is no cgroup to be had even without the memory controller, looking and not trying; `None` where there is.
pub fn why_not_hybrid(around: &Surroundings) -> Option<String> {
    let Some(hierarchy) = around.hierarchies.first() else {
        return Some("no cgroup v2 file system is mounted".to_owned());
    };
    if hierarchy.read_only {
        return Some(format!("{} is mounted read-only", shown(&hierarchy.mount_point)));
    }
    let Some(own) = hierarchy.own.as_deref() else {
        return Some("our own cgroup is outside the mounted hierarchy".to_owned());
    };
    let procs = Cgroup::open(own).and_then(|own| Ok(own.file("cgroup.procs", OFlag::O_WRONLY)?));
    let error = procs.err()?;
    let (own, cause) = (shown(own), error.root_cause());
    Some(format!("not allowed to make a cgroup in {own}: {cause}"))
}

/// What to do to get at least this tier: lines to paste.
pub fn remedy_for(around: &Surroundings, tier: Tier) -> Vec<String> {
    let line = match (tier, around.hierarchies.first()) {
        (Tier::Kernel | Tier::Observed, _) => return remedy(around),
        (Tier::Polled, _) => return Vec::new(),
        // With v1 there, its hierarchies have the usual place.
        (Tier::Hybrid, None) if around.memory_v1 => {
            "sudo mkdir -p /sys/fs/cgroup/unified && sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
        }
        (Tier::Hybrid, Some(hierarchy))
            if around.uid != 0 && hierarchy.own.is_some() && !hierarchy.read_only =>
        {
            "run it with sudo"
        }
        (Tier::Hybrid, _) => return remedy(around),
    };
    vec![line.to_owned()]
}

fn wsl_conf_asks_for_v1() -> bool {
    let text = std::fs::read_to_string("/etc/wsl.conf").unwrap_or_default();
    text.lines().any(|line| {
        line.split('#').next().is_some_and(|line| line.replace(' ', "") == "cgroups=v1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::hierarchy::Hierarchy;
    use crate::cgroup::machine::MachineMemory;

    fn place(release: &str, uid: u32) -> Surroundings {
        Surroundings {
            hierarchies: Vec::new(),
            uid,
            systemd: false,
            namespace_root: false,
            unit: None,
            machine: MachineMemory::default(),
            release: release.to_owned(),
            memory_v1: false,
            memory_disabled: false,
        }
    }

    /// A mount of cgroup2 with these controllers.
    fn mount(controllers: &str, read_only: bool) -> Hierarchy {
        let mount_point = std::path::PathBuf::from("/nowhere");
        let (own, controllers) = (Some(mount_point.clone()), controllers.to_owned());
        let (root, has_type) = ("/".to_owned(), false);
        Hierarchy { mount_point, own, root, read_only, controllers, has_type }
    }

    #[test]
    fn wsl_is_told_what_wsl_people_do() {
        let old =
            Surroundings { memory_v1: true, ..place("5.15.167.4-microsoft-standard-WSL2", 1000) };
        assert_eq!(find(&old), Obstacle::V1);
        assert!(remedy(&old)[0].starts_with("in PowerShell: wsl --update"));
        let other = Surroundings { memory_v1: true, systemd: true, ..place("5.10.0-30-amd64", 0) };
        assert!(remedy(&other)[0].starts_with("boot with systemd.unified_cgroup_hierarchy=1"));
    }

    #[test]
    fn without_the_controller_the_reason_is_the_kernel_s() {
        let hierarchy = mount("cpu pids\n", false);
        let none = Surroundings { hierarchies: vec![hierarchy], ..place("6.1.0", 0) };
        assert_eq!(find(&none), Obstacle::NoController);
        let off = Surroundings { memory_disabled: true, ..none.clone() };
        assert_eq!(find(&off), Obstacle::Disabled);
        assert_eq!(reason(&off, &[]), "the kernel was started with the memory controller off");
        assert_eq!(find(&place("6.1.0", 0)), Obstacle::NotMounted);
    }

    #[test]
    fn the_way_out_is_that_of_the_tier_asked_for() {
        let hierarchy = mount("cpu\n", false);
        let user = Surroundings {
            hierarchies: vec![hierarchy.clone()],
            memory_v1: true,
            ..place("6.1.0", 1000)
        };
        assert_eq!(remedy_for(&user, Tier::Hybrid), ["run it with sudo"]);
        assert!(remedy_for(&user, Tier::Kernel)[0].contains("cgroup_no_v1=all"));
        let unmounted = Surroundings { hierarchies: Vec::new(), ..user.clone() };
        assert_eq!(
            why_not_hybrid(&unmounted).as_deref(),
            Some("no cgroup v2 file system is mounted")
        );
        assert!(remedy_for(&unmounted, Tier::Hybrid)[0].contains("mount -t cgroup2"));
        let read_only = Hierarchy { read_only: true, ..hierarchy };
        let closed = Surroundings { hierarchies: vec![read_only], ..user };
        assert!(why_not_hybrid(&closed).unwrap().ends_with("is mounted read-only"));
        assert_ne!(remedy_for(&closed, Tier::Hybrid), ["run it with sudo"], "it would not help");
    }

    #[test]
    fn a_container_with_a_read_only_cgroupfs_is_told_the_flags() {
        let hierarchy = mount("cpu memory pids\n", true);
        let container = Surroundings { hierarchies: vec![hierarchy], ..place("6.1.0", 0) };
        assert_eq!(find(&container), Obstacle::ReadOnly);
        assert!(remedy(&container).iter().any(|line| line.contains("unmask=/sys/fs/cgroup")));
        for row in super::super::Route::ALL {
            assert!(super::super::why_not(row, &container, None).is_some(), "{row}");
        }
    }
}
