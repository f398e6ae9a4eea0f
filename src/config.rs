//! The settings of one run, validated once: the rest of the program sees only this.

mod as_caller;
mod attach;
mod breach;
mod culprit;
mod file;
mod matching;
mod outputs;
mod ward_rules;

use crate::account::Account;
use crate::cli::{ExitSetting, OnDeath, ReportSetting, Run, Settings, ThrashSetting, TierSetting};
use crate::lines::whole_pages;
use crate::policy::OnExit;
use crate::policy::thrash::ThrashRule;
use crate::policy::warn::WarnRule;
use crate::status::Tier;
use crate::units::{Bytes, Limit, Percent, Size};
use crate::workload::kill_mode::KillMode;
use anyhow::{Result, bail, ensure};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use as_caller::OfCaller;
pub use attach::{PoolRules, Targets};
use file::Authority;
pub use file::parse;
pub use ward_rules::WardRules;

/// Where the mailbox is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketSetting {
    /// `/tmp/sentinel.socket` if it is free, and one in the runtime directory.
    Default,
    /// Here and nowhere else.
    At(PathBuf),
    /// None.
    Off,
}

/// What was asked for, by an option or in a configuration file, and is not a default: then it must be in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `--thrash`.
    pub thrash: bool,
    /// `--on-guardian-death`.
    pub on_guardian_death: bool,
}

impl Asked {
    fn of(settings: &Settings) -> Asked {
        Asked {
            thrash: settings.thrash.is_some(),
            on_guardian_death: settings.on_guardian_death.is_some(),
        }
    }
}

/// What a run is to be like. Sizes are typed values until the outer limit is known.
#[derive(Clone, Debug)]
pub struct Config {
    /// What holds for the workload.
    pub rules: WardRules,
    /// Which of these were asked for.
    pub asked: Asked,
    /// Go without what was asked for and cannot be put in force.
    pub best_effort: bool,
    /// The lowest tier that will do.
    pub require: Tier,
    /// The cgroup to make the workload's in.
    pub cgroup: Option<PathBuf>,
    /// The slice for a scope.
    pub slice: Option<String>,
    /// The command gains no privileges by exec.
    pub no_new_privs: bool,
    /// The mailbox.
    pub socket: SocketSetting,
    /// No dashboard.
    pub plain: bool,
    /// Where the record goes.
    pub json: Option<PathBuf>,
    /// The descriptor that it goes to.
    pub json_fd: Option<i32>,
    /// Where the trace goes.
    pub record: Option<PathBuf>,
    /// The most bytes of it.
    pub record_size: Bytes,
    /// Where the command's output in the dashboard's pane is kept.
    pub log: Option<PathBuf>,
    /// Where an exporter serves metrics, if one is wanted.
    pub metrics: Option<String>,
    /// Say only what went wrong.
    pub quiet: bool,
    /// What a file of a caller names who has fewer rights than we have.
    pub of_caller: OfCaller,
}

const GRACE: Duration = Duration::from_secs(3);
const MEMORY: Size = Size::Absolute(Bytes::mib(100));
const WARN: WarnRule = WarnRule { share: Percent(80), within: Duration::from_secs(10) };
const THRASH: ThrashRule = ThrashRule { share: Percent(80), hold: Duration::from_secs(60) };
const RECORD_SIZE: Bytes = Bytes::mib(64);
/// Room for the first lines and the last.
const SMALLEST_RECORD: Bytes = Bytes(64 << 10);
/// Of a larger share next to nothing could be used.
const MOST_FLOOR: Percent = Percent(90);
const NAME_LENGTH: usize = 32;

