//! What a person types to guard what runs already.

use super::Settings;
use clap::Parser;
use std::path::PathBuf;

/// Guards what runs already: a cgroup that somebody else made, or each one in a directory. What is written is put back.
#[derive(Debug, Parser)]
#[command(name = "attach", max_term_width = 100, args_override_self = true)]
pub struct Attach {
    /// The settings, as options. `--cgroup` and `--slice` name what is guarded.
    #[command(flatten)]
    pub settings: Settings,
    /// Reads settings from this file (TOML, the option names as keys).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Guard each cgroup in it by itself, as they come and go.
    #[arg(long)]
    pub each: bool,
}
