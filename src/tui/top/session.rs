//! The loop of `sentinel top`: keys and signals are waited for, guardians are not: each is listened to ten times a second, for a
//! bounded time, so that none can hold up or crowd out the others.

use super::link::{Heard, Link};
use super::member::MemberKey;
use super::state::{Top, TopEffect};
use super::view;
use crate::clock::{Clock, Timestamp};
use crate::control::listing::{Listed, Listing, find_here};
use crate::tui::keyboard::Keyboard;
use crate::tui::keys::Input;
use crate::tui::look::Look;
use crate::tui::outlet::Outlet;
use crate::tui::ready::wait_for_keys;
use crate::tui::session::{self as dashboard, VisitEnd};
use crate::tui::signals::HeldSignals;
use crate::tui::specials::Specials;
use crate::tui::{Options, terminal};
use anyhow::{Context as _, Result, anyhow};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two rounds of listening, and two frames.
const ROUND: Duration = Duration::from_millis(100);
/// Between two looks for guardians.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is said of a guardian whose connection ends without a word.
const LOST: &str = "sentinel was killed or crashed: there was no last message";

/// The live view of all.
pub struct TopSession {
    top: Top,
    links: BTreeMap<MemberKey, Link>,
    signals: HeldSignals,
    specials: Specials,
    clock: Clock,
    next_look: Timestamp,
    next_round: Timestamp,
    redraw: bool,
    stop: bool,
}

/// Shows one, until the user leaves or it ends; how it ended.
///
/// # Errors
/// It cannot be reached, or the terminal fails.
pub fn only(
    listed: &Listed,
    guard: &terminal::Guard<'_>,
    outlet: &Outlet,
) -> Result<Option<String>> {
    Ok(match visit(listed, guard, outlet)? {
        VisitEnd::Back | VisitEnd::Dismissed => None,
        VisitEnd::Ended(why) => {
            Some(format!("{}: {}", listed.full_name(), why.as_deref().unwrap_or(LOST)))
        }
    })
}

fn visit(listed: &Listed, guard: &terminal::Guard<'_>, outlet: &Outlet) -> Result<VisitEnd> {
    let reached = listed.connect();
    let contact = reached.map_err(|error| anyhow!("{}: {error}", listed.full_name()))?;
    let options = Options::new(contact.stream, None);
    dashboard::Session::open(options, HeldSignals::hold()?)?.visit(guard, outlet)
}

impl TopSession {
    /// Nothing found yet.
    pub fn new(signals: HeldSignals) -> TopSession {
        TopSession {
            top: Top::new(Look::from_environment(|name| std::env::var(name).ok())),
            links: BTreeMap::new(),
            signals,
            specials: Specials::of_terminal(),
            clock: Clock::start(),
            next_look: Timestamp::default(),
            next_round: Timestamp::default(),
            redraw: false,
            stop: false,
        }
    }

