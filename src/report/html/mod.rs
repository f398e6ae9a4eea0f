//! A post-mortem as one HTML page that needs nothing else: no script, no picture, no font from anywhere. For phones first, for
//! light and dark, and for paper. Pure; what is said about the run was decided by whoever gathered it.

mod curve;
mod facts;
mod figures;
mod marks;
mod markup;
mod scale;
mod show;
mod tables;
mod verdict;
mod window;

use crate::report::post_mortem::PostMortem;
use markup::Markup;

/// The page obeys no script and loads nothing, not even from itself; its looks are in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page. Every text of the report is escaped again, whatever was escaped before.
#[must_use]
pub fn page(report: &PostMortem) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.within("html", &[("lang", &"en")], |page| {
        head(report, page);
        page.within("body", &[], |page| {
            verdict::header(report, page);
            page.within("main", &[], |page| body(report, page));
            foot(report, page);
        });
    });
    page.line();
    page.finish()
}

fn head(report: &PostMortem, page: &mut Markup) {
    page.raw("<head><meta charset=\"utf-8\"/>");
    page.empty("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &POLICY)]);
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\"/>");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\"/>\n");
    page.element("title", &[], format_args!("Post-mortem of {}", report.run.name));
    page.raw("<style>\n");
    page.raw(include_str!("page.css"));
    page.raw("</style></head>\n");
}

/// In the order in which a person asks.
fn body(report: &PostMortem, page: &mut Markup) {
    verdict::advice(report, page);
    figures::memory(report, page);
    figures::split(report, page);
    tables::timeline(report, page);
    tables::growers(report, page);
    tables::processes(report, page);
    tables::mappings(report, page);
    facts::pressure(report, page);
    facts::limits(report, page);
    facts::counters(report, page);
    facts::run(report, page);
}

fn foot(report: &PostMortem, page: &mut Markup) {
    let text = format_args!(
        "sentinel {}, post-mortem schema {}. Sizes are powers of 1024.",
        report.version, report.schema
    );
    page.within("footer", &[], |page| page.element("p", &[], text));
}

/// A section under its heading, named by it.
fn section(page: &mut Markup, id: &'static str, title: &str, inside: impl FnOnce(&mut Markup)) {
    page.line();
    page.within("section", &[("aria-labelledby", &id)], |page| {
        page.element("h2", &[("id", &id)], title);
        page.line();
        inside(page);
    });
    page.line();
}
