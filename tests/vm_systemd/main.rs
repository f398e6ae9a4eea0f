//! Machines as people have them: systemd, login sessions, sudo, containers. Runs in a guest only (scripts/vm/test), where nothing may skip.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits with a deadline"
)]

mod attached;
mod docker;
mod guest;
mod leaving;
mod living;
mod machine;
mod places;
mod stopped;
