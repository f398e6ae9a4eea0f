//! One request line to what it asks for. Pure; what the answer says is the guardian's business.

pub use super::request_words::SETTINGS;

use super::request_words::{nearest_setting, nearest_verb};
use crate::escape::escape_cut;
use crate::signal_names::signal_number;
use crate::units::{Bytes, Limit, Size, parse_count, parse_duration};
use std::time::Duration;

/// The longest request line, bytes without its end.
pub const MAX_LINE: usize = 1024;

/// What stands before the request that sets a limit all the same, in the refusal of one that would end the workload.
pub const TO_FORCE: &str = "; to set it anyway: ";

/// How much of a strange word is quoted back, characters.
const QUOTED: usize = 40;

/// What a client asks for. `json` wants the answer for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Is anybody there?
    Ping,
    /// The state of the workload.
    Status {
        /// For programs.
        json: bool,
    },
    /// Its processes.
    Ps {
        /// For programs.
        json: bool,
    },
    /// Its lines.
    Limits {
        /// For programs.
        json: bool,
    },
    /// What happened so far.
    Events {
        /// For programs.
        json: bool,
    },
    /// The state as metrics, for Prometheus.
    Metrics,
    /// All workloads of the guardian, one a line.
    Wards {
        /// For programs.
        json: bool,
    },
    /// State and events as they come, until the client leaves.
    Watch {
        /// For programs.
        json: bool,
    },
    /// A signal for one process of the workload.
    Signal {
        /// Whom.
        pid: u32,
        /// Its number.
        signal: i32,
    },
    /// Another memory limit.
    SetMemory {
        /// The limit.
        size: Size,
        /// Also where more is in use, which ends the workload.
        force: bool,
    },
    /// Another time from SIGTERM to SIGKILL.
    SetGrace(Duration),
    /// Another wall-clock limit, or none.
    SetTimeout(Option<Duration>),
    /// Another `pids.max`.
    SetPids(Limit),
    /// Stop the workload where it is.
    Freeze,
    /// Let it go on.
    Thaw,
    /// End it politely.
    Terminate,
    /// End it at once.
    Kill,
    /// Guard it no more, and give back what was written to it.
    Detach,
    /// What can be asked.
    Help,
}

impl Request {
    /// True for what does something to the workload, false for what only reads.
    pub fn changes(&self) -> bool {
        match self {
            Request::Ping
            | Request::Status { .. }
            | Request::Ps { .. }
            | Request::Limits { .. }
            | Request::Events { .. }
            | Request::Metrics
            | Request::Wards { .. }
            | Request::Watch { .. }
            | Request::Help => false,
            Request::Signal { .. }
            | Request::SetMemory { .. }
            | Request::SetGrace(_)
            | Request::SetTimeout(_)
            | Request::SetPids(_)
            | Request::Freeze
            | Request::Thaw
            | Request::Terminate
            | Request::Kill
            | Request::Detach => true,
        }
    }

    /// The first word of the request, for a log.
    pub fn verb(&self) -> &'static str {
        match self {
            Request::Ping => "ping",
            Request::Status { .. } => "status",
            Request::Ps { .. } => "ps",
            Request::Limits { .. } => "limits",
            Request::Events { .. } => "events",
            Request::Metrics => "metrics",
            Request::Wards { .. } => "wards",
            Request::Watch { .. } => "watch",
            Request::Signal { .. } => "signal",
            Request::SetMemory { .. } => "set memory",
            Request::SetGrace(_) => "set grace",
            Request::SetTimeout(_) => "set timeout",
            Request::SetPids(_) => "set pids",
            Request::Freeze => "freeze",
            Request::Thaw => "thaw",
            Request::Terminate => "terminate",
            Request::Kill => "kill",
            Request::Detach => "detach",
            Request::Help => "help",
        }
    }
}

/// What can be asked, for people.
pub fn help_text() -> &'static str {
    "\
One request per line, one reply each. Add `json` for an answer that programs can read.
  ping                 check that the guardian answers
  status [json]        memory, limits, state and forecast of the workload
  ps [json]            its processes, largest first
  limits [json]        the limits that memory is compared with
  events [json]        what has happened so far
  metrics              the state in Prometheus text format
  wards [json]         all workloads of this guardian; @NAME before a request chooses one of them
  watch [json]         status and events as they happen, until you disconnect
  set memory 2G|80%    change the memory limit; --force: even to less than is in use, which ends the workload
  set grace 10s        change the time from SIGTERM to SIGKILL
  set timeout 2h|off   change the time limit, which is counted from the start of the run
  set pids 100|max     change the process limit
  signal PID TERM      send a signal to one process of the workload
  freeze, thaw         pause the workload, resume it
  terminate            end it: SIGTERM, then SIGKILL after the grace period
  kill                 end it with SIGKILL at once
  detach               of sentinel attach: guard it no more, and put back what was written to it
  help                 this text"
}

