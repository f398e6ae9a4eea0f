//! The word that somebody probably meant. Pure.

/// Longer words are no typing mistakes, and the distance is quadratic.
const LONGEST: usize = 24;

/// The candidate at the smallest distance (insertions, deletions, replacements and swaps of neighbours), and the distance, unless
/// nearly everything would have to change.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<(&'a str, usize)> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let far = |candidate: &str| (strsim::osa_distance(word, candidate), candidate.len());
    let (best, (changes, length)) =
        candidates.iter().map(|c| (*c, far(c))).min_by_key(|(_, (changes, _))| *changes)?;
    let unfinished = word.len() >= 2 && best.starts_with(word);
    (changes <= 2 && changes * 2 <= length || unfinished).then_some((best, changes))
}
