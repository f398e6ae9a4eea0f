//! The children of a process, for looks that may take their time: the way to a signal has `descent.rs`.

use super::proc_file;
use super::proc_stat::parent_of;
use crate::cgroup::files;
use crate::kernel_file;
use std::fs::File;

/// The lists of its threads, of `left` at most: each thread has its own (proc_pid_task(5)).
pub(super) fn by_threads(pid: i32, left: &mut usize) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for thread in threads.take(*left) {
        *left -= 1;
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(list.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    found
}

/// Our own: we have one thread. Nobody where the kernel has no such list (CONFIG_PROC_CHILDREN).
pub(super) fn ours() -> Vec<i32> {
    let list = File::open("/proc/thread-self/children").and_then(kernel_file::read_numbers);
    files::cgroup_procs(&list.unwrap_or_default()).collect()
}

/// By the kernel's lists, or where it has none (CONFIG_PROC_CHILDREN) by asking everybody.
pub(super) fn children_of(pid: i32, found: &mut Vec<i32>) {
    if proc_file::open(format_args!("/proc/thread-self/children")).is_ok() {
        found.extend(by_threads(pid, &mut { usize::MAX }));
        return;
    }
    let mut text = [0; 2048];
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    found.extend(
        pids.filter(|it| matches!(parent_of(*it, &mut text), Ok(Some(parent)) if parent == pid)),
    );
}
