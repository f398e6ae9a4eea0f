//! Read-only renderings of what happened: lines for people, summaries, records.

pub mod escape;
pub mod text;
