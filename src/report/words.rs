//! What happened, in words: one line each, with the rule and the numbers behind it.

pub mod breach;
pub mod process;

use crate::event::{
    Cause, Ending, Held, KillReason, Notice, OneSignal, Outcome, PoolBreach, Reason,
};
use crate::policy::pool::Victim;
use crate::status::{Level, Memory};
use crate::units::{Bytes, Limit, show_duration};

/// Why a workload is ended.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Breach { footprint, limit } if footprint < limit => format!(
            "footprint {footprint} reached the limit {limit} (the kernel's counters lag by up to {})",
            limit.saturating_sub(*footprint)
        ),
        Reason::Breach { footprint, limit } => {
            format!("footprint {footprint} reached the limit {limit}")
        }
        Reason::Climb { current, line } => {
            format!("memory.current {current} stayed over {line} despite throttling")
        }
        Reason::Stuck { current, limit, held } => format!(
            "memory.current {current} stays above the limit {limit}: the kernel cannot reclaim {}",
            held_memory(held)
        ),
        Reason::Thrash { share, held } => {
            format!(
                "stalled on memory (PSI full) for more than {share} of the last {}",
                show_duration(*held)
            )
        }
        Reason::Pool(PoolBreach { footprint, limit }) => format!(
            "chosen because all of its pool together, {footprint}, reached their limit {limit}"
        ),
        Reason::Process { size, limit } => {
            format!("the command's own process, {size}, reached what each may hold, {limit}")
        }
        Reason::Timeout { after } => format!("reached its timeout of {}", show_duration(*after)),
        Reason::HostMemory { available, floor } => {
            format!("available memory {available} fell below the machine's floor {floor}")
        }
        Reason::Operator => "requested by an operator".to_owned(),
        Reason::ChildExited => "the command ended before the rest of the workload".to_owned(),
    }
}

/// Who of a pool is ended.
pub fn victim(rule: Victim) -> &'static str {
    match rule {
        Victim::Largest => "the largest",
        Victim::FastestGrowing => "the fastest-growing",
        Victim::Newest => "the newest",
        Victim::LowestPriority => "the one of the lowest priority",
    }
}

/// Which memory reclaim does not get.
fn held_memory(held: &Held) -> String {
    match held {
        Held::Files(size) => {
            format!("{size} of file pages (in pipes, in sockets, locked or mapped by a device)")
        }
        Held::Slab(size) => {
            format!(
                "{size} of reclaimable slab (names and inodes in use: files on tmpfs, open files)"
            )
        }
        Held::Unswappable(size) => {
            format!("{size}, nor swap it out (of the kernel, in pipes or in sockets, or locked)")
        }
        Held::Swappable(size) => format!("{size} of memory that swap cannot take"),
    }
}

/// The reason as one word, for records.
pub fn reason_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::Breach { .. } => "breach",
        Reason::Climb { .. } => "climb",
        Reason::Stuck { .. } => "stuck",
        Reason::Thrash { .. } => "thrash",
        Reason::Pool(_) => "pool",
        Reason::Process { .. } => "process-memory",
        Reason::Timeout { .. } => "timeout",
        Reason::HostMemory { .. } => "host-memory",
        Reason::Operator => "operator",
        Reason::ChildExited => "child-exited",
    }
}

/// Why SIGKILL followed.
pub fn kill_reason(why: &KillReason) -> String {
    match why {
        KillReason::GraceOver { grace } => {
            format!("the grace period of {} is over", show_duration(*grace))
        }
        KillReason::SecondLine { current, line } => {
            format!("memory {current} reached the second line {line}")
        }
        KillReason::Ahead { current, ahead, ceiling } => format!(
            "memory.current {current} would reach {ahead} before SIGKILL takes effect, above the ceiling {ceiling}"
        ),
        KillReason::Pool(PoolBreach { footprint, limit }) => {
            format!("its pool, {footprint}, reached its second line {limit}")
        }
        KillReason::HostMemory { available, line } => {
            format!("available memory {available} fell below half of the floor, {line}")
        }
        KillReason::Operator => "requested by an operator".to_owned(),
    }
}

