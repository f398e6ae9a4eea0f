//! Any configuration file: understood, or refused with a line that is there and words that can be shown; and the limits of what was
//! understood are in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::cgroup::hierarchy::OuterLimit;
use sentinel::config;
use sentinel::units::Bytes;

fuzz_target!(|text: &str| {
    let settings = match config::parse(text) {
        Ok(settings) => settings,
        Err((line, problem)) => {
            assert!(line <= text.matches('\n').count() + 1);
            return assert!(!problem.chars().any(char::is_control), "{problem:?}");
        }
    };
    let Ok(config) = config::build(settings, vec!["true".into()]) else { return };
    let outer = OuterLimit { bytes: Bytes::mib(16 << 10), path: None };
    if let Ok(lines) = config.lines(config.memory, &outer) {
        assert!(lines.limit <= lines.relief && lines.relief < lines.second, "{lines:?}");
        assert!(lines.second < lines.ceiling && lines.ceiling <= outer.bytes, "{lines:?}");
    }
});
