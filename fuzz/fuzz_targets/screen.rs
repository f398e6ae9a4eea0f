//! Any output of the command: its screen takes it at any size, and what is left on the normal screen afterwards moves no cursor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::tui::pane::Pane;
use sentinel::tui::transcript::{Transcript, farewell};

// The emulator's own panics are expected and contained (see Pane::feed): they must not end the fuzzer.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    let (mut pane, mut transcript) = (Pane::new(4, 12), Transcript::default());
    for part in bytes.split(|byte| *byte == 0xfe) {
        let answer = pane.feed(part);
        assert!(answer.len() <= 1024);
        transcript.push(part);
        let size = |at: usize| u16::from(part.get(at).copied().unwrap_or(9)) % 40;
        pane.resize(size(0), size(1));
        pane.scroll_page(true);
        let _ = pane.modes();
    }
    let left = farewell(&transcript, &pane);
    let mut again = Transcript::default();
    again.push(&left);
    assert!(!again.is_addressed(), "{:?}", String::from_utf8_lossy(&left));
    if !transcript.is_addressed() {
        assert!(again.text().0.len() == left.len(), "{:?}", String::from_utf8_lossy(&left));
    }
});
