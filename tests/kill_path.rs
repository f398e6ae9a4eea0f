//! The way to a kill allocates nothing, in any tier that can be had here, and touches no page that is not there: on the
//! day when memory is out, memory is what cannot be waited for.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[expect(unused_imports, reason = "this suite runs no sentinel")]
mod support;

use sentinel::cgroup::available::Available;
use sentinel::clock::Timestamp;
use sentinel::event::{Action, DeedResult, Event, ProcessEnd, Sample, Weight};
use sentinel::lines::Lines;
use sentinel::placement::surroundings::Surroundings;
use sentinel::placement::{self, Placed, Wish};
use sentinel::policy::interval::Cadence;
use sentinel::policy::warn::WarnRule;
use sentinel::policy::{OnExit, Policy, PolicyConfig};
use sentinel::status::Tier;
use sentinel::sys::memory::PageFaults;
use sentinel::trace::queue::Queue;
use sentinel::units::{Bytes, Limit, Percent};
use sentinel::workload::kill_mode::KillMode;
use sentinel::workload::{Observation, Workload};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Counts what this thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: everything is the system's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Without a cgroup every child of this process is a member: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What happened on the way from the decision to the deed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    allocations: u64,
    faults: PageFaults,
}

#[test]
fn the_counter_counts() {
    let before = ASKED.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(ASKED.get(), before + 1);
}

/// Each look reads it, the one right before SIGTERM too.
#[test]
fn what_the_machine_has_left_is_read_without_allocation() {
    let available = Available::open(std::iter::empty());
    let before = ASKED.get();
    let left = available.look(true, Timestamp::default());
    assert_eq!(ASKED.get(), before);
    assert!(left > Some(Bytes(0)), "{left:?}");
}

#[test]
fn in_a_cgroup() {
    let _alone = ALONE.lock().unwrap();
    let mut members = sleepers(40);
    let Some((tier, placed)) = cgroup(&members) else {
        members.iter_mut().for_each(end);
        return support::skip("no cgroup can be made here");
    };
    members.iter().for_each(|member| placed.admit(pid(member)).unwrap());
    ends_without_allocation(tier, Some(placed), &mut members);
}

#[test]
fn without_a_cgroup() {
    let _alone = ALONE.lock().unwrap();
    ends_without_allocation(Tier::Polled, None, &mut sleepers(40));
}

/// The members do not listen to SIGTERM, so that there is somebody to kill.
fn ends_without_allocation(tier: Tier, placed: Option<Placed>, members: &mut [Child]) {
    let mut workload = Workload::new(tier, placed, None).unwrap();
    workload.started(pid(&members[0]));
    let mut policy = Policy::new(rules(), Timestamp(Duration::ZERO));
    workload.rehearse();
    let asked = ASKED.get();
    assert!(matches!(workload.look(), Observation::Seen(_)));
    assert_eq!(ASKED.get(), asked, "a look, tier {}", tier.name());
    let over = Sample { current: Bytes::mib(101), processes: 40, ..Sample::default() };
    let (mut deeds, mut cost) = (Vec::with_capacity(16), Cost::default());
    let mut queue = Queue::default();
    for (event, ms) in [(Event::Sample(over), 1), (Event::Sample(over), 2), (Event::Deadline, 5000)]
    {
        step(&mut policy, &mut workload, &mut queue, (event, ms), &mut deeds, &mut cost);
    }
    assert_eq!(deeds, ["terminate", "kill"]);
    assert_eq!(cost.allocations, 0, "tier {}", tier.name());
    println!("tier {}: {:?}", tier.name(), cost.faults);
    members.iter_mut().for_each(|member| {
        member.wait().unwrap();
    });
    support::until("the cgroup is empty", || workload.is_empty());
    workload.child_reaped();
    workload.remove().unwrap();
}