    /// Until the user leaves.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn run(mut self, guard: &terminal::Guard<'_>, outlet: &Outlet) -> Result<()> {
        let mut screen = terminal::screen(outlet)?;
        let mut keyboard = Keyboard::open()?;
        loop {
            let now = self.clock.now();
            self.listen(now);
            self.top.size = terminal::size().unwrap_or(self.top.size);
            if std::mem::take(&mut self.redraw) {
                terminal::begin_anew(&mut screen)?;
            }
            // A terminal that is still busy with the last frame gets the newest after it, and none in between.
            if outlet.is_empty() {
                screen.draw(|frame| view::draw(&self.top, frame)).context("draw")?;
            }
            outlet.advance().context("write to the terminal")?;
            let until = [Some(self.next_round), keyboard.deadline()];
            let until = until.into_iter().flatten().min().unwrap_or(now);
            let typed = wait_for_keys(until.since(self.clock.now()), &self.signals, &keyboard)?;
            let asked = self.signals.take();
            if asked.leave {
                return Ok(());
            }
            self.stop |= asked.stop;
            let inputs = match typed {
                true => match keyboard.read(self.clock.now()) {
                    Ok(inputs) => inputs,
                    // A terminal that hung up has nobody to show anything to.
                    Err(_) => return Ok(()),
                },
                false => keyboard.late(self.clock.now()),
            };
            for input in inputs {
                let effect = match (input, terminal::size()) {
                    (Input::Mouse(mouse), Some(size)) => {
                        let target = view::target(&self.top, size, (mouse.column, mouse.row));
                        let gesture = mouse.gesture();
                        gesture.map_or(TopEffect::None, |gesture| self.top.point(gesture, target))
                    }
                    (input, _) => self.top.take_input(&self.specials.meant(input)),
                };
                if self.obey(effect, guard, outlet)? {
                    return Ok(());
                }
            }
            if std::mem::take(&mut self.stop) {
                if !guard.step_aside(|| self.signals.stop())? {
                    return Ok(());
                }
                self.redraw = true;
            }
        }
    }

    /// Looks for guardians and listens to those known, each when it is due.
    fn listen(&mut self, now: Timestamp) {
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            self.look_for_guardians(now);
        }
        if now >= self.next_round {
            self.next_round = now + ROUND;
            self.hear(now);
            self.top.tick(now);
        }
    }

    fn look_for_guardians(&mut self, now: Timestamp) {
        let Listing { guardians, foreign, left_out, .. } = find_here();
        self.top.unseen = foreign + left_out;
        let listed: Vec<MemberKey> = guardians.iter().map(|listed| listed.socket.clone()).collect();
        self.links.retain(|key, link| listed.contains(key) || !link.over);
        let unlisted = self.links.iter().filter(|(key, _)| !listed.contains(key));
        let unlisted: Vec<_> =
            unlisted.map(|(key, link)| (key.clone(), link.is_connected())).collect();
        // One that is connected says itself how it goes.
        for (key, _) in unlisted.iter().filter(|(_, connected)| !connected) {
            self.lose(key, now);
        }
        for listed in guardians {
            let key = listed.socket.clone();
            let link = self.links.entry(key.clone()).or_insert_with(|| Link::new(listed, now));
            let connected = link.connect();
            let (name, pid) = (link.listed.name.clone(), link.listed.pid);
            match connected {
                Ok(()) if link.over => {}
                Ok(()) => self.top.add(&key, &name, pid),
                Err(Some(why)) => {
                    self.top.add(&key, &name, pid);
                    self.top.silence(&key, &why);
                }
                Err(None) => self.lose(&key, now),
            }
        }
    }

    fn hear(&mut self, now: Timestamp) {
        let mut lost = Vec::new();
        for (key, link) in &mut self.links {
            match link.hear(now) {
                Heard::Lines(lines) => {
                    for line in lines {
                        match line {
                            Ok(told) => self.top.take_told(key, told, now),
                            Err(problem) => self.top.tell(&problem, true, now),
                        }
                    }
                }
                Heard::Silent(why) => {
                    self.top.silence(key, &why);
                }
                Heard::Lost => lost.push(key.clone()),
            }
        }
        lost.iter().for_each(|key| self.lose(key, now));
    }

    fn lose(&mut self, key: &MemberKey, now: Timestamp) {
        self.links.remove(key);
        self.top.end(key, LOST, now);
    }

    /// True when the user leaves.
    fn obey(
        &mut self,
        effect: TopEffect,
        guard: &terminal::Guard<'_>,
        outlet: &Outlet,
    ) -> Result<bool> {
        let now = self.clock.now();
        match effect {
            TopEffect::None => {}
            TopEffect::Redraw => self.redraw = true,
            TopEffect::Suspend => self.stop = true,
            TopEffect::Leave => return Ok(true),
            TopEffect::Request(key, line) => {
                match self.links.get_mut(&key).and_then(|link| link.send(&line)) {
                    Some(number) => self.top.sent_as(&key, number),
                    None => {
                        let text = "it takes no requests now";
                        self.top.answer(&key, None, text, text, true, now);
                    }
                }
            }
            TopEffect::Enter(key) => return self.enter(&key, guard, outlet),
        }
        Ok(false)
    }

    /// Shows one. Nobody listens to the others meanwhile, so they are left: a guardian drops a client that does not read.
    fn enter(
        &mut self,
        key: &MemberKey,
        guard: &terminal::Guard<'_>,
        outlet: &Outlet,
    ) -> Result<bool> {
        let Some(listed) = self.links.get(key).map(|link| link.listed.clone()) else {
            return Ok(false);
        };
        self.links.values_mut().for_each(Link::disconnect);
        let visit = visit(&listed, guard, outlet);
        let now = self.clock.now();
        match visit {
            Ok(VisitEnd::Back) => {}
            Ok(VisitEnd::Dismissed) => return Ok(true),
            Ok(VisitEnd::Ended(why)) => {
                self.top.end(key, why.as_deref().unwrap_or(LOST), now);
                self.links.remove(key);
            }
            Err(error) => self.top.tell(&format!("{error:#}"), true, now),
        }
        for link in self.links.values_mut() {
            *link = Link::new(link.listed.clone(), now);
        }
        (self.redraw, self.next_look, self.next_round) = (true, now, now);
        Ok(false)
    }
}
