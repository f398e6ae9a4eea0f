//! From an outcome to one reason of the closed list, and what to do about it. Pure: what was seen goes in, sentences come out.

use super::{EarlierLines, EndReason, Reading, Verdict};
use crate::event::{Cause, Ending, KillReason, Outcome, Reason};
use crate::report::words::signal_name;
use crate::status::{Limits, Status};
use crate::units::{Bytes, MIB, show_duration};
use std::time::Duration;

/// The reason for which a run ended. `fork_refused` tells whether `pids.max` was met.
pub fn reason(outcome: &Outcome, fork_refused: bool) -> EndReason {
    match outcome.cause {
        Cause::KernelOom => EndReason::KernelOom,
        Cause::SystemdStop => EndReason::SystemdStop,
        Cause::SystemdOomd => EndReason::SystemdOomd,
        Cause::Guardian { reason, killed } => match reason {
            Reason::Breach { .. } | Reason::Climb { .. } | Reason::Stuck { .. }
                if matches!(
                    killed,
                    Some(KillReason::SecondLine { .. } | KillReason::Ahead { .. })
                ) =>
            {
                EndReason::SecondLine
            }
            Reason::Breach { .. } => EndReason::Breach,
            Reason::Climb { .. } => EndReason::Climb,
            Reason::Stuck { .. } => EndReason::Stuck,
            Reason::Thrash { .. } => EndReason::Thrash,
            Reason::Pool(_) => EndReason::Pool,
            Reason::Process { .. } => EndReason::ProcessMemory,
            Reason::HostMemory { .. } => EndReason::HostMemory,
            Reason::Timeout { .. } => EndReason::Timeout,
            Reason::Operator => EndReason::Operator,
            Reason::ChildExited => EndReason::ChildExited,
        },
        Cause::Itself => match outcome.child {
            Ending::Exited(0) => EndReason::Exited,
            Ending::Exited(_) if fork_refused => EndReason::Pids,
            Ending::Exited(_) | Ending::Unseen => EndReason::Exited,
            Ending::Signaled(_) => EndReason::Signaled,
        },
    }
}

/// The whole verdict. `text` is the line that was said.
pub fn verdict(outcome: &Outcome, status: &Status, text: &str, exit: u8, term: i32) -> Verdict {
    let reason = reason(outcome, status.events.pids_max > 0);
    let (ended_by, signal) = match outcome.cause {
        Cause::Guardian { .. } => {
            let signal = if outcome.kill().is_some() { nix::libc::SIGKILL } else { term };
            ("sentinel", Some(signal_name(signal)))
        }
        Cause::KernelOom => ("kernel-oom", None),
        Cause::SystemdStop => ("systemd-stop", None),
        Cause::SystemdOomd => ("systemd-oomd", None),
        // Who sends one of these is nearly always the process itself.
        Cause::Itself if crashed(outcome.child) => ("command", None),
        Cause::Itself if reason == EndReason::Signaled => ("somebody", None),
        Cause::Itself => ("command", None),
    };
    let (child_exited, child_signal) = match outcome.child {
        Ending::Exited(code) => (Some(code), None),
        Ending::Signaled(signal) => (None, Some(signal)),
        Ending::Unseen => (None, None),
    };
    Verdict {
        reason,
        ended_by: ended_by.to_owned(),
        signal,
        text: text.to_owned(),
        exit_status: exit,
        child_exited,
        child_signal,
    }
}

/// Whether the signal is one that the kernel sends for what a process does wrong, or abort(3).
fn crashed(child: Ending) -> bool {
    use nix::libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    let signals = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP];
    matches!(child, Ending::Signaled(signal) if signals.contains(&signal))
}

const COMMAND_TOO_LARGE: &str = "It is the command itself that held more than --process-memory allows each process: raise that, or use -m alone.";

