//! Nobody is ended for memory that is there once, or that may be there once; who really is over the limit is.

use crate::stage::{LOCKED, begin, may_lock, places, start, status};
use crate::support::{Scene, is_root, python, skip, until};

/// The child has its parent's address space for a moment each time.
#[test]
fn a_program_that_starts_programs_lives() {
    for place in places() {
        let scene = Scene::new();
        let script =
            "held = fill(70)\nfor _ in range(300):\n    subprocess.run(['true'])\nos._exit(0)\n";
        start(&scene, place, &["-m", "100M"], script).finish().expect(0);
    }
}

#[test]
fn a_limit_that_is_lowered_is_compared_with_the_same_footprint() {
    for place in places() {
        let scene = Scene::new();
        let script = "held = fill(60)\nfor _ in range(8):\n    os.fork() or wait()\n";
        let running = start(&scene, place, &["-m", "900M"], script);
        running.await_out("ready");
        scene.await_mailbox();
        for limit in ["500M", "200M", "110M"] {
            scene.ask(&format!("set memory {limit}")).expect(0);
            until("it is looked at", || {
                let memory = &status(&scene)["memory"];
                memory["footprint"].as_u64().unwrap() >> 20 <= 75
            });
        }
        assert_eq!(status(&scene)["state"], "running");
        scene.ask("kill").expect(0);
        running.finish().expect(137);
    }
}

/// One after the other leaves the rest with more of what they share.
#[test]
fn a_crowd_that_shares_and_ends_at_once_is_no_breach() {
    for place in places() {
        let scene = Scene::new();
        let script = "held = fill(70)\nfor _ in range(15):\n    pids = [os.fork() or os._exit(time.sleep(0.05) or 0) for _ in range(20)]\n    for _ in pids:\n        os.wait()\nos._exit(0)\n";
        start(&scene, place, &["-m", "130M"], script).finish().expect(0);
    }
}

/// A child is its parent's copy until it calls execve(2), and a look can come in the middle of that.
#[test]
fn who_calls_execve_is_not_counted_for_its_parent() {
    for place in places() {
        let scene = Scene::new();
        let record = scene.text_path("record.json");
        let script = "held = fill(70)\nfor _ in range(25):\n    pids = [os.fork() or os.execv('/bin/true', ['true']) for _ in range(20)]\n    for _ in pids:\n        os.wait()\nos._exit(0)\n";
        start(&scene, place, &["-m", "140M", "--json", &record], script).finish().expect(0);
        let peak = scene.record()["status"]["memory"]["peak_footprint"].as_u64().unwrap() >> 20;
        assert!((70..115).contains(&peak), "{peak} MiB of 70, in {place}");
    }
}

#[test]
fn locked_pages_of_files_end_it() {
    if !may_lock() {
        return;
    }
    for place in places() {
        let scene = Scene::new();
        let running =
            start(&scene, place, &["-m", "60M", "--grace", "0s"], &format!("{LOCKED}lock(150)\n"));
        running.finish().expect(137).says("reached the limit 60.0M");
    }
}

const UNREADABLE: &str = "libc.prctl(4, 0, 0, 0, 0)\n";

/// As another user it may not see what is not dumpable.
fn start_as_nobody(
    scene: &Scene,
    place: &str,
    limit: &str,
    script: &str,
) -> crate::support::Running {
    let script = format!("{}{script}", crate::stage::PRELUDE);
    let options = ["-m", limit, "--grace", "0s", "--report", "never"];
    let guarded = scene.guarded(&options, &[python(), "-c", &script]);
    let mut outer = scene.as_nobody(guarded.get_program());
    outer.args(guarded.get_args());
    begin(scene, place, outer)
}

#[test]
fn what_cannot_be_read_is_told_and_ends_nobody_by_itself() {
    if !is_root() {
        return skip("only root can become another user");
    }
    for place in places() {
        let scene = Scene::new();
        let script = format!(
            "{UNREADABLE}held = fill(90)\nfor _ in range(3):\n    if os.fork() == 0:\n        time.sleep(2); os._exit(0)\nfor _ in range(3):\n    os.wait()\n"
        );
        let run = start_as_nobody(&scene, place, "150M", &script).finish().expect(0);
        let said = run.stderr.matches("cannot read how much memory some processes share").count();
        assert_eq!(said, 1, "{run:?}");
    }
}

/// A bit at a time: what it had taken when it was first looked at may be shared with the others.
const GROWS_AS_FOUR: &str = "[os.fork() for _ in range(2)]
kept = []
for _ in range(40):
    kept.append(fill(1)); time.sleep(0.05)";

#[test]
fn what_cannot_be_read_and_grows_is_ended() {
    if !is_root() {
        return skip("only root can become another user");
    }
    for place in places() {
        for grows in ["kept = fill(200)", GROWS_AS_FOUR] {
            let scene = Scene::new();
            let script = format!(
                "{UNREADABLE}held = fill(60)\ntime.sleep(0.5)\nos.fork() or wait()\ntime.sleep(1)\n{grows}\nwait()\n"
            );
            let run = start_as_nobody(&scene, place, "150M", &script).finish();
            run.expect(137).says("reached the limit 150.0M");
        }
    }
}

/// A workload's processes of other users are not counted then, and that is said before anything runs.
#[test]
fn a_proc_that_hides_is_told_of() {
    if !is_root() {
        return skip("only root can mount /proc");
    }
    for place in places() {
        let scene = Scene::new();
        for (options, told) in [("hidepid=0", 0), ("hidepid=2", 1)] {
            let guarded = scene.guarded(&[], &["true"]);
            let mut nobody = scene.as_nobody(guarded.get_program());
            nobody.args(guarded.get_args());
            let mount = format!("mount -t proc -o {options} proc /proc && exec \"$@\"");
            let command = scene.through(&["unshare", "--mount", "sh", "-c", &mount, "sh"], &nobody);
            let run = begin(&scene, place, command).finish().expect(0);
            assert_eq!(run.stderr.matches("hidepid").count(), told, "{run:?}");
        }
    }
}
