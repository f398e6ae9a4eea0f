//! Work that lives within its limit, however much it reads and writes. All end by themselves, and leave no file; the cap is
//! what they read or write, and their own memory what `--own` says.

use crate::files::{BLOCK, nameless, written};
use crate::memory;
use crate::processes::sleep;
use crate::system::PAGE;
use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, mmap};
use sentinel::units::{Bytes, MIB};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Writes a file, and waits until it is on the disk.
pub fn write(cap: Bytes) -> Result<()> {
    written(cap)?.sync_all().context("fsync")
}

/// Writes to each page of a mapped file.
#[expect(unsafe_code, reason = "mmap(2)")]
pub fn write_mapped(cap: Bytes) -> Result<()> {
    let file = written(Bytes(0))?;
    file.set_len(cap.0).context("set the size")?;
    let size = NonZeroUsize::new(usize::try_from(cap.0)?).context("nothing to map")?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room.
    let address = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, &file, 0) }
        .context("mmap")?
        .cast::<u8>();
    for at in (0..size.get()).step_by(PAGE) {
        // SAFETY: within the mapping; the file has no name by which it could be cut.
        unsafe { address.add(at).write_volatile(1) };
    }
    file.sync_all().context("fsync")
}

/// Writes past the page cache, and reads so.
pub fn write_direct(cap: Bytes) -> Result<()> {
    let mut file = nameless(nix::libc::O_DIRECT)?;
    // The device wants its addresses on borders of its sectors.
    let mut memory = vec![0x5a_u8; BLOCK + PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    let block = &mut memory[start..start + BLOCK];
    for _ in 0..cap.0 / MIB {
        file.write_all(block).context("write")?;
    }
    file.rewind()?;
    while file.read(block).context("read")? > 0 {}
    Ok(())
}

/// Makes many small files, packs them into one, and removes them.
pub fn pack(cap: Bytes) -> Result<()> {
    const FILE: usize = 64 << 10;
    let folder = Folder::new()?;
    let text = vec![0x5a_u8; FILE];
    let count = cap.0 / FILE as u64;
    for number in 0..count {
        fs::write(folder.0.join(format!("{number}")), &text)?;
    }
    let mut archive = BufWriter::new(written(Bytes(0))?);
    for number in 0..count {
        let packed =
            std::io::copy(&mut File::open(folder.0.join(format!("{number}")))?, &mut archive)?;
        ensure!(packed == FILE as u64, "a file was cut");
    }
    archive.flush().context("write the archive")
}

/// A record of a file that is sorted: a number, and what goes with it.
type Record = [u8; 256];

/// Sorts more than there is memory for: pieces in memory, each written and read back, all merged.
pub fn sort(cap: Bytes, own: Bytes) -> Result<()> {
    let piece = usize::try_from(own.0.max(MIB))? / size_of::<Record>();
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut record = [0; 256];
        record[..8].copy_from_slice(&seed.to_be_bytes());
        record
    };
    let mut runs = Vec::new();
    for _ in 0..cap.0 / own.0.max(MIB) {
        let mut records: Vec<Record> = (0..piece).map(|_| random()).collect();
        records.sort_unstable();
        runs.push(run_of(&records)?);
    }
    merge(&mut runs)
}

fn run_of(records: &[Record]) -> Result<BufReader<File>> {
    let mut file = written(Bytes(0))?;
    file.write_all(records.as_flattened()).context("write a run")?;
    file.rewind()?;
    Ok(BufReader::new(file))
}

fn merge(runs: &mut [BufReader<File>]) -> Result<()> {
    let mut out = BufWriter::new(written(Bytes(0))?);
    let mut heads: Vec<Option<Record>> = runs.iter_mut().map(next).collect();
    while let Some(least) =
        (0..heads.len()).filter(|at| heads[*at].is_some()).min_by_key(|at| heads[*at])
    {
        out.write_all(&heads[least].take().context("an empty head")?)?;
        heads[least] = next(&mut runs[least]);
    }
    out.flush().context("write what is sorted")
}

fn next(run: &mut BufReader<File>) -> Option<Record> {
    let mut record = [0; 256];
    run.read_exact(&mut record).ok()?;
    Some(record)
}

/// Starts many short programs, some at once, as a build does. Each of them is a `job`.
pub fn build(cap: Bytes) -> Result<()> {
    const JOBS: usize = 40;
    const AT_ONCE: usize = 4;
    let program = std::env::current_exe()?;
    let sources = written(cap)?;
    // All at once stay well below half of that, also where their memory comes in huge pages.
    let job = format!("{}K", (cap.0 / 32).min(2 << 20) >> 10);
    for _ in 0..JOBS / AT_ONCE {
        let jobs: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                Command::new(&program).args(["job", "--cap", &job]).stdin(Stdio::null()).spawn()
            })
            .collect::<Result<_, _>>()
            .context("start a job")?;
        for mut job in jobs {
            ensure!(job.wait()?.success(), "a job failed");
        }
    }
    drop(sources);
    Ok(())
}

/// Takes the cap, writes a file, and is done.
pub fn job(cap: Bytes) -> Result<()> {
    memory::touch(cap);
    written(Bytes::mib(1)).map(drop)
}

/// Walks through folders full of files, twice.
pub fn walk(cap: Bytes) -> Result<()> {
    /// What the kernel remembers of a file on a disk.
    const A_FILE: u64 = 2 << 10;
    const A_FOLDER: u64 = 100;
    let folder = Folder::new()?;
    for number in 0..cap.0 / A_FILE {
        let below = folder.0.join(format!("{}", number / A_FOLDER));
        if number % A_FOLDER == 0 {
            fs::create_dir(&below)?;
        }
        drop(File::create(below.join(format!("{number:0>100}")))?);
    }
    for _ in 0..2 {
        ensure!(count(&folder.0)? == cap.0 / A_FILE, "a file is missing");
    }
    Ok(())
}

fn count(folder: &Path) -> Result<u64> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.metadata()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}

/// Holds the cap, has it swapped out, and reads it again and again: it is in swap and in memory at once then.
pub fn swap_back(cap: Bytes) -> Result<()> {
    const TIMES: usize = 10;
    let memory = memory::anonymous(cap)?;
    memory.iter_mut().step_by(8).enumerate().for_each(|(at, byte)| *byte = at.to_le_bytes()[0]);
    memory::advise(memory, MmapAdvise::MADV_PAGEOUT)?;
    for _ in 0..TIMES {
        let sum: u64 = memory.iter().step_by(PAGE).map(|byte| u64::from(*byte)).sum();
        std::hint::black_box(sum);
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Touches the cap once and leaves it alone.
pub fn cold(cap: Bytes) -> Result<()> {
    memory::touch(cap);
    sleep(Duration::from_secs(2));
    Ok(())
}

/// A folder that goes with its files.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        let path = PathBuf::from(format!("hog-{}.d", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
