//! Between the lines of a trace and the types of the policy.

use super::{
    AskedRow, BreachRow, CrowdRow, DeedRow, DoneRow, LinesRow, ReclaimRow, ResultRow, Rules,
    SampleRow, Standing, WeightRow, What, nanos,
};
use crate::event::{
    Command, Crowd, Deed, DeedResult, Ending, Event, InForce, OneSignal, PoolBreach, ProcessEnd,
    ProcessId, Sample, Weight,
};
use crate::lines::Lines;
use crate::policy::culprit::CulpritRule;
use crate::policy::interval::Cadence;
use crate::policy::on_breach::{BreachRule, FREEZE_FOR, OnBreach};
use crate::policy::reclaim::ReclaimAt;
use crate::policy::thrash::ThrashRule;
use crate::policy::warn::WarnRule;
use crate::policy::{OnExit, PolicyConfig};
use crate::status::{Counters, Pressure};
use crate::units::{Bytes, Limit, Percent};
use std::time::Duration;

impl From<&Lines> for LinesRow {
    fn from(lines: &Lines) -> Self {
        let (limit, relief) = (lines.limit.0, lines.relief.0);
        let swap = match lines.swap {
            Limit::At(room) => Some(room),
            Limit::Max => None,
        };
        LinesRow { limit, relief, second: lines.second.0, ceiling: lines.ceiling.0, swap }
    }
}

impl From<LinesRow> for Lines {
    fn from(row: LinesRow) -> Self {
        let (limit, relief) = (Bytes(row.limit), Bytes(row.relief));
        let swap = row.swap.map_or(Limit::Max, Limit::At);
        Lines { limit, relief, second: Bytes(row.second), ceiling: Bytes(row.ceiling), swap }
    }
}

impl From<BreachRule> for BreachRow {
    fn from(rule: BreachRule) -> Self {
        BreachRow {
            freeze_ns: (rule.deed == OnBreach::Freeze).then(|| nanos(rule.freeze_for)),
            warn: rule.deed == OnBreach::Warn,
            hold_ns: nanos(rule.hold),
        }
    }
}

impl From<BreachRow> for BreachRule {
    fn from(row: BreachRow) -> Self {
        let deed = match row.freeze_ns {
            Some(_) => OnBreach::Freeze,
            None if row.warn => OnBreach::Warn,
            None => OnBreach::Terminate,
        };
        let freeze_for = row.freeze_ns.map_or(FREEZE_FOR, Duration::from_nanos);
        BreachRule { deed, hold: Duration::from_nanos(row.hold_ns), freeze_for }
    }
}

impl From<&PolicyConfig> for Rules {
    fn from(config: &PolicyConfig) -> Self {
        Rules {
            lines: LinesRow::from(&config.lines),
            grace_ns: nanos(config.grace),
            warn_percent: config.warn.share.0,
            warn_within_ns: nanos(config.warn.within),
            thrash: config.thrash.map(|rule| (rule.share.0, nanos(rule.hold))),
            timeout_ns: config.timeout.map(nanos),
            min_available: config.min_available.map(|floor| floor.0),
            process_memory: config.culprit.process_memory.map(|limit| limit.0),
            end_largest: config.culprit.largest,
            on_breach: config.on_breach.into(),
            end_rest: config.on_exit == OnExit::Terminate,
            attached: !config.has_command,
            dry_run: config.dry_run,
            events: config.cadence == Cadence::Events,
            slack: config.slack.0,
            pool: config.is_pool,
            machine: config.is_machine,
            reclaim: Some(match config.reclaim {
                ReclaimAt::TripWire => ReclaimRow::TripWire,
                ReclaimAt::Ceiling => ReclaimRow::Ceiling,
                ReclaimAt::Nowhere => ReclaimRow::Nowhere,
            }),
        }
    }
}

