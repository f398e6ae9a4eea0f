//! Any bytes as a trace: refused with the number of a line, or replayed, asked what another limit would have done, and said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::trace::format::{EventRow, What};
use sentinel::trace::reader::read;
use sentinel::replay::compare::compare;
use sentinel::replay::what_if::{Changes, ask};
use sentinel::units::Bytes;

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let trace = match read(bytes) {
        Ok(trace) => trace,
        Err(error) => return assert!((1..=lines + 1).contains(&error.line), "{error}"),
    };
    assert!(trace.steps.len() < lines.max(1));
    assert!(compare(&trace).differing <= trace.steps.len());
    for memory in [None, Some(Bytes::mib(2)), Some(Bytes::mib(bytes.len() as u64))] {
        // Lines that leave no room are refused.
        let _ = ask(&trace, &Changes { memory, ..Changes::default() });
    }
    let start = serde_json::to_string(&trace.start).expect("it can be said again");
    let mut again = start + "\n";
    for step in &trace.steps {
        let t = u64::try_from(step.at.0.as_nanos()).expect("it was read as such");
        let row = EventRow { t, what: What::from(&step.event), did: step.did.clone() };
        again += &(serde_json::to_string(&row).expect("so can this") + "\n");
    }
    let again = read(again.as_bytes()).expect("what was understood once");
    let events = |trace: &sentinel::trace::reader::Trace| {
        trace.steps.iter().map(|step| (step.at, step.event)).collect::<Vec<_>>()
    };
    assert_eq!(events(&again), events(&trace));
});
