//! `sentinel replay FILE`: shows a trace, says whether it leads to the same decisions now, and what other rules would have done.

use super::compare::{Comparison, compare};
use super::player;
use super::screening;
use super::what_if::ask;
use super::what_if_text;
use crate::cli::ReplayArgs;
use crate::escape::shown;
use crate::report::file_kind::FileKind;
use crate::report::given_file;
use crate::sys::terminal::{is_foreground, is_terminal};
use crate::terminal_modes::is_dumb;
use crate::trace::reader::{self, Trace};
use crate::tui::Options;
use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{SigSet, Signal};
use std::io::{self, BufRead as _, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// So much of a file shows which of ours it is.
const BEGINNING: usize = 64 << 10;
/// For whoever has no trace.
const WRITE_ONE: &str = "write a trace with sentinel --record FILE";

/// Runs it. Gives the exit status.
///
/// # Errors
/// When the file cannot be read, or nobody takes the answer.
pub fn run(wanted: &ReplayArgs) -> Result<u8> {
    let trace = load(&wanted.file)?;
    if wanted.what_if {
        return what_if(&trace, wanted).map(|()| 0);
    }
    let comparison = compare(&trace);
    if wanted.json {
        return say(&json(&comparison)?).map(|()| status(&comparison));
    }
    if !wanted.plain && is_screen() {
        show(trace, wanted.speed.unwrap_or(1.0))?;
    } else {
        if !crate::diagnostics::heard(player::to_text(io::stdout().lock(), &trace, wanted.speed))? {
            return Ok(status(&comparison));
        }
    }
    comparison.missing.iter().for_each(|missing| crate::diagnostics::complain(missing));
    say(&comparison.to_string())?;
    Ok(status(&comparison))
}

/// Reads the trace, or says what else the file is.
fn load(path: &Path) -> Result<Trace> {
    let name = shown(path);
    let file = given_file::open(path).with_context(|| format!("cannot open the trace {name}"))?;
    let mut input = BufReader::with_capacity(BEGINNING, file);
    let beginning = input.fill_buf().with_context(|| format!("cannot read {name}"))?.to_vec();
    reader::read(input).map_err(|bad| {
        let kind = FileKind::of(&beginning).filter(|_| bad.line == 1);
        match kind.and_then(|kind| kind.told_instead_of(Some(FileKind::Trace), WRITE_ONE)) {
            Some(what) => anyhow!("cannot read {name} as a trace: {what}"),
            None => anyhow::Error::new(bad).context(format!("cannot read {name}")),
        }
    })
}

fn status(comparison: &Comparison) -> u8 {
    u8::from(comparison.gapless && comparison.differing > 0)
}

fn what_if(trace: &Trace, wanted: &ReplayArgs) -> Result<()> {
    let answer = ask(trace, &wanted.changes)?;
    if wanted.json {
        return say(&json(&what_if_text::record(trace, &answer))?);
    }
    say(&what_if_text::text(trace, &answer))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).context("render the answer")
}

fn say(text: &str) -> Result<()> {
    crate::diagnostics::heard(
        writeln!(io::stdout().lock(), "{text}").context("cannot write the answer"),
    )
    .map(drop)
}

fn is_screen() -> bool {
    let (input, output) = (io::stdin(), io::stdout());
    !is_dumb() && is_terminal(input.as_fd()) && is_terminal(output.as_fd()) && is_foreground(&input)
}

/// The dashboard here, the guardian that it believes to see in a thread.
fn show(trace: Trace, speed: f64) -> Result<()> {
    // As the dashboard does, but for the other thread too: it would be ended by what is meant for this one.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().context("block signals")?;
    let (ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    let replay = crate::tui::replay::Replay { length_ms: trace.length_ms(), speed, paused: false };
    let player = std::thread::Builder::new().name("player".to_owned());
    player
        .spawn(move || screening::to_dashboard(ours, &trace, speed))
        .context("start the player")?;
    // The thread ends with the dashboard's end of the stream, or with us.
    let options = Options { replay: Some(replay), ..Options::new(theirs, None) };
    crate::tui::run(options).map(drop)
}