impl From<Rules> for PolicyConfig {
    fn from(rules: Rules) -> Self {
        let time = Duration::from_nanos;
        let thrash =
            |(share, hold)| ThrashRule { share: Percent(share), hold: Duration::from_nanos(hold) };
        PolicyConfig {
            lines: rules.lines.into(),
            grace: time(rules.grace_ns),
            warn: WarnRule {
                share: Percent(rules.warn_percent),
                within: time(rules.warn_within_ns),
            },
            thrash: rules.thrash.map(thrash),
            timeout: rules.timeout_ns.map(time),
            min_available: rules.min_available.map(Bytes),
            culprit: CulpritRule {
                process_memory: rules.process_memory.map(Bytes),
                largest: rules.end_largest,
            },
            on_breach: rules.on_breach.into(),
            on_exit: if rules.end_rest { OnExit::Terminate } else { OnExit::Wait },
            has_command: !rules.attached,
            dry_run: rules.dry_run,
            cadence: if rules.events { Cadence::Events } else { Cadence::Polled },
            reclaim: match rules.reclaim {
                Some(ReclaimRow::TripWire) => ReclaimAt::TripWire,
                Some(ReclaimRow::Ceiling) => ReclaimAt::Ceiling,
                Some(ReclaimRow::Nowhere) => ReclaimAt::Nowhere,
                None if rules.events => ReclaimAt::TripWire,
                None => ReclaimAt::Nowhere,
            },
            slack: Bytes(rules.slack),
            is_pool: rules.pool,
            is_machine: rules.machine,
        }
    }
}

impl From<&Sample> for SampleRow {
    fn from(sample: &Sample) -> Self {
        let counters = &sample.counters;
        SampleRow {
            current: sample.current.0,
            cache: sample.cache.0,
            in_transit: sample.in_transit.0,
            slab: sample.slab.0,
            dirty: sample.dirty.0,
            scanned: sample.scanned,
            reclaimed: sample.reclaimed,
            swap: sample.swap.0,
            swap_cached: sample.swap_cached.0,
            hugetlb: sample.hugetlb.0,
            listed_anon: sample.listed_anon.0,
            unevictable: sample.unevictable.0,
            anon: sample.anon.0,
            shmem: sample.shmem.0,
            kernel: sample.kernel.0,
            high: counters.high,
            max: counters.max,
            oom: counters.oom,
            oom_kill: counters.oom_kill,
            own_oom: sample.own_oom,
            pids_max: counters.pids_max,
            stalled_us: sample.stalled_usec,
            pressure: sample.pressure.map(|it| (it.some_avg10, it.full_avg10)),
            unread_shares: sample.unread_shares.0,
            available: sample.available.map(|it| it.0),
            tasks: sample.processes,
            cost_ns: nanos(sample.cost),
        }
    }
}

impl From<SampleRow> for Sample {
    fn from(row: SampleRow) -> Self {
        let pressure =
            |(some_avg10, full_avg10)| Pressure { some_avg10, full_avg10, ..Pressure::default() };
        Sample {
            current: Bytes(row.current),
            cache: Bytes(row.cache),
            in_transit: Bytes(row.in_transit),
            slab: Bytes(row.slab),
            dirty: Bytes(row.dirty),
            pinned: Bytes(0),
            scanned: row.scanned,
            reclaimed: row.reclaimed,
            swap: Bytes(row.swap),
            swap_cached: Bytes(row.swap_cached),
            hugetlb: Bytes(row.hugetlb),
            listed_anon: Bytes(row.listed_anon),
            unevictable: Bytes(row.unevictable),
            anon: Bytes(row.anon),
            shmem: Bytes(row.shmem),
            kernel: Bytes(row.kernel),
            counters: Counters {
                high: row.high,
                max: row.max,
                oom: row.oom,
                oom_kill: row.oom_kill,
                pids_max: row.pids_max,
            },
            own_oom: row.own_oom,
            stalled_usec: row.stalled_us,
            pressure: row.pressure.map(pressure),
            unread_shares: Bytes(row.unread_shares),
            available: row.available.map(Bytes),
            processes: row.tasks,
            cost: Duration::from_nanos(row.cost_ns),
        }
    }
}

