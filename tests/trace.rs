//! Traces: what `--record` writes of real runs, what `sentinel replay` makes of them, and what another limit would have done.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "trace/fixtures.rs"]
mod fixtures;
#[path = "trace/made.rs"]
mod made;
#[path = "trace/recording.rs"]
mod recording;
#[path = "trace/replaying.rs"]
mod replaying;
mod support;
#[path = "trace/what_if.rs"]
mod what_if;
