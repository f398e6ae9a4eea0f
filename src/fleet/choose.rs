//! Which guardian is meant: by the name of its run, by a process id, or because there is no other.

use super::statuses;
use crate::control::client::{Listener, listener};
use crate::control::listing::{Listed, find_here, find_here_those};
use crate::control::protocol::{addressed, parse};
use crate::escape::escape_cut;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Where a guardian listens that was told nothing else.
pub const DEFAULT_SOCKET: &str = "/tmp/sentinel.socket";

/// Named in an error, at most so many.
const NAMED: usize = 8;

/// The one that `who` names: a run's name, `NAME-PID`, the guardian's process id, or its command's. Where one of ours or of root's
/// has it, nobody else's is meant: a name can be had by everybody.
///
/// # Errors
/// There is none, or more than one.
pub fn find(who: &str) -> Result<Listed> {
    let number = who.parse::<u32>().ok();
    let is_named =
        |name: &str, pid: u32| name == who || Some(pid) == number || who == format!("{name}-{pid}");
    let mut found = find_here_those(&is_named).guardians;
    if found.is_empty()
        && let Some(command) = number
    {
        return by_command(find_here().guardians, command);
    }
    // By a dead one's entry nobody is meant.
    if found.len() > 1 {
        found = statuses(found).into_iter().map(|(listed, _)| listed).collect();
    }
    if found.iter().any(Listed::comes_first) {
        found.retain(Listed::comes_first);
    }
    let shown = escape_cut(who.as_bytes(), 60);
    match found.len() {
        0 => bail!("no guardian is called {shown}: sentinel ps lists them"),
        1 => Ok(found.swap_remove(0)),
        _ => bail!("{} guardians are called {shown}: {}", found.len(), names(&found)),
    }
}

/// Its pid is told by the guardian alone.
fn by_command(guardians: Vec<Listed>, pid: u32) -> Result<Listed> {
    let told = statuses(guardians).into_iter();
    let mut found = told
        .filter(|(_, status)| status.as_ref().is_ok_and(|status| status.child_pid == pid))
        .map(|(listed, _)| listed);
    match found.next() {
        Some(listed) => Ok(listed),
        None => bail!("{pid} is neither a guardian nor a guarded command: sentinel ps lists them"),
    }
}

/// The mailbox that a request goes to: the one named, else the default one; where nobody is there, the only other one, for requests
/// that change nothing.
///
/// # Errors
/// Nobody is meant, or several could be.
pub fn mailbox(socket: Option<PathBuf>, who: Option<&str>, words: &[String]) -> Result<PathBuf> {
    if let Some(socket) = socket {
        return Ok(socket);
    }
    if let Some(who) = who {
        return find(who).map(|listed| listed.socket);
    }
    let usual = PathBuf::from(DEFAULT_SOCKET);
    let listener = listener(&usual);
    if listener == Listener::Ours {
        return Ok(usual);
    }
    let mut others: Vec<_> =
        statuses(find_here().guardians).into_iter().map(|(listed, _)| listed).collect();
    let nobody = match listener {
        Listener::Other(uid) => format!("the guardian at {DEFAULT_SOCKET} is user {uid}'s"),
        Listener::Nobody | Listener::Ours => format!("no guardian at {DEFAULT_SOCKET}"),
    };
    if listener != Listener::Nobody {
        // Whoever is asked who has nothing of ours is asked by name.
        others.retain(Listed::comes_first);
        if others.is_empty() {
            bail!(
                "{nobody}, and none of yours is running; to ask that one: --socket {DEFAULT_SOCKET}"
            );
        }
    }
    if others.is_empty() {
        return Ok(usual);
    }
    if others.len() > 1 {
        bail!("{nobody}; choose one with --guardian: {}", names(&others));
    }
    let only = others.swap_remove(0);
    // Whoever thought of another one, which has ended, must not end this one.
    let line = words.join(" ");
    let (_, request) = addressed(line.as_bytes());
    if parse(request).is_ok_and(|request| request.changes()) {
        bail!("{nobody}; if you mean the only other one, add --guardian {}", only.full_name());
    }
    crate::diagnostics::complain(&format!("{nobody}: asking {}, the only one", only.full_name()));
    Ok(only.socket)
}

fn names(guardians: &[Listed]) -> String {
    let names: Vec<_> = guardians.iter().take(NAMED).map(Listed::full_name).collect();
    let more = guardians.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &rest
}
