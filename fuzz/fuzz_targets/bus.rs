//! Any bytes from what claims to be a bus: an answer, an error in words that can be shown, or none; and never read beyond its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::systemd::bus;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while !rest.is_empty() {
        let before = rest.len();
        match bus::answer(&mut rest) {
            Ok(_) => assert!(before - rest.len() >= 16),
            Err(error) => {
                let told = format!("{error:#}");
                return assert!(!told.chars().any(char::is_control), "{told:?}");
            }
        }
    }
});
