//! How often what the promises speak of was met: a promise about what never happens is worth nothing.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Breach,
    Climb,
    Stuck,
    Terminated,
    TerminatedFrozen,
    TerminatedByOperator,
    TerminatedByTimeout,
    TerminatedByThrash,
    WaitedForAWhile,
    TerminatedAfterCommand,
    KillByGrace,
    KillBySecondLine,
    KillAheadOfIt,
    KillByOperator,
    KillBySecondRequest,
    KillAgain,
    Deaf,
    Frozen,
    Thawed,
    Healthy,
    ReaderAtTripWire,
    NewLines,
    HeldBack,
    FrozenAtBreach,
    ThawedBelow,
    ThawedOver,
    FreezeOver,
    OverLimit,
    NewGrace,
    NewTimeout,
    Orphans,
    LateEvent,
    Fault,
    Ceiling,
    WouldTerminate,
    HeavierActs,
    EndByItself,
    EndByUs,
    EndByKernel,
    InVain,
    EventAfterEnd,
}

const KINDS: usize = Seen::EventAfterEnd as usize + 1;

/// The counts.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: [u64; KINDS],
}

impl Default for Tally {
    fn default() -> Self {
        Tally { counts: [0; KINDS] }
    }
}

impl Tally {
    pub fn note(&mut self, seen: Seen) {
        self.counts[seen as usize] += 1;
    }

    pub fn note_if(&mut self, met: bool, seen: Seen) {
        self.counts[seen as usize] += u64::from(met);
    }

    pub fn count(&self, seen: Seen) -> u64 {
        self.counts[seen as usize]
    }
}
