//! Breadth first through all worlds that moves can lead to, each looked at once. Own code and not a crate of model checking: a
//! policy lives on an absolute clock, so that states must be told apart by a form of our own, which is most of the work.

use crate::policy::model::promises::LONG_AGO;
use crate::policy::model::tally::Tally;
use crate::policy::model::world::{Move, Rules, World};
use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Times further away than this are all alike: no rule of the policy reaches back or ahead so far.
const HORIZON: i64 = 1000;

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// Different worlds.
    pub states: usize,
    /// Moves made.
    pub moves: usize,
    /// Moves from the first world to the last ones found.
    pub depth: usize,
    /// Whether there was nothing more to find.
    pub complete: bool,
    pub tally: Tally,
}

/// Looks at everything up to so many moves away.
///
/// # Panics
/// With the moves that lead there, when a promise is broken.
pub fn explore(first: World, rules: &Rules, deepest: usize) -> Found {
    let mut trail: Vec<(u32, Move, bool)> = vec![(0, Move::Wake, false)];
    let mut seen = HashSet::from([key(&first, &mut String::new())]);
    let mut found =
        Found { states: 1, moves: 0, depth: 0, complete: true, tally: Tally::default() };
    let mut text = String::new();
    let mut waiting = VecDeque::from([(first, 0u32, 0usize)]);
    while let Some((world, place, depth)) = waiting.pop_front() {
        found.depth = found.depth.max(depth);
        if depth == deepest {
            found.complete = false;
            continue;
        }
        for chosen in world.moves(rules) {
            for broken in [false, true].into_iter().take(1 + usize::from(world.faults > 0)) {
                found.moves += 1;
                let next = world.after(chosen, broken, rules, &mut found.tally);
                let next = next.unwrap_or_else(|broken_promise| {
                    trail.push((place, chosen, broken));
                    panic!("{broken_promise}, by\n{}", story(&trail, trail.len() - 1))
                });
                if !world.monitor.finished && seen.insert(key(&next, &mut text)) {
                    trail.push((place, chosen, broken));
                    let index = u32::try_from(trail.len() - 1).expect("fewer than 2^32 states");
                    waiting.push_back((next, index, depth + 1));
                    found.states += 1;
                }
            }
        }
    }
    found
}

fn story(trail: &[(u32, Move, bool)], last: usize) -> String {
    let mut moves = Vec::new();
    let mut at = last;
    while at != 0 {
        let (from, chosen, broken) = &trail[at];
        moves.push(format!(
            "  {chosen:?}{}",
            if *broken { ", and what it writes fails" } else { "" }
        ));
        at = *from as usize;
    }
    moves.reverse();
    moves.join("\n")
}

/// What tells a world from others: all of it, with times counted from now. Left out are peaks and growth. Little that is done depends on
/// them here: looks are dear (see `World::sample`), no forecast is asked for, and what is ahead of the second line is growth of a tick.
fn key(world: &World, text: &mut String) -> u64 {
    text.clear();
    write!(text, "{:?}", world.policy).expect("a String takes it");
    let mut hasher = DefaultHasher::new();
    if world.monitor.thrash.is_some() {
        *text = with_relative_total(text, world.stalled);
    }
    if world.monitor.pins {
        *text = with_relative_marks(text, world);
    }
    let (start, rest) = text.split_once(", peak: ").expect("its field");
    hash_relative(start, world.now, &mut hasher);
    // What was seen of reclaim matters only where something is pinned.
    let from = if world.monitor.pins { ", reclaim: " } else { ", breach: " };
    hash_relative(rest.split_once(from).expect("its field").1, world.now, &mut hasher);
    let ago = |at: Option<u64>| at.map(|at| (world.now - at).min(HORIZON.unsigned_abs()));
    let m = &world.monitor;
    (world.level, world.cache, world.high, world.max, world.frozen, world.waiting)
        .hash(&mut hasher);
    (world.command, world.rest, world.doomed, world.oom, world.faults).hash(&mut hasher);
    (ago(m.term), ago(m.first_kill), ago(m.last_kill), ago(m.regraced), ago(m.over_relief))
        .hash(&mut hasher);
    (ago(m.over_wire), ago(m.frozen), world.got).hash(&mut hasher);
    // What is over is over, however long.
    m.timeout.map(|at| at.saturating_sub(world.now)).hash(&mut hasher);
    (m.finished, m.faulty, m.reached, world.turns, world.waits).hash(&mut hasher);
    for (from, to) in &m.waits {
        ((world.now - from).min(LONG_AGO), world.now - to).hash(&mut hasher);
    }
    hasher.finish()
}

