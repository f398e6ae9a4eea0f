//! Processes of ours beside the guardian. None of them belongs to a workload, and each ends in its own way.

use super::Host;
use super::keeper::KeeperProcess;
use super::output_log::OutputLog;
use super::recording::Recording;
use crate::dashboard::Dashboard;
use crate::event::Ending;
use crate::exporter::Exporter;
use crate::status::Level;
use crate::stopper::Stopper;
use crate::witness::Witness;
use anyhow::Result;
use std::net::TcpListener;

/// Those there are.
#[derive(Debug, Default)]
pub(super) struct Attendants {
    /// Ends the workload when we cannot any more.
    pub(super) keeper: Option<KeeperProcess>,
    /// The line on which it is asked for what can block.
    pub(super) witness: Option<Witness>,
    /// Writes the trace.
    pub(super) recording: Option<Recording>,
    /// Writes the command's output.
    pub(super) log: Option<OutputLog>,
    /// Draws.
    pub(super) dashboard: Option<Dashboard>,
    /// The dashboard's process has ended; its terminals stay. It had drawn something, or not.
    pub(super) dashboard_ended: Option<bool>,
    /// Serves metrics.
    pub(super) exporter: Option<Exporter>,
    /// Asks owners to stop what is guarded.
    pub(super) stopper: Option<Stopper>,
}

impl Attendants {
    /// The processes that live.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        let keeper = self.keeper.as_ref().map(KeeperProcess::pid);
        let recording = self.recording.as_ref().map(Recording::pid);
        let log = self.log.as_ref().map(OutputLog::pid);
        let exporter = self.exporter.as_ref().and_then(Exporter::pid);
        let stopper = self.stopper.as_ref().map(|stopper| stopper.pid);
        let all = [keeper, recording, log, self.dashboard_pid(), exporter, stopper];
        all.into_iter().flatten().filter(|pid| *pid > 0)
    }

    /// The dashboard's process.
    pub(super) fn dashboard_pid(&self) -> Option<i32> {
        let lives = self.dashboard_ended.is_none();
        self.dashboard.as_ref().filter(|_| lives).and_then(Dashboard::pid)
    }

    /// The command has a terminal of its own, whoever shows it.
    pub(super) fn had_dashboard(&self) -> bool {
        self.dashboard.is_some()
    }

    /// The command's end of its terminal is the command's alone from now on.
    pub(super) fn close_terminal_of_child(&mut self) {
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.slave = None;
        }
    }
}

impl Host {
    /// Whoever is an attendant by now is part of no workload.
    pub(super) fn leave_out_attendants(&mut self) {
        for pid in self.attendants.pids() {
            self.wards.iter_mut().for_each(|ward| ward.workload.leave_out(pid));
        }
    }

    /// Starts the dashboard, or says why there is none and goes on without.
    pub(super) fn open_dashboard(&mut self, mut dashboard: Dashboard) {
        let Some(server) = &mut self.mailbox.server else { return };
        let pipe = self.attendants.log.as_ref().and_then(OutputLog::pipe);
        let started = dashboard.start(pipe).and_then(|stream| Ok(server.adopt(stream)?));
        self.attendants.dashboard = Some(dashboard);
        self.leave_out_attendants();
        match started {
            Ok(_) => self.voice.console.hold(true),
            Err(error) => {
                self.say(Level::Warning, format!("no dashboard: {error:#}"));
                self.attendants.dashboard_ended = Some(false);
                self.begin_relay();
            }
        }
    }

    /// Starts the exporter. It ends with us, so nobody waits for it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn open_exporter(&mut self, listener: TcpListener) -> Result<()> {
        self.attendants.exporter = Some(Exporter::start(listener)?);
        self.leave_out_attendants();
        Ok(())
    }

    /// A child that is not the command ended: an orphan of a workload, or one of ours.
    pub(super) fn other_child_ended(&mut self, pid: i32, ending: Ending) {
        for ward in self.wards.iter_mut() {
            ward.workload.forget(pid);
            if ward.workload.anchor_ended(pid) {
                return ward.scope_stopped();
            }
            if let Some(result) = ward.workload.line_writer_ended(pid, ending) {
                return result.into_iter().for_each(|result| ward.lines_done(result));
            }
        }
        let buried = self.keeper_ended(pid)
            || self.scribe_ended(pid, ending)
            || self.log_ended(pid, ending)
            || self.exporter_ended(pid)
            || self.stopper_ended(pid);
        if !buried && self.attendants.dashboard_pid() == Some(pid) {
            self.dashboard_ended(ending);
        }
    }

    fn exporter_ended(&mut self, pid: i32) -> bool {
        let ended = self.attendants.exporter.take_if(|exporter| exporter.pid() == Some(pid));
        if ended.is_some() {
            self.say(Level::Warning, "the metrics exporter has exited".to_owned());
        }
        ended.is_some()
    }

    fn dashboard_ended(&mut self, ending: Ending) {
        self.attendants.dashboard_ended = Some(ending == Ending::Exited(0));
        // First of all the terminal as it was, or the line would be on the dashboard's screen.
        self.begin_relay();
        self.voice.console.hold(false);
        if self.is_guarding() {
            let name = &self.name;
            let text = format!(
                "the dashboard has exited; the run continues without it; to watch it: sentinel top {name}"
            );
            self.say(Level::Info, text);
        }
    }

    /// Whether some workload lives.
    pub(super) fn is_guarding(&self) -> bool {
        self.wards.iter().any(|ward| !ward.has_ended())
    }

    /// The dashboard's process is waited for at the end.
    pub(super) fn has_dashboard(&self) -> bool {
        self.attendants.dashboard_pid().is_some()
    }

    /// Where the kernel tells only whether we have children at all, we must have none of our own. False when there was none.
    pub(super) fn give_up_company(&mut self) -> bool {
        // Whoever answers is the keeper's child.
        self.attendants.witness = None;
        let given_up = self.attendants.keeper.take().is_some();
        if given_up {
            let why = "there is no other way to tell whether the command left processes behind";
            self.say(Level::Warning, format!("the keeper was stopped: {why}"));
        }
        given_up | self.give_up_recording()
    }
}
