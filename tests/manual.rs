//! Shell completions and manual pages, made from the tree of verbs: what is stored in `docs/completions` and `docs/man` is current
//! (`UPDATE_GOLDEN=1` writes it anew), shells and man(1) take it, and completions complete what a person would want there.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "manual/completions.rs"]
mod completions;
#[path = "manual/pages.rs"]
mod pages;
#[path = "manual/shells.rs"]
mod shells;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files by their names.
type Files = BTreeMap<String, String>;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// What is stored is what is made, no more and no less.
fn is_current(name: &str, made: &Files) {
    let folder = folder(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if !made.contains_key(&*entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        // Shells of other tests read them at the same time: each is there, old or new.
        for (file, text) in made {
            let new = folder.with_file_name(format!("{file}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, folder.join(file)).unwrap();
        }
    }
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let stored: Files = entries
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    let differs: Vec<_> = made
        .keys()
        .chain(stored.keys())
        .filter(|file| made.get(*file) != stored.get(*file))
        .collect();
    let how = "UPDATE_GOLDEN=1 cargo test --test manual writes them anew";
    assert!(differs.is_empty(), "docs/{name} is not current ({how}): {differs:?}");
}

#[test]
fn completions_are_current() {
    is_current("completions", &completions::made());
}

#[test]
fn pages_are_current() {
    is_current("man", &pages::made());
}
