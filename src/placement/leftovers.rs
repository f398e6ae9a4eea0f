//! What guardians that are gone left behind, with their keepers: cgroups beside a new one. An empty one is removed; one with
//! processes is told of and let go on unthrottled, for it is not known what they are worth. Each cgroup carries who made it, so
//! that a number used again or in another namespace is not taken for its maker.

use super::{Placed, WORKLOAD};
use crate::cgroup::maker::Maker;
use crate::cgroup::{Cgroup, attribute, files, names_in};
use crate::escape::shown;
use procfs::process::Process;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Whose mark it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Of the guardian that made the cgroup.
    Guardian,
    /// Of its keeper.
    Keeper,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Mark::Guardian => "user.sentinel",
            Mark::Keeper => "user.sentinel-keeper",
        }
    }
}

/// Writes into the cgroup that we are at work on it; gives whether it is there. Kernels before 5.7 cannot hold that: leftovers stay
/// there, and nothing else changes.
pub fn mark(cgroup: &Path, mark: Mark) -> bool {
    Maker::ours().map(|maker| maker.to_string()).is_some_and(|maker| {
        rustix::fs::setxattr(cgroup, mark.name(), maker.as_bytes(), rustix::fs::XattrFlags::empty())
            .is_ok()
    })
}

/// Who guards a run of which this is the cgroup, the scope around it, or a cgroup below it.
pub fn guardian_of(cgroup: &Path) -> Option<i32> {
    let inner = cgroup.join(WORKLOAD);
    let all = std::iter::once(inner.as_path()).chain(cgroup.ancestors());
    let makers = all
        .filter_map(|path| attribute(path, Mark::Guardian.name())?.to_str()?.parse::<Maker>().ok());
    let mut at_work = makers.filter(|maker| !maker.has_gone());
    at_work.next().map(|maker| maker.pid)
}

/// Clears what lies beside this cgroup. Gives a line for each that has processes.
pub fn clear_beside(placed: &Placed) -> Vec<String> {
    // Where marks cannot be held, nothing is known of anybody.
    if !placed.marked {
        return Vec::new();
    }
    let others = beside(placed.cgroup.path(), placed.beside.as_deref());
    others.iter().filter_map(|path| clear(path, state(path)?)).collect()
}

/// Where other guardians would have made theirs. In a scope a workload's cgroup lies one deeper; systemd removes the scope.
fn beside(own: &Path, names: Option<&[OsString]>) -> Vec<PathBuf> {
    let in_scope = own.file_name().is_some_and(|name| name == WORKLOAD);
    let place = if in_scope { own.parent() } else { Some(own) };
    let Some(parent) = place.and_then(Path::parent) else { return Vec::new() };
    let names = names.map_or_else(|| names_in(parent), <[OsString]>::to_vec).into_iter();
    let named = names.filter(|name| name.as_encoded_bytes().starts_with(b"sentinel-"));
    let others = named.map(|name| parent.join(name)).filter(|path| Some(path.as_path()) != place);
    let is_scope = |path: &Path| path.extension().is_some_and(|kind| kind == "scope");
    let inner = |path: &Path| is_scope(path).then(|| path.join(WORKLOAD));
    others.flat_map(|path| inner(&path).into_iter().chain([path])).collect()
}

/// What is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remnant {
    /// Made and marked by a guardian that is gone.
    Marked,
    /// Without a mark, and named after a process that does not exist: a guardian that was killed while it made it.
    Unmarked,
}

/// `None` while somebody is at work on it, or may be.
fn state(path: &Path) -> Option<Remnant> {
    let text = |mark: Mark| attribute(path, mark.name()).and_then(|text| text.into_string().ok());
    let guardian = text(Mark::Guardian);
    // Most are at work.
    let made_by = guardian.as_deref().and_then(|text| text.parse::<Maker>().ok());
    if made_by.is_some_and(|maker| !maker.has_gone()) {
        return None;
    }
    let keeper = text(Mark::Keeper);
    if guardian.is_none() && keeper.is_none() {
        let maker = maker(path)?;
        return Process::new(maker).is_err().then_some(Remnant::Unmarked);
    }
    nobody_is_at_work(guardian.as_deref(), keeper.as_deref()).then_some(Remnant::Marked)
}

