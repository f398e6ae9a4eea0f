//! Events on their way to the trace: kept where they happen, which may be on the way to a kill, and rendered once a turn of the loop.
//! All places are there from the start: keeping one allocates nothing. What does not fit is counted.

use crate::clock::Timestamp;
use crate::event::Event;
use crate::policy::Actions;

/// Events of one turn; in a real one there are hardly ten.
const PLACES: usize = 64;

/// An event and what the policy did about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// What was decided.
    pub actions: Actions,
}

/// The events since the last turn.
#[derive(Debug)]
pub struct Queue {
    steps: Box<[Step]>,
    used: usize,
    lost: u64,
}

impl Default for Queue {
    fn default() -> Self {
        let empty =
            Step { at: Timestamp::default(), event: Event::Deadline, actions: Actions::new() };
        Queue { steps: vec![empty; PLACES].into_boxed_slice(), used: 0, lost: 0 }
    }
}

impl Queue {
    /// Keeps one. Allocates nothing.
    pub fn push(&mut self, at: Timestamp, event: Event, actions: &Actions) {
        let Some(place) = self.steps.get_mut(self.used) else {
            self.lost += 1;
            return;
        };
        (place.at, place.event) = (at, event);
        place.actions.clear();
        // As many places as it has: they are of one type.
        let _ = place.actions.try_extend_from_slice(actions);
        self.used += 1;
    }

    /// Hands out what was kept, oldest first, and how many found no place.
    pub fn drain(&mut self, mut take: impl FnMut(&Step)) -> u64 {
        self.steps[..self.used].iter().for_each(&mut take);
        self.used = 0;
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;

    #[test]
    fn what_does_not_fit_is_counted_and_order_is_kept() {
        let mut queue = Queue::default();
        let actions: Actions = [Action::Look, Action::Kill].into_iter().collect();
        for ms in 0..70 {
            queue.push(Timestamp::from_millis(ms), Event::Empty, &actions);
        }
        let mut seen = Vec::new();
        assert_eq!(queue.drain(|step| seen.push(step.clone())), 6);
        assert_eq!(seen.len(), PLACES);
        assert_eq!((seen[3].at, &seen[3].actions), (Timestamp::from_millis(3), &actions));
        assert_eq!(queue.drain(|_| panic!("handed out already")), 0);
    }
}
