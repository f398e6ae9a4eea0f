//! The rules that `--what-if` puts in the place of the recorded ones.

pub use crate::cli::Changes;

use crate::cli::{Amount, ThrashSetting};
use crate::event::{Command, Event};
use crate::lines::{Lines, LinesError};
use crate::policy::PolicyConfig;
use crate::policy::on_breach::{BreachRule, OnBreach};
use crate::policy::thrash::ThrashRule;

impl Changes {
    /// The rules with these changes. Nothing is a dry run, and what is asked is when a breach would have been acted upon, whatever is done
    /// then.
    ///
    /// # Errors
    /// When the lines leave no room for one another.
    pub fn apply(&self, recorded: PolicyConfig) -> Result<PolicyConfig, LinesError> {
        let on_breach = BreachRule { deed: OnBreach::Terminate, ..recorded.on_breach };
        let mut config = PolicyConfig { dry_run: false, on_breach, ..recorded };
        if self.moves_lines() {
            let limit = self.memory.unwrap_or(recorded.lines.limit);
            let same = self.memory.is_none().then(|| recorded.lines.headroom());
            let lines = Lines::new(limit, self.headroom.or(same), self.second_line)?;
            config.lines = lines.with_swap(recorded.lines.swap);
        }
        if let Some(Amount(room)) = self.swap {
            config.lines = config.lines.with_swap(room);
        }
        config.grace = self.grace.map_or(config.grace, |span| span.0);
        // 0 is none, as it is of a run.
        let asked = self.timeout.map(|span| Some(span.0).filter(|timeout| !timeout.is_zero()));
        config.timeout = asked.unwrap_or(config.timeout);
        config.warn.share = self.warn_at.unwrap_or(config.warn.share);
        config.warn.within = self.warn_within.map_or(config.warn.within, |span| span.0);
        config.thrash = match self.thrash {
            None => config.thrash,
            Some(ThrashSetting::Off) => None,
            Some(ThrashSetting::At(share, hold)) => Some(ThrashRule { share, hold }),
        };
        Ok(config)
    }

    /// Whether the lines are to be others.
    pub(super) fn moves_lines(&self) -> bool {
        self.memory.or(self.headroom).or(self.second_line).is_some()
    }

    /// What an operator set in the recorded run, with the room in swap that is asked for here.
    pub(super) fn applied_to(&self, event: Event) -> Event {
        match (event, self.swap) {
            (Event::Operator(Command::SetLines(lines)), Some(Amount(room))) => {
                Event::Operator(Command::SetLines(lines.with_swap(room)))
            }
            (event, _) => event,
        }
    }

    /// What an operator set counts where nothing else is asked for here.
    pub(super) fn overrides(&self, command: &Command) -> bool {
        match command {
            Command::SetLines(_) => self.moves_lines(),
            Command::SetGrace(_) => self.grace.is_some(),
            Command::SetTimeout(_) => self.timeout.is_some(),
            Command::Terminate
            | Command::Kill
            | Command::Freeze
            | Command::Thaw
            | Command::SetPids(_)
            | Command::Yield { .. }
            | Command::Signal(_) => false,
        }
    }
}