impl Config {
    /// The settings of the command line, over those of the configuration file.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or the name is none.
    pub fn new(asked: Run) -> Result<Config> {
        let (file, origin) = file::settings(asked.config)?;
        let named =
            |by_option: bool, by_file: bool| origin == Authority::Caller && !by_option && by_file;
        let of_caller = OfCaller {
            socket: named(asked.settings.socket.is_some(), file.socket.is_some()),
            metrics: named(asked.settings.metrics.is_some(), file.metrics.is_some()),
            cgroup: named(asked.settings.cgroup.is_some(), file.cgroup.is_some()),
        };
        let mut config = Config { of_caller, ..build(asked.settings.or(file), asked.command)? };
        config.check_outputs()?;
        config.check_cgroup()?;
        Ok(config)
    }

    /// Whether there must be a keeper.
    pub fn insists_on_keeper(&self) -> bool {
        self.asked.on_guardian_death && !self.best_effort && !self.rules.dry_run
    }
}

/// What options and the configuration file say, as far as it can be read: of a run that is refused.
pub fn said(asked: Run) -> Settings {
    let file = file::settings(asked.config).map(|(file, _)| file);
    asked.settings.or(file.unwrap_or_default())
}

/// The settings in force for a command.
///
/// # Errors
/// When a name in them is none.
pub fn build(s: Settings, command: Vec<OsString>) -> Result<Config> {
    if s.metrics.is_some() && s.socket.as_ref().is_some_and(|socket| socket.as_os_str() == "off") {
        bail!("no metrics without a mailbox: leave out --socket off");
    }
    let (asked, rules) = (Asked::of(&s), rules(&s, command)?);
    Ok(Config {
        rules,
        asked,
        best_effort: s.best_effort,
        require: lowest_tier(s.require),
        cgroup: s.cgroup,
        slice: s.slice.map(slice).transpose()?,
        no_new_privs: s.no_new_privs,
        socket: match s.socket {
            None => SocketSetting::Default,
            Some(path) if path.as_os_str() == "off" => SocketSetting::Off,
            Some(path) => SocketSetting::At(path),
        },
        plain: s.plain,
        json: s.json.map(record_path).transpose()?,
        json_fd: s.json_fd.map(|number| number.0),
        record: s.record,
        record_size: record_size(s.record_size)?,
        log: s.log,
        metrics: s.metrics,
        quiet: s.quiet,
        of_caller: OfCaller::default(),
    })
}

fn rules(s: &Settings, command: Vec<OsString>) -> Result<WardRules> {
    let thrash = match s.thrash {
        Some(ThrashSetting::Off) => None,
        Some(ThrashSetting::At(share, hold)) => Some(ThrashRule { share, hold }),
        None => Some(THRASH),
    };
    Ok(WardRules {
        memory: s.memory.unwrap_or(MEMORY),
        memory_given: s.memory.is_some(),
        headroom: s.headroom,
        second_line: s.second_line,
        grace: s.grace.map_or(GRACE, |span| span.0),
        term_signal: s.term_signal.map_or(nix::libc::SIGTERM, |signal| signal.0),
        kill_mode: s.kill_mode.unwrap_or(KillMode::ControlGroup),
        swap: s.swap.map_or(Limit::At(0), |amount| in_pages(amount.0)),
        swap_room: Limit::At(0),
        pids: (s.pids.map_or(Limit::At(ward_rules::PIDS), |amount| amount.0), s.pids.is_some()),
        timeout: s.timeout.map(|span| span.0).filter(|timeout| !timeout.is_zero()),
        min_available: s.min_available.map(floor).transpose()?,
        warn: WarnRule {
            share: s.warn_at.unwrap_or(WARN.share),
            within: s.warn_within.map_or(WARN.within, |span| span.0),
        },
        thrash,
        on_breach: breach::rule(s)?,
        culprit: culprit::rule(s)?,
        on_guardian_death: s.on_guardian_death.unwrap_or(OnDeath::Terminate),
        on_exit: match s.on_exit {
            Some(ExitSetting::Terminate) => OnExit::Terminate,
            Some(ExitSetting::Wait) | None => OnExit::Wait,
        },
        account: s.user.as_deref().map(Account::find).transpose()?,
        dry_run: s.dry_run,
        tell_runtimes: s.tell_runtimes,
        report: s.report.unwrap_or(ReportSetting::Acted),
        limit_exit_code: s.limit_exit_code.map(|status| status.0),
        name: name(s.name.clone(), &command)?,
        victim: None,
        total: None,
        command,
    })
}

