//! A workload that misbehaves on demand, for tests and demonstrations: `hog SHAPE [--cap 4G] ...`.
//! Each shape goes for memory (or ends, stops, hides) in a way of its own; at its cap it says `ready` and stays.
//! Only for a cgroup with a limit, or a throw-away machine.

mod crew;
mod descriptors;
mod files;
mod handlers;
mod healthy;
mod kernel_memory;
mod memory;
mod own_cgroup;
mod pinned;
mod processes;
mod queues;
mod relations;
mod shape;
mod system;
mod tables;
mod timed;
mod tmpfs;

use anyhow::Result;
use clap::Parser;
use handlers::OnTerm;
use nix::sys::prctl::set_thp_disable;
use nix::unistd::pause;
use sentinel::units::Bytes;
use shape::{Shape, Sizes};
use std::io::Write;
use std::path::PathBuf;

/// What the command line says.
#[derive(Debug, Parser)]
#[command(name = "hog")]
struct Arguments {
    /// step, touch, populate, mlockall, threads:N, procs:N, forkbomb, forkbomb-thp, memfd, memfd-big, fallocate, tmpfs, thp, realloc,
    /// pipes, sockets, inodes, idle:SIZE, exit:N, signal:N, daemon, orphan, stop-self, freeze-self, subcgroup, print:N,
    /// sleep:DURATION, segment, shared, cache, mapped, names, frozen-child, wander, close-cgroup, leave, daemon-leak,
    /// rename, ptrace, vfork, stopped-children, sort; and those that shape.rs lists
    ///
    /// Healthy work that is timed: timed:WORK:SIZE (map-random, map-sequential, read, write, cat, dd, sort, tar, build).
    shape: Shape,
    /// Where an allocating shape stops.
    #[arg(long, default_value = "4G")]
    cap: Bytes,
    /// How fast the step shape goes, in bytes a second.
    #[arg(long, default_value = "50M")]
    rate: Bytes,
    /// What a working shape holds from the beginning.
    #[arg(long, default_value = "0")]
    own: Bytes,
    /// So many processes do it, and share the cap.
    #[arg(long, default_value_t = 1)]
    copies: u32,
    /// One more process takes processor time, and nothing else.
    #[arg(long)]
    spinner: bool,
    /// No transparent huge pages: the kernel charges those without throttling who asked for them.
    #[arg(long)]
    small_pages: bool,
    /// SIGTERM does nothing.
    #[arg(long, group = "on_term")]
    ignore_term: bool,
    /// The SIGTERM handler allocates, up to the cap again.
    #[arg(long, group = "on_term")]
    alloc_in_handler: bool,
    /// The SIGTERM handler forks children that take a MiB each.
    #[arg(long, group = "on_term")]
    fork_in_handler: bool,
    /// The SIGTERM handler writes 5 MiB there, syncs, says `checkpoint_ms` and how long it took, and exits 0.
    #[arg(long, group = "on_term", value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl Arguments {
    fn on_term(&self) -> OnTerm {
        match &self.checkpoint {
            Some(path) => OnTerm::Checkpoint(path.clone()),
            None if self.ignore_term => OnTerm::Ignore,
            None if self.fork_in_handler => OnTerm::Fork,
            None if self.alloc_in_handler => OnTerm::Allocate(self.cap),
            None => OnTerm::Default,
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    handlers::install(arguments.on_term())?;
    if arguments.small_pages {
        set_thp_disable(true)?;
    }
    if arguments.spinner {
        crew::spin()?;
    }
    let Arguments { shape, cap, rate, own, copies, .. } = arguments;
    match copies {
        1 => shape.run(Sizes { cap, rate, own })?,
        _ => crew::share(cap, copies, |cap| shape.run(Sizes { cap, rate, own }))?,
    }
    if shape.ends() {
        return Ok(());
    }
    stay()
}

/// Says that this is as far as it goes, and stays until it is ended.
fn stay() -> ! {
    // A closed pipe is no reason to leave.
    let _ = writeln!(std::io::stdout(), "ready");
    loop {
        pause();
    }
}
