//! Huge pages of hugetlbfs by process, for where no cgroup counts them (`cgroup::hugetlb`).

use super::proc_file;
use super::proc_stat::reader_of;
use crate::cgroup::files;
use crate::units::Bytes;

/// What a process has mapped and touched; shared pages count for each that does. Takes no lock of the process.
pub fn of_process(pid: i32, text: &mut [u8]) -> Bytes {
    let mut of = |pid| kib(proc_file::read(pid, "status", text).ok()??, b"HugetlbPages:");
    // Without memory of its own it may have it by a thread.
    let size =
        of(pid).or_else(|| Some(reader_of(pid)).filter(|reader| *reader != pid).and_then(of));
    Bytes(size.unwrap_or(0) << 10)
}

/// The number behind a key at the start of a line, `Key:   123 kB`.
fn kib(text: &[u8], key: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key))?;
    files::number(line.trim_ascii().strip_suffix(b"kB")?)
}
