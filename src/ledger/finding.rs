//! Whose ledgers there are: root's exporter reads everybody's, a user's its own and root's, as far as that may be read. Others' homes
//! are theirs: nothing in them is followed, no other file system entered (one of theirs could keep us waiting), no pipe waited for.

use super::store::{self, FILE};
use super::{Ledger, Tally};
use crate::account;
use crate::report::post_mortem::archive;
use crate::report::record::CallerId;
use nix::unistd::{getegid, geteuid};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Kinds of ends of all users together that are told.
const MOST: usize = 2048;

/// Where ledgers are in a home that says nothing else.
const IN_A_HOME: &str = ".local/state/sentinel";

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    /// By user. Never more than some thousand kinds in all.
    pub of: BTreeMap<u32, Ledger>,
    /// Those that are there and could not be read.
    pub unread: u64,
    /// Kinds of ends that were left out because a machine's users have too many.
    pub left_out: usize,
}

/// Reads all that we may.
pub fn read_all() -> Ledgers {
    let own = geteuid().as_raw();
    let mut found = Ledgers::default();
    let id = CallerId { uid: own, gid: getegid().as_raw() };
    if let Some(directory) = archive::directory(id) {
        found.take(own, store::read(&directory.join(FILE), own));
    }
    if own == 0 {
        for (uid, home) in account::homes().into_iter().filter(|(uid, _)| *uid != 0) {
            found.take(uid, read_foreign(&home, uid));
        }
    } else if let Some(directory) = archive::directory(CallerId { uid: 0, gid: 0 }) {
        found.take(0, store::read(&directory.join(FILE), 0));
    }
    found.bound(own);
    found
}

impl Ledgers {
    fn take(&mut self, uid: u32, read: io::Result<Ledger>) {
        match read {
            Ok(ledger) => _ = self.of.entry(uid).or_insert(ledger),
            Err(error) if is_absent(&error) => {}
            Err(_) => self.unread += 1,
        }
    }

    /// Fair shares where it is too much; our own and root's come first.
    fn bound(&mut self, own: u32) {
        let sizes: Vec<(u32, usize)> =
            self.of.iter().map(|(uid, ledger)| (*uid, ledger.ends.len())).collect();
        let shares = crate::fair::shares(&sizes, &[0, own], MOST);
        for (uid, share) in shares {
            let Some(ledger) = self.of.get_mut(&uid) else { continue };
            self.left_out += ledger.ends.len().saturating_sub(share);
            let mut newest: Vec<_> = std::mem::take(&mut ledger.ends).into_iter().collect();
            newest
                .sort_by_key(|(_, tally): &(_, Tally)| std::cmp::Reverse(tally.last.ended_unix_ms));
            ledger.ends = newest.into_iter().take(share).collect();
        }
    }
}

/// Nobody keeps one there, or it is none of our business.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
    )
}

/// The home itself is where the password file says, by whatever links root made.
fn read_foreign(home: &Path, uid: u32) -> io::Result<Ledger> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let home = openat(CWD, home, flags, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = PathBuf::from(IN_A_HOME).join(FILE);
    let file = openat2(home, path, flags, Mode::empty(), resolve)?;
    store::read_from(File::from(file), uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const TEXT: &str = r#"{"schema":1,"ends":[{"name":"a","reason":"exited","signal":"none","count":7,"last":{"ended_unix_ms":1,"ran_ms":1}}]}"#;

    #[test]
    fn nothing_in_a_home_is_followed_or_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let me = geteuid().as_raw();
        let (home, state) = (place.path().join("home"), place.path().join("home").join(IN_A_HOME));
        let read = || read_foreign(&home, me);
        assert!(is_absent(&read().unwrap_err()));
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join(FILE), TEXT).unwrap();
        assert_eq!(read().unwrap().ends.len(), 1);
        assert!(read_foreign(&home, me + 1).is_err(), "another's file");
        std::fs::rename(state.join(FILE), place.path().join("real.json")).unwrap();
        symlink(place.path().join("real.json"), state.join(FILE)).unwrap();
        assert!(read().is_err(), "a link");
        std::fs::remove_file(state.join(FILE)).unwrap();
        nix::unistd::mkfifo(&state.join(FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read().is_err(), "a pipe");
        std::fs::remove_file(state.join(FILE)).unwrap();
        std::fs::rename(&state, place.path().join("elsewhere")).unwrap();
        std::fs::write(place.path().join("elsewhere").join(FILE), TEXT).unwrap();
        symlink(place.path().join("elsewhere"), &state).unwrap();
        assert!(read().is_err(), "a linked directory");
    }

    #[test]
    fn no_user_has_the_page_for_itself() {
        let mut found = Ledgers::default();
        for uid in 0..40 {
            let mut ledger = Ledger::default();
            let names = if uid == 0 { 3 } else { 2 * super::super::MOST };
            for n in 0..names {
                let (name, reason) = (format!("r{n}"), "exited".to_owned());
                let kind = super::super::Kind { name, reason, signal: "none".to_owned() };
                ledger.ends.insert(kind, Tally { count: 1, ..Tally::default() });
            }
            found.of.insert(uid, ledger);
        }
        found.bound(1);
        let all: usize = found.of.values().map(|ledger| ledger.ends.len()).sum();
        assert_eq!((all, found.of[&0].ends.len()), (MOST, 3));
        assert!(found.of[&1].ends.len() >= 512 && found.of[&39].ends.len() >= 20);
        assert!(found.left_out > 10_000);
    }
}
