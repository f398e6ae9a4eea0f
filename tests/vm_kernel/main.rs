//! The promise, on a real kernel with cgroup v2. Runs in a guest only (scripts/vm/test), where nothing may skip.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]

mod guest;
mod ladder;
mod place;