#[test]
fn one_of_many_by_itself() {
    let _alone = ALONE.lock().unwrap();
    let mut members = sleepers(40);
    let (tier, placed) = match cgroup(&members) {
        Some((tier, placed)) => (tier, Some(placed)),
        None => (Tier::Polled, None),
    };
    placed.iter().for_each(|placed| {
        members.iter().for_each(|member| placed.admit(pid(member)).unwrap());
    });
    let mut workload = Workload::new(tier, placed, None).unwrap();
    workload.started(pid(&members[0]));
    workload.watch_processes();
    workload.rehearse();
    assert!(matches!(workload.look(), Observation::Seen(_)));
    let asked = ASKED.get();
    let crowd = workload.weigh();
    assert_eq!(ASKED.get(), asked, "weighing, tier {}", tier.name());
    let is_other = |weight: &&Weight| !weight.is_command;
    let id = crowd.largest.iter().flatten().find(is_other).unwrap().id;
    for kill in [false, true] {
        let end = ProcessEnd { id, with_descendants: true, kill };
        workload.end_process(end, nix::libc::SIGCONT).unwrap();
    }
    assert_eq!(ASKED.get(), asked, "ending, tier {}", tier.name());
    members.iter_mut().find(|member| pid(member) == id.pid).unwrap().wait().unwrap();
    assert!(matches!(workload.look(), Observation::Seen(_)));
    let crowd = workload.weigh();
    assert_eq!(crowd.gone[0], Some(id), "{crowd:?}");
    assert!(!crowd.largest.iter().flatten().any(|weight| weight.id == id), "{crowd:?}");
    members.iter_mut().filter(|member| pid(member) != id.pid).for_each(end);
    support::until("the cgroup is empty", || workload.is_empty());
    workload.child_reaped();
    workload.remove().unwrap();
}

fn step(
    policy: &mut Policy,
    workload: &mut Workload,
    queue: &mut Queue,
    (event, ms): (Event, u64),
    deeds: &mut Vec<&str>,
    cost: &mut Cost,
) {
    let (asked, faults) = (ASKED.get(), PageFaults::now());
    let now = Timestamp(Duration::from_millis(ms));
    let actions = policy.handle(event, now);
    // As the guardian does for the trace.
    queue.push(now, event, &actions);
    for action in actions {
        match action {
            Action::Terminate => {
                deeds.push("terminate");
                // The end of the child itself is told by the kill alone.
                workload.terminate(nix::libc::SIGCONT, KillMode::ControlGroup).all.unwrap();
                all_are_signalled(workload);
            }
            Action::Kill => {
                deeds.push("kill");
                workload.kill().all.unwrap();
                all_are_signalled(workload);
            }
            Action::SetTripWire(_) => {
                let result = workload.set_trip_wire(Limit::Max);
                assert!(matches!(result, None | Some(DeedResult::Done)), "{result:?}");
            }
            Action::Look
            | Action::Weigh
            | Action::EndProcess(_)
            | Action::SetLines(_)
            | Action::SetPids(_)
            | Action::Signal(_)
            | Action::Freeze
            | Action::Thaw
            | Action::Choose(_)
            | Action::Tell(_)
            | Action::Finish(_) => {}
        }
    }
    cost.allocations += ASKED.get() - asked;
    cost.faults.add_since(faults);
}

fn all_are_signalled(workload: &mut Workload) {
    while workload.is_signalling() {
        workload.go_on(Duration::from_millis(5)).unwrap();
    }
}

fn rules() -> PolicyConfig {
    PolicyConfig {
        lines: Lines::new(Bytes::mib(100), None, None).unwrap(),
        grace: Duration::from_secs(3),
        warn: WarnRule { share: Percent(80), within: Duration::from_secs(10) },
        thrash: None,
        on_breach: sentinel::policy::on_breach::BreachRule::default(),
        culprit: sentinel::policy::culprit::CulpritRule::default(),
        timeout: None,
        min_available: None,
        on_exit: OnExit::Wait,
        has_command: true,
        dry_run: false,
        cadence: Cadence::Polled,
        reclaim: sentinel::policy::reclaim::ReclaimAt::Nowhere,
        slack: Bytes(0),
        is_pool: false,
        is_machine: false,
    }
}

fn cgroup(members: &[Child]) -> Option<(Tier, Placed)> {
    let name = format!("sentinel-killpath-{}", std::process::id());
    let around = Surroundings::look().unwrap();
    let child = || Ok(pid(&members[0]));
    let wish = Wish { name: &name, given: None, slice: None, child: &child };
    if let Ok(placed) = placement::with_memory(&around, &wish) {
        return Some((Tier::Kernel, placed));
    }
    placement::without_memory(&around, &name).ok().map(|placed| (Tier::Hybrid, placed))
}

fn sleepers(count: usize) -> Vec<Child> {
    let sleeper = || Command::new("sleep").arg("100000").stdin(Stdio::null()).spawn().unwrap();
    (0..count).map(|_| sleeper()).collect()
}

fn end(member: &mut Child) {
    member.kill().unwrap();
    member.wait().unwrap();
}

fn pid(member: &Child) -> i32 {
    member.id().try_into().unwrap()
}
