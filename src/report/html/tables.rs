//! What has rows: the timeline, who grew, processes, mappings.

use super::facts::none;
use super::markup::{Attribute, Markup};
use super::window::Zero;
use super::{section, show};
use crate::report::post_mortem::{Milestone, PostMortem};
use crate::status::ProcessRow;
use crate::units::Bytes;

/// So many processes have a row of their own.
const PROCESSES: usize = 40;

/// Of a growth it follows from what it led to and how much it was.
const FROM: &str = "from";

/// A column: its name, and whether numbers are in it.
type HtmlColumn = (&'static str, bool);

/// A table that can be pushed sideways where it does not fit. `rows` writes the rows.
fn table(
    page: &mut Markup,
    name: &'static str,
    columns: &[HtmlColumn],
    rows: impl FnOnce(&mut Markup),
) {
    let around: [Attribute; 4] =
        [("class", &"wide"), ("role", &"region"), ("aria-label", &name), ("tabindex", &"0")];
    page.within("div", &around, |page| {
        page.raw("<table><thead><tr>");
        for (column, number) in columns {
            match (*column, *number) {
                ("", _) => page.raw("<td class=\"bar\"></td>"),
                // What the others tell too: left out where there is little room.
                (FROM, _) => page.element("th", &[("scope", &"col"), ("class", &"n spare")], FROM),
                (name, true) => page.element("th", &[("scope", &"col"), ("class", &"n")], name),
                (name, false) => page.element("th", &[("scope", &"col")], name),
            }
        }
        page.raw("</tr></thead><tbody>\n");
        rows(page);
        page.raw("</tbody></table>");
    });
}

fn number(page: &mut Markup, text: impl std::fmt::Display) {
    page.element("td", &[("class", &"n")], text);
}

fn row(page: &mut Markup, cells: impl FnOnce(&mut Markup)) {
    page.within("tr", &[], cells);
    page.line();
}

/// A bar of so many hundredths: what is to be compared can be seen.
fn bar(page: &mut Markup, part: u64, whole: u64) {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    page.raw("<td class=\"bar\"><svg width=\"100%\" height=\"9\" aria-hidden=\"true\">");
    let width = format!("{:.1}%", share.min(100.0));
    page.empty("rect", &[("width", &width), ("height", &9)]);
    page.raw("</svg></td>");
}

/// What happened, in microseconds.
pub(super) fn timeline(report: &PostMortem, page: &mut Markup) {
    section(page, "timeline", "Timeline", |page| {
        if report.timeline.is_empty() {
            return none(page, "Nothing was recorded.");
        }
        let zero = Zero::of(report);
        let text = format_args!("In seconds: relative to {}, and since the start.", zero.name);
        page.element("p", &[("class", &"note")], text);
        let columns = [("relative", true), ("since start", true), ("what happened", false)];
        table(page, "Timeline", &columns, |page| {
            for moment in &report.timeline {
                let class = if moment.what == Milestone::Told { "told" } else { "step" };
                page.within("tr", &[("class", &class)], |page| {
                    number(page, show::signed_stamp(moment.at_us, zero.at_us));
                    number(page, show::stamp(moment.at_us));
                    page.element("td", &[("class", &"text")], &moment.text);
                });
                page.line();
            }
        });
    });
}

/// Who grew, most first.
pub(super) fn growers(report: &PostMortem, page: &mut Markup) {
    section(page, "growers", "Who grew", |page| {
        if report.growers.is_empty() {
            return none(page, "No process was seen to grow.");
        }
        let grown = |from: Bytes, to: Bytes| to.saturating_sub(from).0;
        let most = report.growers.iter().map(|grower| grown(grower.from, grower.to)).max();
        let columns = [
            ("pid", true),
            ("name", false),
            ("grew by", true),
            ("", false),
            ("a second", true),
            (FROM, true),
            ("to", true),
            ("in", true),
        ];
        table(page, "Who grew", &columns, |page| {
            for grower in &report.growers {
                row(page, |page| {
                    number(page, grower.pid);
                    page.element("th", &[("scope", &"row")], &grower.name);
                    number(page, show::change(grower.from, grower.to));
                    bar(page, grown(grower.from, grower.to), most.unwrap_or(0));
                    number(page, show::rate(grower.from, grower.to, grower.over_ms));
                    page.element("td", &[("class", &"n spare")], grower.from);
                    number(page, grower.to);
                    number(page, show::span(grower.over_ms.saturating_mul(1000)));
                });
            }
        });
    });
}

/// The process table at the breach.
pub(super) fn processes(report: &PostMortem, page: &mut Markup) {
    section(page, "processes", "Processes", |page| {
        if report.processes.is_empty() {
            return none(page, "The processes were not listed.");
        }
        let columns = [
            ("pid", true),
            ("process", false),
            ("RSS", true),
            ("share", true),
            ("", false),
            ("state", false),
            ("parent", true),
        ];
        page.raw("<p class=\"note\">When it was decided, largest first.</p>");
        table(page, "Processes", &columns, |page| {
            let (shown, rest) = report.processes.split_at(report.processes.len().min(PROCESSES));
            let most = shown.iter().map(|process| process.rss.0).max().unwrap_or(0);
            shown.iter().for_each(|process| process_row(page, process, most));
            the_rest(page, rest);
        });
    });
}

fn process_row(page: &mut Markup, process: &ProcessRow, most: u64) {
    let permille = process.share_permille;
    row(page, |page| {
        number(page, process.pid);
        page.within("th", &[("scope", &"row")], |page| {
            page.text(&process.name);
            // Where the command line could not be read, the name stands for it.
            if process.command != process.name {
                page.element("small", &[("class", &"command")], &process.command);
            }
        });
        number(page, process.rss);
        number(page, format_args!("{}.{}%", permille / 10, permille % 10));
        bar(page, process.rss.0, most);
        page.element("td", &[], process.state);
        number(page, process.ppid);
    });
}

/// One row for those that have none.
fn the_rest(page: &mut Markup, rest: &[ProcessRow]) {
    if rest.is_empty() {
        return;
    }
    let rss = rest.iter().fold(Bytes(0), |sum, process| sum.saturating_add(process.rss));
    row(page, |page| {
        page.raw("<td></td>");
        page.element("th", &[("scope", &"row")], format_args!("and {} more", rest.len()));
        number(page, rss);
        page.raw("<td></td><td class=\"bar\"></td><td></td><td></td>");
    });
}

/// The biggest mappings of the biggest process.
pub(super) fn mappings(report: &PostMortem, page: &mut Markup) {
    section(page, "mappings", "Biggest mappings", |page| {
        let Some(mappings) = &report.mappings else {
            return none(page, "They could not be read in time.");
        };
        let text = format_args!("Of the biggest process: {} ({}).", mappings.name, mappings.pid);
        page.element("p", &[("class", &"note")], text);
        let columns = [
            ("mapping", false),
            ("resident", true),
            ("", false),
            ("size", true),
            ("swapped", true),
            ("count", true),
        ];
        let most = mappings.largest.iter().map(|mapping| mapping.rss.0).max().unwrap_or(0);
        table(page, "Biggest mappings", &columns, |page| {
            for mapping in &mappings.largest {
                row(page, |page| {
                    page.element("th", &[("scope", &"row"), ("class", &"path")], &mapping.name);
                    number(page, mapping.rss);
                    bar(page, mapping.rss.0, most);
                    number(page, mapping.size);
                    number(page, mapping.swap);
                    number(page, mapping.count);
                });
            }
        });
    });
}