impl From<&Crowd> for CrowdRow {
    fn from(crowd: &Crowd) -> Self {
        let weight = |it: &Weight| WeightRow {
            pid: it.id.pid,
            started: it.id.started,
            size: it.size.0,
            own: it.own.0,
            command: it.is_command,
        };
        CrowdRow {
            largest: crowd.largest.iter().flatten().map(weight).collect(),
            gone: crowd.gone.iter().flatten().map(|id| (id.pid, id.started)).collect(),
            cost_ns: nanos(crowd.cost),
        }
    }
}

impl From<&CrowdRow> for Crowd {
    fn from(row: &CrowdRow) -> Self {
        let mut crowd = Crowd { cost: Duration::from_nanos(row.cost_ns), ..Crowd::default() };
        for (place, it) in crowd.largest.iter_mut().zip(&row.largest) {
            let id = ProcessId { pid: it.pid, started: it.started };
            *place = Some(Weight {
                id,
                size: Bytes(it.size),
                own: Bytes(it.own),
                is_command: it.command,
            });
        }
        for (place, (pid, started)) in crowd.gone.iter_mut().zip(&row.gone) {
            *place = Some(ProcessId { pid: *pid, started: *started });
        }
        crowd
    }
}

impl From<DeedResult> for ResultRow {
    fn from(result: DeedResult) -> Self {
        match result {
            DeedResult::Done => ResultRow::Done,
            DeedResult::Pending => ResultRow::Pending,
            DeedResult::InUse(current) => ResultRow::InUse(current.0),
            DeedResult::Failed(errno) => ResultRow::Failed(errno),
        }
    }
}

impl From<ResultRow> for DeedResult {
    fn from(result: ResultRow) -> Self {
        match result {
            ResultRow::Done => DeedResult::Done,
            ResultRow::Pending => DeedResult::Pending,
            ResultRow::InUse(current) => DeedResult::InUse(Bytes(current)),
            ResultRow::Failed(errno) => DeedResult::Failed(errno),
        }
    }
}

fn limit(value: Option<u64>) -> Limit {
    value.map_or(Limit::Max, Limit::At)
}

fn done(deed: Deed, result: DeedResult) -> What {
    let result = result.into();
    match deed {
        Deed::TripWire(high) => What::TripWire(Standing { high: high.value(), max: None, result }),
        Deed::Lines(InForce { high, max }) => {
            What::Lines(Standing { high: high.value(), max: max.value(), result })
        }
        Deed::Pids(limit) => What::Done(DoneRow { deed: DeedRow::Pids(limit.value()), result }),
        Deed::Signal(OneSignal { pid, signal }) => {
            What::Done(DoneRow { deed: DeedRow::Signal { pid, signal }, result })
        }
        Deed::EndProcess(ProcessEnd { id, with_descendants, kill }) => {
            let ProcessId { pid, started } = id;
            let deed = DeedRow::EndProcess { pid, started, with_descendants, kill };
            What::Done(DoneRow { deed, result })
        }
        Deed::Freeze => What::Done(DoneRow { deed: DeedRow::Freeze, result }),
        Deed::Thaw => What::Done(DoneRow { deed: DeedRow::Thaw, result }),
        Deed::Terminate => What::Done(DoneRow { deed: DeedRow::Terminate, result }),
        Deed::Kill => What::Done(DoneRow { deed: DeedRow::Kill, result }),
    }
}

