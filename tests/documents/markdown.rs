//! As much of Markdown as the documents use: lines of code, spans of code in the text, headings.

use std::path::{Path, PathBuf};

/// A file in the root of the sources or below it, by its path from there.
pub fn in_sources(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A document.
pub struct Document {
    /// From the root of the sources.
    pub path: String,
    /// Lines of blocks, indented or fenced, without their indent.
    pub code: Vec<Line>,
    /// All other lines.
    pub text: Vec<Line>,
}

/// A line and its number.
pub struct Line {
    pub number: usize,
    pub text: String,
}

/// README and all of docs/.
pub fn stored() -> Vec<Document> {
    let entries = std::fs::read_dir(in_sources("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut paths: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    paths.push("README.md".to_owned());
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// One of them.
pub fn read(path: &str) -> Document {
    let text = std::fs::read_to_string(in_sources(path));
    Document::new(path, &text.unwrap_or_else(|error| panic!("{path}: {error}")))
}

impl Document {
    /// From its text.
    pub fn new(path: &str, text: &str) -> Document {
        let mut document = Document { path: path.to_owned(), code: Vec::new(), text: Vec::new() };
        let (mut fenced, mut may_begin) = (false, true);
        for (index, line) in text.lines().enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            let is_indented = line.starts_with("    ") && may_begin;
            let code = line.trim_start().to_owned();
            let number = index + 1;
            match () {
                () if is_fence => fenced = !fenced,
                () if fenced || is_indented => document.code.push(Line { number, text: code }),
                () => document.text.push(Line { number, text: line.to_owned() }),
            }
            // An indented line in the middle of a paragraph is a part of it.
            may_begin = line.trim().is_empty() || is_indented;
        }
        document
    }

    /// A place in it.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    /// Spans of code in the text, each with its line.
    pub fn spans(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.iter().flat_map(|line| {
            line.text.split('`').skip(1).step_by(2).map(|span| (line.number, span))
        })
    }

    /// What a link can lead to in it (GitHub's way of naming headings).
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.text.iter().filter_map(|line| {
            let level = line.text.chars().take_while(|c| *c == '#').count();
            (1..=6).contains(&level).then(|| line.text[level..].strip_prefix(' ')).flatten()
        });
        headings.map(anchor).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