/// A floor that is none, or leaves nobody anything, is a mistake.
fn floor(size: Size) -> Result<Size> {
    match size {
        Size::Absolute(Bytes(0)) => {
            bail!("--min-available 0 is no floor: write for instance 512M or 5%, or leave it out")
        }
        Size::Share(share) if share > MOST_FLOOR => {
            bail!("--min-available {share} leaves next to nothing to use: at most {MOST_FLOOR}")
        }
        size @ (Size::Absolute(_) | Size::Share(_)) => Ok(size),
    }
}

fn lowest_tier(wanted: Option<TierSetting>) -> Tier {
    match wanted {
        Some(TierSetting::Kernel) => Tier::Kernel,
        Some(TierSetting::Observed) => Tier::Observed,
        Some(TierSetting::Hybrid) => Tier::Hybrid,
        Some(TierSetting::Polled) | None => Tier::Polled,
    }
}

/// The kernel rounds to pages, and what is read back is to be what was written.
fn in_pages(limit: Limit) -> Limit {
    limit.value().map_or(Limit::Max, |bytes| Limit::At(whole_pages(Bytes(bytes)).0))
}

/// Standard output is the command's.
fn record_path(path: PathBuf) -> Result<PathBuf> {
    ensure!(
        path.as_os_str() != "-",
        "--json -: standard output is the command's; give a file, or a descriptor of its own: --json-fd 3 3>record.json"
    );
    Ok(path)
}

fn record_size(wanted: Option<Bytes>) -> Result<Bytes> {
    let size = wanted.unwrap_or(RECORD_SIZE);
    if size < SMALLEST_RECORD {
        bail!("--record-size {size} is below {SMALLEST_RECORD}, the least for a trace");
    }
    Ok(size)
}

/// A unit name of systemd's ends in its kind; this one must be a slice.
fn slice(name: String) -> Result<String> {
    let fits = name.len() > ".slice".len() && name.len() < 200 && name.ends_with(".slice");
    if !fits || !name.bytes().all(|byte| is_name_byte(byte) || matches!(byte, b'@' | b':' | b'\\'))
    {
        bail!("--slice {name:?}: not a name like batch.slice");
    }
    Ok(name)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// What an option gives as a name must be one.
fn check_name(option: &str, name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() <= NAME_LENGTH && !name.starts_with('.');
    ensure!(
        fits && name.bytes().all(is_name_byte),
        "{option} {name:?}: not 1 to {NAME_LENGTH} letters (a-z), digits, dots, dashes, underscores, the first no dot"
    );
    Ok(())
}

/// A name given must be one; the command's is made one.
fn name(given: Option<String>, command: &[OsString]) -> Result<String> {
    if let Some(name) = given {
        return check_name("--name", &name).map(|()| name);
    }
    let file = command.first().and_then(|command| Path::new(command).file_name());
    let bytes = file.map(OsStrExt::as_bytes).unwrap_or_default();
    let kept = bytes.iter().copied().filter(|byte| is_name_byte(*byte)).take(NAME_LENGTH);
    let name: String = kept.map(char::from).collect();
    let name = name.trim_start_matches('.');
    Ok(if name.is_empty() { "run".to_owned() } else { name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_safe_or_refused() {
        let made = |command: &str| name(None, &[command.into()]).unwrap();
        assert_eq!(made("/usr/bin/python3"), "python3");
        assert_eq!(made("../.."), "run");
        assert_eq!(made("a b/\u{1b}[2Jx"), "2Jx");
        for bad in ["", "a/b", "..", "a b", "ü", &"x".repeat(33)] {
            assert!(name(Some(bad.to_owned()), &[]).is_err(), "{bad}");
        }
    }
}
