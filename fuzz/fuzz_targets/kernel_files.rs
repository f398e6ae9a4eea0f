//! Any text in any file of a cgroup, and in /proc/PID/status: what is read of it is what is there, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::cgroup::files;
use sentinel::units::Limit;
use sentinel::workload::process_sampler::kib;

fuzz_target!(|text: &[u8]| {
    if let Some(number) = files::number(text) {
        assert_eq!(files::number(number.to_string().as_bytes()), Some(number));
    }
    if let Some(limit) = files::limit(text) {
        assert_eq!(files::limit(limit.to_string().as_bytes()), Some(limit));
        assert_eq!(limit == Limit::Max, text.trim_ascii() == b"max");
    }
    let stat = files::memory_stat(text);
    assert!(stat.cache() >= stat.active_file && stat.cache() >= stat.inactive_file);
    let _ = (files::memory_events(text), files::pids_events(text), files::cgroup_events(text));
    if let Some((pressure, _)) = files::memory_pressure(text) {
        assert!(pressure.some_avg10.is_finite() && pressure.full_avg10.is_finite(), "{pressure:?}");
    }
    assert!(files::cgroup_procs(text).all(|pid| pid > 0));
    for key in [&b"RssAnon:"[..], b"Pss_Anon:"] {
        let _ = kib(text, key);
    }
    let words = String::from_utf8_lossy(text);
    assert!(!files::has_controller(&words, "memory") || words.contains("memory"));
});