impl From<DeedRow> for Deed {
    fn from(row: DeedRow) -> Self {
        match row {
            DeedRow::Pids(max) => Deed::Pids(limit(max)),
            DeedRow::Signal { pid, signal } => Deed::Signal(OneSignal { pid, signal }),
            DeedRow::EndProcess { pid, started, with_descendants, kill } => {
                let id = ProcessId { pid, started };
                Deed::EndProcess(ProcessEnd { id, with_descendants, kill })
            }
            DeedRow::Freeze => Deed::Freeze,
            DeedRow::Thaw => Deed::Thaw,
            DeedRow::Terminate => Deed::Terminate,
            DeedRow::Kill => Deed::Kill,
        }
    }
}

impl From<&Event> for What {
    fn from(event: &Event) -> Self {
        match event {
            Event::Sample(sample) => What::Sample(sample.into()),
            Event::Deadline => What::Deadline {},
            Event::ChildExited(Ending::Exited(status)) => What::Exited(*status),
            Event::ChildExited(Ending::Signaled(signal)) => What::Signaled(*signal),
            Event::ChildExited(Ending::Unseen) => What::Unseen {},
            Event::Empty => What::Empty {},
            Event::Operator(command) => What::Operator(match command {
                Command::Terminate => AskedRow::Terminate,
                Command::Kill => AskedRow::Kill,
                Command::Freeze => AskedRow::Freeze,
                Command::Thaw => AskedRow::Thaw,
                Command::SetLines(lines) => AskedRow::Lines(lines.into()),
                Command::SetGrace(grace) => AskedRow::GraceNs(nanos(*grace)),
                Command::SetTimeout(timeout) => AskedRow::TimeoutNs(timeout.map(nanos)),
                Command::SetPids(limit) => AskedRow::Pids(limit.value()),
                Command::Signal(OneSignal { pid, signal }) => {
                    AskedRow::Signal { pid: *pid, signal: *signal }
                }
                Command::Yield { breach: PoolBreach { footprint, limit }, at_once } => {
                    let (footprint, limit) = (footprint.0, limit.0);
                    AskedRow::Yield { footprint, limit, at_once: *at_once }
                }
            }),
            Event::Yielded => What::Yielded {},
            Event::Processes(crowd) => What::Processes(crowd.into()),
            Event::Done(deed, result) => done(*deed, *result),
        }
    }
}

