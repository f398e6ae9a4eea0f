//! The user that a command is to run as (`--user`): looked up before anything is made. Becoming it is `sys::privileges`.

mod database;

use crate::escape::escape;
use crate::sys::privileges::Identity;
use anyhow::{Context, Result, bail};
use database::{Entry, UserKey};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};

/// A user as the password file has it, with the groups that a login would give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User, group and supplementary groups.
    pub identity: Identity,
    name: String,
    home: OsString,
    shell: OsString,
}

impl Account {
    /// The account that `NAME`, `UID`, `NAME:GROUP` or `UID:GROUP` names. A number without an entry needs a group, and gets no others.
    ///
    /// # Errors
    /// When we are not root, or there is no such user or group.
    pub fn find(text: &str) -> Result<Account> {
        let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
        if !geteuid().is_root() {
            bail!(
                "--user {}: only root can run a command as another user",
                escape(user.as_bytes())
            );
        }
        let group = group.map(group_id).transpose()?;
        match (entry(user)?, number(user), group) {
            (Some(entry), _, group) => of_entry(entry, group),
            (None, Some(uid), Some(gid)) => Ok(of_number(uid, gid)),
            (None, Some(uid), None) => {
                bail!("--user {uid}: not in the password file; give a group too: {uid}:GROUP")
            }
            (None, None, _) => bail!("--user: no such user: {}", escape(user.as_bytes())),
        }
    }

    /// Its name, or its number where it has none.
    pub fn name(&self) -> String {
        escape(self.name.as_bytes())
    }

    /// What a login sets, over what the caller has: HOME, SHELL, USER and LOGNAME.
    pub fn variables(&self) -> [(&'static str, &OsStr); 4] {
        let name = OsStr::new(&self.name);
        [("HOME", &self.home), ("SHELL", &self.shell), ("USER", name), ("LOGNAME", name)]
    }
}

/// The home of a user, if the password file has one.
pub fn home_of(uid: u32) -> Option<std::path::PathBuf> {
    let entry = database::user(UserKey::Number(uid)).ok()??;
    Some(std::path::PathBuf::from(entry.home)).filter(|home| home.is_absolute())
}

/// The users of the password file and their homes, at most so many as a machine has. Users that only a directory service knows are
/// not among them: such services are asked for one, not for all.
pub fn homes() -> Vec<(u32, std::path::PathBuf)> {
    let text = std::fs::read("/etc/passwd").unwrap_or_default();
    database::homes(&String::from_utf8_lossy(&text)).take(4096).collect()
}

/// The name of a user, or its number where it has none.
pub fn name_of(uid: u32) -> String {
    let entry = database::user(UserKey::Number(uid)).ok().flatten();
    entry.map_or_else(|| uid.to_string(), |entry| escape(entry.name.as_bytes()))
}

fn entry(user: &str) -> Result<Option<Entry>> {
    database::user(number(user).map_or(UserKey::Name(user), UserKey::Number))
}

fn group_id(group: &str) -> Result<u32> {
    if let Some(gid) = number(group) {
        return Ok(gid);
    }
    let found = database::group(group)?;
    found.with_context(|| format!("--user: no such group: {}", escape(group.as_bytes())))
}

/// Digits only; the last number is no id but what setresuid(2) takes for "as it is".
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn of_entry(entry: Entry, group: Option<u32>) -> Result<Account> {
    let gid = group.unwrap_or(entry.gid);
    let groups = database::groups_of(&entry.name, gid)?;
    let identity = Identity::new(entry.uid, gid, groups);
    Ok(Account { identity, name: entry.name, home: entry.home, shell: entry.shell })
}

fn of_number(uid: u32, gid: u32) -> Account {
    let identity = Identity::new(uid, gid, vec![gid]);
    Account { identity, name: uid.to_string(), home: "/".into(), shell: "/bin/sh".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_never_minus_one() {
        assert_eq!(number("65534"), Some(65534));
        for text in ["", "+1", "-1", "4294967295", "4294967296", "1x", " 1"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_without_an_entry_gets_no_other_groups() {
        let account = of_number(4711, 4712);
        assert_eq!(account.identity, Identity::new(4711, 4712, vec![4712]));
        assert_eq!(account.variables()[2], ("USER", OsStr::new("4711")));
    }
}
