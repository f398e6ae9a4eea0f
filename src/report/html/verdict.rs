//! The head of the page: how it ended in one sentence, who, why and by which signal; and what to do about it.

use super::markup::Markup;
use super::{facts, section, show};
use crate::report::post_mortem::{EndReason, Milestone, PostMortem, Verdict};
use crate::report::words::{self, signal_name};

/// The sentence, and the facts behind it.
pub(super) fn header(report: &PostMortem, page: &mut Markup) {
    let Verdict { reason, ended_by, signal, text, exit_status, .. } = &report.verdict;
    let date = show::date(report.run.started_unix_ms);
    let ran = show::span(report.run.ran_ms.saturating_mul(1000));
    let on = report.run.host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
    let by = report.run.user.as_ref().map_or_else(String::new, |user| format!(" by {user}"));
    let name = &report.run.name;
    // What others started had run for longer than we know of.
    let (began, verb) = match report.run.child_pid {
        0 => ("guarded", "for"),
        _ => ("started", "ran"),
    };
    let over = format_args!("Post-mortem of {name}{on}, {began}{by} {date}, {verb} {ran}");
    let peak = report.memory.peak_footprint;
    let limit = words::limit(report.limits.limit, report.limits.swap_room);
    page.within("header", &[], |page| {
        page.element("p", &[("class", &"over")], over);
        page.element("h1", &[], text);
        page.element("p", &[("class", &"why")], why(*reason));
        facts::facts(
            page,
            &[
                ("ended by", who(ended_by).to_owned()),
                ("signal", signal.clone().unwrap_or_else(|| "none from sentinel".to_owned())),
                ("time to exit", time_to_exit(report)),
                ("exit status", exit_status.to_string()),
                ("command", ending(&report.verdict)),
                ("peak footprint", format!("{peak} of {limit}")),
            ],
        );
    });
    page.line();
}

/// How long it took from the first signal until all processes were gone.
fn time_to_exit(report: &PostMortem) -> String {
    let at = |what| report.timeline.iter().find(|moment| moment.what == what);
    let sent = [(Milestone::Term, "TERM"), (Milestone::Kill, "KILL")];
    let sent = sent.into_iter().find_map(|(what, name)| Some((at(what)?, name)));
    match (sent, at(Milestone::Empty)) {
        (Some((sent, name)), Some(empty)) => {
            format!("{} after {name}", show::span(empty.at_us.saturating_sub(sent.at_us)))
        }
        _ => "–".to_owned(),
    }
}

fn ending(verdict: &Verdict) -> String {
    match (verdict.child_exited, verdict.child_signal) {
        (_, Some(signal)) => format!("ended by {}", signal_name(signal)),
        (Some(code), None) => format!("exited with {code}"),
        (None, None) => "not known".to_owned(),
    }
}

/// The word for whoever ended it, as people say it.
fn who(word: &str) -> &str {
    match word {
        "command" => "the command itself",
        "kernel-oom" => "the kernel's OOM killer",
        "systemd-stop" => "systemd",
        "keeper" => "sentinel's keeper",
        "somebody" => "another process",
        word => word,
    }
}

/// What the reason means.
fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Breach => "The footprint reached the limit.",
        EndReason::Climb => "memory.current stayed over the relief line despite throttling.",
        EndReason::SecondLine => {
            "Memory reached the second line before the grace period was over: SIGKILL at once."
        }
        EndReason::Stuck => {
            "memory.current stayed above the limit: the kernel could not reclaim what counts as cache."
        }
        EndReason::Thrash => "All tasks were stalled on memory most of the time.",
        EndReason::Pool => "All of its pool together reached their limit, and it was chosen.",
        EndReason::ProcessMemory => {
            "The command's own process held more than --process-memory allows each."
        }
        EndReason::Pids => "It failed by itself after forks were refused at pids.max.",
        EndReason::HostMemory => {
            "The machine was short of memory: what was available fell below --min-available."
        }
        EndReason::Timeout => "It reached its --timeout.",
        EndReason::Operator => "An operator requested it.",
        EndReason::ChildExited => "The command had ended, and --on-exit terminate ended the rest.",
        EndReason::Exited => "The command ended by itself.",
        EndReason::Signaled => "It was killed by a signal that sentinel did not send.",
        EndReason::KernelOom => "The kernel's OOM killer acted; sentinel did not.",
        EndReason::SystemdOomd => "systemd-oomd killed it; sentinel did not.",
        EndReason::SystemdStop => "systemd stopped its scope; sentinel did not.",
        EndReason::GuardianDeath => "Sentinel itself was killed; its keeper ended the workload.",
    }
}

/// One sentence each.
pub(super) fn advice(report: &PostMortem, page: &mut Markup) {
    if report.advice.is_empty() {
        return;
    }
    section(page, "advice", "What to do", |page| {
        page.within("ul", &[("class", &"advice")], |page| {
            for sentence in &report.advice {
                page.element("li", &[], sentence);
            }
        });
    });
}
