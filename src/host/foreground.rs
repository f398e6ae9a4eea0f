//! The terminal between a shell, the guardian and the command: handed over, taken back, and stops mirrored so that Ctrl-Z and `fg` work.

use super::Host;
use crate::sys::caller::Caller;
use crate::sys::process::{send, send_group, stop_group, stop_self};
use crate::sys::terminal::{Terminal, is_terminal};
use crate::ward::{Ward, WardId};
use nix::libc::{SIGCONT, SIGINT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
use std::io;
use std::os::fd::AsFd;

/// Who has the terminal.
#[derive(Debug, Default)]
pub(super) struct Foreground {
    terminal: Option<Terminal>,
    /// Hand the terminal over at once, and not only when the command asks for it: nobody else of our job reads it.
    eager: bool,
    /// The command is in our own process group. Where SIGTTIN is ignored (a command substitution of bash), a group of its own would
    /// get EIO from the terminal and never ask for it.
    shared: bool,
    /// The terminal interrupted a workload whose command did not run, so that we ended it.
    interrupted: bool,
    /// Somebody asked us to stop; the command was told and we follow when it stops.
    asked_to_stop: bool,
    /// By this signal.
    passed_on: Option<i32>,
    /// That was a process and not the terminal: it can continue us.
    by_process: bool,
    /// What was told of the command last: it was stopped, and not continued since.
    pub(super) command_is_stopped: bool,
    /// We had a controlling terminal at the start.
    was_on_terminal: bool,
}

impl Foreground {
    /// Looks at the terminal that we were started on. With a dashboard the command has a terminal of its own, and with a `session`
    /// of its own none.
    pub(super) fn new(dashboard: bool, session: bool, caller: &Caller) -> Foreground {
        let terminal = Terminal::open();
        let was_on_terminal = terminal.is_some();
        let terminal = terminal.filter(|_| !dashboard);
        let eager = is_terminal(io::stdin().as_fd()) && is_terminal(io::stdout().as_fd());
        let in_front = terminal.as_ref().is_some_and(Terminal::is_ours);
        let shared = in_front && !eager && !session && caller.ignores(SIGTTIN);
        Foreground { terminal, eager, shared, was_on_terminal, ..Foreground::default() }
    }

    /// Whether the command belongs in our process group.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Sends the command's process group a signal; the command alone where that is our group too.
    ///
    /// # Errors
    /// As kill(2).
    pub(super) fn send(&self, child: i32, signal: i32) -> io::Result<()> {
        if self.shared { send(child, signal) } else { send_group(child, signal) }
    }

    /// Takes note of a signal that ends the workload since its command does not run.
    pub(super) fn ended_by(&mut self, signal: i32) {
        self.interrupted |= signal == SIGINT;
    }

    /// Whether SIGINT ended a workload whose command did not run.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Whether the terminal that we were started on has hung up: then nobody of its session has one any more.
    pub(super) fn has_hung_up(&self) -> bool {
        self.was_on_terminal && Terminal::open().is_none()
    }

    /// The terminal to hand over when the command starts.
    pub(super) fn to_hand_over(&self) -> Option<&Terminal> {
        self.terminal.as_ref().filter(|terminal| self.eager && terminal.is_ours())
    }

    /// We were told to stop: the command was told too.
    pub(super) fn asked_to_stop(&mut self, signal: i32, by_kernel: bool) {
        self.asked_to_stop = true;
        self.passed_on = Some(signal);
        self.by_process = !by_kernel;
    }

    fn forget_request(&mut self) {
        (self.asked_to_stop, self.by_process, self.passed_on) = (false, false, None);
    }

    /// Brings the terminal back to us, and its modes if the command could not do so itself.
    pub(super) fn reclaim(&self, child: i32, restore_modes: bool) {
        if let Some(terminal) = &self.terminal {
            terminal.take_back(child);
            if restore_modes {
                terminal.restore_modes();
            }
        }
    }

    /// Whether the command's group is the terminal's foreground.
    pub(super) fn has_terminal(&self, child: i32) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.is_held_by(child))
    }

    fn hand_over(&self, child: i32) {
        if let Some(terminal) = &self.terminal
            && terminal.is_ours()
        {
            // A group that is gone needs no terminal.
            let _ = terminal.give_to(child);
        }
    }

    /// Whether the command was stopped since it wants the terminal. Sent by somebody, the signal is no wish of the command's.
    fn is_wish(&self, signal: i32) -> bool {
        matches!(signal, SIGTTIN | SIGTTOU) && self.passed_on != Some(signal)
    }

    /// Whether the terminal is ours to hand over.
    fn is_in_front(&self) -> bool {
        self.terminal.as_ref().is_some_and(Terminal::is_ours)
    }

    /// Whether we stop when the command does: a shell sees us as the job.
    fn mirrors(&self, signal: i32) -> bool {
        let from_terminal = matches!(signal, SIGTSTP | SIGTTIN | SIGTTOU | SIGSTOP);
        self.asked_to_stop || (self.terminal.is_some() && from_terminal)
    }
}