/// The same as one word, for records.
pub fn kill_word(why: &KillReason) -> &'static str {
    match why {
        KillReason::GraceOver { .. } => "grace-over",
        KillReason::SecondLine { .. } | KillReason::Ahead { .. } | KillReason::Pool(_) => {
            "second-line"
        }
        KillReason::HostMemory { .. } => "host-memory",
        KillReason::Operator => "operator",
    }
}

/// What people are told, and how much it matters. `signal` is the polite signal's name.
pub fn notice(notice: &Notice, signal: &str) -> (Level, String) {
    match notice {
        Notice::NearLimit { footprint, limit, swap } => {
            (Level::Warning, near_limit(*footprint, *limit, *swap))
        }
        Notice::NearInTime { left, footprint, growth } => {
            (Level::Warning, near_in_time(*left, *footprint, *growth))
        }
        Notice::Terminating { reason: why, grace } => {
            let (why, grace) = (reason(why), show_duration(*grace));
            (Level::Error, format!("{why}: sent {signal}, SIGKILL in {grace}"))
        }
        Notice::WouldTerminate { reason: why } => {
            (Level::Warning, format!("{}: would send {signal} (dry run)", reason(why)))
        }
        Notice::AtBreach(what) => breach::notice(what),
        Notice::Killing { why, after } => {
            let after = after.map_or_else(String::new, |after| {
                format!(", {} after {signal}", show_duration(after))
            });
            (Level::Error, format!("{}: sent SIGKILL{after}", kill_reason(why)))
        }
        Notice::SignalRefused { command, .. } => {
            (Level::Error, refusal(notice, &refusing(*command, None), signal))
        }
        Notice::StillThere { after } => (
            Level::Error,
            format!(
                "processes are still alive {} after SIGKILL (uninterruptible sleep?); still trying",
                show_duration(*after)
            ),
        ),
        Notice::KernelOom { killed } => (
            Level::Error,
            format!("the kernel's OOM killer acted in the workload (oom_kill {killed})"),
        ),
        Notice::PidsMax { .. } => {
            (Level::Warning, "a fork was refused: the process limit is reached (--pids)".to_owned())
        }
        Notice::Leftover { processes } => (Level::Info, leftover(*processes)),
        Notice::Frozen => (Level::Info, "frozen".to_owned()),
        Notice::Thawed => (Level::Info, "thawed".to_owned()),
        // The limit is compared with at once; the other lines follow the kernel's.
        Notice::NewLines(lines) => {
            (Level::Info, format!("limit is now {}", limit(lines.limit, lines.swap)))
        }
        Notice::NewGrace(grace) => {
            (Level::Info, format!("grace period is now {}", show_duration(*grace)))
        }
        Notice::NewTimeout(timeout) => (Level::Info, new_timeout(*timeout)),
        Notice::NewPids(limit) => (Level::Info, format!("process limit is now {limit}")),
        Notice::Signalled(OneSignal { pid, signal }) => {
            let text = format!("sent {} to process {pid}, as requested", signal_name(*signal));
            (Level::Warning, text)
        }
        Notice::NobodyToEnd { reason } => (Level::Error, process::nobody(reason)),
        Notice::Process(what) => process::notice(what, &process::by_number(what), signal),
    }
}

/// Before how long: what others started (no command of ours) has run for longer than we know of.
pub fn ran(child_pid: u32) -> &'static str {
    if child_pid == 0 { "guarded for" } else { "ran" }
}

fn leftover(processes: u64) -> String {
    let number = counted(processes, "process", "processes");
    format!(
        "the command has ended; waiting for the rest of the workload ({number}); Ctrl-C ends it"
    )
}

fn new_timeout(timeout: Option<std::time::Duration>) -> String {
    let set = timeout.map(|timeout| format!("timeout is now {}", show_duration(timeout)));
    set.unwrap_or_else(|| "timeout is off now".to_owned())
}

