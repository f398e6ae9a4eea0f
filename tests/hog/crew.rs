//! Company for a shape: copies of it, and somebody who only takes processor time.

use crate::processes::forked;
use anyhow::Result;
use nix::unistd::{ForkResult, pause};
use sentinel::units::Bytes;
use std::io::Read;

/// A process that never waits.
pub fn spin() -> Result<()> {
    if let ForkResult::Child = forked()? {
        loop {
            std::hint::spin_loop();
        }
    }
    Ok(())
}

/// So many processes do it, each with its share of the cap. Returns when all are done or gone.
pub fn share(cap: Bytes, copies: u32, shape: impl Fn(Bytes) -> Result<()>) -> Result<()> {
    let share = Bytes((cap.0 / u64::from(copies)).next_multiple_of(1 << 20));
    let (mut all_done, at_work) = std::io::pipe()?;
    for _ in 0..copies {
        if let ForkResult::Child = forked()? {
            // What one cannot do (the kernel gives it no more) is no matter for the others.
            if let Err(error) = shape(share) {
                eprintln!("hog: {error:#}");
            }
            drop(at_work);
            loop {
                pause();
            }
        }
    }
    drop(at_work);
    all_done.read_to_end(&mut Vec::new())?;
    Ok(())
}
