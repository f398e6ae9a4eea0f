//! A workload that takes the rights of its own cgroup away, under a guardian that is not root.

use crate::support::leftovers::cgroup2_mounts;
use crate::support::{Run, Running, Scene, skip, until};
use crate::{can_be_others, open_to_all};
use nix::sys::stat::Mode;
use std::os::unix::fs::chown;

/// Its command ends, and the rest is to be ended politely all the same.
const WORKLOAD: &str = r#"
cgroup="$0$(sed -n 's/^0:://p' /proc/self/cgroup)"
mkdir "$cgroup/below"
sh -c 'echo $$ > "$0/below/cgroup.procs"; trap "echo heard; exit" TERM; echo ready > "$1"; sleep 1000 & wait' "$cgroup" "$1" &
read -r line < "$1"
chmod 000 "$cgroup/below" "$cgroup"
echo "hidden $cgroup"
"#;

/// Nobody is left in what it hid: it is to be removed all the same.
const EMPTY: &str = r#"
cgroup="$0$(sed -n 's/^0:://p' /proc/self/cgroup)"
mkdir -p "$cgroup/below/deeper"
chmod 000 "$cgroup/below/deeper" "$cgroup/below" "$cgroup"
"#;

/// Runs it as nobody, in a cgroup that was given to nobody. `None` where there is none to give.
fn hidden(workload: &str, options: &[&str]) -> Option<Run> {
    let Some(mount) = cgroup2_mounts().into_iter().next().filter(|_| can_be_others()) else {
        skip("no root, or no cgroup v2 file system");
        return None;
    };
    let scene = Scene::new();
    open_to_all(&scene);
    let fifo = scene.path("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    chown(&fifo, Some(65534), Some(65534)).unwrap();
    let home = mount.join(format!("hiding-{}", scene.name()));
    std::fs::create_dir(&home).unwrap();
    for file in ["", "cgroup.procs", "cgroup.subtree_control"] {
        chown(home.join(file), Some(65534), Some(65534)).unwrap();
    }
    let command = ["sh", "-c", workload, mount.to_str().unwrap(), fifo.to_str().unwrap()];
    let guarded = scene.guarded(options, &command);
    let mut nobody = scene.as_nobody(guarded.get_program());
    nobody.args(guarded.get_args());
    let enter =
        ["sh", "-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", home.to_str().unwrap()];
    let run = Running::start(&mut scene.through(&enter, &nobody)).finish();
    until("nothing is left below", || std::fs::remove_dir(&home).is_ok());
    assert!(!run.stderr.contains("remove cgroup"), "{run:?}");
    Some(run)
}

#[test]
fn a_cgroup_without_rights_hides_nobody() {
    let Some(run) = hidden(WORKLOAD, &["--on-exit", "terminate", "--grace", "60s"]) else { return };
    assert!(run.stdout().contains("hidden ") && run.stdout().contains("heard\n"), "{run:?}");
}

#[test]
fn cgroups_without_rights_are_removed() {
    hidden(EMPTY, &[]).map(|run| run.expect(0));
}
