//! Huge pages of hugetlbfs by process, for where no cgroup counts them (`cgroup::hugetlb`).

use super::proc_file;
use crate::cgroup::files;
use crate::units::Bytes;

/// What a process has mapped and touched; shared pages count for each that does. Takes no lock of the process.
pub fn of_process(pid: i32, text: &mut [u8]) -> Bytes {
    let status = proc_file::read(pid, "status", text).ok().flatten();
    Bytes(status.and_then(|status| kib(status, b"HugetlbPages:")).unwrap_or(0) << 10)
}

/// The number behind a key at the start of a line, `Key:   123 kB`.
fn kib(text: &[u8], key: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key))?;
    files::number(line.trim_ascii().strip_suffix(b"kB")?)
}
