//! A post-mortem as text for a terminal of 80 columns: the verdict first, then what to do, then the evidence.

use super::{Mappings, PostMortem, Reading, archive};
use crate::escape::shown;
use crate::report::words;
use crate::status::{Memory, Tier};
use crate::units::{Bytes, show_duration};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

const WIDTH: usize = 80;
/// Of the plot, without its scale.
const COLUMNS: usize = 66;
const ROWS: usize = 8;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writing to a String cannot fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => { { let _ = writeln!($out, $($arg)*); } };
}

/// The whole text. `unicode` allows block characters.
pub fn report_text(report: &PostMortem, unicode: bool) -> String {
    let mut out = String::new();
    verdict(&mut out, report);
    advice(&mut out, report);
    plot(&mut out, report, unicode);
    timeline(&mut out, report);
    processes(&mut out, report);
    growers(&mut out, report);
    if let Some(mappings) = &report.mappings {
        memory_map(&mut out, mappings, unicode);
    }
    numbers(&mut out, report);
    out
}

/// One line for each that is kept.
pub fn list(kept: &[(PathBuf, u64)]) -> String {
    let mut out = String::new();
    let now = crate::clock::unix_time();
    for (index, (path, ended)) in kept.iter().enumerate() {
        let ago = show_duration(now.saturating_sub(Duration::from_secs(*ended)));
        let said = match archive::load(path) {
            Ok(report) => report.verdict.text,
            Err(error) => format!("{error:#}"),
        };
        line!(out, "{:>3}  {ago:>8} ago  {}", index + 1, shown(path));
        wrapped(&mut out, "     ", &said);
    }
    out
}

fn head(out: &mut String, title: &str) {
    line!(out, "\n{title}");
}

fn verdict(out: &mut String, report: &PostMortem) {
    let (run, verdict) = (&report.run, &report.verdict);
    wrapped(out, "", &verdict.text);
    let ran = show_duration(Duration::from_millis(run.ran_ms));
    let verb = words::ran(run.child_pid);
    // Of a run whose guardian was killed nobody looked at it.
    let peak = Some(report.memory.peak).filter(|peak| peak.0 > 0);
    let peak = peak.map_or_else(String::new, |peak| format!(", peak {peak}"));
    let reason = serde_json::to_value(verdict.reason).unwrap_or_default();
    let reason = reason.as_str().unwrap_or("unknown").to_owned();
    line!(
        out,
        "reason {reason}, ended by {}, exit {}, {verb} {ran}{peak}",
        verdict.ended_by,
        verdict.exit_status
    );
}

fn advice(out: &mut String, report: &PostMortem) {
    if report.advice.is_empty() {
        return;
    }
    head(out, "What to do");
    report.advice.iter().for_each(|sentence| wrapped(out, "  ", sentence));
}

/// A word that fits into no line, cut into what does.
fn pieces(word: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    std::iter::from_fn(move || {
        let word = rest?;
        let end = word.char_indices().nth(width).map(|(end, _)| end);
        let (piece, left) = word.split_at(end.unwrap_or(word.len()));
        rest = end.map(|_| left);
        Some(piece)
    })
}

