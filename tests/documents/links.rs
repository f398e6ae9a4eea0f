//! Links between documents, and files that are named in them.

use crate::markdown::{Document, in_sources, read};
use std::path::{Path, PathBuf};

/// Folders whose files are written with their path from the root of the sources.
const FOLDERS: [&str; 4] = ["docs/", "scripts/", "src/", "tests/"];

/// A link.
pub struct Link {
    pub line: usize,
    /// As it stands, without the anchor.
    pub target: String,
    pub anchor: Option<String>,
}

/// All links of a document that do not lead elsewhere.
pub fn found(document: &Document) -> Vec<Link> {
    let of_line = |line: usize, text: &str| {
        let targets: Vec<&str> = text.split("](").skip(1).collect();
        let targets = targets.into_iter().filter_map(|rest| Some(rest.split_once(')')?.0));
        let ours = targets.filter(|target| !target.contains("://"));
        ours.map(|target| {
            let (target, anchor) = match target.split_once('#') {
                Some((target, anchor)) => (target, Some(anchor.to_owned())),
                None => (target, None),
            };
            Link { line, target: target.to_owned(), anchor }
        })
        .collect::<Vec<_>>()
    };
    document.text.iter().flat_map(|line| of_line(line.number, &line.text)).collect()
}

/// Links that lead nowhere.
pub fn problems(document: &Document) -> Vec<String> {
    let check = |link: &Link| {
        let problem = problem(document, link)?;
        Some(format!("{}: {problem}", document.at(link.line)))
    };
    found(document).iter().filter_map(check).collect()
}

fn problem(document: &Document, link: &Link) -> Option<String> {
    let path = match link.target.is_empty() {
        true => PathBuf::from(&document.path),
        false => beside(&document.path, &link.target),
    };
    if !in_sources(path.to_str()?).exists() {
        return Some(format!("{} leads to no file", link.target));
    }
    let anchor = link.anchor.as_ref()?;
    let anchors = match link.target.is_empty() {
        true => document.anchors(),
        false => read(path.to_str()?).anchors(),
    };
    let is_there = anchors.contains(anchor);
    (!is_there).then(|| format!("{}#{anchor} leads to no heading", path.display()))
}

/// A path that is relative to a document.
fn beside(document: &str, target: &str) -> PathBuf {
    let mut path = Path::new(document).parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(target) {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path
}

/// Files of the sources that are named in code, in the text or in blocks, and are not there.
pub fn missing_files(document: &Document) -> Vec<String> {
    let blocks = document.code.iter().map(|line| (line.number, line.text.as_str()));
    let words = document.spans().chain(blocks).flat_map(|(line, text)| {
        text.split_whitespace().take_while(|word| *word != "#").map(move |word| (line, word))
    });
    let named = words.filter(|(_, word)| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    let missing = named.filter(|(_, word)| !is_there(word));
    missing.map(|(line, word)| format!("{}: there is no {word}", document.at(line))).collect()
}

/// With one `*` in its name, as for a shell.
fn is_there(path: &str) -> bool {
    let Some((before, after)) = path.split_once('*') else { return in_sources(path).exists() };
    let (folder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = std::fs::read_dir(in_sources(folder)).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.any(|name| name.starts_with(prefix) && name.ends_with(after))
}
