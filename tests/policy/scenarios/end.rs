//! How a run ends, and who is said to have ended it.

use crate::*;
use sentinel::clock::Timestamp;
use sentinel::event::{Event, Sample};
use sentinel::policy::Policy;

#[test]
fn a_run_is_over_when_the_command_is_gone_and_nothing_is_left_in_either_order() {
    run(rules(), &[(0, used(10)), (500, empty()), (510, exits(0))], 900)
        .does(&[(510, by_itself(DONE))]);
    run(rules(), &[(0, used(10)), (500, exits(0)), (510, empty())], 900)
        .does(&[(510, by_itself(DONE))]);
    run(rules(), &[(0, used(10)), (500, dies(9)), (510, empty())], 900)
        .does(&[(510, by_itself(KILLED))]);
}

/// The last look may have counted the dead command, which nobody had waited for.
#[test]
fn nobody_is_counted_once_nobody_is_left() {
    let start = Timestamp::default();
    let mut policy = Policy::new(rules(), start);
    let seen = memory(10, 0);
    let _ = policy.handle(Event::Sample(seen), start);
    assert_eq!(policy.last().processes, seen.processes);
    let _ = policy.handle(Event::Empty, start);
    assert_eq!(Sample { processes: seen.processes, ..*policy.last() }, seen);
    assert_eq!(policy.last().processes, 0);
}

#[test]
fn what_the_command_leaves_behind_is_guarded_on() {
    let steps = [(0, used(10)), (500, exits(0)), (60_000, used(100)), (60_100, empty())];
    run(rules(), &steps, 90_000)
        .does(&[
            (60_000, wire(108)),
            (60_000, TERM),
            (60_100, of_the_rest(by_us(breach(100), None, DONE))),
        ])
        .tells(&[
            (500, Notice::Leftover { processes: 3 }),
            (60_000, near(100)),
            (60_000, Notice::Terminating { reason: breach(100), grace: ms(3000) }),
        ]);
}

#[test]
fn what_the_command_leaves_behind_is_ended_when_asked_for() {
    let rules = PolicyConfig { on_exit: OnExit::Terminate, ..rules() };
    let end = of_the_rest(by_us(Reason::ChildExited, None, DONE));
    let end = with_rest_killed(end, grace_over(3000));
    run(rules, &[(0, used(10)), (500, exits(0)), (3550, empty())], 9000).does(&[
        (500, wire(108)),
        (500, TERM),
        (3500, KILL),
        (3550, end),
    ]);
    run(rules, &[(0, used(10)), (500, empty()), (501, exits(0))], 900)
        .does(&[(501, by_itself(DONE))]);
    run(rules, &[(0, used(100)), (500, exits(0))], 999).does(&[(0, wire(108)), (0, TERM)]);
}

/// Whoever asks for the end of what is left behind ends that, and not the command.
#[test]
fn a_command_that_had_ended_is_not_said_to_have_been_ended() {
    let [terminate, kill] = [Command::Terminate, Command::Kill];
    let steps = [(0, used(10)), (500, exits(0)), (600, asks(terminate)), (650, empty())];
    let end = of_the_rest(by_us(Reason::Operator, None, DONE));
    assert_eq!(run(rules(), &steps, 900).end().map(Action::Finish), Some(end));
    let steps = [(0, used(10)), (500, exits(0)), (600, asks(kill)), (650, empty())];
    let end = of_the_rest(by_us(Reason::Operator, Some(KillReason::Operator), DONE));
    assert_eq!(run(rules(), &steps, 900).end().map(Action::Finish), Some(end));
    let steps = [(0, used(10)), (600, asks(terminate)), (610, exits(0)), (650, empty())];
    let end = by_us(Reason::Operator, None, DONE);
    assert_eq!(run(rules(), &steps, 900).end().map(Action::Finish), Some(end));
}

#[test]
fn a_kill_by_the_kernel_is_told_and_is_a_miss_when_it_took_the_command() {
    let mut sample = memory(90, 0);
    sample.counters.oom_kill = 2;
    let killed = Step::State(sample);
    let outcome = |cause, child| {
        Action::Finish(Outcome {
            cause,
            child,
            command_first: false,
            rest_killed: None,
            kernel_oom_kills: 2,
            frozen: None,
        })
    };
    let steps = [(0, used(50)), (10, killed), (11, killed), (11, dies(9)), (12, empty())];
    run(rules(), &steps, 900).does(&[(12, outcome(Cause::KernelOom, KILLED))]).tells(&[
        (10, Notice::KernelOom { killed: 2 }),
        (10, near(90)),
        (11, Notice::Leftover { processes: 3 }),
    ]);
    run(rules(), &[(0, used(50)), (10, killed), (11, exits(1)), (12, empty())], 900)
        .does(&[(12, outcome(Cause::Itself, Ending::Exited(1)))]);
    run(rules(), &[(0, used(100)), (10, killed), (11, dies(9)), (12, empty())], 900).does(&[
        (0, wire(108)),
        (0, TERM),
        (12, outcome(Cause::KernelOom, KILLED)),
    ]);
    // It took another process, and the command heard SIGTERM.
    let ours = Cause::Guardian { reason: breach(100), killed: None };
    run(rules(), &[(0, used(100)), (10, killed), (11, dies(15)), (12, empty())], 900).does(&[
        (0, wire(108)),
        (0, TERM),
        (12, outcome(ours, TERMED)),
    ]);
}

/// SIGKILL of ours finds nobody but who is dying of the kernel's: the kernel ended it. Where the kernel took one of many, or came
/// later, we did.
#[test]
fn sigkill_after_the_kernel_s_is_not_claimed() {
    let full = memory(131, 0);
    let mut killed = full;
    killed.counters.oom_kill = 2;
    let ended_by = |own_oom, first: Sample| {
        let sample = |state: Sample| Step::State(Sample { own_oom, ..state });
        let steps = [
            (0, used(100)),
            (20, sample(first)),
            (21, sample(killed)),
            (40, dies(9)),
            (40, empty()),
        ];
        run(rules(), &steps, 900).end()
    };
    let kernel = ended_by(Some(1), killed).map(|end| (end.cause, end.rest_killed));
    assert_eq!(kernel, Some((Cause::KernelOom, None)));
    for (own_oom, first) in [(Some(1), full), (Some(0), killed)] {
        let ours = ended_by(own_oom, first);
        let by_us =
            ours.is_some_and(|end| matches!(end.cause, Cause::Guardian { killed: Some(_), .. }));
        assert!(by_us, "{ours:?}");
    }
}

#[test]
fn nothing_happens_after_the_end() {
    let steps = [
        (0, exits(0)),
        (1, empty()),
        (2, used(131)),
        (3, used(131)),
        (4, asks(Command::Kill)),
        (5, asks(Command::SetLines(lines(50)))),
        (6, Step::Happens(sentinel::event::Event::Deadline)),
        (7, exits(1)),
        (8, empty()),
    ];
    let log = run(rules(), &steps, 9000);
    log.does(&[(1, by_itself(DONE))]).tells(&[(0, Notice::Leftover { processes: 0 })]);
    assert_eq!(log.looks(1, 9001), 0);
}
