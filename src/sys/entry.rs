//! Where the program begins, instead of in the Rust runtime. That also looks for the end of the stack, in /proc/self/maps, and catches what runs
//! over it, to say so before it ends: sixteen system calls of every start, for one line. Part of the program and not of the
//! library, whose tests have beginnings of their own.

#![expect(unsafe_code, reason = "the C library finds it by its name")]

use nix::libc::{c_char, c_int};

/// The C library calls it. What it hands over the standard library has, too (std::env::args; with glibc alone).
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    sentinel::sys::caller::stand_in_for_runtime();
    crate::run_program()
}
