//! The real binary around real commands: what goes in and comes out, signals, orphans, endings, terminals. Each test
//! leaves no process, cgroup or socket behind. Runs here and, unchanged, in guests.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "supervise/bare_places.rs"]
mod bare_places;
#[path = "supervise/culprit.rs"]
mod culprit;
#[path = "supervise/dashboard.rs"]
mod dashboard;
#[path = "supervise/deaf_ears.rs"]
mod deaf_ears;
#[path = "supervise/ending.rs"]
mod ending;
#[path = "supervise/exit_status.rs"]
mod exit_status;
#[path = "supervise/floor.rs"]
mod floor;
#[path = "supervise/inheritance.rs"]
mod inheritance;
#[path = "supervise/jobs.rs"]
mod jobs;
#[path = "supervise/orphans.rs"]
mod orphans;
#[path = "supervise/pipelines.rs"]
mod pipelines;
#[path = "supervise/refused.rs"]
mod refused;
#[path = "supervise/remains.rs"]
mod remains;
#[path = "supervise/signals.rs"]
mod signals;
#[path = "supervise/start_cost.rs"]
mod start_cost;
#[path = "supervise/strangers.rs"]
mod strangers;
#[path = "supervise/streams.rs"]
mod streams;
mod support;