impl What {
    /// The event that this line is about, if it is about one.
    pub fn event(&self) -> Option<Event> {
        Some(match self {
            What::Sample(row) => Event::Sample((*row).into()),
            What::Deadline {} => Event::Deadline,
            What::Exited(status) => Event::ChildExited(Ending::Exited(*status)),
            What::Signaled(signal) => Event::ChildExited(Ending::Signaled(*signal)),
            What::Unseen {} => Event::ChildExited(Ending::Unseen),
            What::Empty {} => Event::Empty,
            What::Operator(asked) => Event::Operator(match asked {
                AskedRow::Terminate => Command::Terminate,
                AskedRow::Kill => Command::Kill,
                AskedRow::Freeze => Command::Freeze,
                AskedRow::Thaw => Command::Thaw,
                AskedRow::Lines(lines) => Command::SetLines((*lines).into()),
                AskedRow::GraceNs(grace) => Command::SetGrace(Duration::from_nanos(*grace)),
                AskedRow::TimeoutNs(timeout) => {
                    Command::SetTimeout(timeout.map(Duration::from_nanos))
                }
                AskedRow::Pids(max) => Command::SetPids(limit(*max)),
                AskedRow::Signal { pid, signal } => {
                    Command::Signal(OneSignal { pid: *pid, signal: *signal })
                }
                AskedRow::Yield { footprint, limit, at_once } => {
                    let breach = PoolBreach { footprint: Bytes(*footprint), limit: Bytes(*limit) };
                    Command::Yield { breach, at_once: *at_once }
                }
            }),
            What::Yielded {} => Event::Yielded,
            What::Processes(row) => Event::Processes(row.into()),
            What::TripWire(row) => Event::Done(Deed::TripWire(limit(row.high)), row.result.into()),
            What::Lines(row) => {
                let in_force = InForce { high: limit(row.high), max: limit(row.max) };
                Event::Done(Deed::Lines(in_force), row.result.into())
            }
            What::Done(row) => Event::Done(row.deed.into(), row.result.into()),
            What::Lost(_) | What::End(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_breach_is_answered_is_read_as_it_was_written() {
        let hold = Duration::from_secs(3);
        let freeze_for = Duration::from_secs(7);
        for rule in [
            BreachRule::default(),
            BreachRule { hold, ..BreachRule::default() },
            BreachRule { deed: OnBreach::Warn, hold, ..BreachRule::default() },
            BreachRule { deed: OnBreach::Freeze, freeze_for, ..BreachRule::default() },
        ] {
            let text = serde_json::to_string(&BreachRow::from(rule)).unwrap();
            let back: BreachRow = serde_json::from_str(&text).unwrap();
            assert_eq!(BreachRule::from(back), rule, "{text}");
            assert_eq!(text == "{}", rule == BreachRule::default(), "{text}");
        }
    }
    use crate::trace::format::EventRow;

    #[test]
    fn a_floor_and_what_was_left_are_read_as_they_were_written_and_old_traces_have_neither() {
        let sample = Sample { available: Some(Bytes(0)), ..Sample::default() };
        let text = serde_json::to_string(&SampleRow::from(&sample)).unwrap();
        assert_eq!(text, r#"{"available":0}"#);
        let back: SampleRow = serde_json::from_str(&text).unwrap();
        assert_eq!(Sample::from(back), sample);
        let old: SampleRow = serde_json::from_str("{}").unwrap();
        assert_eq!(Sample::from(old).available, None);
        let old = r#"{"lines":{"limit":1,"relief":2,"second":3,"ceiling":4},"grace_ns":1,"warn_percent":80,"warn_within_ns":1,
            "thrash":null,"timeout_ns":null,"end_rest":false,"dry_run":false,"events":true,"slack":0}"#;
        let old: PolicyConfig = serde_json::from_str::<Rules>(old).unwrap().into();
        assert_eq!(old.min_available, None);
        let floored = PolicyConfig { min_available: Some(Bytes(7)), ..old };
        let text = serde_json::to_string(&Rules::from(&floored)).unwrap();
        assert!(text.contains(r#""min_available":7"#), "{text}");
        let back: PolicyConfig = serde_json::from_str::<Rules>(&text).unwrap().into();
        assert_eq!(back, floored);
    }

    #[test]
    fn what_came_of_a_deed_is_read_as_it_was_written() {
        let results = [
            DeedResult::Done,
            DeedResult::Pending,
            DeedResult::InUse(Bytes(7)),
            DeedResult::Failed(5),
        ];
        let lines = |max| Deed::Lines(InForce { high: Limit::At(1 << 20), max });
        let deeds = [
            Deed::TripWire(Limit::At(9)),
            Deed::TripWire(Limit::Max),
            lines(Limit::At(2 << 20)),
            lines(Limit::Max),
            Deed::Pids(Limit::At(7)),
            Deed::Pids(Limit::Max),
            Deed::Signal(OneSignal { pid: 17, signal: 10 }),
            Deed::EndProcess(ProcessEnd {
                id: ProcessId { pid: 17, started: 99 },
                with_descendants: true,
                kill: false,
            }),
            Deed::Freeze,
            Deed::Thaw,
            Deed::Terminate,
            Deed::Kill,
        ];
        for event in results.iter().flat_map(|result| deeds.map(|deed| Event::Done(deed, *result)))
        {
            let row = EventRow { t: 1, what: What::from(&event), did: Vec::new() };
            let text = serde_json::to_string(&row).unwrap();
            let back: EventRow = serde_json::from_str(&text).unwrap();
            assert_eq!(back.what.event(), Some(event), "{text}");
        }
    }
}