/// The name behind the `@` that a line may begin with, and the request behind that.
pub fn addressed(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let line = line.trim_ascii_start();
    let Some(named) = line.strip_prefix(b"@") else { return (None, line) };
    let end = named.iter().position(u8::is_ascii_whitespace).unwrap_or(named.len());
    (Some(&named[..end]), &named[end..])
}

/// Reads a request line, with or without its end; blanks around it and the case of its words do not matter.
///
/// # Errors
/// One printable line: what is wrong, what was probably meant, and how to get help.
pub fn parse(line: &[u8]) -> Result<Request, String> {
    parse_words(line).map_err(|problem| format!("{problem}; try: help"))
}

/// The same for who asks in another way, and gets help elsewhere.
///
/// # Errors
/// What is wrong, and what was probably meant.
pub fn parse_words(line: &[u8]) -> Result<Request, String> {
    let line = line.trim_ascii();
    if line.len() > MAX_LINE {
        return Err(format!("the request is longer than {MAX_LINE} bytes"));
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let verb = words.next().map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
    let rest: Vec<&[u8]> = words.collect();
    match verb.as_slice() {
        b"" => Err("the request is empty".to_owned()),
        b"ping" => alone(Request::Ping, &rest),
        b"status" => Ok(Request::Status { json: wants_json("status", &rest)? }),
        b"ps" => Ok(Request::Ps { json: wants_json("ps", &rest)? }),
        b"limits" => Ok(Request::Limits { json: wants_json("limits", &rest)? }),
        b"events" => Ok(Request::Events { json: wants_json("events", &rest)? }),
        b"metrics" => alone(Request::Metrics, &rest),
        b"wards" => Ok(Request::Wards { json: wants_json("wards", &rest)? }),
        b"watch" => Ok(Request::Watch { json: wants_json("watch", &rest)? }),
        b"set" => parse_set(&rest),
        b"signal" => parse_signal(&rest),
        b"freeze" => alone(Request::Freeze, &rest),
        b"thaw" => alone(Request::Thaw, &rest),
        b"terminate" => alone(Request::Terminate, &rest),
        b"kill" => alone(Request::Kill, &rest),
        b"detach" => alone(Request::Detach, &rest),
        b"help" => alone(Request::Help, &rest),
        other => Err(unknown_verb(other)),
    }
}

fn unknown_verb(verb: &[u8]) -> String {
    let shown = quote(verb);
    match nearest_verb(&shown) {
        Some(meant) => format!("unknown request {shown}, did you mean {meant}"),
        None => format!("unknown request {shown}"),
    }
}

fn alone(request: Request, rest: &[&[u8]]) -> Result<Request, String> {
    match rest.first() {
        None => Ok(request),
        Some(word) => {
            Err(format!("{} takes no argument, but got \"{}\"", request.verb(), quote(word)))
        }
    }
}

fn wants_json(verb: &str, rest: &[&[u8]]) -> Result<bool, String> {
    match rest {
        [] => Ok(false),
        [word] if word.eq_ignore_ascii_case(b"json") => Ok(true),
        [word] => Err(format!("{verb} takes json or nothing, not \"{}\"", quote(word))),
        [_, word, ..] => {
            Err(format!("{verb} takes at most one argument, not also \"{}\"", quote(word)))
        }
    }
}

fn parse_set(rest: &[&[u8]]) -> Result<Request, String> {
    let (name, values) = match rest.split_first() {
        Some((name, values)) => (name.to_ascii_lowercase(), values),
        None => return Err(two_words()),
    };
    match (name.as_slice(), values) {
        (b"memory", [value]) => set_memory(value, false),
        (b"memory", [value, word]) if word.eq_ignore_ascii_case(b"--force") => {
            set_memory(value, true)
        }
        (b"memory", [_, word]) => {
            Err(format!("set memory takes --force or nothing behind the size, not {}", quote(word)))
        }
        (b"grace", [value]) => parse_duration(plain(value)?)
            .map(Request::SetGrace)
            .map_err(|problem| format!("set grace: {problem}")),
        (b"timeout", [value]) => parse_timeout(plain(value)?).map(Request::SetTimeout),
        (b"pids", [value]) => parse_pids(plain(value)?).map(Request::SetPids),
        (b"memory" | b"grace" | b"timeout" | b"pids", _) => Err(two_words()),
        (other, _) => Err(unknown_setting(other)),
    }
}

fn two_words() -> String {
    "set takes a setting and a value: set memory 2G (and --force), set grace 10s, set timeout 2h, set pids 100"
        .to_owned()
}

fn parse_signal(rest: &[&[u8]]) -> Result<Request, String> {
    let [pid, signal] = rest else {
        return Err("signal takes a process id and a signal: signal 1234 TERM".to_owned());
    };
    let pid = std::str::from_utf8(pid).ok().and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| format!("signal: {} is not a process id", quote(rest[0])))?;
    let number = signal_number(plain(signal)?);
    let number = number.ok_or_else(|| format!("signal: {} is not a signal", quote(signal)))?;
    Ok(Request::Signal { pid, signal: number })
}