/// Whose name it has: `sentinel-NAME-PID`, the directory or the scope around it.
fn maker(path: &Path) -> Option<i32> {
    let inner = path.file_name().is_some_and(|name| name == WORKLOAD);
    let name = if inner { path.parent()? } else { path }.file_name()?.to_str()?;
    let name = name.strip_suffix(".scope").unwrap_or(name);
    name.strip_prefix("sentinel-")?.rsplit_once('-')?.1.parse().ok()
}

/// Made by a guardian that is gone, and so is its keeper, if it had one.
fn nobody_is_at_work(guardian: Option<&str>, keeper: Option<&str>) -> bool {
    let has_gone = |text: &str| text.parse().is_ok_and(|maker: Maker| maker.has_gone());
    guardian.is_some_and(has_gone) && keeper.is_none_or(has_gone)
}

fn clear(path: &Path, state: Remnant) -> Option<String> {
    let left = Cgroup::open(path).ok()?;
    let events = left.read("cgroup.events").ok()?;
    if files::cgroup_events(events.as_bytes()).is_none_or(|events| events.populated) {
        if state == Remnant::Unmarked {
            return None;
        }
        // Not every tier has it.
        let _ = left.write("memory.high", "max");
        let path = shown(path);
        return Some(format!(
            "a guardian that is gone left processes in {path}; to end them: echo 1 > {path}/cgroup.kill"
        ));
    }
    // Somebody else clears it right now, or it is not ours to clear.
    let _ = left.remove();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_us_are_directories_and_scopes_of_our_name() {
        let slice = tempfile::tempdir().unwrap();
        let at = |name: &str| slice.path().join(name);
        for name in ["sentinel-a-1", "sentinel-b-2.scope/workload", "cron.service"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        let plain = [at("sentinel-a-1")];
        assert_eq!(beside(&at("sentinel-b-2.scope/workload"), None), plain);
        let scope = [at("sentinel-b-2.scope/workload"), at("sentinel-b-2.scope")];
        assert_eq!(beside(&at("sentinel-a-1"), None), scope);
    }

    #[test]
    fn a_name_tells_its_maker() {
        for (path, pid) in [
            ("/c/sentinel-make-4711", Some(4711)),
            ("/c/sentinel-a-b-7", Some(7)),
            ("/c/sentinel-a-7.scope/workload", Some(7)),
            ("/c/sentinel-supervisor", None),
            ("/c/sentinel-a-", None),
            ("/c/other-7", None),
        ] {
            assert_eq!(maker(Path::new(path)), pid, "{path}");
        }
    }

    #[test]
    fn without_a_mark_it_is_left_when_nobody_has_its_maker_s_number() {
        let slice = tempfile::tempdir().unwrap();
        let of = |pid: u32| slice.path().join(format!("sentinel-x-{pid}"));
        assert_eq!(state(&of(i32::MAX.cast_unsigned())), Some(Remnant::Unmarked));
        assert_eq!(state(&of(std::process::id())), None);
    }

    #[test]
    fn left_is_what_nobody_is_at_work_on_any_more() {
        let alive = Maker::ours().unwrap().to_string();
        // The same number, another start.
        let gone = alive.replacen(' ', " 1", 1);
        let elsewhere = gone.rsplit_once(' ').unwrap().0.to_owned() + " pid:[1]";
        for (guardian, keeper, left) in [
            (gone.as_str(), None, true),
            (&gone, Some(gone.as_str()), true),
            (&gone, Some(&alive), false),
            (&gone, Some("nonsense"), false),
            (&alive, None, false),
            (&elsewhere, None, false),
            ("nonsense", None, false),
        ] {
            assert_eq!(nobody_is_at_work(Some(guardian), keeper), left, "{guardian} {keeper:?}");
        }
        assert!(!nobody_is_at_work(None, None));
    }
}
