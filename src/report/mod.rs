//! Read-only renderings of what happened: lines for people, summaries, records.

pub mod console;
pub mod file_kind;
pub mod from_policy;
pub mod given_file;
pub mod held_file;
pub mod html;
pub mod kept;
pub mod log;
pub mod misread;
pub mod post_mortem;
pub mod record;
pub mod text;
pub mod words;
