//! Healthy work on files of the working directory, for scripts/cache-cost: each works once, says as one line of JSON how long it took and
//! what its cgroup's counters did meanwhile, and ends. The files are there before.

use anyhow::{Context, Result, bail};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use sentinel::clock::Clock;
use sentinel::units::Bytes;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

const PAGE: usize = 4096;
const BLOCK: usize = 1 << 20;
/// What is read.
const BIG: &str = "big";
/// What is written, and removed at the end.
const COPY: &str = "copy";
/// With 32 pages around each, almost twice the limit of scripts/cache-cost.
const RANDOM: usize = 360;
/// A writer syncs after so many blocks.
const SYNC_BLOCKS: usize = 16;
/// Any odd number: the same order of pages in every run.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Maps the big file and reads a byte of some pages, at random: the kernel reads around each.
    MapRandom,
    /// Maps it and reads a byte of each page, one after the other.
    MapSequential,
    /// Reads the big file.
    Read,
    /// Writes a file of the cap's size, and syncs it now and then.
    Write,
    /// A command that a shell runs.
    Shell(&'static str),
}

impl FromStr for Work {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "map-random" => Work::MapRandom,
            "map-sequential" => Work::MapSequential,
            "read" => Work::Read,
            "write" => Work::Write,
            "cat" => Work::Shell("cat big | cat > /dev/null"),
            "dd" => Work::Shell("dd if=big of=copy bs=256K conv=fsync status=none"),
            "sort" => Work::Shell("sort -S 6M -T . -o copy lines"),
            "tar" => Work::Shell("python3 -m tarfile -c copy tree"),
            "build" => Work::Shell(
                "for a in 1 2 30 4 50 6; do cat tree/$a* | sort -S 4M | uniq -c | head -c 100000 > copy; done",
            ),
            _ => bail!("no such work"),
        })
    }
}

/// Takes so much memory of its own, does the work, and says what it cost.
pub fn run(work: Work, own: Bytes, cap: Bytes) -> Result<()> {
    let held = vec![1_u8; usize::try_from(own.0)?];
    let cgroup = cgroup()?;
    let clock = Clock::start();
    let (before, began) = (counters(&cgroup)?, clock.now());
    match work {
        Work::MapRandom => map(|pages| (0..RANDOM).map(move |number| random(number, pages)))?,
        Work::MapSequential => map(|pages| 0..pages)?,
        Work::Read => read()?,
        Work::Write => write(cap)?,
        Work::Shell(text) => shell(text)?,
    }
    let (took, after) = (clock.now() - began, counters(&cgroup)?);
    std::hint::black_box(&held);
    let _ = fs::remove_file(COPY);
    let mut line = format!("{{\"wall_usec\": {}", took.as_micros());
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        line += &format!(", \"{name}\": {}", after.saturating_sub(*before));
    }
    println!("{line}}}");
    Ok(())
}

/// Reads a byte of each page that `order` names.
#[expect(unsafe_code, reason = "mmap(2)")]
fn map<I: Iterator<Item = usize>>(order: impl Fn(usize) -> I) -> Result<()> {
    let file = File::open(BIG)?;
    let size = NonZeroUsize::new(usize::try_from(file.metadata()?.len())?).context("empty")?;
    // SAFETY: a new mapping, wherever there is room.
    let address = unsafe { mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0) }
        .context("mmap")?
        .cast::<u8>();
    let (pages, mut sum) = (size.get() / PAGE, 0_u64);
    for page in order(pages) {
        // SAFETY: `order` gives a page of the mapping; nobody cuts the file.
        sum += u64::from(unsafe { address.add(page * PAGE).read_volatile() });
    }
    std::hint::black_box(sum);
    Ok(())
}

fn random(number: usize, pages: usize) -> usize {
    let mut mixed = (number as u64 + 1).wrapping_mul(SEED);
    mixed = (mixed ^ (mixed >> 31)).wrapping_mul(SEED);
    usize::try_from((mixed ^ (mixed >> 29)) % pages as u64).unwrap_or_default()
}

fn read() -> Result<()> {
    let (mut file, mut block) = (File::open(BIG)?, vec![0_u8; BLOCK]);
    while file.read(&mut block)? > 0 {}
    Ok(())
}

fn write(cap: Bytes) -> Result<()> {
    let (mut file, block) = (File::create(COPY)?, vec![0x5a_u8; BLOCK]);
    for number in 1..=usize::try_from(cap.0)? / BLOCK {
        file.write_all(&block)?;
        if number % SYNC_BLOCKS == 0 {
            file.sync_all()?;
        }
    }
    Ok(file.sync_all()?)
}

fn shell(text: &str) -> Result<()> {
    let status = Command::new("sh").args(["-c", text]).status().context("run sh")?;
    if status.success() { Ok(()) } else { bail!("`{text}` failed: {status}") }
}

/// The cgroup v2 that this process is in.
fn cgroup() -> Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).context("no cgroup v2")?;
    Ok(PathBuf::from("/sys/fs/cgroup").join(path))
}

/// Every number of these files by its name; what a kernel does not have is not there.
fn counters(cgroup: &std::path::Path) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for file in ["cpu.stat", "memory.events", "memory.stat"] {
        let text = fs::read_to_string(cgroup.join(file)).context(file)?;
        let words = text.lines().filter_map(|line| line.split_once(' '));
        found
            .extend(words.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))));
    }
    let text = fs::read_to_string(cgroup.join("memory.pressure")).unwrap_or_default();
    for line in text.lines() {
        let (kind, total) = (line.split(' ').next(), line.rsplit_once("total="));
        if let (Some(kind), Some((_, total))) = (kind, total) {
            found.push((format!("stalled_{kind}"), total.parse()?));
        }
    }
    Ok(found)
}