/// The kernel refused a signal of ours to them: why it was to be sent, and why it was refused.
pub fn refusal(notice: &Notice, whom: &str, signal: &str) -> String {
    let Notice::SignalRefused { reason: why, kill, errno, .. } = notice else {
        return String::new();
    };
    match kill {
        Some(why) => format!("{}: {}", kill_reason(why), refused("SIGKILL", whom, *errno)),
        None => format!("{}: {}", reason(why), refused(signal, whom, *errno)),
    }
}

/// The kernel refused this signal of ours to them.
pub fn refused(signal: &str, whom: &str, errno: i32) -> String {
    let error = std::io::Error::from_raw_os_error(errno);
    let why = match errno {
        nix::libc::EPERM => ": running as another user now (set-user-ID)",
        _ => "",
    };
    format!("cannot send {signal} to {whom}: {error}{why}")
}

/// Whom a signal was refused to: the command, or others, of whom the first and the number are known.
pub fn refusing(command: bool, others: Option<(i32, usize)>) -> String {
    match others {
        _ if command => "the command".to_owned(),
        Some((pid, 1)) => format!("process {pid} of the workload"),
        Some((pid, number)) => format!("{number} processes of the workload (the first is {pid})"),
        None => "the rest of the workload".to_owned(),
    }
}

fn near_in_time(left: std::time::Duration, footprint: Bytes, growth: i64) -> String {
    let growth = Bytes(u64::try_from(growth).unwrap_or(0));
    let left = show_duration(left);
    format!("footprint {footprint} is growing by {growth}/s: at the limit in {left}")
}

fn near_limit(footprint: Bytes, limit: Bytes, swap: Limit) -> String {
    let room = swap.value().map_or(Bytes(0), Bytes);
    let whole = limit.saturating_add(room);
    let share = u128::from(footprint.0) * 100 / u128::from(whole.0.max(1));
    let parts =
        if room == Bytes(0) { String::new() } else { format!(" ({limit} and {room} of swap)") };
    format!("footprint {footprint} is {share}% of the limit {whole}{parts}")
}

/// A limit with the room beyond it that swap gives.
pub fn limit(limit: Bytes, swap: Limit) -> String {
    match swap {
        Limit::At(0) => limit.to_string(),
        Limit::At(room) => format!("{limit} + swap {}", Bytes(room)),
        Limit::Max => format!("{limit} + any swap"),
    }
}

/// The machine's floor, and what was available when that was looked up.
pub fn floor(floor: Bytes, available: Option<Bytes>) -> String {
    let left = available.map_or_else(String::new, |left| format!(" ({left} available)"));
    format!("{floor}{left}")
}

/// Huge pages behind a list of what memory is made of; nothing where there are none.
pub fn huge_pages(memory: &Memory) -> String {
    match (memory.hugetlb, memory.hugetlb_counted) {
        (Bytes(0), _) => String::new(),
        (size, true) => format!(", huge pages {size}"),
        (size, false) => format!(", huge pages {size} (not counted)"),
    }
}

/// A signal's name.
pub fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if signal == nix::libc::SIGRTMIN() => "SIGRTMIN".to_owned(),
        Err(_) if signal > nix::libc::SIGRTMIN() => {
            format!("SIGRTMIN+{}", signal - nix::libc::SIGRTMIN())
        }
        Err(_) => format!("signal {signal}"),
    }
}

/// How a process ended.
pub fn ending(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exited with {code}"),
        Ending::Signaled(signal) => format!("was killed by {}", signal_name(signal)),
        Ending::Unseen => "ended by itself".to_owned(),
    }
}

/// Who ended what and why: the one line that is always said.
pub fn outcome(outcome: &Outcome, name: &str, signal: &str) -> String {
    let frozen = outcome.frozen.map_or_else(String::new, breach::frozen_before);
    format!("{}{frozen}", ended(outcome, name, signal))
}

