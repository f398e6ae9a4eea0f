//! Thin wrappers of system calls that the crates in use do not offer safely; the only `unsafe` of the crate.

#![expect(unsafe_code, reason = "this is the place for it; each block says why it is sound")]

pub mod anchor;
pub mod attendant;
pub mod burial;
pub mod caller;
pub mod inherited;
pub mod line_writer;
pub mod memory;
pub mod own_ids;
pub mod priority;
pub mod privileges;
pub mod process;
pub mod signals;
pub mod spawn;
pub mod terminal;
