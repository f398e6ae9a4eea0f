//! The page of a post-mortem: golden pages, its form, and that nothing which a workload wrote comes through as markup.
//! `UPDATE_GOLDEN=1` writes the pages under `tests/fixtures/html` anew.
#![expect(clippy::expect_used, reason = "what cannot fail here is not under test")]

#[path = "report/any.rs"]
mod any;
#[path = "report/contrast.rs"]
mod contrast;
#[path = "report/sample.rs"]
mod sample;

use any::post_mortem;
use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};
use sentinel::escape::is_instruction;
use sentinel::report::html::page;
use sentinel::report::post_mortem::{Milestone, Moment, PostMortem};
use sentinel::units::Bytes;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// What has no inside in HTML.
const VOID: [&str; 1] = ["meta"];

/// All elements that the page is made of: anything else came from somewhere else.
const ELEMENTS: &str = "html head meta title style body header main footer section h1 h2 h3 p ul li dl div dt dd figure \
    figcaption table caption thead tbody tr th td small pre code svg desc g path line rect circle text";

const ATTRIBUTES: &str = "lang charset http-equiv content name class id role aria-labelledby aria-label aria-hidden tabindex \
    scope width height viewBox preserveAspectRatio transform d x y x1 x2 y1 y2 dx cx cy r";

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).expect("the page is well formed")
}

fn is_svg(node: Node) -> bool {
    node.ancestors().any(|node| node.has_tag_name("svg"))
}

fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or_default()
}

/// Everything that holds for any page.
#[track_caller]
fn check(text: &str) {
    let page = parse(text);
    let elements: HashSet<&str> = ELEMENTS.split_whitespace().collect();
    let attributes: HashSet<&str> = ATTRIBUTES.split_whitespace().collect();
    let mut ids = HashSet::new();
    for node in page.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(elements.contains(name), "<{name}>");
        for attribute in node.attributes() {
            assert!(attributes.contains(attribute.name()), "<{name} {}>", attribute.name());
            assert!(!attribute.value().contains("NaN") && !attribute.value().contains("inf"));
        }
        // An HTML reader takes `<p/>` for `<p>`: only what is void there, or not HTML, may be closed like this.
        let closed = &text[node.range()];
        let is_short = closed.ends_with("/>") && !closed.contains("</");
        assert!(!is_short || VOID.contains(&name) || is_svg(node), "{closed}");
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id), "two are called {id}");
        }
    }
    for node in page.descendants().filter(|node| node.has_attribute("aria-labelledby")) {
        assert!(attribute(node, "aria-labelledby").split(' ').all(|id| ids.contains(id)));
    }
    assert!(!text.contains(|c| c != '\n' && is_instruction(c)), "an instruction came through");
}

#[track_caller]
fn golden(name: &str, report: &PostMortem) {
    let made = page(report);
    check(&made);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/html").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).expect("the fixture can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let line = made.lines().zip(expected.lines()).position(|(made, expected)| made != expected);
    let name = path.display();
    assert!(made == expected, "{name} differs in line {line:?}; UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn golden_pages() {
    for (name, report) in sample::all() {
        golden(&format!("{name}.html"), &report);
    }
}

fn texts(page: &str) -> String {
    parse(page).descendants().filter_map(|node| node.text()).collect()
}

#[test]
fn it_says_what_a_person_asks_in_that_order() {
    let report = sample::leak();
    let page = page(&report);
    let page = parse(&page);
    let heads: Vec<&str> =
        page.descendants().filter(|n| n.has_tag_name("h2")).filter_map(|n| n.text()).collect();
    let expected = [
        "What to do",
        "Memory before the end",
        "What it was made of",
        "Timeline",
        "Who grew",
        "Processes",
        "Biggest mappings",
        "Memory pressure",
        "Limits",
        "Kernel counters",
        "What ran",
    ];
    assert_eq!(heads, expected);
    let title = page.descendants().find(|node| node.has_tag_name("h1")).and_then(|n| n.text());
    assert_eq!(title, Some(report.verdict.text.as_str()));
}

#[test]
fn moments_are_told_in_microseconds_from_the_decision_and_from_the_start() {
    let text = texts(&page(&sample::leak()));
    for stamp in ["+0.000171", "83.413078", "+0.031402", "\u{2212}21.442118"] {
        assert!(text.contains(stamp), "{stamp}");
    }
}

#[test]
fn the_lines_and_the_moments_are_in_the_plot() {
    let page = page(&sample::second_line());
    let page = parse(&page);
    let plots: Vec<Node> =
        page.descendants().filter(|node| attribute(*node, "role") == "img").collect();
    assert_eq!(plots.len(), 3, "the last minute, zoomed, by kind");
    for plot in &plots[..2] {
        let text: Vec<&str> = plot
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text())
            .collect();
        for name in ["limit 2G", "second line 2.19G", "ceiling 2.20G", "TERM", "KILL", "empty"] {
            assert!(text.contains(&name), "{name}: {text:?}");
        }
    }
}