/// Words to lines.
fn wrapped(out: &mut String, indent: &str, text: &str) {
    let mut column = 0;
    for word in text.split(' ').flat_map(|word| pieces(word, WIDTH - indent.len())) {
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            out.push_str(if column == 0 { "" } else { "\n" });
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    line!(out);
}

fn plot(out: &mut String, report: &PostMortem, unicode: bool) {
    let (Some(first), Some(last)) = (report.samples.first(), report.samples.last()) else { return };
    let span = last.at_us.saturating_sub(first.at_us).max(1);
    let columns = highest(&report.samples, first.at_us, span);
    let limits = limits_of(report, first.at_us, span);
    let limit = limits.last().copied().flatten();
    let top = columns.iter().copied().chain(limits.iter().copied().flatten()).max();
    let top = top.unwrap_or(0).max(1);
    let top = top + top / 50;
    head(out, &format!("Footprint, the last {}", show_duration(Duration::from_micros(span))));
    let step = top.div_ceil(ROWS as u64);
    for row in (0..ROWS as u64).rev() {
        let (from, to) = (row * step, (row + 1) * step);
        let here = |limit: &u64| (from..to).contains(limit);
        let scale = if limit.as_ref().is_some_and(here) {
            "limit".to_owned()
        } else {
            Bytes(from).to_string()
        };
        let cells = columns.iter().zip(&limits);
        let cells: String = cells
            .map(|(value, limit)| {
                cell(*value, from, step, limit.as_ref().is_some_and(here), unicode)
            })
            .collect();
        line!(out, "  {scale:>8} |{}", cells.trim_end());
    }
    line!(out, "  {:>8} +{}", "", "-".repeat(COLUMNS));
    let ended = report.timeline.iter().find(|moment| moment.what == super::Milestone::Term);
    let mark = ended.map_or(String::new(), |term| {
        let at = term.at_us.saturating_sub(first.at_us).min(span);
        let column = usize::try_from(at * (COLUMNS as u64 - 1) / span).unwrap_or(0);
        let label = "SIGTERM ^";
        match column.checked_sub(label.len() - 1) {
            Some(before) => format!("{}{label}", " ".repeat(before)),
            None => format!("{}^ SIGTERM", " ".repeat(column)),
        }
    });
    if !mark.is_empty() {
        line!(out, "  {:>8}  {mark}", "");
    }
}

/// The limit in each column, as it was then.
fn limits_of(report: &PostMortem, start: u64, span: u64) -> Vec<Option<u64>> {
    let all = report.all_lines();
    let at = |column: usize| {
        let part = u128::from(span) * column as u128 / (COLUMNS as u128 - 1);
        let time = start.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
        let lines = all.iter().find(|lines| time < lines.until_us);
        lines.and_then(|lines| lines.allowance().value())
    };
    (0..COLUMNS).map(at).collect()
}

/// The highest footprint in each column; a column without a look has that of the one before.
fn highest(samples: &[Reading], start: u64, span: u64) -> Vec<u64> {
    let mut columns: Vec<Option<u64>> = vec![None; COLUMNS];
    for sample in samples {
        let at = (sample.at_us - start.min(sample.at_us)).min(span);
        let column = usize::try_from(u128::from(at) * (COLUMNS as u128 - 1) / u128::from(span));
        let cell = &mut columns[column.unwrap_or(0).min(COLUMNS - 1)];
        *cell = Some(cell.unwrap_or(0).max(sample.footprint.0));
    }
    let mut last = 0;
    columns
        .into_iter()
        .map(|value| {
            last = value.unwrap_or(last);
            last
        })
        .collect()
}

fn cell(value: u64, from: u64, step: u64, at_limit: bool, unicode: bool) -> char {
    let full = value.saturating_sub(from).min(step);
    let eighth = usize::try_from(u128::from(full) * 8 / u128::from(step.max(1))).unwrap_or(8);
    match (eighth, unicode) {
        (0, _) if at_limit => '-',
        (0, _) => ' ',
        (eighth, true) => EIGHTHS[eighth.min(8)],
        (1..4, false) => '.',
        (_, false) => '#',
    }
}

fn timeline(out: &mut String, report: &PostMortem) {
    head(out, "Timeline (seconds since the start)");
    for moment in &report.timeline {
        let (s, us) = (moment.at_us / 1_000_000, moment.at_us % 1_000_000);
        let stamp = format!("  {s:>6}.{us:06}  ");
        let mut text = String::new();
        wrapped(&mut text, &" ".repeat(stamp.len()), &moment.text);
        out.push_str(&stamp);
        out.push_str(text.trim_start());
    }
}

fn processes(out: &mut String, report: &PostMortem) {
    if report.processes.is_empty() {
        return;
    }
    head(out, "Processes when last listed, largest first");
    line!(out, "  {:>8} {:>8} {:>10} {:>7}  name", "pid", "parent", "RSS", "share");
    for row in report.processes.iter().take(10) {
        line!(
            out,
            "  {:>8} {:>8} {:>10} {:>6}%  {}",
            row.pid,
            row.ppid,
            row.rss,
            row.share_permille / 10,
            row.name
        );
    }
    more(out, report.processes.len(), 10);
}

fn more(out: &mut String, all: usize, shown: usize) {
    if all > shown {
        line!(out, "  and {} more", all - shown);
    }
}

fn growers(out: &mut String, report: &PostMortem) {
    if report.growers.is_empty() {
        return;
    }
    head(out, "Who grew");
    for grower in report.growers.iter().take(5) {
        let over = show_duration(Duration::from_millis(grower.over_ms));
        line!(
            out,
            "  {:>8} {:>10} to {} in {over}  {}",
            grower.pid,
            grower.from,
            grower.to,
            grower.name
        );
    }
}

fn memory_map(out: &mut String, mappings: &Mappings, unicode: bool) {
    head(out, &format!("Largest mappings of {} ({})", mappings.name, mappings.pid));
    line!(out, "  {:>10} {:>10} {:>10} {:>5}  what", "RSS", "size", "swap", "count");
    for mapping in mappings.largest.iter().take(8) {
        let name = tail(&mapping.name, WIDTH - 44, if unicode { "…" } else { "..." });
        line!(
            out,
            "  {:>10} {:>10} {:>10} {:>5}  {name}",
            mapping.rss,
            mapping.size,
            mapping.swap,
            mapping.count
        );
    }
}

/// Of a path the end says more than the beginning.
fn tail(name: &str, most: usize, cut: &str) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let left = most - cut.chars().count();
    cut.chars().chain(name.chars().skip(length - left)).collect()
}

