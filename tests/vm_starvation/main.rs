//! The machine has nothing left: memory, processor time, processes, inotify, disk. The guardian acts in time all the same, or
//! says what is lost. Changes the machine that it runs on: in a guest only (scripts/vm/test).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "what vm_kernel needs of the guest is more")]

#[path = "../vm_kernel/guest.rs"]
mod guest;
mod kernel;
mod machine;
mod others;
