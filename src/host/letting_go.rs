//! What others started is let go: it is given back as it was, and goes on.

use super::Host;
use crate::report::words;
use crate::status::Level;
use crate::ward::{Answer, WardId};

const OURS: &str = "sentinel started it, and does not let it go: terminate ends it";
const BEING_ENDED: &str = "is being ended, which is not stopped any more";

impl Host {
    /// We leave, as on SIGTERM.
    ///
    /// # Errors
    /// When it was started by us, or is being ended.
    pub(super) fn let_all_go(&mut self) -> Answer {
        let Some(visit) = &mut self.visit else { return Err(OURS.to_owned()) };
        if let Some(ward) = self.wards.iter().find(|ward| ward.is_being_ended()) {
            return Err(format!("{} {BEING_ENDED}", ward.rules.name));
        }
        visit.released = true;
        let count = self.wards.iter().count() as u64;
        let many = words::counted(count, "workload is", "workloads are");
        Ok(format!("ok: {many} guarded no more\n"))
    }

    /// The others go on being guarded.
    ///
    /// # Errors
    /// The same, and what could not be put back.
    pub(super) fn let_one_go(&mut self, id: WardId) -> Answer {
        let (Some(visit), Some(ward)) = (&mut self.visit, self.wards.get_mut(id)) else {
            return Err(OURS.to_owned());
        };
        let name = ward.rules.name.clone();
        if ward.is_being_ended() {
            return Err(format!("{name} {BEING_ENDED}"));
        }
        let given_back = ward.workload.remove();
        let cgroup = ward.workload.cgroup().map(|cgroup| cgroup.path().to_owned());
        visit.let_go.extend(cgroup);
        let text = "detached: as before, and guarded no more".to_owned();
        match &given_back {
            Ok(()) => ward.say(Level::Info, text.clone()),
            Err(error) => ward.say(Level::Error, format!("{error:#}")),
        }
        self.speak();
        self.answer_replaced(id);
        self.publish_end(id, text, 0);
        self.take_out(id);
        let left = given_back.map_err(|error| format!("{name} is guarded no more, but {error:#}"));
        left.map(|()| format!("ok: {name} is guarded no more\n"))
    }
}
