//! The graph of imports between the parts of a module, for each module: at the root the top folders, in a folder its files.
//! The file of a module itself (`mod.rs`) is no part of it: with what is below it, it is one.

use crate::imports::Import;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// From one part of a module to another.
#[derive(Debug)]
pub struct Arrow<'a> {
    within: &'a [String],
    from: &'a str,
    to: &'a str,
    import: &'a Import,
}

/// Layers from the ground up, each with its name and its modules.
pub type Layers<'a> = [(&'a str, &'a [&'a str])];

/// What leads to what: the parts of one module.
type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// All of them, between parts of the root and of each folder.
pub fn arrows(imports: &[Import]) -> Vec<Arrow<'_>> {
    imports.iter().filter_map(arrow).collect()
}

fn arrow(import: &Import) -> Option<Arrow<'_>> {
    let shared = import.from.iter().zip(&import.to).take_while(|(a, b)| a == b).count();
    let (from, to) = (import.from.get(shared)?, import.to.get(shared)?);
    Some(Arrow { within: &import.from[..shared], from, to, import })
}

/// The arrows that lead back to where they come from, one line a pair.
pub fn cycles(arrows: &[Arrow<'_>]) -> Vec<String> {
    let mut graphs: BTreeMap<&[String], Graph<'_>> = BTreeMap::new();
    for arrow in arrows {
        graphs.entry(arrow.within).or_default().entry(arrow.from).or_default().insert(arrow.to);
    }
    one_a_pair(arrows, |arrow| {
        let way = way(&graphs[arrow.within], arrow.to, arrow.from)?;
        Some(format!("leads back: {} -> {}", arrow.from, way.join(" -> ")))
    })
}

/// The arrows between top folders that lead to a higher layer, one line a pair.
pub fn upwards(arrows: &[Arrow<'_>], layers: &Layers<'_>) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|(_, modules)| modules.contains(&module));
    one_a_pair(arrows, |arrow| {
        let (low, high) = (layer(arrow.from)?, layer(arrow.to)?);
        let is_up = arrow.within.is_empty() && high > low;
        is_up.then(|| format!("leads up: from {} to {}", layers[low].0, layers[high].0))
    })
}

/// The arrows between top folders that are in a list of those that must not be, one line a pair.
pub fn among(arrows: &[Arrow<'_>], pairs: &[(&str, &str)]) -> Vec<String> {
    one_a_pair(arrows, |arrow| {
        let is_among = arrow.within.is_empty() && pairs.contains(&(arrow.from, arrow.to));
        is_among.then(|| "must not be".to_owned())
    })
}

/// What is wrong with the arrows, the first place of each pair.
fn one_a_pair(arrows: &[Arrow<'_>], wrong: impl Fn(&Arrow<'_>) -> Option<String>) -> Vec<String> {
    let mut found = BTreeMap::new();
    for arrow in arrows {
        let key = (arrow.within, arrow.from, arrow.to);
        if !found.contains_key(&key)
            && let Some(what) = wrong(arrow)
        {
            let Import { file, line, from, to } = arrow.import;
            let (from, to) = (from.join("::"), to.join("::"));
            found.insert(key, format!("{file}:{line}: {from} imports {to}, which {what}"));
        }
    }
    found.into_values().collect()
}

/// A shortest way from one part to another.
fn way<'a>(graph: &Graph<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for &next in graph.get(last).into_iter().flatten() {
            if seen.insert(next) {
                ways.push_back(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}
