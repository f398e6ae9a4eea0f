//! The first lines of a run: its tier, its place, and what that lacks.

use super::{Host, tier};
use crate::control::server::Server;
use crate::control::told;
use crate::placement::surroundings::Surroundings;
use crate::report::words;
use crate::status::{Level, Tier};
use crate::ward::{Ward, WardId};
use crate::workload::proc_file;

impl Host {
    pub(super) fn say_notes(&mut self, notes: impl Iterator<Item = String>) {
        let notices = self.mailbox.server.as_mut().map(Server::take_notices).unwrap_or_default();
        for text in notices.into_iter().chain(notes) {
            self.say(Level::Warning, text);
        }
    }

    /// The tier, where the workload is, and what is lost, one line each.
    pub(super) fn announce(&mut self, id: WardId, around: &Surroundings) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        let tier = ward.tier();
        for (level, text) in announcement(ward) {
            ward.say(level, text);
        }
        let lost = tier::lost(tier).map(|lost| (lost, tier::better(around, tier)));
        // To somebody who hears it: what is quiet tells nothing and remembers nothing. The reason can name this very run's cgroup.
        let lost = lost.filter(|(lost, hint)| {
            !self.voice.quiet
                && told::is_news(self.caller_id.uid, &format!("{lost}; better: {hint}"))
        });
        if let Some((lost, hint)) = lost {
            let reason = ward.tier_reason();
            let text = format!(
                "{lost}; reason: {reason}; better: {hint} (said once per boot; see sentinel doctor)"
            );
            ward.say(Level::Info, text);
        }
        if matches!(tier, Tier::Hybrid | Tier::Polled) && proc_file::hides_others() {
            let text = "/proc is mounted with hidepid: processes that the command starts as another user are not counted";
            ward.say(Level::Warning, text.to_owned());
        }
        self.speak();
    }
}

/// The tier, where the workload is, and what is compared.
pub(super) fn announcement(ward: &Ward) -> Vec<(Level, String)> {
    let (tier, lines, workload) = (ward.tier(), ward.policy().lines(), &ward.workload);
    let place = workload.watched().map_or_else(
        || "no cgroup".to_owned(),
        |cgroup| crate::escape::escape(cgroup.path().as_os_str().as_encoded_bytes()),
    );
    let ceiling = match tier {
        _ if ward.rules.dry_run => "dry run: nothing is limited or ended".to_owned(),
        // Theirs is their matter.
        Tier::Kernel if !workload.is_foreign() => format!("memory.max {}", lines.ceiling),
        Tier::Kernel | Tier::Observed | Tier::Hybrid | Tier::Polled => {
            format!("immediate SIGKILL at {}", lines.second)
        }
    };
    let row = workload.row().map_or_else(String::new, |row| format!(" ({row})"));
    let limit = words::limit(lines.limit, lines.swap);
    let text = format!("tier {}{row}: {place}, limit {limit}, {ceiling}", tier.name());
    // How many there are to be is said by an option that only a run has.
    let with_pids = tier == Tier::Kernel && !workload.is_foreign();
    let note = ward.rules.crowd_note(lines).filter(|_| with_pids);
    let kernel = tier == Tier::Kernel && !workload.is_foreign() && !ward.rules.dry_run;
    let breach = words::breach::at_the_start(&ward.rules.on_breach, lines, kernel)
        .filter(|_| !ward.rules.dry_run);
    let shares = workload.is_foreign() && workload.watched().is_none();
    let alone = format!("it is guarded with all that descend from it: {}", ward.tier_reason());
    let alone = shares.then_some((Level::Info, alone));
    let said = [
        Some((Level::Info, text)),
        alone,
        breach.map(|breach| (Level::Info, breach)),
        note.map(|note| (Level::Warning, note)),
    ];
    said.into_iter().flatten().collect()
}
