//! Reads the sources of a crate and finds which module names something of which other: `use` lines and paths in the code
//! itself, inside of macros too. What is compiled for tests alone is left out.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module by its path from the root of the crate, which is the empty one.
pub type Module = Vec<String>;

/// One place where a module names another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    pub file: String,
    pub line: usize,
    pub from: Module,
    pub to: Module,
}

/// A path as it is written: from the root, or from the module that it stands in.
struct Written {
    from_root: bool,
    segments: Vec<String>,
    line: usize,
}

/// Names lead to names: more than this leads in a circle.
const DEPTH: usize = 8;

/// What one file says.
struct Source {
    file: String,
    module: Module,
    /// The module in the file that is being read.
    inner: Module,
    paths: Vec<Written>,
    /// What `use` makes of a name in this module: the place of its path in `paths`.
    names: BTreeMap<String, usize>,
}

/// All imports of the sources, which are pairs of a path as `src/a/b.rs` and a text.
pub fn imports(sources: &[(String, String)]) -> Vec<Import> {
    let sources: Vec<Source> = sources.iter().map(|(file, text)| read(file, text)).collect();
    let modules: BTreeMap<&Module, &Source> = sources.iter().map(|s| (&s.module, s)).collect();
    let mut found = Vec::new();
    for source in &sources {
        for path in &source.paths {
            let Some(to) = resolve(&modules, source, path, 0) else { continue };
            if to != source.module {
                let (file, from) = (source.file.clone(), source.module.clone());
                found.push(Import { file, line: path.line, from, to });
            }
        }
    }
    found
}

/// The module that has what a path names; nothing, where it leads out of the crate.
fn resolve(
    modules: &BTreeMap<&Module, &Source>,
    source: &Source,
    path: &Written,
    depth: usize,
) -> Option<Module> {
    let mut at = if path.from_root { Module::new() } else { source.module.clone() };
    for (place, segment) in path.segments.iter().enumerate() {
        let child: Module = at.iter().chain([segment]).cloned().collect();
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        // A name that this module has from elsewhere by `use`: what is meant is there.
        let through = modules.get(&at).and_then(|s| Some((*s, &s.paths[*s.names.get(segment)?])));
        if let Some((owner, other)) =
            through.filter(|(_, other)| depth < DEPTH && !std::ptr::eq(*other, path))
        {
            let rest = path.segments[place + 1..].iter();
            let segments = other.segments.iter().chain(rest).cloned().collect();
            let whole = Written { from_root: other.from_root, segments, line: path.line };
            return resolve(modules, owner, &whole, depth + 1);
        }
        return (path.from_root || place > 0 || depth > 0).then_some(at);
    }
    Some(at)
}

fn read(file: &str, text: &str) -> Source {
    let module = module_of(file);
    let (inner, paths, names) = (module.clone(), Vec::new(), BTreeMap::new());
    let mut source = Source { file: file.to_owned(), module, inner, paths, names };
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    walk(&mut source, tokens);
    source
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`; `main.rs` stands beside the library's modules.
fn module_of(file: &str) -> Module {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || path == "lib") {
        module.pop();
    }
    module
}

fn walk(source: &mut Source, tokens: TokenStream) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is_for_tests(&tokens[at..]) {
            at += 2 + item_length(&tokens[at + 2..]);
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let name = inline_module(&tokens[..at]);
                source.inner.extend(name.clone());
                walk(source, group.stream());
                source.inner.truncate(source.inner.len() - usize::from(name.is_some()));
            }
            TokenTree::Ident(word) if word == "use" => {
                let length = item_length(&tokens[at..]);
                use_tree(source, &tokens[at + 1..at + length], &[]);
                at += length;
                continue;
            }
            TokenTree::Ident(_) if !follows_path(&tokens[..at]) => {
                let words = path_words(&tokens[at..]);
                at += 3 * (words.len() - 1);
                if words.len() > 1 {
                    push(source, &words, &[]);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// The name of a module whose block comes now.
fn inline_module(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// Whether `#[cfg(test)]` is next.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(hash), TokenTree::Group(attribute), ..]
        if hash.as_char() == '#' && attribute.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// How many tokens there are up to the end of an item, which is a block or a semicolon.
fn item_length(tokens: &[TokenTree]) -> usize {
    let in_use = matches!(tokens.first(), Some(TokenTree::Ident(word)) if word == "use");
    let is_end = |token: &TokenTree| match token {
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Group(group) => !in_use && group.delimiter() == Delimiter::Brace,
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |place| place + 1)
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
}

/// Whether what comes now goes on with something: `Type::<T>::name`, `value.name`.
fn follows_path(before: &[TokenTree]) -> bool {
    let [.., first, second] = before else { return false };
    let is_member = matches!(second, TokenTree::Punct(mark) if mark.as_char() == '.');
    is_member || (is_colon(Some(first)) && is_colon(Some(second)))
}

/// The words of the path that begins here.
fn path_words(tokens: &[TokenTree]) -> Vec<Ident> {
    let mut words = Vec::new();
    for part in tokens.chunks(3) {
        let Some(TokenTree::Ident(word)) = part.first() else { break };
        words.push(word.clone());
        if !is_colon(part.get(1)) || !is_colon(part.get(2)) {
            break;
        }
    }
    words
}

/// Takes in one tree of a `use`: `a::{b, c as d}`.
fn use_tree(source: &mut Source, tree: &[TokenTree], before: &[Ident]) {
    let is_comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
    for branch in tree.split(is_comma).filter(|branch| !branch.is_empty()) {
        let (mut path, mut alias, mut has_branches) = (before.to_vec(), None, false);
        for token in branch {
            match token {
                TokenTree::Ident(word) if word == "as" => alias = path.last().cloned(),
                TokenTree::Ident(word) if alias.is_some() => alias = Some(word.clone()),
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.clone()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    use_tree(source, &inner, &path);
                    has_branches = true;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()).filter(|_| !has_branches) {
            push(source, &path, &[name]);
        }
    }
}

/// Keeps a path, and the name that a `use` gives it.
fn push(source: &mut Source, words: &[Ident], names: &[Ident]) {
    let Some(first) = words.first() else { return };
    let (from_root, mut segments) = match first.to_string().as_str() {
        "crate" => (true, Module::new()),
        "sentinel" if source.file == "src/main.rs" => (true, Module::new()),
        "self" => (true, source.inner.clone()),
        "super" => (true, source.inner[..source.inner.len().saturating_sub(1)].to_vec()),
        other => (false, vec![other.to_owned()]),
    };
    for word in &words[1..] {
        match word.to_string().as_str() {
            "super" => drop(segments.pop()),
            word => segments.push(word.to_owned()),
        }
    }
    source.names.extend(names.iter().map(|name| (name.to_string(), source.paths.len())));
    let line = first.span().start().line;
    source.paths.push(Written { from_root, segments, line });
}

/// The sources of this crate.
pub fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert((path.strip_prefix(root).unwrap().display().to_string(), text));
            }
        }
    }
    found.into_iter().collect()
}

/// The part of the root that a file belongs to.
pub fn top(file: &str) -> String {
    let name = file.trim_start_matches("src/").split('/').next().unwrap_or_default();
    name.trim_end_matches(".rs").to_owned()
}
