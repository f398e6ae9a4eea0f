//! Any post-mortem at all, for properties: every text, every number, every optional part there or not. Strategies are boxed:
//! as values they are too large for the stack of a test.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sentinel::report::post_mortem::{
    EndReason, Grower, Mapping, Mappings, Milestone, Moment, PostMortem, Reading, RunFacts, Verdict,
};
use sentinel::status::{
    Counters, Limits, Memory, Pressure, ProcessRow, Remains, RemainsPart, Tier,
};
use sentinel::units::{Bytes, Limit};

/// Letters, and what is hostile in a page.
fn text() -> BoxedStrategy<String> {
    let hostile = prop_oneof![
        Just("<script>".to_owned()),
        Just("\" x='".to_owned()),
        Just("--></style>]]>&#x;".to_owned()),
        Just("\u{202e}\u{1b}\0\u{ffff}".to_owned()),
    ];
    prop_oneof![2 => any::<String>(), 1 => hostile, 1 => "[a-z ]{0,12}"].boxed()
}

/// Small, of the usual size, and enormous.
fn number() -> BoxedStrategy<u64> {
    prop_oneof![Just(0), 0..1_000u64, 0..200_000_000u64, any::<u64>(), Just(u64::MAX)].boxed()
}

fn bytes() -> BoxedStrategy<Bytes> {
    number().prop_map(Bytes).boxed()
}

fn limit() -> BoxedStrategy<Limit> {
    option::of(number()).prop_map(|limit| limit.map_or(Limit::Max, Limit::At)).boxed()
}

fn percent() -> BoxedStrategy<f64> {
    prop_oneof![0.0..100.0f64, any::<f64>()].boxed()
}

fn tier() -> BoxedStrategy<Tier> {
    prop::sample::select(vec![Tier::Kernel, Tier::Observed, Tier::Hybrid, Tier::Polled]).boxed()
}

fn run() -> BoxedStrategy<RunFacts> {
    let words = (text(), vec(text(), 0..4), text(), option::of(text()), option::of(text()));
    let place = (option::of(text()), option::of(text()), option::of(text()));
    (words, (place, tier()), any::<(u32, u32)>(), number(), number())
        .prop_map(|(words, (place, tier), (guardian_pid, child_pid), started_unix_ms, ran_ms)| {
            let (name, command, kernel, placement, cgroup) = words;
            let (host, user, directory) = place;
            RunFacts {
                name,
                command,
                host,
                user,
                directory,
                kernel,
                tier,
                placement,
                cgroup,
                guardian_pid,
                child_pid,
                started_unix_ms,
                ran_ms,
            }
        })
        .boxed()
}

fn verdict() -> BoxedStrategy<Verdict> {
    use EndReason::{Breach, ChildExited, Climb, Exited, GuardianDeath, KernelOom, Operator, Pids};
    use EndReason::{HostMemory, SecondLine, Signaled, SystemdOomd, SystemdStop, Thrash, Timeout};
    let reason = prop::sample::select(vec![
        Breach,
        Climb,
        SecondLine,
        Thrash,
        HostMemory,
        Pids,
        Timeout,
        Operator,
        ChildExited,
        Exited,
        Signaled,
        KernelOom,
        SystemdOomd,
        SystemdStop,
        GuardianDeath,
    ]);
    (reason, text(), option::of(text()), text(), any::<(u8, Option<u8>, Option<i32>)>())
        .prop_map(|(reason, ended_by, signal, text, (exit_status, child_exited, child_signal))| {
            Verdict { reason, ended_by, signal, text, exit_status, child_exited, child_signal }
        })
        .boxed()
}

fn limits() -> BoxedStrategy<Limits> {
    let lines = (bytes(), bytes(), bytes(), bytes());
    let times = (number(), prop::option::of(number()), prop::option::of(bytes()));
    (lines, limit(), limit(), limit(), limit(), times)
        .prop_map(
            |(lines, trip_wire, swap, swap_room, pids, (grace_ms, timeout_ms, min_available))| {
                let (limit, relief_line, second_line, ceiling) = lines;
                Limits {
                    limit,
                    trip_wire,
                    relief_line,
                    second_line,
                    ceiling,
                    swap,
                    swap_room,
                    pids,
                    grace_ms,
                    timeout_ms,
                    min_available,
                }
            },
        )
        .boxed()
}

