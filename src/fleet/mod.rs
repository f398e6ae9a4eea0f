//! All the guardians of a machine, as people are shown them: who is meant by a name, one line for each, `sentinel ps`.
//! Where they are found and how they are asked is [`crate::control`]'s; the live view is [`crate::tui`]'s.

pub mod choose;
pub mod columns;
pub mod ps;
pub mod row;

use crate::control::asking::{Silence, ask_each};
use crate::control::listing::{Listed, Unreachable};
use crate::status::Status;
use row::clean;
use std::time::Duration;

/// How long guardians are waited for, all together. A busy machine is forgiven this much.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What each of them says of its workload; those that are gone by now are left out.
pub fn statuses(guardians: Vec<Listed>) -> Vec<(Listed, Result<Status, Silence>)> {
    let mut told: Vec<_> = guardians.iter().map(|_| Vec::new()).collect();
    ask_each(&guardians, "status json", PATIENCE, |place, answer| {
        told[place] = match answer.and_then(|answer| understood(&answer)) {
            Err(Silence::Unreachable(Unreachable::Gone)) => Vec::new(),
            Err(silence) => vec![Err(silence)],
            Ok(all) => all.into_iter().map(Ok).collect(),
        };
    });
    let each = |(listed, told): (Listed, Vec<Result<Status, Silence>>)| {
        let several = told.len() > 1;
        told.into_iter().map(move |told| (named(&listed, &told, several), told))
    };
    guardians.into_iter().zip(told).flat_map(each).collect()
}

/// The guardian, by the name of its workload where it has several.
fn named(listed: &Listed, told: &Result<Status, Silence>, several: bool) -> Listed {
    let name = told.as_ref().ok().filter(|_| several).map(|status| status.name.clone());
    let mut listed = listed.clone();
    listed.name = name.unwrap_or(listed.name);
    listed
}

/// An answer to `status json`, made harmless: one workload, or a list of them.
///
/// # Errors
/// It is none.
pub fn understood(answer: &[u8]) -> Result<Vec<Status>, Silence> {
    let unclear = |error: serde_json::Error| {
        Silence::Unclear(crate::escape::escape_cut(error.to_string().as_bytes(), 100))
    };
    let is_list = answer.trim_ascii_start().first() == Some(&b'[');
    let all: Vec<Status> = match is_list {
        true => serde_json::from_slice(answer).map_err(unclear)?,
        false => vec![serde_json::from_slice(answer).map_err(unclear)?],
    };
    Ok(all.into_iter().map(clean).collect())
}