/// What memory in use is made of.
fn split(memory: &Memory, tier: Tier) -> String {
    format!(
        "{} {}, footprint {}: anon {}, shmem {}, kernel {}, swap {}{}; cache {} in addition",
        tier.usage_name(),
        memory.current,
        memory.footprint,
        memory.anon,
        memory.shmem,
        memory.kernel,
        memory.swap,
        words::huge_pages(memory),
        memory.cache
    )
}

/// Lines that were others once.
pub fn earlier(lines: &super::EarlierLines) -> String {
    let until = show_duration(Duration::from_micros(lines.until_us));
    format!(
        "limit {}, second line {}, ceiling {} until {until} after the start",
        words::limit(lines.limit, lines.swap_room),
        lines.second_line,
        lines.ceiling
    )
}

fn numbers(out: &mut String, report: &PostMortem) {
    let (run, limits, memory, events) =
        (&report.run, &report.limits, &report.memory, &report.events);
    head(out, "Numbers");
    let mut row = |name: &str, value: String| {
        let mut text = String::new();
        wrapped(&mut text, &" ".repeat(16), &value);
        line!(out, "  {name:<13} {}", text.trim());
    };
    let time = |ms| show_duration(Duration::from_millis(ms));
    let timeout =
        limits.timeout_ms.map_or_else(String::new, |ms| format!(", timeout {}", time(ms)));
    row(
        "lines",
        format!(
            "limit {}, second line {}, ceiling {}, grace {}{timeout}",
            words::limit(limits.limit, limits.swap_room),
            limits.second_line,
            limits.ceiling,
            time(limits.grace_ms)
        ),
    );
    if let Some(floor) = limits.min_available {
        row("floor", words::floor(floor, memory.available));
    }
    for lines in &report.earlier_lines {
        row("before", earlier(lines));
    }
    if memory.peak.0 > 0 {
        row("memory", split(memory, report.run.tier));
    }
    if let Some(remains) = &report.left_in_tmpfs {
        row("left behind", crate::remains::text(remains));
    }
    if let Some(pressure) = report.pressure {
        let (some, full) = (pressure.some_avg10, pressure.full_avg10);
        row("pressure", format!("some {some:.1}%, full {full:.1}% of the last 10 s"));
    }
    row(
        "memory.events",
        format!(
            "high {} max {} oom {} oom_kill {}; pids.events max {}",
            events.high, events.max, events.oom, events.oom_kill, events.pids_max
        ),
    );
    let placement = run.placement.as_ref().map_or(String::new(), |row| format!(" ({row})"));
    let cgroup = run.cgroup.as_deref().unwrap_or("no cgroup");
    row("tier", format!("{}{placement}, Linux {}", run.tier.name(), run.kernel));
    row("cgroup", cgroup.to_owned());
    let place = [("host", &run.host), ("user", &run.user), ("directory", &run.directory)];
    place.into_iter().for_each(|(name, value)| {
        value.iter().for_each(|value| row(name, value.clone()));
    });
    row("command", run.command.join(" "));
}
