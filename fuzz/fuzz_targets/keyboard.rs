//! Any bytes from the terminal: none is lost, none is held for long, and what goes on to the command is understood the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::tui::decode::Decoder;
use sentinel::tui::keys::{Modes, encode};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    let mut inputs = Vec::new();
    for part in bytes.chunks(usize::from(bytes.first().copied().unwrap_or(0)) % 16 + 1) {
        inputs.extend(decoder.feed(part));
    }
    inputs.extend(decoder.flush());
    assert!(!decoder.is_waiting());
    let modes = Modes { bracketed_paste: true, ..Modes::default() };
    let on: Vec<u8> = inputs.iter().flat_map(|input| encode(input, modes)).collect();
    assert!(on.len() <= bytes.len() * 8 + 16, "{inputs:?}");
});