/// What can be done, one sentence each.
pub fn advice(
    verdict: &Verdict,
    limits: &Limits,
    earlier: &[EarlierLines],
    readings: &[Reading],
) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match verdict.reason {
        EndReason::Breach | EndReason::Climb | EndReason::SecondLine => {
            let lowered = lowered(limits.limit, earlier, readings).map(|said| vec![said]);
            lowered.unwrap_or_else(|| memory(verdict, limits, readings))
        }
        EndReason::Stuck => vec![
            "Memory that counts as page cache or reclaimable slab was in use: pages in pipes and sockets, locked file \
             pages, names and inodes of files on tmpfs, open files. The reason says which."
                .to_owned(),
            format!("Try -m {}, or look for data that is never read, closed or deleted.", round_up(limits.limit.0 * 2)),
        ],
        EndReason::Thrash => vec![
            "Its working set does not fit: it kept reading the same files again.".to_owned(),
            format!("Try -m {}, or let it process less data at a time.", round_up(limits.limit.0 * 2)),
        ],
        EndReason::Pids => vec![format!(
            "A fork was refused at {} processes and threads; to allow more: --pids.",
            limits.pids
        )],
        EndReason::Pool => one(
            "All that run beside it had too much memory together, and it was the one that was chosen: see --total and --victim of sentinel attach.",
        ),
        EndReason::ProcessMemory => one(COMMAND_TOO_LARGE),
        EndReason::HostMemory => vec![
            "It was within its own limit; together with everything else it left the machine too little.".to_owned(),
            "`sentinel top` and `ps aux --sort=-rss` show who has the memory; run fewer at a time, give each a lower limit, or lower --min-available.".to_owned(),
        ],
        EndReason::Timeout => one("To let it run longer: --timeout."),
        EndReason::KernelOom => vec![
            format!(
                "It allocated more than limit and headroom at once, or memory ran out around it; try -m {} or a larger --headroom.",
                round_up(limits.ceiling.0 * 5 / 4)
            ),
            "dmesg has the kernel's report; `sentinel doctor` says which tier is available here."
                .to_owned(),
        ],
        EndReason::SystemdOomd => one(
            "systemd-oomd acts on the pressure of a whole slice; `oomctl` shows its limits, and ManagedOOMPreference=avoid keeps it away.",
        ),
        EndReason::SystemdStop => one(
            "The scope was stopped, the session ended, or the machine was shut down: see the journal.",
        ),
        EndReason::Signaled => match verdict.child_signal {
            Some(nix::libc::SIGKILL) => one(
                "SIGKILL did not come from sentinel: look for an OOM killer in dmesg, for a supervisor, or for a kill by hand.",
            ),
            Some(nix::libc::SIGHUP) => one(
                "SIGHUP is what a process gets when its terminal is closed: to let it outlive the terminal, run it in tmux or screen, or with nohup.",
            ),
            Some(signal) if crashed(Ending::Signaled(signal)) => {
                one("It crashed by itself; `coredumpctl` may have its core.")
            }
            _ => one("The signal did not come from sentinel."),
        },
        EndReason::GuardianDeath => one(
            "Something killed sentinel itself; its keeper ended the workload in its place. See --on-guardian-death.",
        ),
        EndReason::Operator | EndReason::ChildExited | EndReason::Exited => Vec::new(),
    }
}

/// Under the lines before it would have lived: then it is no leak that ended it.
fn lowered(limit: Bytes, earlier: &[EarlierLines], readings: &[Reading]) -> Option<String> {
    let before = earlier.iter().rev().find(|lines| lines.limit > limit)?;
    let since = readings.iter().filter(|reading| reading.at_us >= before.until_us);
    let peak = since.map(|reading| reading.footprint).max()?;
    let lived = before.allowance().value().is_none_or(|allowance| peak.0 < allowance);
    lived.then(|| {
        format!(
            "An operator lowered the limit from {} to {} while it ran; with the earlier limit it would have continued.",
            before.limit, limit
        )
    })
}

fn memory(verdict: &Verdict, limits: &Limits, readings: &[Reading]) -> Vec<String> {
    let peak = readings.iter().map(|r| r.footprint.0.max(r.current.0)).max().unwrap_or(0);
    let wanted = round_up(peak.max(limits.limit.0) * 3 / 2);
    let mut said = vec![match growth(readings) {
        Some((rate, span)) => {
            let (rate, span) = (Bytes(rate), show_duration(span));
            format!(
                "It grew by {rate}/s over its last {span} without freeing any: a leak, or a job that loads everything at once. More memory would only delay the end."
            )
        }
        None => {
            format!("It did not grow steadily: the limit may just be too small. Try -m {wanted}.")
        }
    }];
    if verdict.signal.as_deref() == Some("SIGKILL") {
        said.push("SIGKILL was needed: it did not end within the grace period, or memory reached the second line first. Handle SIGTERM, or raise --grace or --headroom.".to_owned());
    }
    said
}

/// Parts of a climb that are compared with each other.
const PARTS: u64 = 8;
/// So many of them have to have been looked at: with fewer, a jump looks like a climb.
const LEAST_PARTS: usize = 4;

/// Bytes a second on the way up from a quarter of the peak, when nearly every part of that time ends higher than the one before
/// and nothing was given back. How a program starts does not count, nor how it went away.
fn growth(readings: &[Reading]) -> Option<(u64, Duration)> {
    let last = readings.iter().enumerate().max_by_key(|(_, r)| r.footprint)?.0;
    let peak = readings[last].footprint.0;
    let low = readings[..last].iter().rposition(|r| r.footprint.0 < peak / 4).unwrap_or(0);
    let climb = &readings[low..=last];
    let (start, first) = (climb.first()?.at_us, climb.first()?.footprint.0);
    let micros = climb.last()?.at_us.saturating_sub(start);
    if climb.len() < 5 || micros < 500_000 || gives_back(climb) {
        return None;
    }
    let part_of = |r: &Reading| (r.at_us - start) * PARTS / (micros + 1);
    // A part in which nobody looked says nothing.
    let ends: Vec<u64> = climb
        .chunk_by(|a, b| part_of(a) == part_of(b))
        .filter_map(|part| Some(part.last()?.footprint.0))
        .collect();
    let flat = ends.windows(2).filter(|w| w[1] <= w[0]).count();
    if ends.len() < LEAST_PARTS || flat * 4 > ends.len() {
        return None;
    }
    let grown = u128::from(peak.saturating_sub(first));
    let rate = u64::try_from(grown * 1_000_000 / u128::from(micros)).ok()?;
    (rate > MIB / 16).then_some((rate, Duration::from_micros(micros)))
}

