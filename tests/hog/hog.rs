//! A workload that misbehaves on demand, for tests and demonstrations: `hog SHAPE [--cap 4G] ...`.
//! Each shape goes for memory (or ends, stops, hides) in a way of its own; at its cap it says `ready` and stays.
//! Only for a cgroup with a limit, or a throw-away machine.

mod files;
mod handlers;
mod healthy;
mod kernel_memory;
mod memory;
mod own_cgroup;
mod processes;
mod relations;
mod shape;

use anyhow::Result;
use clap::Parser;
use handlers::OnTerm;
use nix::unistd::pause;
use sentinel::units::Bytes;
use shape::Shape;
use std::io::Write;
use std::path::PathBuf;

/// What the command line says.
#[derive(Debug, Parser)]
#[command(name = "hog")]
struct Arguments {
    /// step, touch, populate, mlockall, threads:N, procs:N, forkbomb, memfd, memfd-big, fallocate, tmpfs, thp, realloc,
    /// pipes, sockets, inodes, idle:SIZE, exit:N, signal:N, daemon, orphan, stop-self, freeze-self, subcgroup, print:N,
    /// sleep:DURATION, segment, shared, cache, mapped, names, frozen-child, wander, close-cgroup, leave, daemon-leak,
    /// rename, ptrace, vfork, stopped-children, healthy:WORK:SIZE (map-random, map-sequential, read, write, cat, dd, sort, tar, build)
    shape: Shape,
    /// Where an allocating shape stops.
    #[arg(long, default_value = "4G")]
    cap: Bytes,
    /// How fast the step shape goes, in bytes a second.
    #[arg(long, default_value = "50M")]
    rate: Bytes,
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
    arguments.shape.run(arguments.cap, arguments.rate)?;
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
