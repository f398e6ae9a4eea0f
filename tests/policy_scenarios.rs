//! What the policy promises, a requirement a test: what the workload does and when, and what is done about it.
//! The state of a scenario holds until the next line; looks and deadlines come by themselves (see policy/timeline.rs).
//! Here are the words that all of them use; the scenarios are in policy/scenarios/.

mod policy {
    mod scenarios {
        mod culprit;
        mod deeds;
        mod dry_run;
        mod end;
        mod floor;
        mod ladder;
        mod on_breach;
        mod operator;
        mod placing;
        mod pool;
        mod swap;
        mod told;
        mod watching;
    }
    pub mod deeds;
    pub mod timeline;
}

use policy::timeline::*;
use sentinel::event::{Action, Cause, Command, Ending, KillReason, Notice, Outcome, Reason};
use sentinel::policy::interval::Cadence;
use sentinel::policy::{OnExit, PolicyConfig};
use sentinel::units::{Bytes, Limit};
use std::time::Duration;

const TERM: Action = Action::Terminate;
const KILL: Action = Action::Kill;
const FREEZE: Action = Action::Freeze;
const THAW: Action = Action::Thaw;

fn wire(mib: u64) -> Action {
    Action::SetTripWire(Limit::At(mib << 20))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn breach(footprint: u64) -> Reason {
    Reason::Breach { footprint: Bytes::mib(footprint), limit: Bytes::mib(100) }
}

fn grace_over(grace: u64) -> KillReason {
    KillReason::GraceOver { grace: ms(grace) }
}

fn near(footprint: u64) -> Notice {
    let (footprint, limit, swap) = (Bytes::mib(footprint), Bytes::mib(100), Limit::At(0));
    Notice::NearLimit { footprint, limit, swap }
}

fn by_us(reason: Reason, killed: Option<KillReason>, child: Ending) -> Action {
    let cause = Cause::Guardian { reason, killed };
    Action::Finish(Outcome {
        cause,
        child,
        command_first: false,
        rest_killed: None,
        kernel_oom_kills: 0,
        frozen: None,
    })
}

/// The same, where the command had ended by itself before.
fn of_the_rest(end: Action) -> Action {
    let Action::Finish(outcome) = end else { return end };
    Action::Finish(Outcome { command_first: true, ..outcome })
}

/// The same, and SIGKILL for those whom the command left behind.
fn with_rest_killed(end: Action, why: KillReason) -> Action {
    let Action::Finish(outcome) = end else { return end };
    Action::Finish(Outcome { rest_killed: Some(why), ..outcome })
}

fn by_itself(child: Ending) -> Action {
    Action::Finish(Outcome {
        cause: Cause::Itself,
        child,
        command_first: false,
        rest_killed: None,
        kernel_oom_kills: 0,
        frozen: None,
    })
}

const TERMED: Ending = Ending::Signaled(15);
const KILLED: Ending = Ending::Signaled(9);
const DONE: Ending = Ending::Exited(0);
