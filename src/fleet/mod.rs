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
    let mut told: Vec<_> = guardians.iter().map(|_| None).collect();
    ask_each(&guardians, "status json", PATIENCE, |place, answer| {
        told[place] = match answer {
            Err(Silence::Unreachable(Unreachable::Gone)) => None,
            answer => Some(answer.and_then(|answer| understood(&answer))),
        };
    });
    let both = guardians.into_iter().zip(told);
    both.filter_map(|(listed, told)| Some((listed, told?))).collect()
}

/// An answer to `status json`, made harmless.
///
/// # Errors
/// It is none.
pub fn understood(answer: &[u8]) -> Result<Status, Silence> {
    let unclear = |error: serde_json::Error| {
        Silence::Unclear(crate::escape::escape_cut(error.to_string().as_bytes(), 100))
    };
    serde_json::from_slice(answer).map(clean).map_err(unclear)
}