fn ended(outcome: &Outcome, name: &str, signal: &str) -> String {
    match outcome.cause {
        Cause::Itself => format!("{name} {}", ending(outcome.child)),
        Cause::KernelOom => format!(
            "{name} was killed by the kernel's OOM killer (oom_kill {}), not by sentinel",
            outcome.kernel_oom_kills
        ),
        Cause::SystemdStop => {
            format!("{name} {}: systemd stopped its scope", ending(outcome.child))
        }
        Cause::SystemdOomd => format!("{name} was killed by systemd-oomd"),
        Cause::Guardian { reason: why, .. } if outcome.command_first => {
            let ended = ending(outcome.child);
            format!(
                "{name} {ended}; the rest was ended with {}",
                end_of_rest(outcome, &why, signal)
            )
        }
        Cause::Guardian { reason: why, killed: None } => match outcome.rest_killed {
            None => format!("ended {name} with {signal}: {}", reason(&why)),
            Some(kill) => format!(
                "ended {name} with {signal} and the rest with SIGKILL: {}; {}",
                reason(&why),
                kill_reason(&kill)
            ),
        },
        Cause::Guardian { reason: Reason::Operator, killed: Some(kill @ KillReason::Operator) } => {
            format!("ended {name} with SIGKILL: {}", kill_reason(&kill))
        }
        Cause::Guardian { reason: why, killed: Some(kill) } => {
            format!("ended {name} with SIGKILL: {}; {}", reason(&why), kill_reason(&kill))
        }
    }
}

/// By which signal, and why. That the command has ended is said before it.
fn end_of_rest(outcome: &Outcome, why: &Reason, signal: &str) -> String {
    let kill = outcome.kill();
    let asked_twice = *why == Reason::Operator && kill == Some(KillReason::Operator);
    let said = *why == Reason::ChildExited || asked_twice;
    let why = (!said).then_some(why);
    match (why.map(reason), kill.as_ref().map(kill_reason)) {
        (None, None) => signal.to_owned(),
        (Some(why), None) => format!("{signal}: {why}"),
        (None, Some(kill)) => format!("SIGKILL: {kill}"),
        (Some(why), Some(kill)) => format!("SIGKILL: {why}; {kill}"),
    }
}

/// The exit status of sentinel for this outcome.
///
/// The command's own, or 128 + signal. When we ended it, 128 + the signal that did, or `limit_exit_code` if that was for a
/// limit and not for an operator.
pub fn exit_status(outcome: &Outcome, term_signal: i32, limit_exit_code: Option<u8>) -> u8 {
    let by_signal = |signal: i32| u8::try_from(128 + signal).unwrap_or(u8::MAX);
    match outcome.cause {
        Cause::Itself
        | Cause::KernelOom
        | Cause::SystemdStop
        | Cause::SystemdOomd
        | Cause::Guardian { reason: Reason::ChildExited, .. } => match outcome.child {
            Ending::Exited(code) => code,
            Ending::Signaled(signal) => by_signal(signal),
            Ending::Unseen => 0,
        },
        Cause::Guardian { reason, .. } => match limit_exit_code {
            Some(code) if reason != Reason::Operator => code,
            _ if outcome.kill().is_some() => by_signal(nix::libc::SIGKILL),
            _ => by_signal(term_signal),
        },
    }
}