fn unknown_setting(setting: &[u8]) -> String {
    let shown = quote(setting);
    match nearest_setting(&shown) {
        Some(meant) => format!("unknown setting {shown}, did you mean set {meant}"),
        None => format!("unknown setting {shown}: memory, grace, timeout and pids can be set"),
    }
}

fn set_memory(value: &[u8], force: bool) -> Result<Request, String> {
    match plain(value)?.parse() {
        Ok(Size::Absolute(Bytes(0))) => Err("set memory: 0 is not a limit".to_owned()),
        Ok(size) => Ok(Request::SetMemory { size, force }),
        Err(problem) => Err(format!("set memory: {problem}")),
    }
}

/// `off`, or 0 as for `--timeout`, is none.
fn parse_timeout(value: &str) -> Result<Option<Duration>, String> {
    if value.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let timeout = parse_duration(value).map_err(|problem| format!("set timeout: {problem}"))?;
    Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
}

fn parse_pids(value: &str) -> Result<Limit, String> {
    parse_count(value).map_err(|problem| format!("set pids: {problem}"))
}

/// The word, if it is short and plain ASCII: all values are. What else there is would be quoted at many times its length.
fn plain(word: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(word).ok();
    let text = text.filter(|text| text.is_ascii() && *text == quote(word));
    text.ok_or_else(|| format!("{} is not a valid value", quote(word)))
}

