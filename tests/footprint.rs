//! In tiers that sum over processes the footprint is what is there: pages that several processes have count once, at every level,
//! one address space too, and locked pages of files as well. Nobody is ended below the limit. `scripts/footprint-check` does the
//! same with forty real programs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "footprint/limits.rs"]
mod limits;
#[path = "footprint/runtimes.rs"]
mod runtimes;
#[path = "footprint/stage.rs"]
mod stage;
#[expect(unused_imports, reason = "this suite looks at no run")]
mod support;

use stage::{LOCKED, agrees, agrees_with};

/// Forks children that each do this and wait.
fn forks(count: u32, child: &str) -> String {
    format!(
        "held = fill(60)\nfor number in range({count}):\n    if os.fork() == 0:\n        {child}\n        wait()\n"
    )
}

#[test]
fn one_process() {
    agrees("held = fill(60)");
}

#[test]
fn forks_share_what_they_inherit() {
    agrees(&forks(8, "pass"));
}

#[test]
fn what_a_fork_writes_to_is_its_own() {
    agrees(&forks(4, "touch(held, 0, 30)"));
}

/// Copy-on-write moves no size of any process, and comes long after the fork was looked at.
#[test]
fn what_a_fork_writes_to_later_is_its_own_then() {
    agrees(&format!("{}hear(3)", forks(3, "time.sleep(1.5); touch(held, 0, 60); tell()")));
    agrees(&format!("{}time.sleep(1.5); touch(held, 0, 60)", forks(3, "pass")));
}

#[test]
fn what_is_left_to_one_counts_whole() {
    let ends = "time.sleep(0.2 * number); number == 0 or os._exit(0)";
    agrees(&format!("{}[os.wait() for _ in range(5)]", forks(6, ends)));
    // The elder goes, and its page tables with it.
    agrees("held = fill(60)\nif os.fork() > 0:\n    time.sleep(0.5); os._exit(0)\n");
}

#[test]
fn shared_mappings_count_once() {
    let map = "held = mmap.mmap(-1, 60 << 20); touch(held, 0, 60)\n";
    agrees(&format!(
        "{map}for _ in range(3):\n    if os.fork() == 0:\n        touch(held, 0, 60); wait()\n"
    ));
    agrees(&format!("for _ in range(3):\n    if os.fork() == 0:\n        {map}        wait()\n"));
}

#[test]
fn shells_and_small_programs() {
    agrees(
        "for _ in range(20):\n    subprocess.Popen(['sh', '-c', 'sleep 100000 | sleep 100000; true'])\n",
    );
}

#[test]
fn threads_and_a_child_of_each() {
    agrees(
        "import threading\nheld = fill(30)\nfor _ in range(4):\n    threading.Thread(target=lambda: subprocess.Popen(['sleep', '100000']).wait()).start()\n",
    );
}

/// /proc/PID/stat has a zombie there: its first thread has ended, and another goes on with all that there is.
#[test]
fn a_process_without_its_first_thread_counts() {
    let leave = "import threading
def go_on():
    print('ready', flush=True)
    wait()
threading.Thread(target=go_on).start()
libc.syscall({'x86_64': 60}.get(os.uname().machine, 93), 0)
";
    agrees(&format!("held = fill(60)\n{leave}"));
    agrees(&format!(
        "held = fill(60)\nif os.fork() == 0:\n    touch(held, 0, 30)\n    wait()\n{leave}"
    ));
}

#[test]
fn one_address_space_counts_once() {
    for flags in ["CLONE_VM", "CLONE_VM | CLONE_VFORK"] {
        agrees_with(
            &format!(
                "import threading\nheld = fill(60)\nthreading.Thread(target=clone, args=({flags},), daemon=True).start()\n"
            ),
            |pids| pids.truncate(1),
        );
    }
}

#[test]
fn locked_pages_of_files_count() {
    if !stage::may_lock() {
        return;
    }
    agrees(&format!("{LOCKED}lock(40)\n"));
    // All that is mapped, or only what is counted anyway.
    agrees(&format!("{LOCKED}lock(40)\nheld = fill(20)\nlibc.mlockall(3)\n"));
    agrees(&format!(
        "{LOCKED}lock(40)\nlibc.munlockall()\nheld = fill(20)\nlibc.mlock(address(held), 20 << 20)\n"
    ));
}
