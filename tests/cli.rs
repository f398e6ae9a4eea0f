//! Bad input at the command line: one clear line on stderr, the right exit status, and nothing was started.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "cli/asking.rs"]
mod asking;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/demands.rs"]
mod demands;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/places.rs"]
mod places;
#[path = "cli/record.rs"]
mod record;
#[path = "cli/refusal.rs"]
mod refusal;
mod support;
#[path = "cli/telling.rs"]
mod telling;
