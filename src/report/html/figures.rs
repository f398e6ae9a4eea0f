//! The three plots: memory in the last minute, the seconds around the decision, what memory was made of.

use super::curve::{self, Getter};
use super::marks::{self, PlotLine};
use super::markup::{Attribute, Markup};
use super::scale::{HEIGHT, Scale};
use super::window::{Window, Zero};
use super::{facts, section, show};
use crate::report::post_mortem::{PostMortem, Reading};
use crate::status::{Memory, Tier};
use crate::units::{Bytes, Limit};

const FOOTPRINT: Getter = |reading| reading.footprint.0.into();
const CURRENT: Getter = |reading| reading.current.0.into();

/// A picture: its scale, and what is in it.
struct Plot<'a> {
    id: &'static str,
    title: &'a str,
    scale: Scale,
    report: &'a PostMortem,
    lines: &'a [PlotLine],
}

/// Footprint and `memory.current` against the lines.
pub(super) fn memory(report: &PostMortem, page: &mut Markup) {
    section(page, "memory", "Memory before the end", |page| {
        let (zero, readings) = (Zero::of(report), sorted(report));
        if readings.is_empty() {
            return page.element("p", &[("class", &"none")], "No samples were taken.");
        }
        legend(page, report.limits.swap_room != Limit::At(0), report.run.tier);
        let window = Window::last_minute(report, &readings, zero);
        memory_plot(page, report, ("minute", "The last minute"), (window, zero, &readings));
        if let Some(zoom) = window.zoom(&readings, zero) {
            let title = format!("Around {}", zero.name);
            let name = ("zoom", title.as_str());
            memory_plot(page, report, name, (zoom, zero, &readings));
        }
    });
}

fn sorted(report: &PostMortem) -> Vec<Reading> {
    let mut readings = report.samples.clone();
    readings.sort_by_key(|reading| reading.at_us);
    readings
}

fn legend(page: &mut Markup, swap: bool, tier: Tier) {
    page.raw("<ul class=\"key\">");
    let footprint = match swap {
        true => "footprint with swap: compared with the limit plus swap",
        false => "footprint: what the limit is compared with",
    };
    let usage = format!("{}: includes memory that the kernel can reclaim", tier.usage_name());
    for (class, name) in [("footprint", footprint), ("current", &usage)] {
        page.within("li", &[], |page| {
            page.raw("<svg width=\"22\" height=\"10\" aria-hidden=\"true\">");
            page.empty("path", &[("class", &class), ("d", &"M0 5H22")]);
            page.raw("</svg> ");
            page.text(name);
        });
    }
    page.raw("</ul>\n");
}