/// The total of waiting that the policy saw, and what it keeps of it, as what was added since.
fn with_relative_total(text: &str, stalled: u64) -> String {
    let (start, rest) = text.split_once("total: ").expect("its field");
    let (total, rest) = rest.split_once(", readings: [").expect("the readings behind it");
    let (readings, rest) = rest.split_once(']').expect("a closing bracket");
    let total: u64 = total.parse().expect("a number");
    let parts: Vec<_> = readings.split("Timestamp(").skip(1).collect();
    let waited = |part: &str| -> (String, u64) {
        let (time, waited) = part.split_once("), ").expect("a number behind the time");
        let digits = waited.split(')').next().expect("a closing bracket");
        (time.to_owned(), digits.parse().expect("a number"))
    };
    let newest = parts.last().map_or(0, |part| waited(part).1);
    let shown: String = parts
        .iter()
        .map(|part| waited(part))
        .map(|(time, waited)| format!("Timestamp({time}) {},", newest - waited))
        .collect();
    format!("{start}total: {}, readings: [{shown}]{rest}", stalled.saturating_sub(total))
}

/// What was counted at each mark of reclaim, as what was added since.
fn with_relative_marks(text: &str, world: &World) -> String {
    let mut parts = text.split("Mark { at: ");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (time, rest) = part.split_once(", tries: ").expect("the tries behind it");
        let (tries, rest) = rest.split_once(", scanned: ").expect("what was scanned behind it");
        let (scanned, rest) = rest.split_once(", reclaimed: ").expect("what was got behind it");
        let (got, rest) = rest.split_once(" }").expect("a closing bracket");
        let ago = |text: &str, now: u64| now - text.parse::<u64>().expect("a number");
        let scanned = ago(scanned, world.tries * 64);
        let got = ago(got, world.reclaimed);
        write!(shown, "{time} {tries} {scanned} {got} {rest}").expect("a String takes it");
    }
    // The last sample has them as well.
    let (start, rest) = shown.split_once("scanned: ").expect("its field");
    let (_, rest) = rest.split_once("swap: ").expect("its field");
    format!("{start}{rest}")
}

/// `Timestamp(1.05s)` as what it is from now.
fn hash_relative(text: &str, now: u64, hasher: &mut DefaultHasher) {
    let mut parts = text.split("Timestamp(");
    parts.next().hash(hasher);
    for part in parts {
        let (time, rest) = part.split_once(')').expect("a closing bracket");
        let from_now = millis(time) - i64::try_from(now).expect("a short run");
        from_now.clamp(-HORIZON, HORIZON).hash(hasher);
        rest.hash(hasher);
    }
}

/// A duration as its Debug shows it; all here are whole milliseconds.
fn millis(shown: &str) -> i64 {
    let unit = shown.find(|c: char| c.is_ascii_alphabetic()).expect("a unit");
    let number: f64 = shown[..unit].parse().expect("a number");
    #[expect(clippy::cast_possible_truncation, reason = "some hours at most")]
    match &shown[unit..] {
        "s" => (number * 1000.0).round() as i64,
        "ms" => number.round() as i64,
        "ns" if number == 0.0 => 0,
        other => panic!("a time in {other}"),
    }
}
