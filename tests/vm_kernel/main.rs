//! The promise, on a real kernel with cgroup v2. Runs in a guest only (scripts/vm/test), where nothing may skip.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_wrap,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits with a deadline"
)]

mod at_breach;
mod blocking;
mod floor;
mod guest;
mod ladder;
mod machine;
mod place;
mod reasons;
mod swap;
mod uncounted;
