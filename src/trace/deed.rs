//! What a policy did, in a few words that do not change: what a replay is compared by. The words for people are elsewhere.

use crate::event::{
    Action, AtBreach, Cause, Notice, OneSignal, Outcome, ProcessEnd, ProcessNotice,
};
use crate::lines::Lines;
use crate::report::words::process::process_reason_word;
use crate::report::words::{kill_word, reason_word};

/// The words for an action. `None` for a look: that what it saw is there is its trace.
pub fn deed(action: &Action) -> Option<String> {
    Some(match action {
        Action::Look | Action::Weigh => return None,
        Action::SetTripWire(limit) => format!("trip-wire {limit}"),
        Action::SetLines(lines) => format!("lines {}", in_bytes(lines)),
        Action::SetPids(limit) => format!("pids {limit}"),
        Action::Signal(OneSignal { pid, signal }) => format!("signal {pid} {signal}"),
        Action::EndProcess(ProcessEnd { id, kill, .. }) => {
            let word = if *kill { "kill" } else { "end" };
            format!("{word}-process {} {}", id.pid, id.started)
        }
        Action::Freeze => "freeze".to_owned(),
        Action::Thaw => "thaw".to_owned(),
        Action::Terminate => "terminate".to_owned(),
        Action::Kill => "kill".to_owned(),
        Action::Choose(choice) if choice.at_once => "choose at once".to_owned(),
        Action::Choose(_) => "choose".to_owned(),
        Action::Tell(notice) => format!("tell {}", told(notice)),
        Action::Finish(outcome) => format!("finish {}", ended(outcome)),
    })
}

fn told(notice: &Notice) -> String {
    let word = match notice {
        Notice::NearLimit { .. } => "near-limit",
        Notice::NearInTime { .. } => "near-in-time",
        Notice::Terminating { reason, .. } => {
            return format!("terminating {}", reason_word(reason));
        }
        Notice::WouldTerminate { reason } => {
            return format!("would-terminate {}", reason_word(reason));
        }
        Notice::AtBreach(what) => return at_breach(what),
        Notice::Killing { why, .. } => return format!("killing {}", kill_word(why)),
        Notice::Process(what) => return process(what),
        Notice::NobodyToEnd { reason } => {
            return format!("nobody-to-end {}", reason_word(reason));
        }
        Notice::StillThere { .. } => "still-there",
        Notice::KernelOom { .. } => "kernel-oom",
        Notice::PidsMax { .. } => "pids-max",
        Notice::Leftover { .. } => "leftover",
        Notice::Frozen => "frozen",
        Notice::Thawed => "thawed",
        Notice::NewLines(_) => "new-lines",
        Notice::NewGrace(_) => "new-grace",
        Notice::NewTimeout(_) => "new-timeout",
        Notice::NewPids(_) => "new-pids",
        Notice::Signalled(_) => "signalled",
        Notice::SignalRefused { kill: Some(_), .. } => "sigkill-refused",
        Notice::SignalRefused { kill: None, .. } => "signal-refused",
    };
    word.to_owned()
}

fn process(what: &ProcessNotice) -> String {
    let word = match what {
        ProcessNotice::Terminating { why, .. } => {
            format!("terminating-process {}", process_reason_word(why))
        }
        ProcessNotice::WouldTerminate { why, .. } => {
            format!("would-terminate-process {}", process_reason_word(why))
        }
        ProcessNotice::Killing { why, .. } => format!("killing-process {}", kill_word(why)),
        ProcessNotice::Gone { .. } => "process-gone".to_owned(),
        ProcessNotice::Refused { .. } => "process-refused".to_owned(),
        ProcessNotice::StillThere { .. } => "process-still-there".to_owned(),
    };
    format!("{word} {}", what.id().pid)
}

fn at_breach(what: &AtBreach) -> String {
    let (word, reason) = match what {
        AtBreach::Frozen { reason, .. } => ("frozen-at-breach", Some(reason)),
        AtBreach::WouldFreeze { reason } => ("would-freeze", Some(reason)),
        AtBreach::OverLimit { reason } => ("over-limit", Some(reason)),
        AtBreach::ThawedBelow { .. } => ("thawed-below", None),
        AtBreach::ThawedOver { .. } => ("thawed-over", None),
        AtBreach::FreezeOver { .. } => ("freeze-over", None),
    };
    reason.map_or_else(|| word.to_owned(), |reason| format!("{word} {}", reason_word(reason)))
}

fn ended(outcome: &Outcome) -> String {
    let word = match outcome.cause {
        Cause::Itself => "command",
        Cause::KernelOom => "kernel-oom",
        Cause::SystemdStop => "systemd-stop",
        Cause::SystemdOomd => "systemd-oomd",
        Cause::Guardian { reason, killed } => {
            let killed = killed.map_or("", |why| kill_word(&why));
            return format!("sentinel {} {killed}", reason_word(&reason)).trim_end().to_owned();
        }
    };
    word.to_owned()
}

fn in_bytes(lines: &Lines) -> String {
    format!("{} {} {} {}", lines.limit.0, lines.relief.0, lines.second.0, lines.ceiling.0)
}
