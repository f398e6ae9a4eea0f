//! Signals to every process of a workload, a few at a time: with ten thousand of them the guardian must look at the second line
//! in between. Who is found in the list gets them in its order; then it is listed again, until nobody new is found, for processes
//! go on to fork while others are being signalled.
//!
//! A process that is found later may be one that the handler of its parent made, to save something: a second list gives the signal
//! only to those who were there before their parent had it, and to those whose parent is gone.

use super::list::{touch, touched};
use super::members::Members;
use super::proc_file;
use crate::cgroup::files;
use crate::clock::Clock;
use crate::sys::process::ticks_since_boot;
use nix::libc::SIGKILL;
use std::io;
use std::time::Duration;

/// A step takes so long, and is for so many whatever the time.
pub const STEP: Duration = Duration::from_millis(5);
const LEAST: usize = 64;
/// A storm of forks is ahead of any number of lists.
const LISTS: u8 = 20;
/// Signals on their way.
#[derive(Debug)]
pub struct Signalling {
    signals: [i32; 2],
    /// Whom they do not go to: the command's own process, which had its signal.
    but: Option<i32>,
    /// Those of the last list: looks list the members anew meanwhile.
    list: Vec<i32>,
    next: usize,
    steps: u32,
    /// Lists gone through to their end.
    lists: u8,
    /// Nobody of this list had the signals yet.
    found_new: bool,
    /// Who has them, in order of process id up to `sorted`, each with the time of the step.
    done: Vec<(i32, u64)>,
    sorted: usize,
    /// How many have them.
    reached: usize,
    /// The first that they were kept from, and how many those are.
    refused: Option<(i32, usize)>,
    /// What kept the list from being whole.
    trouble: Option<io::Error>,
    active: bool,
}

impl Signalling {
    /// With room for so many.
    pub fn with_room(room: usize) -> Signalling {
        Signalling {
            signals: [0; 2],
            but: None,
            list: Vec::with_capacity(room),
            next: 0,
            steps: 0,
            lists: 0,
            found_new: false,
            done: Vec::with_capacity(room),
            sorted: 0,
            reached: 0,
            refused: None,
            trouble: None,
            active: false,
        }
    }

    /// Makes room for so many, while nobody is signalled.
    pub fn make_room(&mut self, room: usize) {
        if self.list.capacity() < room && !self.active {
            (self.list, self.done) = (touched(room), touched(room));
        }
    }

    /// Its memory is there from now on.
    pub fn touch(&mut self) {
        touch(&mut self.list);
        touch(&mut self.done);
    }

    /// Whether there is somebody left to signal.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Whether it is SIGKILL that is sent.
    pub fn kills(&self) -> bool {
        self.active && self.signals[0] == SIGKILL
    }

    /// How many have the signals by now.
    pub fn reached(&self) -> usize {
        self.reached
    }

    /// The first that they were kept from, and how many those are.
    pub fn refused(&self) -> Option<(i32, usize)> {
        self.refused
    }

    /// Whom signals before these were kept from is what counts.
    pub fn remember(&mut self, refused: Option<(i32, usize)>) {
        self.refused = refused;
    }

    /// Begins anew with these signals (0 is none) for all but one.
    pub fn begin(&mut self, signals: [i32; 2], but: Option<i32>, members: &mut Members) {
        (self.signals, self.but, self.active) = (signals, but, true);
        (self.next, self.lists, self.sorted, self.found_new) = (0, 0, 0, false);
        (self.steps, self.reached, self.refused) = (0, 0, None);
        self.done.clear();
        self.done.extend(but.map(|pid| (pid, ticks_since_boot())));
        self.take_list(members);
    }

    fn take_list(&mut self, members: &mut Members) {
        self.list.clear();
        self.list.extend_from_slice(members.refresh_all());
        self.trouble = members.trouble();
    }

    /// No further signals.
    pub fn cease(&mut self) {
        self.active = false;
    }

    /// Goes on for about so long.
    ///
    /// # Errors
    /// The first thing that kept a signal from somebody; all others of this step have it.
    pub fn step(&mut self, members: &mut Members, time: Duration) -> io::Result<()> {
        let (clock, tick) = (Clock::start(), ticks_since_boot());
        let mut trouble = self.trouble.take();
        self.steps += 1;
        let mut count = 0;
        while self.active && (count < LEAST || clock.now().0 < time) {
            count += 1;
            let Some(pid) = self.list.get(self.next).copied() else {
                self.list_again(members);
                continue;
            };
            self.next += 1;
            if Some(pid) == self.but || !self.is_due(pid) {
                continue;
            }
            self.found_new = true;
            self.done.push((pid, tick));
            match members.send_to(pid, &self.signals) {
                Ok(reached) => self.reached += usize::from(reached),
                Err(error) => {
                    self.refused.get_or_insert((pid, 0)).1 += 1;
                    trouble.get_or_insert(error);
                }
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// All who fit into one step were signalled at once: no other list is needed, nor would it tell who was made by a handler.
    fn list_again(&mut self, members: &mut Members) {
        self.lists += 1;
        let small = self.steps == 1 && !self.kills();
        if small || !self.found_new || self.lists >= LISTS {
            self.active = false;
            return;
        }
        self.done.sort_unstable();
        (self.sorted, self.next, self.found_new) = (self.done.len(), 0, false);
        self.take_list(members);
    }

    fn is_due(&self, pid: i32) -> bool {
        if self.lists == 0 {
            return true;
        }
        if self.signalled(pid).is_some() {
            return false;
        }
        if self.signals[0] == SIGKILL {
            return true;
        }
        let Some((parent, started)) = birth(pid) else { return true };
        // An orphan is ours by now, or of whoever is its subreaper: nobody of the list.
        self.signalled(parent).is_none_or(|signalled| started < signalled)
    }

    fn signalled(&self, pid: i32) -> Option<u64> {
        let sorted = &self.done[..self.sorted];
        let place = sorted.binary_search_by_key(&pid, |(of, _)| *of).ok()?;
        Some(sorted[place].1)
    }
}

/// A process's parent and when it started (proc_pid_stat(5), fields 4 and 22).
fn birth(pid: i32) -> Option<(i32, u64)> {
    let mut text = [0u8; 1024];
    let stat = proc_file::read(pid, "stat", &mut text).ok()??;
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = stat[after + 1..].split(|byte| *byte == b' ').skip(2);
    let parent = i32::try_from(files::number(fields.next()?)?).ok()?;
    Some((parent, files::number(fields.nth(17)?)?))
}
