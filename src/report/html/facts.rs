//! What has a name and a value: pressure, limits, counters, what ran.

use super::markup::Markup;
use super::{section, show};
use crate::report::post_mortem::{PostMortem, Reading};
use crate::report::words;
use crate::status::Tier;

/// A value of more letters than this has a row of its own.
const LONG: usize = 40;

/// Names with their values.
pub(super) fn facts(page: &mut Markup, facts: &[(&'static str, String)]) {
    page.within("dl", &[("class", &"facts")], |page| {
        for (name, value) in facts {
            let class = if value.chars().count() > LONG { "long" } else { "short" };
            page.within("div", &[("class", &class)], |page| {
                page.element("dt", &[], name);
                page.element("dd", &[], value);
            });
        }
    });
    page.line();
}

/// A sentence where there is nothing to show.
pub(super) fn none(page: &mut Markup, text: &'static str) {
    page.element("p", &[("class", &"none")], text);
}

/// Who waited for memory, and how much.
pub(super) fn pressure(report: &PostMortem, page: &mut Markup) {
    section(page, "pressure", "Memory pressure", |page| {
        let highest = |highest: f64, reading: &Reading| match reading.full_avg10 {
            Some(full) if full.is_finite() => highest.max(full),
            _ => highest,
        };
        let Some(pressure) = report.pressure else {
            return none(page, why_no_pressure(report.run.tier));
        };
        let most = report.samples.iter().fold(pressure.full_avg10, highest);
        facts(
            page,
            &[
                ("some waited", show::percent(pressure.some_avg10)),
                ("all waited", show::percent(pressure.full_avg10)),
                ("all waited, at most", show::percent(most)),
            ],
        );
        page.raw("<p class=\"note\">Share of the last ten seconds spent waiting for memory.</p>");
    });
}

/// A workload's own pressure is in a file of a cgroup that has the memory controller; that of the machine says nothing about it.
fn why_no_pressure(tier: Tier) -> &'static str {
    match tier {
        Tier::Kernel | Tier::Observed => "The kernel does not measure it (boot with psi=1).",
        Tier::Hybrid | Tier::Polled => {
            "Not measured in this tier: the workload has no memory cgroup of its own."
        }
    }
}

/// The lines at the end.
pub(super) fn limits(report: &PostMortem, page: &mut Markup) {
    section(page, "limits", "Limits", |page| {
        let limits = &report.limits;
        let timeout = limits.timeout_ms.map(|ms| show::span(ms.saturating_mul(1000)));
        facts(
            page,
            &[
                ("limit", words::limit(limits.limit, limits.swap_room)),
                ("relief line", limits.relief_line.to_string()),
                ("second line", limits.second_line.to_string()),
                ("ceiling", limits.ceiling.to_string()),
                ("memory.high at the end", limits.trip_wire.as_size()),
                ("swap", limits.swap.as_size()),
                ("processes", limits.pids.to_string()),
                ("grace period", show::span(limits.grace_ms.saturating_mul(1000))),
                ("timeout", timeout.unwrap_or_else(|| "none".to_owned())),
            ],
        );
        if let Some(floor) = limits.min_available {
            facts(page, &[("machine's floor", words::floor(floor, report.memory.available))]);
        }
        for lines in &report.earlier_lines {
            let text = format!("Before: {}.", crate::report::post_mortem::text::earlier(lines));
            page.element("p", &[("class", &"note")], text);
        }
    });
}

fn or_unknown(text: Option<&String>) -> String {
    text.map_or_else(|| "unknown".to_owned(), String::clone)
}

/// The kernel's own counters.
pub(super) fn counters(report: &PostMortem, page: &mut Markup) {
    section(page, "counters", "Kernel counters", |page| {
        let events = &report.events;
        facts(
            page,
            &[
                ("throttled (high)", events.high.to_string()),
                ("at the ceiling (max)", events.max.to_string()),
                ("out of memory (oom)", events.oom.to_string()),
                ("killed by it (oom_kill)", events.oom_kill.to_string()),
                ("forks refused (pids.max)", events.pids_max.to_string()),
            ],
        );
    });
}

/// What ran, and where.
pub(super) fn run(report: &PostMortem, page: &mut Markup) {
    let run = &report.run;
    section(page, "run", "What ran", |page| {
        page.within("pre", &[("tabindex", &"0")], |page| {
            page.element("code", &[], show::command(&run.command));
        });
        let tier = match &run.placement {
            Some(placement) => format!("{} ({placement})", run.tier.name()),
            None => run.tier.name().to_owned(),
        };
        facts(
            page,
            &[
                ("name", run.name.clone()),
                ("host", or_unknown(run.host.as_ref())),
                ("user", or_unknown(run.user.as_ref())),
                ("directory", or_unknown(run.directory.as_ref())),
                ("tier", tier),
                ("kernel", run.kernel.clone()),
                ("cgroup", run.cgroup.clone().unwrap_or_else(|| "none".to_owned())),
                ("command's pid", run.child_pid.to_string()),
                ("sentinel's pid", run.guardian_pid.to_string()),
            ],
        );
    });
}
