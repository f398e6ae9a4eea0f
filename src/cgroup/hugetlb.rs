//! Huge pages of hugetlbfs: memory that `memory.current` does not have, unless the cgroup file system is mounted so. What a
//! cgroup has of it, its files tell where the hugetlb controller is on.

use super::kept::{Keeping, Kept};
use super::{Cgroup, files, hierarchy, names_in};
use crate::units::Bytes;
use std::io;
use std::path::Path;

/// The files `hugetlb.<size>.current` of a cgroup, none where the controller is off.
#[derive(Debug, Default)]
pub struct HugePages {
    files: Vec<Kept>,
}

impl HugePages {
    /// Opens them, unless the same pages are in `memory.current`.
    pub fn open(cgroup: &Cgroup, keeping: Keeping) -> HugePages {
        if in_memory_current() {
            return HugePages::default();
        }
        let open = |size: String| Kept::new(cgroup, &format!("hugetlb.{size}.current"), keeping);
        HugePages { files: sizes().into_iter().filter_map(|size| open(size).ok()).collect() }
    }

    /// Whether the cgroup tells.
    pub fn are_counted(&self) -> bool {
        !self.files.is_empty()
    }

    /// All sizes. Allocates nothing.
    ///
    /// # Errors
    /// ENODEV when the cgroup is gone.
    pub fn sum(&self, buffer: &mut [u8]) -> io::Result<Bytes> {
        let mut sum = Bytes(0);
        for file in &self.files {
            sum = sum.saturating_add(Bytes(files::number(file.read(buffer)?).unwrap_or(0)));
        }
        Ok(sum)
    }
}

/// The sizes that this kernel has, as its cgroup files are called (mem_fmt() in mm/hugetlb_cgroup.c).
fn sizes() -> Vec<String> {
    let names = names_in(Path::new("/sys/kernel/mm/hugepages")).into_iter();
    let names = names.filter_map(|name| name.into_string().ok());
    let kib = |name: String| name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok();
    names.filter_map(kib).map(size_name).collect()
}

fn size_name(kib: u64) -> String {
    match kib {
        0..1024 => format!("{kib}KB"),
        1024..1_048_576 => format!("{}MB", kib >> 10),
        _ => format!("{}GB", kib >> 20),
    }
}

/// Whether they are memory like any other.
pub fn in_memory_current() -> bool {
    hierarchy::has_huge_pages()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_called_as_the_kernel_does() {
        let names = [64, 2048, 32_768, 1_048_576, 16_777_216].map(size_name);
        assert_eq!(names, ["64KB", "2MB", "32MB", "1GB", "16GB"]);
    }
}
