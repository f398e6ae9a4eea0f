//! What a page is made of: the guardians' own words, read as a status each and turned into samples at once, and the ledgers of what
//! ended. Neither a guardian nor a user's home can hold it up for long, or make it large.

use crate::clock::Clock;
use crate::control::asking::{Silence, ask_each};
use crate::control::listing::{Listed, Listing, Unreachable, find_here};
use crate::fleet::{PATIENCE, understood};
use crate::ledger::finding::{Ledgers, read_all};
use crate::metrics::{Page, Subject, label};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// Ways in which something is missing on a page.
const PROBLEMS: [&str; 4] = ["silent", "unclear", "ledger", "left_out"];

/// Makes pages, and remembers what went wrong so far.
#[derive(Debug, Default)]
pub struct Gatherer {
    problems: [AtomicU64; PROBLEMS.len()],
    ledgers: Arc<Shelf>,
}

/// The ledgers as they were read last. A home may lie on a server that does not answer: they are read by a thread of its own, and a
/// page does not wait for it longer than for a guardian.
#[derive(Debug, Default)]
struct Shelf {
    busy: AtomicBool,
    known: Mutex<Arc<Ledgers>>,
}

impl Gatherer {
    /// A page of what is there now.
    pub fn page(&self) -> String {
        let clock = Clock::start();
        let mut page = Page::default();
        let version = format!("version=\"{}\"", label(env!("CARGO_PKG_VERSION")));
        let help = "The exporter's version; that of each guardian is in sentinel_guard_info.";
        page.sample(("sentinel_build_info", "gauge", help), &version, 1);
        self.live(&mut page);
        self.ended(&mut page);
        for (problem, count) in PROBLEMS.iter().zip(&self.problems) {
            let help = "Problems in gathering: guardians that did not answer or whose answer could not be parsed, ledgers of ended runs that could not be read, and what was left out because there was too much.";
            let labels = format!("problem=\"{problem}\"");
            let count = count.load(Ordering::Relaxed);
            page.sample(("sentinel_scrape_errors_total", "counter", help), &labels, count);
        }
        let took = clock.now().0.as_secs_f64();
        let help = "Time that gathering this page took.";
        page.sample(("sentinel_scrape_duration_seconds", "gauge", help), "", took);
        page.finish()
    }

    fn live(&self, page: &mut Page) {
        let Listing { guardians, left_out, .. } = find_here();
        ask_each(&guardians, "status json", PATIENCE, |place, answer| {
            let Listed { name, pid, uid, .. } = &guardians[place];
            let subject = Subject { guard: name, uid: *uid, pid: *pid };
            match answer.and_then(|answer| understood(&answer)) {
                Ok(all) => {
                    let several = all.len() > 1;
                    for status in &all {
                        let guard = if several { &status.name } else { name };
                        page.guardian(Subject { guard, ..subject }, status);
                    }
                }
                Err(Silence::Unreachable(Unreachable::Gone)) => {}
                Err(silence) => {
                    page.silent(subject);
                    self.note(usize::from(silence.is_an_answer()), 1);
                }
            }
        });
        self.left_out(page, ("guards", left_out));
    }

    fn ended(&self, page: &mut Page) {
        let (ledgers, in_time) = self.ledgers.read();
        for (uid, ledger) in &ledgers.of {
            page.ended(*uid, ledger);
        }
        self.note(2, ledgers.unread + u64::from(!in_time));
        self.left_out(page, ("ends", ledgers.left_out));
    }

    fn left_out(&self, page: &mut Page, (what, count): (&str, usize)) {
        let help = "Items left out of this page because there are too many.";
        let labels = format!("what=\"{what}\"");
        page.sample(("sentinel_scrape_left_out", "gauge", help), &labels, count);
        self.note(3, u64::from(count > 0));
    }

    fn note(&self, problem: usize, count: u64) {
        if let Some(counter) = self.problems.get(problem) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Shelf {
    /// The ledgers, and whether they are as of now.
    fn read(self: &Arc<Self>) -> (Arc<Ledgers>, bool) {
        let (tell, told) = sync_channel(1);
        if self.busy.swap(true, Ordering::SeqCst) {
            return (Arc::clone(&self.known()), false);
        }
        let shelf = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("ledgers".to_owned()).spawn(move || {
            let ledgers = Arc::new(read_all());
            *shelf.known() = Arc::clone(&ledgers);
            shelf.busy.store(false, Ordering::SeqCst);
            // Who waited may have given up.
            let _ = tell.send(ledgers);
        });
        if spawned.is_err() {
            self.busy.store(false, Ordering::SeqCst);
        }
        match told.recv_timeout(PATIENCE) {
            Ok(ledgers) => (ledgers, true),
            Err(_) => (Arc::clone(&self.known()), false),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Arc<Ledgers>> {
        // A thread that panicked left it as it was.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