#[test]
fn room_in_swap_is_a_line_of_its_own() {
    let mut report = sample::leak();
    assert!(!page(&report).contains("limit with swap"));
    report.limits.swap_room = sentinel::units::Limit::At(50 << 20);
    let with_room = page(&report);
    check(&with_room);
    assert!(with_room.contains(">limit with swap 150M<"));
    assert!(texts(&with_room).contains("100.0M + swap 50.0M"));
    report.limits.swap_room = sentinel::units::Limit::Max;
    assert!(texts(&page(&report)).contains("100.0M + any swap"));
}

/// Where no memory controller enforces one there is no ceiling.
#[test]
fn a_ceiling_that_nobody_enforces_is_not_drawn() {
    assert!(page(&sample::leak()).contains(">ceiling 164M<"));
    assert!(!page(&sample::kernel_oom()).contains(">ceiling 164M<"));
}

#[test]
fn lines_far_above_do_not_press_the_plot_to_the_floor() {
    assert!(page(&sample::timeout()).contains(">\u{2191} limit 4G<"));
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for (_, report) in sample::all() {
        let page = page(&report);
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next());
        let style = style.expect("it has its style");
        assert!(!style.contains("url(") && !style.contains("@import"), "the style loads nothing");
        let document = parse(&page);
        let policy = document
            .descendants()
            .find(|node| attribute(*node, "http-equiv") == "Content-Security-Policy");
        let policy = policy.expect("it has a policy");
        assert!(attribute(policy, "content").starts_with("default-src 'none';"));
        // Whatever is fetched is named by one of these; `check` allows none of them.
        let outside = ["src", "href", "srcset", "style", "action", "onload", "onclick"];
        assert!(outside.iter().all(|name| !ATTRIBUTES.split_whitespace().any(|a| a == *name)));
        check(&page);
    }
}

/// A hostile text, put into every field that holds one.
fn hostile(text: &str) -> PostMortem {
    let mut report = sample::leak();
    let all = |into: &mut String| text.clone_into(into);
    all(&mut report.version);
    all(&mut report.run.name);
    all(&mut report.run.kernel);
    report.run.command = vec![text.to_owned(), text.to_owned()];
    report.run.placement = Some(text.to_owned());
    report.run.cgroup = Some(text.to_owned());
    all(&mut report.verdict.text);
    all(&mut report.verdict.ended_by);
    report.verdict.signal = Some(text.to_owned());
    report.advice = vec![text.to_owned()];
    report.timeline.iter_mut().for_each(|moment| all(&mut moment.text));
    for process in &mut report.processes {
        all(&mut process.name);
        all(&mut process.command);
        process.state = text.chars().next().unwrap_or('?');
    }
    report.growers.iter_mut().for_each(|grower| all(&mut grower.name));
    if let Some(mappings) = &mut report.mappings {
        all(&mut mappings.name);
        mappings.largest.iter_mut().for_each(|mapping| all(&mut mapping.name));
    }
    if let Some(remains) = &mut report.left_in_tmpfs {
        remains.parts.iter_mut().for_each(|part| all(&mut part.name));
    }
    report
}

/// The form of a page: its elements and their attributes' names, in order, without any text.
fn form(page: &str) -> Vec<String> {
    let named = |node: Node| {
        let attributes: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
        format!("{} {}", node.tag_name().name(), attributes.join(" "))
    };
    parse(page).descendants().filter(Node::is_element).map(named).collect()
}

#[test]
fn nothing_hostile_comes_through_as_markup() {
    let tame = form(&page(&hostile("tame")));
    for text in [
        "<script>alert(1)</script>",
        "</style><script>alert(1)</script>",
        "</title><img src=x onerror=alert(1)>",
        "\" onload=\"alert(1)\" x=\"",
        "' onload='alert(1)' x='",
        "<!-- ",
        "-->]]><![CDATA[",
        "<?xml version=\"1.1\"?>",
        "&lt;script&gt; &#60;script&#62; &amp",
        "<\u{0}script>",
        "\u{1b}]0;owned\u{7}\r\n\t\u{85}\u{7f}",
        "\u{202e}gpj.exe\u{202c}\u{2066}\u{200b}\u{feff}",
        "\u{fffe}\u{ffff}\u{fdd0}\u{10ffff}",
        "`${alert(1)}`",
        "javascript:alert(1)",
    ] {
        let made = page(&hostile(text));
        check(&made);
        assert_eq!(form(&made), tame, "{text:?} changed the form of the page");
    }
}