impl Host {
    /// The command was stopped by this signal.
    pub(super) fn child_stopped(&mut self, id: WardId, signal: i32) {
        let Some(ward) = self.wards.get(id) else { return };
        let wish = self.foreground.is_wish(signal);
        if wish && self.foreground.is_in_front() {
            self.foreground.hand_over(ward.command_pid());
            // Gone meanwhile: its end is reported soon.
            let _ = self.foreground.send(ward.command_pid(), SIGCONT);
            return;
        }
        self.foreground.command_is_stopped = true;
        if self.foreground.mirrors(signal) && !ward.is_terminated() {
            self.suspend(id, wish);
        }
    }

    /// The dashboard was asked to stop, by Ctrl-Z or through us, and did.
    pub(super) fn dashboard_stopped(&mut self) {
        self.suspend_all();
        self.tell_dashboard(SIGCONT);
    }

    /// For a command that no stop signal stops: in a session of its own the kernel lets none (POSIX: orphaned process group).
    pub(super) fn suspend_all(&mut self) {
        let ours = |ward: &&Ward| ward.command_pid() != 0 && !ward.is_being_ended();
        let id = self.wards.iter().find(ours).map(Ward::id);
        id.into_iter().for_each(|id| self.suspend(id, false));
    }

    /// Stops the whole workload of the command and then us. A frozen workload needs no guard; it goes on when we do. `wish`: the
    /// command wanted the terminal, which was not ours to give.
    fn suspend(&mut self, id: WardId, wish: bool) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        // Whoever stopped us by a signal continues us too; what the terminal stops is the whole job, a script around us included.
        let alone = self.foreground.by_process;
        self.foreground.forget_request();
        let child = ward.command_pid();
        ward.freeze(true);
        // Nobody is looked after while we are stopped: all are stopped before.
        while ward.workload.is_signalling() {
            ward.go_on_signalling();
        }
        let had_terminal = self.foreground.has_terminal(child);
        // All that took a while. A shell whose `fg` came meanwhile saw us run, and sends no SIGCONT.
        let given = wish && self.foreground.is_in_front();
        self.foreground.reclaim(child, false);
        self.speak();
        match (given, alone) {
            (true, _) => {}
            (false, true) => stop_self(),
            (false, false) => stop_group(),
        }
        // What continued us is told by this: a second SIGCONT would undo a Ctrl-Z that comes as soon as the command goes on.
        self.signals.forget(SIGCONT);
        self.resume(id, had_terminal || given);
    }

    /// In a pipeline that reads the terminal elsewhere, Ctrl-C is for all of us: only who had the terminal gets it back.
    fn resume(&mut self, id: WardId, had_terminal: bool) {
        let Some(ward) = self.wards.get_mut(id) else { return };
        if had_terminal || self.foreground.eager {
            self.foreground.hand_over(ward.command_pid());
        }
        // From the moment in which it goes on a Ctrl-Z may come, and a second SIGCONT would undo that: where signals freeze, thawing
        // is the only one, and where the cgroup does, this comes while it is frozen.
        if ward.workload.freezes_at_once() {
            let _ = self.foreground.send(ward.command_pid(), SIGCONT);
        }
        if !ward.policy().frozen() {
            ward.freeze(false);
        }
    }

    /// We were continued (`fg` or `bg`): the terminal may be ours to hand over.
    pub(super) fn continued(&mut self) {
        self.foreground.forget_request();
        for pid in self.wards.iter().map(Ward::command_pid).filter(|pid| *pid != 0) {
            if self.foreground.eager {
                self.foreground.hand_over(pid);
            }
            let _ = self.foreground.send(pid, SIGCONT);
        }
    }
}
