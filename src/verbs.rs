//! What `sentinel` does besides running a command: talking to a guardian, showing a post-mortem or the dashboard.

use crate::cli;
use crate::control::{client, processes, protocol};
use crate::diagnostics::{complain, heard};
use crate::fleet::choose;
use crate::report::kept;
use crate::report::post_mortem::{archive, text};
use crate::report::record::CallerId;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::RawFd;
use std::path::PathBuf;

/// `sentinel ctl VERB`: one request to one guardian. What no guardian would understand is told without looking for one.
///
/// # Errors
/// The request is none, nobody listens there, or it is not clear who is meant.
pub fn ctl(asked: cli::Ctl) -> Result<u8> {
    let words: Vec<String> = std::iter::once(asked.verb).chain(asked.arguments).collect();
    let line = client::request_line(&words)?;
    let (_, request) = protocol::addressed(line.as_bytes());
    protocol::parse_words(request)
        .map_err(|problem| anyhow!("{problem}; try: sentinel ctl --help"))?;
    ask(asked.socket, asked.guardian, &words)
}

/// `sentinel status [NAME|PID]`.
///
/// # Errors
/// As [`ctl`].
pub fn status(asked: cli::StatusArgs) -> Result<u8> {
    let json = asked.json.then(|| "json".to_owned());
    let words: Vec<String> = ["status".to_owned()].into_iter().chain(json).collect();
    ask(asked.socket, asked.guardian, &words)
}

fn ask(socket: Option<PathBuf>, who: Option<String>, words: &[String]) -> Result<u8> {
    let socket = choose::mailbox(socket, who.as_deref(), words)?;
    let words_now: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    match words_now.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["ps"] => processes::show(&socket, false),
        ["ps", "json"] => processes::show(&socket, true),
        _ => client::ctl(&socket, words),
    }
}

/// `sentinel doctor`: exits with 0 when the tier is `kernel`, else 1.
///
/// # Errors
/// When this place cannot be looked at, or nobody takes the answer.
pub fn doctor(wanted: &cli::Doctor) -> Result<u8> {
    let finding = crate::doctor::examine()?;
    let text = match wanted.json {
        true => serde_json::to_string_pretty(&finding).context("cannot render the finding")? + "\n",
        false => finding.to_string(),
    };
    crate::diagnostics::heard(
        io::stdout().write_all(text.as_bytes()).context("cannot write the finding"),
    )?;
    Ok(u8::from(finding.tier != crate::status::Tier::Kernel))
}

/// `sentinel report`.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn report(wanted: &cli::Report) -> Result<u8> {
    let kept = archive::directory(CallerId::find()).map(|folder| archive::list(&folder));
    let kept = kept.unwrap_or_default();
    let text = if wanted.which == "list" {
        ensure!(!wanted.html, "cannot make a page of the list: --html is for one report");
        if kept.is_empty() && !wanted.json {
            complain("no post-mortem is kept: one is made when sentinel ended a run (--report)");
        }
        if wanted.json { kept::list_json(&kept)? } else { text::list(&kept) }
    } else {
        let report = archive::load(&kept::choose(&kept, &wanted.which)?)?;
        match (wanted.json, wanted.html) {
            (true, _) => {
                serde_json::to_string_pretty(&report).context("cannot render the post-mortem")?
                    + "\n"
            }
            (_, true) => crate::report::html::page(&report),
            _ => text::report_text(&report, speaks_utf8()),
        }
    };
    crate::diagnostics::heard(
        io::stdout().write_all(text.as_bytes()).context("cannot write the report"),
    )?;
    Ok(0)
}

/// By the first of the variables that is set (locale(7)).
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
    let locale = set.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// What the guardian hands to the dashboard.
#[derive(Debug, Parser)]
struct HandedToDashboard {
    #[arg(long)]
    control_fd: RawFd,
    #[arg(long)]
    pty_fd: Option<RawFd>,
    #[arg(long)]
    log_fd: Option<RawFd>,
}

/// Shows the dashboard; the descriptors are those that the guardian left open for us.
///
/// # Errors
/// When they are not open, or the terminal cannot be set up.
pub fn dashboard(words: &[OsString]) -> Result<u8> {
    let words = std::iter::once("dashboard".into()).chain(words.iter().cloned());
    let handed =
        HandedToDashboard::try_parse_from(words).context("the dashboard is started by sentinel")?;
    let control = crate::sys::inherited::take(handed.control_fd).context("take the stream")?;
    let pty = handed.pty_fd.map(crate::sys::inherited::take).transpose();
    let pty = pty.context("take the command's terminal")?;
    let log = handed.log_fd.map(crate::sys::inherited::take).transpose();
    let log = log.context("take the way to the log")?;
    let drew = crate::tui::run(crate::tui::Options {
        log: log.map(Into::into),
        ..crate::tui::Options::new(control.into(), pty)
    })?;
    Ok(if drew { 0 } else { crate::dashboard::DREW_NOTHING })
}

/// `sentinel help [VERB]`.
///
/// # Errors
/// When it cannot be written.
pub fn help(verb: Option<&str>) -> Result<u8> {
    told(cli::print_help(verb), "the help")
}

/// What came of printing `what`. Nobody reading on (head, grep -q) is no mistake.
///
/// # Errors
/// When it cannot be written.
pub fn told(printed: std::io::Result<()>, what: &str) -> Result<u8> {
    heard(printed.with_context(|| format!("cannot write {what}"))).map(|_| 0)
}