/// A number and its noun.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ended(cause: Cause, child: Ending) -> Outcome {
        Outcome {
            cause,
            child,
            command_first: false,
            rest_killed: None,
            kernel_oom_kills: 0,
            frozen: None,
        }
    }

    const BREACH: Reason = Reason::Breach { footprint: Bytes::mib(100), limit: Bytes::mib(100) };
    const GRACE: KillReason = KillReason::GraceOver { grace: Duration::from_secs(3) };

    #[test]
    fn an_operator_who_asked_once_is_named_beside_the_grace_period() {
        let text = |killed| {
            let cause = Cause::Guardian { reason: Reason::Operator, killed: Some(killed) };
            super::outcome(&ended(cause, Ending::Signaled(9)), "sh", "SIGTERM")
        };
        let asked = "ended sh with SIGKILL: requested by an operator";
        assert_eq!(text(GRACE), format!("{asked}; the grace period of 3.0s is over"));
        assert_eq!(text(KillReason::Operator), asked);
    }

    #[test]
    fn a_command_that_had_ended_was_not_ended() {
        let text = |reason, killed, rest_killed| {
            let cause = Cause::Guardian { reason, killed };
            let outcome =
                Outcome { command_first: true, rest_killed, ..ended(cause, Ending::Exited(5)) };
            super::outcome(&outcome, "sh", "SIGTERM")
        };
        let operator = Some(KillReason::Operator);
        for (reason, killed, rest_killed, expected) in [
            (Reason::ChildExited, None, None, "SIGTERM"),
            (Reason::ChildExited, None, Some(GRACE), "SIGKILL: the grace period of 3.0s is over"),
            (Reason::Operator, None, None, "SIGTERM: requested by an operator"),
            (Reason::Operator, None, operator, "SIGKILL: requested by an operator"),
            (Reason::Operator, operator, None, "SIGKILL: requested by an operator"),
            (BREACH, None, None, "SIGTERM: footprint 100.0M reached the limit 100.0M"),
        ] {
            let whole = format!("sh exited with 5; the rest was ended with {expected}");
            assert_eq!(text(reason, killed, rest_killed), whole);
        }
    }

    #[test]
    fn a_limit_with_swap_says_both() {
        let near = |swap| {
            let (footprint, limit) = (Bytes::mib(300), Bytes::mib(100));
            notice(&Notice::NearLimit { footprint, limit, swap }, "SIGTERM").1
        };
        assert_eq!(near(Limit::At(0)), "footprint 300.0M is 300% of the limit 100.0M");
        assert_eq!(
            near(Limit::At(256 << 20)),
            "footprint 300.0M is 84% of the limit 356.0M (100.0M and 256.0M of swap)"
        );
    }

    #[test]
    fn exit_statuses() {
        let own = |child| exit_status(&ended(Cause::Itself, child), 15, Some(99));
        assert_eq!(own(Ending::Exited(7)), 7);
        assert_eq!(own(Ending::Signaled(11)), 139);
        assert_eq!(own(Ending::Signaled(64)), 192);
        let polite = ended(Cause::Guardian { reason: BREACH, killed: None }, Ending::Exited(0));
        assert_eq!(exit_status(&polite, 15, None), 143);
        assert_eq!(exit_status(&polite, 2, None), 130);
        assert_eq!(exit_status(&polite, 15, Some(99)), 99);
        let cause = Cause::Guardian { reason: BREACH, killed: Some(GRACE) };
        assert_eq!(exit_status(&ended(cause, Ending::Signaled(9)), 15, None), 137);
        let operator = Cause::Guardian { reason: Reason::Operator, killed: None };
        assert_eq!(exit_status(&ended(operator, Ending::Signaled(15)), 15, Some(99)), 143);
    }

    #[test]
    fn a_sigkill_for_the_rest_is_called_so() {
        let cause = Cause::Guardian { reason: Reason::Operator, killed: None };
        let outcome = Outcome { rest_killed: Some(GRACE), ..ended(cause, Ending::Signaled(15)) };
        assert_eq!(
            super::outcome(&outcome, "make", "SIGTERM"),
            "ended make with SIGTERM and the rest with SIGKILL: requested by an operator; the grace period of 3.0s is over"
        );
        assert_eq!(exit_status(&outcome, 15, None), 143);
    }

    #[test]
    fn the_last_line_names_who_and_why() {
        let cause = Cause::Guardian { reason: BREACH, killed: Some(GRACE) };
        let text = outcome(&ended(cause, Ending::Signaled(9)), "chaos.py", "SIGTERM");
        assert_eq!(
            text,
            "ended chaos.py with SIGKILL: footprint 100.0M reached the limit 100.0M; the grace period of 3.0s is over"
        );
    }
}
