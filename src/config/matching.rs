//! What `[[match]]` of a configuration file says for one of those that are guarded.

use super::ward_rules::WardRules;
use crate::cli::{MatchRule, ThrashSetting};
use crate::policy::thrash::ThrashRule;

impl WardRules {
    /// These rules, and before them what is said for a name.
    #[must_use]
    pub fn matched(self, rule: &MatchRule) -> WardRules {
        let thrash = |setting| match setting {
            ThrashSetting::Off => None,
            ThrashSetting::At(share, hold) => Some(ThrashRule { share, hold }),
        };
        let mut warn = self.warn;
        warn.share = rule.warn_at.unwrap_or(warn.share);
        WardRules {
            memory: rule.memory.unwrap_or(self.memory),
            memory_given: rule.memory.is_some() || self.memory_given,
            headroom: rule.headroom.or(self.headroom),
            grace: rule.grace.map_or(self.grace, |span| span.0),
            term_signal: rule.term_signal.map_or(self.term_signal, |signal| signal.0),
            kill_mode: rule.kill_mode.unwrap_or(self.kill_mode),
            thrash: rule.thrash.map_or(self.thrash, thrash),
            warn,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{build, parse};

    #[test]
    fn the_first_that_fits_counts_and_says_only_what_it_says() {
        let text = "memory = \"1G\"\ngrace = 9\n[[match]]\nname = \"web-*\"\nmemory = \"2G\"\n\
                    [[match]]\nname = \"*\"\ngrace = 1\n[[match]]\nname = \"web-1\"\nignore = true";
        let settings = parse(text).unwrap();
        let rules = settings.matches.clone();
        let base = build(settings, Vec::new()).unwrap().rules;
        let of =
            |name: &str| base.clone().matched(rules.iter().find(|rule| rule.is_for(name)).unwrap());
        let web = of("web-1");
        assert_eq!(
            (web.memory, web.grace),
            ("2G".parse().unwrap(), std::time::Duration::from_secs(9))
        );
        let other = of("db");
        assert_eq!((other.memory, other.grace.as_secs()), ("1G".parse().unwrap(), 1));
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        let said = |text: &str| parse(text).unwrap_err();
        let (line, problem) = said("[[match]]\nname = \"x\"\nmemroy = 1");
        assert_eq!((line, problem.as_str()), (3, "unknown field `memroy` (did you mean memory?)"));
        assert_eq!(said("[[match]]\nmemory = \"1X\"").0, 2);
    }
}
