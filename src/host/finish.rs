//! The end of the guardian: the terminal back, the dashboard gone, the sockets removed, and every ward concluded. Nothing is guarded any
//! more, so this may wait.

use super::Host;
use super::keeper::KeeperProcess;
use super::not_started::FAILED;
use crate::clock::Timestamp;
use crate::event::{Cause, Ending};
use crate::event_loop::Token;
use crate::status::Level;
use crate::sys::process::interrupt_group;
use crate::ward::Ward;
use std::time::Duration;

/// The dashboard has this long to leave by itself, then this long after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(5);

impl Host {
    /// Ends the run. Gives the exit status.
    pub(super) fn finish(mut self) -> u8 {
        self.each_ward(|host, id| {
            host.attribute(id);
            host.answer_replaced(id);
        });
        let interrupted = self.take_terminal_back();
        self.each_ward(|host, id| {
            host.speak();
            host.publish_last_words(id);
        });
        if let Some(server) = self.mailbox.server.take()
            && let Err(error) = server.shutdown()
        {
            self.say(Level::Warning, format!("remove the socket: {error}"));
        }
        let typed_at_dashboard = self.wait_for_dashboard();
        self.finish_relay();
        self.finish_log();
        let exit_status = self.conclude_all();
        self.attendants.keeper.iter_mut().for_each(KeeperProcess::let_go);
        self.voice.console.finish();
        if typed_at_dashboard {
            // What was typed while the dashboard went was meant for it, and not for the shell that comes next.
            crate::sys::terminal::forget_input();
        }
        if interrupted {
            // Only the command's group saw the Ctrl-C: a script or a loop of the shell around us is to end too.
            interrupt_group();
        }
        // What is left is memory and descriptors, which go with the process at once and one by one take their time.
        std::mem::forget(self);
        exit_status
    }

    /// The exit status is that of the first, the command's.
    fn conclude_all(&mut self) -> u8 {
        let passed_on = self.foreground.was_interrupted();
        let mut exit_status = None;
        self.each_ward(|host, id| {
            let interrupted = host.wards.get(id).is_some_and(|it| it.was_interrupted(passed_on));
            let status = host.conclude(id, interrupted);
            exit_status = exit_status.or(status);
        });
        exit_status.unwrap_or(FAILED)
    }

    /// Brings the terminal back from the command. True where that was ended by the terminal's Ctrl-C.
    fn take_terminal_back(&mut self) -> bool {
        let ours = |ward: &&Ward| ward.command_pid() != 0;
        let Some(ward) = self.wards.iter().find(ours) else { return false };
        let (child, Some(outcome)) = (ward.command_pid(), ward.outcome()) else { return false };
        let itself = outcome.cause == Cause::Itself;
        let interrupted = itself
            && outcome.child == Ending::Signaled(nix::libc::SIGINT)
            && self.foreground.has_terminal(child);
        let killed = !itself || matches!(outcome.child, Ending::Signaled(_));
        self.foreground.reclaim(child, killed);
        interrupted
    }

    /// It draws the last status and leaves when its stream ends. A terminal that nobody reads holds it up: then it is ended.
    /// True where one was shown until now.
    fn wait_for_dashboard(&mut self) -> bool {
        let was_there = self.has_dashboard();
        let started = self.clock.now();
        let mut signal = None;
        while let Some(pid) = self.attendants.dashboard_pid() {
            let now = self.clock.now();
            let late = now.since(started);
            let due = match signal {
                None if late >= FAREWELL => Some(nix::libc::SIGTERM),
                Some(nix::libc::SIGTERM) if late >= FAREWELL * 2 => Some(nix::libc::SIGKILL),
                _ => None,
            };
            if let Some(due) = due {
                signal = Some(due);
                // Gone meanwhile: the next round sees it.
                let _ = crate::sys::process::send(pid, due);
            }
            let ready = self.events.wait(now, Some(Timestamp(now.0 + Duration::from_millis(200))));
            if ready.contains(&Token::Signals) {
                self.take_signals();
            }
            self.reap();
        }
        self.voice.console.hold(false);
        was_there && self.attendants.dashboard_ended == Some(true)
    }
}