fn memory_plot(
    page: &mut Markup,
    report: &PostMortem,
    (id, title): (&'static str, &str),
    (window, zero, readings): (Window, Zero, &[Reading]),
) {
    let lines = marks::lines(report);
    let shown = curve::thinned(readings, window, &[FOOTPRINT, CURRENT]);
    let is_zoom = id == "zoom";
    let scale = scale(window, zero, &shown, &lines, is_zoom);
    let plot = Plot { id, title, scale, report, lines: &lines };
    figure(page, &plot, readings, |page| {
        curve::stretched(page, |page| {
            if scale.bottom() == Bytes(0) {
                curve::area(page, &scale, &shown, (|_| 0, FOOTPRINT), "under");
            }
            curve::line(page, &scale, &shown, CURRENT, "current");
            curve::line(page, &scale, &shown, FOOTPRINT, "footprint");
            curve::told(page, &scale, (&shown, report.run.tier));
        });
        curve::dots(page, &scale, &shown, FOOTPRINT);
    });
}

/// The lines belong into the picture unless they would press what happened to its floor; a zoomed one begins where memory was
/// before the zero.
fn scale(
    window: Window,
    zero: Zero,
    shown: &[Reading],
    lines: &[PlotLine],
    is_zoom: bool,
) -> Scale {
    let highest = curve::highest(shown, &[FOOTPRINT, CURRENT]);
    let reach = if is_zoom { highest.0 / 5 } else { highest.0.saturating_mul(3) };
    let reach = highest.0.saturating_add(reach);
    let (near, far): (Vec<Bytes>, Vec<Bytes>) =
        lines.iter().map(|line| line.value).partition(|value| value.0 <= reach);
    let highest = near.into_iter().fold(highest, Bytes::max);
    let mut scale = Scale::new(window, zero, highest);
    if is_zoom {
        let before = shown.iter().filter(|reading| reading.at_us <= zero.at_us);
        let lowest = before.map(|reading| reading.footprint).min().unwrap_or_default();
        scale = scale.raised(lowest, highest);
    }
    scale.with_air(far.len())
}

/// Anonymous, shared and kernel memory and cache on top of each other.
pub(super) fn split(report: &PostMortem, page: &mut Markup) {
    section(page, "split", "What it was made of", |page| {
        let (zero, readings) = (Zero::of(report), sorted(report));
        if !readings.is_empty() {
            let window = Window::last_minute(report, &readings, zero);
            let shown = curve::thinned(&readings, window, &[CURRENT, FOOTPRINT, CACHE]);
            let scale = Scale::new(window, zero, curve::highest(&shown, &[CACHE]));
            let title = "Memory by kind";
            let plot = Plot { id: "kinds", title, scale, report, lines: &[] };
            figure(page, &plot, &readings, |page| {
                curve::stretched(page, |page| {
                    for (layer, class) in LAYERS {
                        curve::area(page, &scale, &shown, layer, class);
                    }
                    curve::told(page, &scale, (&shown, report.run.tier));
                });
            });
        }
        kinds(&report.memory, report.run.tier, page);
        if let Some(remains) = &report.left_in_tmpfs {
            page.element("p", &[], crate::remains::text(remains));
        }
    });
}

const ANON: Getter = |reading| reading.anon.0.into();
const SHMEM: Getter = |reading| ANON(reading) + u128::from(reading.shmem.0);
const KERNEL: Getter = |reading| SHMEM(reading) + u128::from(reading.kernel.0);
const CACHE: Getter = |reading| KERNEL(reading) + u128::from(reading.cache.0);

/// The layers, lowest first, each from one value up to the next.
const LAYERS: [((Getter, Getter), &str); 4] = [
    ((|_| 0, ANON), "layer anon"),
    ((ANON, SHMEM), "layer shmem"),
    ((SHMEM, KERNEL), "layer kernel"),
    ((KERNEL, CACHE), "layer cache"),
];

/// The legend of the layers, with what they were at the decision.
fn kinds(memory: &Memory, tier: Tier, page: &mut Markup) {
    let huge = match memory.hugetlb_counted {
        true => "hugetlb, not in memory.current",
        false => "hugetlb, not counted by any limit",
    };
    let rows = [
        ("cache", "cache", "reclaimable page cache and slab", memory.cache),
        ("kernel", "kernel", "stacks, page tables, sockets, slab", memory.kernel),
        ("shmem", "shmem", "shared memory, tmpfs, memfd", memory.shmem),
        ("anon", "anon", "heaps, stacks, private mappings", memory.anon),
        ("", "swap", "swapped out", memory.swap),
        ("", "huge pages", huge, memory.hugetlb),
    ];
    let shown = |name: &str, bytes: Bytes| name != "huge pages" || bytes > Bytes(0);
    page.raw("<table class=\"kinds\"><caption>At the decision, or in the last sample</caption>");
    page.raw("<thead><tr><th scope=\"col\">kind</th><th scope=\"col\" class=\"n\">size</th>");
    page.raw("<th scope=\"col\" class=\"n\">of current</th></tr></thead><tbody>\n");
    for (class, name, what, bytes) in rows.into_iter().filter(|row| shown(row.1, row.3)) {
        page.within("tr", &[], |page| {
            page.within("th", &[("scope", &"row")], |page| kind(page, class, name, what));
            page.element("td", &[("class", &"n")], bytes);
            let share = show::share(bytes, memory.current);
            page.element("td", &[("class", &"n")], if class.is_empty() { "–" } else { &share });
        });
        page.line();
    }
    page.raw("</tbody></table>\n");
    sums(memory, tier, page);
}

fn kind(page: &mut Markup, class: &'static str, name: &str, what: &str) {
    page.raw("<svg class=\"chip\" width=\"12\" height=\"12\" aria-hidden=\"true\">");
    if !class.is_empty() {
        let class = format_args!("layer {class}").to_string();
        page.empty("rect", &[("class", &class), ("width", &12), ("height", &12)]);
    }
    page.raw("</svg> ");
    page.text(name);
    page.element("small", &[], what);
}

fn sums(memory: &Memory, tier: Tier, page: &mut Markup) {
    let peak = |now: Bytes, peak: Bytes| match peak.0 {
        0 => "not looked at".to_owned(),
        _ => format!("{now}, at most {peak}"),
    };
    let rss = memory.rss.map_or_else(|| "not looked at".to_owned(), |rss| rss.to_string());
    facts::facts(
        page,
        &[
            ("footprint", peak(memory.footprint, memory.peak_footprint)),
            (tier.usage_name(), peak(memory.current, memory.peak)),
            ("sum of RSS", rss),
        ],
    );
}

/// A plot with its title, what it shows in a sentence, its grid, its lines and its moments.
fn figure(page: &mut Markup, plot: &Plot, readings: &[Reading], curves: impl FnOnce(&mut Markup)) {
    let Plot { id, title, scale, report, lines } = plot;
    let labels = marks::labels(scale, &report.timeline);
    let above = marks::above(&labels);
    let (title_id, words_id) = (format!("{id}-title"), format!("{id}-words"));
    let (names, height) = (format!("{title_id} {words_id}"), above + HEIGHT + marks::BELOW);
    let words = in_words(plot, readings);
    page.within("figure", &[], |page| {
        page.within("figcaption", &[], |page| {
            page.element("h3", &[], title);
            page.element("p", &[], &words);
        });
        let size: [Attribute; 5] = [
            ("class", &"plot"),
            ("role", &"img"),
            ("aria-labelledby", &names),
            ("width", &"100%"),
            ("height", &height),
        ];
        page.within("svg", &size, |page| {
            page.element("title", &[("id", &title_id)], title);
            page.element("desc", &[("id", &words_id)], &words);
            page.within("g", &[("transform", &format_args!("translate(0 {above})"))], |page| {
                marks::grid(page, scale);
                curves(page);
                marks::draw_lines(page, scale, lines);
                marks::draw_moments(page, &labels, above);
            });
        });
    });
    page.line();
}

/// What the picture shows, for those who do not see it and those who want to be sure.
fn in_words(plot: &Plot, readings: &[Reading]) -> String {
    let Scale { window, zero, .. } = plot.scale;
    let inside = readings.iter().filter(|reading| window.holds(reading.at_us));
    let inside: Vec<Reading> = inside.copied().collect();
    let side = |at: u64| match (at.abs_diff(zero.at_us), at < zero.at_us) {
        (0, _) => zero.name.to_owned(),
        (us, true) => format!("{} before {}", show::span(us), zero.name),
        (us, false) => format!("{} after it", show::span(us)),
    };
    let [first, .., last] = inside.as_slice() else {
        return match inside.first() {
            Some(only) => format!("One sample, {}: {}.", side(only.at_us), only.footprint),
            None => "There are no samples from this time.".to_owned(),
        };
    };
    let peak = curve::highest(&inside, &[FOOTPRINT]);
    let count = match readings.len() - inside.len() {
        0 => format!("{} samples", inside.len()),
        left => format!("{} samples, {left} outside", inside.len()),
    };
    let (from, to) = (side(window.from), side(window.to));
    let (first, last) = (first.footprint, last.footprint);
    let mut words =
        format!("From {from} to {to}: footprint from {first} to {last}, at most {peak} ({count}).");
    if plot.scale.bottom() > Bytes(0) {
        words += &format!(" The plot starts at {}, not at 0.", plot.scale.bottom());
    }
    words
}
