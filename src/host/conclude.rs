//! The end of a ward: its cgroup removed, the summary said, the record, the post-mortem and the count written. It is guarded no more, so
//! this may wait.

use super::Host;
use crate::escape::shown;
use crate::event::{Cause, Ending, Outcome};
use crate::ledger::{self, store};
use crate::report::post_mortem::archive;
use crate::status::{Level, Remains, Status, WatchLine};
use crate::sys::memory::PageFaults;
use crate::ward::{Added, End, Origin, Ward, WardId};
use crate::witness::Witness;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd as _;
use std::time::Duration;

/// systemd's signal for the anchor of a scope comes after that for the workload, not long after.
const ANCHOR_LATE: Duration = Duration::from_millis(200);

/// What it used and left behind.
type LeftBehind = (PageFaults, Option<Remains>);

/// Whether it wrote into a pipe of ours that nobody reads any more: `sentinel COMMAND | head` is as the user wanted it.
fn lost_its_reader(end: &End) -> bool {
    let Outcome { cause, child, .. } = end.outcome;
    if cause != Cause::Itself || child != Ending::Signaled(nix::libc::SIGPIPE) {
        return false;
    }
    let (output, error) = (std::io::stdout(), std::io::stderr());
    let mut fds = [output.as_fd(), error.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLOUT));
    // A pipe without a reader is in error for its writers (poll(2)).
    let broken = |fd: &PollFd<'_>| fd.revents().is_some_and(|it| it.contains(PollFlags::POLLERR));
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds.iter().any(broken)
}

impl Host {
    /// Finds out who ended it, if we did not. To be called while its cgroup is still there.
    pub(super) fn attribute(&mut self, id: WardId) {
        let started = self.clock.now();
        while self.wards.get(id).is_some_and(Ward::may_be_systemds)
            && self.clock.now().since(started) < ANCHOR_LATE
        {
            self.events.wait(self.clock.now(), Some(started + ANCHOR_LATE));
            self.take_signals();
        }
        let hung_up = self.foreground.has_hung_up();
        self.wards.get_mut(id).into_iter().for_each(|ward| ward.attribute(hung_up));
    }

    /// Watchers see how it ended.
    pub(super) fn publish_last_words(&mut self, id: WardId) {
        if let Some(end) = self.wards.get(id).and_then(Ward::end) {
            self.publish_end(id, crate::escape::tame(&end.text), end.exit_status);
        }
    }

    /// Watchers see its state for the last time, and this behind it. Where nobody watches, none is made.
    pub(super) fn publish_end(&mut self, id: WardId, text: String, exit_status: u8) {
        let goes_on = self.goes_on_without(id);
        let (Some(server), Some(ward)) = (&mut self.mailbox.server, self.wards.get(id)) else {
            return;
        };
        let watchers = server.has_watchers();
        if watchers.text + watchers.json == 0 {
            return;
        }
        let (name, status) = (Some(ward.rules.name.as_str()), Box::new(ward.status()));
        server.publish_about(name, &WatchLine::Status { status, processes: None });
        server.publish_about(name, &WatchLine::End { text, exit_status, goes_on });
    }

    /// Says and keeps how it ended, and removes what was made for it. Gives the exit status.
    pub(super) fn conclude(&mut self, id: WardId, was_interrupted: bool) -> Option<u8> {
        let own_files: Vec<_> =
            self.own_files.iter().filter_map(|path| path.metadata().ok()).collect();
        let ward = self.wards.get_mut(id)?;
        let end = ward.end()?;
        let mut status = ward.last_status();
        let page_faults = if self.records.is_empty() {
            PageFaults::default()
        } else {
            status.guardian_rss = crate::sys::memory::rss();
            ward.page_faults()
        };
        ward.tell_escaped();
        ward.tell_huge_pages_untold();
        let remains = ward.find_remains(own_files.into_iter());
        ward.remove_cgroup();
        let (level, lines) = ward.summary(&end, &status);
        lines.into_iter().for_each(|line| ward.say(level, line));
        if let Some(remains) = &remains {
            ward.say(Level::Info, crate::remains::text(remains));
        }
        self.speak();
        let left = (page_faults, remains);
        self.keep_post_mortem(id, &end, &status, &left, was_interrupted);
        self.end_recording(&end.text, end.exit_status);
        self.write_records(id, &end, &status, &left);
        self.count_end(id, &end, &status);
        Some(end.exit_status)
    }

    /// Keeps the post-mortem, if this end is worth one, and says where.
    fn keep_post_mortem(
        &mut self,
        id: WardId,
        end: &End,
        status: &Status,
        (_, remains): &LeftBehind,
        was_interrupted: bool,
    ) {
        let Some(ward) = self.wards.get(id) else { return };
        let verdict = ward.verdict(end, status);
        let users_doing = was_interrupted || lost_its_reader(end);
        if !ward.is_worth_a_report(&verdict, users_doing) {
            return;
        }
        let mappings = self.attendants.witness.take().and_then(Witness::mappings);
        let added = Added { mappings, left_in_tmpfs: remains.clone() };
        let report = ward.post_mortem(verdict, status, Origin::find(self.caller_id), added);
        match archive::save(&report, self.caller_id) {
            Ok(path) => {
                self.say(Level::Info, format!("post-mortem: sentinel report ({})", shown(&path)));
            }
            Err(error) => self.say(Level::Warning, format!("no post-mortem: {error:#}")),
        }
    }

    fn write_records(
        &mut self,
        id: WardId,
        end: &End,
        status: &Status,
        (faults, remains): &LeftBehind,
    ) {
        let events = self.voice.log.lines();
        for record in std::mem::take(&mut self.records) {
            let Some(ward) = self.wards.get(id) else { return };
            let ended = ward.ended(end, *faults, remains.clone(), self.ready.memory_locked);
            if let Err(error) = record.write(ended, status, events.clone()) {
                self.say(Level::Error, format!("{error:#}"));
            }
        }
    }

    /// For those who look only now and then.
    fn count_end(&mut self, id: WardId, end: &End, status: &Status) {
        let Some(ward) = self.wards.get(id) else { return };
        let counted = ledger::RecentEnd::of(&ward.rules.name, &ward.verdict(end, status), status);
        if let Some(said) = store::count(&counted, self.caller_id) {
            self.say(Level::Warning, said);
        }
    }
}
