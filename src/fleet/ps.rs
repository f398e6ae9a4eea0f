//! `sentinel ps`: one line for each guardian, or the processes of one. It asks, waits a bounded time, prints and ends.

use super::columns::text;
use super::row::{Note, Row};
use super::{choose, statuses};
use crate::cli::Ps;
use crate::control::asking::Silence;
use crate::control::listing::{Listed, Listing, find_here};
use crate::control::processes;
use crate::diagnostics::{complain, heard};
use crate::status::Status;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

/// What `--json` prints. Added fields do not change the schema's number.
#[derive(Debug, Serialize)]
struct PsPage {
    schema: u32,
    guardians: Vec<PsEntry>,
}

#[derive(Debug, Serialize)]
struct PsEntry {
    name: String,
    pid: u32,
    socket: PathBuf,
    /// Null where it did not answer.
    status: Option<Status>,
    /// Why it did not.
    problem: Option<String>,
}

/// Runs it. Gives the exit status.
///
/// # Errors
/// Nobody takes the answer; with a name, as [`choose::find`] and [`processes::show`].
pub fn run(wanted: &Ps) -> Result<u8> {
    if let Some(who) = &wanted.guardian {
        return processes::show(&choose::find(who)?.socket, wanted.json);
    }
    let Listing { guardians, foreign, left_out_of, .. } = find_here();
    let told = statuses(guardians);
    let none = told.is_empty();
    match wanted.json {
        true => print(&json(told)?)?,
        false if none && foreign > 0 => {
            complain("none of your guardians is running; to start one: sentinel -- COMMAND")
        }
        false if none => complain("no guardian is running; to start one: sentinel -- COMMAND"),
        false => print(&text(&told.into_iter().map(row).collect::<Vec<_>>(), width()))?,
    }
    tell_the_rest(foreign, &left_out_of);
    Ok(u8::from(none))
}

fn tell_the_rest(foreign: usize, left_out_of: &BTreeMap<u32, usize>) {
    if foreign > 0 {
        complain(&match foreign {
            1 => "1 more belongs to another user: only that user and root may query it".to_owned(),
            _ => format!("{foreign} more belong to other users: only they and root may query them"),
        });
    }
    let left_out: usize = left_out_of.values().sum();
    if left_out > 0 {
        let users = left_out_of.iter().take(8).map(|(uid, count)| format!("{count} of user {uid}"));
        let users: Vec<_> = users.collect();
        let rest = if left_out_of.len() > users.len() { ", …" } else { "" };
        complain(&format!("{left_out} more are not shown: {}{rest}", users.join(", ")));
    }
}

fn print(text: &str) -> Result<()> {
    let written = std::io::stdout().write_all(text.as_bytes());
    heard(written.context("cannot write the list")).map(|_| ())
}

fn json(told: Vec<(Listed, Result<Status, Silence>)>) -> Result<String> {
    let entry = |(listed, told): (Listed, Result<Status, Silence>)| {
        let Listed { name, pid, socket, .. } = listed;
        let (status, problem) = match told {
            Ok(status) => (Some(status), None),
            Err(silence) => (None, Some(silence.to_string())),
        };
        PsEntry { name, pid, socket, status, problem }
    };
    let guardians = told.into_iter().map(entry).collect();
    let page = PsPage { schema: crate::status::SCHEMA_VERSION, guardians };
    Ok(serde_json::to_string(&page).context("render the list")? + "\n")
}

fn row((listed, told): (Listed, Result<Status, Silence>)) -> Row {
    let (status, note) = match told {
        Ok(status) => (Some(status), None),
        Err(silence) => (None, Some(noted(&silence))),
    };
    Row { name: listed.name, pid: listed.pid, status, note }
}

fn noted(silence: &Silence) -> Note {
    match silence.is_an_answer() {
        true => Note::Unclear(silence.to_string()),
        false => Note::Silent(silence.to_string()),
    }
}

/// As for ps(1): the terminal's, else `COLUMNS`, else no bound.
fn width() -> Option<usize> {
    let terminal = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let terminal = terminal.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0);
    terminal.or_else(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who answers is not silent, whatever it says.
    #[test]
    fn an_answer_that_is_no_status_is_unclear() {
        let word = |silence: Silence| {
            let row =
                Row { name: String::new(), pid: 1, status: None, note: Some(noted(&silence)) };
            row.state()
        };
        assert_eq!(word(Silence::Endless), "unclear");
        assert_eq!(word(Silence::Refused("no".to_owned())), "unclear");
        assert_eq!(word(Silence::Unclear("what".to_owned())), "unclear");
        assert_eq!(word(Silence::Stopped), "silent");
        assert_eq!(word(Silence::Closed), "silent");
    }
}
