//! Users and groups as this system has them: by the C library, which may ask a directory service. A static one cannot load what
//! such services need and crashes when it tries (glibc): there the files /etc/passwd and /etc/group alone are read (passwd(5), group(5)).

use anyhow::{Context, Result};
use std::ffi::OsString;

/// A line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: OsString,
    pub(super) shell: OsString,
}

/// Which user is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum UserKey<'a> {
    Name(&'a str),
    Number(u32),
}

#[cfg(not(target_feature = "crt-static"))]
pub(super) fn user(key: UserKey<'_>) -> Result<Option<Entry>> {
    use nix::unistd::{Uid, User};
    let found = match key {
        UserKey::Name(name) => User::from_name(name),
        UserKey::Number(uid) => User::from_uid(Uid::from_raw(uid)),
    };
    Ok(found.context("look up a user")?.map(|user| Entry {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir.into(),
        shell: user.shell.into(),
    }))
}

#[cfg(not(target_feature = "crt-static"))]
pub(super) fn group(name: &str) -> Result<Option<u32>> {
    let found = nix::unistd::Group::from_name(name).context("look up a group")?;
    Ok(found.map(|group| group.gid.as_raw()))
}

/// The groups of a user, this one included.
#[cfg(not(target_feature = "crt-static"))]
pub(super) fn groups_of(name: &str, gid: u32) -> Result<Vec<u32>> {
    use nix::unistd::{Gid, getgrouplist};
    let name = std::ffi::CString::new(name).context("read the name of a user")?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).context("look up the groups of a user")?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

#[cfg(target_feature = "crt-static")]
pub(super) fn user(key: UserKey<'_>) -> Result<Option<Entry>> {
    Ok(text::user(&read("/etc/passwd")?, key))
}

#[cfg(target_feature = "crt-static")]
pub(super) fn group(name: &str) -> Result<Option<u32>> {
    Ok(text::group(&read("/etc/group")?, name))
}

/// The groups of a user, this one included.
#[cfg(target_feature = "crt-static")]
pub(super) fn groups_of(name: &str, gid: u32) -> Result<Vec<u32>> {
    Ok(text::groups_of(&read("/etc/group")?, name, gid))
}

/// A system without the file has no users with names.
#[cfg(target_feature = "crt-static")]
fn read(path: &str) -> Result<String> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => Ok(String::from_utf8_lossy(&text.with_context(|| format!("read {path}"))?).into()),
    }
}

/// Users of a password file's text whose homes are absolute paths.
pub(super) fn homes(text: &str) -> impl Iterator<Item = (u32, std::path::PathBuf)> {
    let entries = text.lines().filter_map(text::entry);
    let homes = entries.map(|entry| (entry.uid, std::path::PathBuf::from(entry.home)));
    homes.filter(|(_, home)| home.is_absolute())
}

#[cfg_attr(
    not(any(test, target_feature = "crt-static")),
    expect(dead_code, reason = "the C library looks users up, and lists none")
)]
mod text {
    use super::{Entry, UserKey};

    pub(super) fn user(text: &str, key: UserKey<'_>) -> Option<Entry> {
        text.lines().filter_map(entry).find(|entry| match key {
            UserKey::Name(name) => entry.name == name,
            UserKey::Number(uid) => entry.uid == uid,
        })
    }

    pub(super) fn entry(line: &str) -> Option<Entry> {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        let name = Some(name).filter(|name| !name.is_empty())?.to_owned();
        Some(Entry { name, uid, gid, home: home.into(), shell: shell.into() })
    }

    /// Name, number and members.
    fn groups(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
        text.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields[..] else { return None };
            Some((name, gid.parse().ok()?, members))
        })
    }

    pub(super) fn group(text: &str, wanted: &str) -> Option<u32> {
        groups(text).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid)
    }

    pub(super) fn groups_of(text: &str, name: &str, gid: u32) -> Vec<u32> {
        let has = |members: &str| members.split(',').any(|member| member == name);
        let others = groups(text).filter(|(.., members)| has(members)).map(|(_, gid, _)| gid);
        std::iter::once(gid).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n+::::::\nbad:x:-1:0::/:\n:x:0:0::/:\nann:x:1000:1000:Ann:/home/ann:\n";
    const GROUP: &str = "root:x:0:\naudio:x:29:bob,ann\nanna:x:30:anna\nann:x:1000:\n";

    #[test]
    fn whole_lines_are_entries_and_nothing_else_is() {
        let ann = text::user(PASSWD, UserKey::Name("ann")).unwrap();
        assert_eq!((ann.uid, ann.gid, ann.shell), (1000, 1000, "/bin/sh".into()));
        assert_eq!(text::user(PASSWD, UserKey::Number(0)).unwrap().name, "root");
        for name in ["bad", "", "+", "an", "ann:x"] {
            assert_eq!(text::user(PASSWD, UserKey::Name(name)), None, "{name:?}");
        }
    }

    #[test]
    fn members_are_whole_names() {
        assert_eq!(text::groups_of(GROUP, "ann", 1000), [1000, 29]);
        assert_eq!(text::group(GROUP, "audio"), Some(29));
        assert_eq!(text::group(GROUP, ""), None);
    }
}