fn gives_back(climb: &[Reading]) -> bool {
    climb.windows(2).any(|w| w[1].footprint.0 < w[0].footprint.0 / 10 * 9)
}

/// To a number that people would type.
fn round_up(bytes: u64) -> String {
    let mib = bytes.div_ceil(MIB);
    match mib {
        0..=199 => format!("{}M", mib.div_ceil(10) * 10),
        200..=999 => format!("{}M", mib.div_ceil(50) * 50),
        1000..=9_999 => {
            let tenths = (mib * 10).div_ceil(1024).div_ceil(5) * 5;
            format!("{}.{}G", tenths / 10, tenths % 10).replace(".0G", "G")
        }
        _ => format!("{}G", mib.div_ceil(1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Limit;

    fn readings(footprints: impl Iterator<Item = u64>) -> Vec<Reading> {
        let at = |(n, mib): (usize, u64)| Reading {
            at_us: n as u64 * 200_000,
            footprint: Bytes::mib(mib),
            current: Bytes::mib(mib),
            ..Reading::default()
        };
        footprints.enumerate().map(at).collect()
    }

    #[test]
    fn a_limit_that_was_lowered_is_why_and_no_leak() {
        let before = |mib| EarlierLines {
            until_us: 9_000_000,
            limit: Bytes::mib(mib),
            swap_room: Limit::At(0),
            second_line: Bytes::mib(mib + 50),
            ceiling: Bytes::mib(mib + 64),
        };
        let said = |earlier: &[EarlierLines]| lowered(Bytes::mib(30), earlier, &readings(0..50));
        assert!(said(&[before(100)]).unwrap().contains("from 100.0M to 30.0M"));
        assert_eq!(said(&[before(49)]), None, "under that it would have been ended as well");
        assert_eq!(said(&[before(20)]), None, "raised");
        assert_eq!(said(&[]), None);
    }

    #[test]
    fn a_leak_has_its_rate_and_a_jump_has_none() {
        let (rate, span) = growth(&readings(0..50)).unwrap();
        assert_eq!((rate / MIB, span), (5, Duration::from_millis(7400)));
        let slow_start = readings((0..50).map(|_| 5).chain(5..80));
        assert_eq!(growth(&slow_start).unwrap().0 / MIB, 5);
        assert_eq!(growth(&readings((0..40).map(|n| if n < 39 { 50 } else { 100 }))), None);
        assert_eq!(growth(&readings((0..40).map(|n| 50 + n % 8 * 6))), None, "a sawtooth");
        assert_eq!(growth(&[]), None);
        let seldom = |at: &[u64]| {
            at.iter()
                .map(|n| Reading { at_us: n * 100_000, ..readings(*n..=*n)[0] })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            growth(&seldom(&[0, 30, 50, 52, 55, 77, 100])).unwrap().0 / MIB,
            10,
            "looks with gaps between them"
        );
        assert_eq!(growth(&seldom(&[90, 91, 92, 93, 94, 200])), None, "nobody looked between");
        let died = readings((0..50).chain([20, 3]));
        assert_eq!(growth(&died).unwrap().0 / MIB, 5, "how it went away does not count");
    }

    #[test]
    fn sizes_to_try_are_round() {
        for (mib, text) in [
            (1, "10M"),
            (151, "160M"),
            (201, "250M"),
            (1024, "1G"),
            (1100, "1.5G"),
            (20_000, "20G"),
        ] {
            assert_eq!(round_up(mib * MIB), text);
        }
    }

    #[test]
    fn who_did_not_act_is_not_named() {
        let outcome = |cause, child| Outcome {
            cause,
            child,
            command_first: false,
            rest_killed: None,
            kernel_oom_kills: 0,
            frozen: None,
        };
        let itself = |child| reason(&outcome(Cause::Itself, child), false);
        assert_eq!(itself(Ending::Exited(3)), EndReason::Exited);
        assert_eq!(itself(Ending::Signaled(9)), EndReason::Signaled);
        let refused = outcome(Cause::Itself, Ending::Exited(1));
        assert_eq!(reason(&refused, true), EndReason::Pids);
        assert_eq!(
            reason(&outcome(Cause::KernelOom, Ending::Signaled(9)), true),
            EndReason::KernelOom
        );
        let second = KillReason::SecondLine { current: Bytes::mib(160), line: Bytes::mib(158) };
        let breach = Reason::Breach { footprint: Bytes::mib(100), limit: Bytes::mib(100) };
        let cause = Cause::Guardian { reason: breach, killed: Some(second) };
        assert_eq!(reason(&outcome(cause, Ending::Signaled(9)), false), EndReason::SecondLine);
    }
}