fn quote(word: &[u8]) -> String {
    escape_cut(word, QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::escape;
    use crate::units::Percent;
    use proptest::prelude::*;

    #[test]
    fn strange_spaces_are_quoted_briefly() {
        let line = format!("set memory 9{}", "\u{202f}\u{205f}".repeat(15));
        let answer = parse(line.as_bytes()).unwrap_err();
        assert!(
            answer.contains("is not a valid value") && answer.chars().count() < 100,
            "{answer}"
        );
    }

    #[test]
    fn every_request_of_the_help_is_understood() {
        for (line, request) in [
            ("ping", Request::Ping),
            ("status", Request::Status { json: false }),
            ("status json", Request::Status { json: true }),
            ("ps json", Request::Ps { json: true }),
            ("limits json", Request::Limits { json: true }),
            ("events json", Request::Events { json: true }),
            ("metrics", Request::Metrics),
            ("wards", Request::Wards { json: false }),
            ("watch json", Request::Watch { json: true }),
            ("set memory 2G", another_limit(Size::Absolute(Bytes(2 << 30)), false)),
            ("set memory 2G --force", another_limit(Size::Absolute(Bytes(2 << 30)), true)),
            ("set memory 80%", another_limit(Size::Share(Percent(80)), false)),
            ("set grace 10s", Request::SetGrace(Duration::from_secs(10))),
            ("set timeout 2h", Request::SetTimeout(Some(Duration::from_secs(7200)))),
            ("set timeout off", Request::SetTimeout(None)),
            ("set timeout 0", Request::SetTimeout(None)),
            ("set pids 100", Request::SetPids(Limit::At(100))),
            ("set pids max", Request::SetPids(Limit::Max)),
            ("signal 12 usr1", Request::Signal { pid: 12, signal: 10 }),
            ("signal 12 9", Request::Signal { pid: 12, signal: 9 }),
            ("freeze", Request::Freeze),
            ("thaw", Request::Thaw),
            ("terminate", Request::Terminate),
            ("kill", Request::Kill),
            ("detach", Request::Detach),
            ("help", Request::Help),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(request), "{line}");
            assert!(line.starts_with(request.verb()), "{line}");
        }
    }

    fn another_limit(size: Size, force: bool) -> Request {
        Request::SetMemory { size, force }
    }

    #[test]
    fn a_name_in_front_chooses() {
        assert_eq!(
            addressed(b" @web-1 status json\n"),
            (Some(&b"web-1"[..]), &b" status json\n"[..])
        );
        assert_eq!(addressed(b"status\n"), (None, &b"status\n"[..]));
        assert_eq!(addressed(b"@"), (Some(&b""[..]), &b""[..]));
    }

    #[test]
    fn blanks_case_and_line_ends_do_not_matter() {
        for line in ["STATUS JSON\r\n", "  Status\tjson  \n", "status json\r"] {
            assert_eq!(parse(line.as_bytes()), Ok(Request::Status { json: true }), "{line:?}");
        }
        assert_eq!(parse(b"SET TIMEOUT OFF\r\n"), Ok(Request::SetTimeout(None)));
        assert_eq!(parse(b"SET PIDS MAX\r\n"), Ok(Request::SetPids(Limit::Max)));
        let forced = another_limit(Size::Absolute(Bytes(2 << 30)), true);
        assert_eq!(parse(b"SET MEMORY 2G --FORCE"), Ok(forced));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, answer) in [
            ("", "the request is empty; try: help"),
            ("stauts", "unknown request stauts, did you mean status; try: help"),
            ("xyzzy", "unknown request xyzzy; try: help"),
            ("\x1b[2J", "unknown request \\u{1b}[2j; try: help"),
            ("status yaml", "status takes json or nothing, not \"yaml\"; try: help"),
            ("kill now", "kill takes no argument, but got \"now\"; try: help"),
            ("set memroy 2G", "unknown setting memroy, did you mean set memory; try: help"),
            ("set memroy", "unknown setting memroy, did you mean set memory; try: help"),
            ("set memroy 2G 3G", "unknown setting memroy, did you mean set memory; try: help"),
            (
                "set memory 2G --froce",
                "set memory takes --force or nothing behind the size, not --froce; try: help",
            ),
            (
                "set timeout max",
                "set timeout: \"max\" is not a duration: write for instance 500ms, 3s or 1h30m; try: help",
            ),
            ("signal 12", "signal takes a process id and a signal: signal 1234 TERM; try: help"),
            ("signal 0 9", "signal: 0 is not a process id; try: help"),
            ("signal 12 SIGNO", "signal: SIGNO is not a signal; try: help"),
            ("set memory 0", "set memory: 0 is not a limit; try: help"),
            ("set pids 0", "set pids: 0 is neither max nor a number from 1 to 4194304; try: help"),
            (
                "set pids +5",
                "set pids: +5 is neither max nor a number from 1 to 4194304; try: help",
            ),
            (
                "set memory lots",
                "set memory: \"lots\" is not a size: write for instance 100M, 2GiB or 80%; try: help",
            ),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(answer.to_owned()), "{line:?}");
        }
        assert!(parse(&[b'x'; MAX_LINE + 1]).unwrap_err().contains("longer than 1024"));
        assert!(parse(b"set memory").unwrap_err().contains("set memory 2G"));
    }

    #[test]
    fn every_setting_that_is_offered_can_be_set() {
        for setting in SETTINGS {
            let answer = parse(format!("set {setting}").as_bytes()).unwrap_err();
            assert!(answer.contains(&format!("set {setting} ")), "{answer}");
            assert!(help_text().contains(&format!("  set {setting} ")), "{setting}");
            assert!(unknown_setting(b"").contains(setting), "{setting}");
        }
    }

    #[test]
    fn only_what_acts_needs_the_owner() {
        assert!(!parse(b"watch json").unwrap().changes());
        assert!(parse(b"set grace 0").unwrap().changes());
        assert!(parse(b"set timeout off").unwrap().changes());
        assert!(parse(b"terminate").unwrap().changes());
        assert!(parse(b"signal 1 TERM").unwrap().changes());
    }

    fn one_printable_line(answer: &str) -> bool {
        // Only backslashes of an escape may change when it is escaped again.
        escape(answer.as_bytes()).replace("\\\\", "\\") == answer && answer.chars().count() < 200
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_with_one_printable_line(line in proptest::collection::vec(any::<u8>(), 0..1100)) {
            if let Err(answer) = parse(&line) {
                prop_assert!(one_printable_line(&answer), "{answer:?}");
            }
        }

        #[test]
        fn near_requests_are_answered_with_one_printable_line(
            start in "(set |SET\t)?(memory|grace|timeout|pids|status|kill|stat) ?",
            rest in "\\PC{0,30}|[\u{200b}-\u{202e}\u{0}-\u{1f}]{0,5}|[0-9.]{0,25}[kMGT%ms]?",
        ) {
            if let Err(answer) = parse(format!("{start}{rest}").as_bytes()) {
                prop_assert!(one_printable_line(&answer), "{answer:?}");
            }
        }
    }
}