/// What is no instruction is shown as it is, to the letter.
#[test]
fn what_was_written_is_shown() {
    let text = "<b>&amp;\"'größe 漢字</b>";
    let made = page(&hostile(text));
    let document = parse(&made);
    let title = document.descendants().find(|node| node.has_tag_name("h1")).and_then(|n| n.text());
    assert_eq!(title, Some(text));
    let path = document.descendants().find(|node| attribute(*node, "class") == "path");
    assert_eq!(path.and_then(|node| node.text()), Some(text));
}

fn with_samples(count: u64, step_us: u64) -> PostMortem {
    let mut report = sample::leak();
    let last = report.timeline.iter().find(|moment| moment.what == Milestone::Decided);
    let last = last.expect("it was decided").at_us;
    let first = report.samples[0];
    report.samples = (0..count)
        .map(|n| {
            let at_us = last.saturating_sub((count - 1 - n) * step_us);
            sentinel::report::post_mortem::Reading {
                at_us,
                footprint: Bytes(first.footprint.0 + n * 4096 % 50_000_000),
                ..first
            }
        })
        .collect();
    report
}

#[test]
fn any_number_of_samples_makes_a_page_of_bounded_size() {
    let sizes = [0, 1, 2, 600, 10_000].map(|count| {
        let made = page(&with_samples(count, 6_000));
        check(&made);
        made.len()
    });
    assert!(sizes.iter().all(|size| *size < 200_000), "{sizes:?}");
    assert!(page(&with_samples(0, 1)).contains("No samples were taken."));
    assert!(page(&with_samples(1, 1)).contains("One sample, the decision"));
}

/// Ten minutes of samples: the last one is shown, and that there were more is said.
#[test]
fn samples_from_before_the_last_minute_are_left_out() {
    let text = texts(&page(&with_samples(601, 1_000_000)));
    assert!(text.contains("From 1m00s before the decision"), "the window is one minute");
    assert!(text.contains("(61 samples, 540 outside)"));
}

#[test]
fn enormous_values_and_zeros_are_shown_too() {
    for value in [0, 1, 1 << 53, u64::MAX] {
        let mut report = sample::leak();
        report.limits.limit = Bytes(value);
        report.limits.ceiling = Bytes(u64::MAX - value);
        report.memory.anon = Bytes(value);
        report.memory.current = Bytes(0);
        report.run.started_unix_ms = value;
        report.run.ran_ms = value;
        report.timeline.push(Moment { at_us: value, what: Milestone::Kill, text: String::new() });
        let last = report.samples.len() - 1;
        report.samples[last].footprint = Bytes(value);
        report.samples[last].cache = Bytes(u64::MAX);
        report.samples[0].at_us = value;
        check(&page(&report));
    }
}

#[test]
fn many_processes_are_summed_up() {
    let text = texts(&page(&sample::second_line()));
    assert!(text.contains("and 25 more"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever is in it, the page is well formed and made of nothing but what it is made of.
    #[test]
    fn any_post_mortem_makes_a_page(report in post_mortem()) {
        check(&page(&report));
    }

    /// The same report, the same page; and samples may come in any order.
    #[test]
    fn the_order_of_samples_does_not_matter(mut report in post_mortem()) {
        let times: BTreeSet<u64> = report.samples.iter().map(|reading| reading.at_us).collect();
        prop_assume!(times.len() == report.samples.len());
        let made = page(&report);
        report.samples.reverse();
        prop_assert_eq!(made, page(&report));
    }
}

/// A file may come from anywhere: each of its texts, whatever there is in it, is shown as text.
#[test]
fn no_text_of_a_file_comes_through_raw() {
    const EVIL: &str = "\u{1b}[31mevil\u{9b}\u{202e}\n";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file.json");
    let mut shown = 0;
    for (_, report) in sample::all() {
        let value = serde_json::to_value(&report).expect("JSON");
        for place in places(&value) {
            let mut evil = value.clone();
            if let Some(text) = evil.pointer_mut(&place) {
                *text = format!("{EVIL}{}", text.as_str().unwrap_or_default()).into();
            }
            std::fs::write(&file, evil.to_string()).expect("written");
            // Words that have to be one of some are refused.
            let Ok(read) = sentinel::report::post_mortem::archive::load(&file) else { continue };
            let read = serde_json::to_value(&read).expect("JSON");
            for place in places(&read) {
                let text = read.pointer(&place).and_then(serde_json::Value::as_str);
                assert!(!text.unwrap_or_default().chars().any(is_instruction), "{place}: {text:?}");
            }
            shown += 1;
        }
    }
    assert!(shown > 50, "{shown} texts were read");
}

/// The places of all texts in it (RFC 6901).
fn places(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let below = |name: String, value: &Value| -> Vec<String> {
        places(value).into_iter().map(|place| format!("/{name}{place}")).collect()
    };
    match value {
        Value::String(_) => vec![String::new()],
        Value::Array(values) => {
            values.iter().enumerate().flat_map(|(n, v)| below(n.to_string(), v)).collect()
        }
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, v)| below(name.clone(), v)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