fn moment() -> BoxedStrategy<Moment> {
    use Milestone::{ChildEnded, Decided, Empty, Kill, Started, Term, Told, Warned};
    let all = vec![Started, Warned, Decided, Term, Kill, ChildEnded, Empty, Told];
    (number(), prop::sample::select(all), text())
        .prop_map(|(at_us, what, text)| Moment { at_us, what, text })
        .boxed()
}

fn reading() -> BoxedStrategy<Reading> {
    let sizes = (bytes(), bytes(), bytes(), bytes(), bytes(), bytes(), bytes());
    (number(), sizes, number(), option::of(percent()))
        .prop_map(|(at_us, sizes, processes, full_avg10)| {
            let (current, footprint, anon, shmem, cache, kernel, swap) = sizes;
            Reading {
                at_us,
                current,
                footprint,
                anon,
                shmem,
                cache,
                kernel,
                swap,
                processes,
                full_avg10,
            }
        })
        .boxed()
}

fn memory() -> BoxedStrategy<Memory> {
    (reading(), option::of(bytes()), bytes(), bytes(), bytes(), any::<bool>())
        .prop_map(|(reading, rss, peak, peak_footprint, swap_cached, hugetlb_counted)| {
            let hugetlb = swap_cached;
            let Reading { current, footprint, anon, shmem, cache, kernel, swap, .. } = reading;
            let hugetlb = Memory { hugetlb, hugetlb_counted, ..Memory::default() };
            let rest = Memory { rss, peak, peak_footprint, swap_cached, ..hugetlb };
            Memory { current, footprint, anon, shmem, cache, kernel, swap, ..rest }
        })
        .boxed()
}

fn process() -> BoxedStrategy<ProcessRow> {
    (any::<(u32, u32, char, u32)>(), text(), text(), bytes())
        .prop_map(|((pid, ppid, state, share_permille), name, command, rss)| ProcessRow {
            growth: None,
            cpu_permille: None,
            pid,
            ppid,
            name,
            state,
            rss,
            share_permille,
            command,
        })
        .boxed()
}

fn grower() -> BoxedStrategy<Grower> {
    (any::<u32>(), text(), bytes(), bytes(), number())
        .prop_map(|(pid, name, from, to, over_ms)| Grower { pid, name, from, to, over_ms })
        .boxed()
}

fn mappings() -> BoxedStrategy<Mappings> {
    let mapping = (text(), any::<u32>(), bytes(), bytes(), bytes())
        .prop_map(|(name, count, size, rss, swap)| Mapping { name, count, size, rss, swap });
    (any::<u32>(), text(), vec(mapping, 0..4))
        .prop_map(|(pid, name, largest)| Mappings { pid, name, largest })
        .boxed()
}

fn remains() -> BoxedStrategy<Remains> {
    let part = (text(), bytes()).prop_map(|(name, size)| RemainsPart { name, size });
    (bytes(), vec(part, 0..3)).prop_map(|(size, parts)| Remains { size, parts }).boxed()
}

/// Any of them.
pub fn post_mortem() -> BoxedStrategy<PostMortem> {
    let pressure = (percent(), percent()).prop_map(|(some_avg10, full_avg10)| Pressure {
        some_avg10,
        full_avg10,
        ..Pressure::default()
    });
    let events = any::<[u64; 5]>().prop_map(|[high, max, oom, oom_kill, pids_max]| Counters {
        high,
        max,
        oom,
        oom_kill,
        pids_max,
    });
    let run = (any::<u32>(), text(), run(), verdict(), vec(text(), 0..3));
    let past = (limits(), vec(moment(), 0..6), vec(reading(), 0..40), memory());
    let rest =
        (vec(process(), 0..4), vec(grower(), 0..3), option::of(mappings()), option::of(remains()));
    (run, past, option::of(pressure), events, rest)
        .prop_map(|((schema, version, run, verdict, advice), past, pressure, events, rest)| {
            let (limits, timeline, samples, memory) = past;
            let (processes, growers, mappings, left_in_tmpfs) = rest;
            PostMortem {
                schema,
                version,
                run,
                verdict,
                advice,
                limits,
                earlier_lines: Vec::new(),
                timeline,
                samples,
                memory,
                pressure,
                events,
                processes,
                growers,
                mappings,
                left_in_tmpfs,
            }
        })
        .boxed()
}
