//! Any bytes from what claims to be a guardian: the dashboard takes them, at any cut, and draws what they say at any size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ratatui::{Terminal, backend::TestBackend};
use sentinel::clock::Timestamp;
use sentinel::tui::app::App;
use sentinel::tui::look::Look;
use sentinel::tui::view;
use sentinel::tui::wire::Wire;
use std::io::Write as _;
use std::os::unix::net::UnixStream;

fuzz_target!(|bytes: &[u8]| {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let mut wire = Wire::open(ours).expect("a stream");
    let mut app = App::new(Look { colour: true, unicode: true }, false);
    let cut = bytes.len() / 2;
    for part in [&bytes[..cut], &bytes[cut..], b"\n"] {
        theirs.write_all(part).expect("room for it");
        for line in wire.receive().into_iter().flatten() {
            let text = serde_json::to_string(&line).expect("it can be said again");
            let again: Result<sentinel::status::WatchLine, _> = serde_json::from_str(&text);
            assert!(again.is_ok(), "{text}: {again:?}");
            app.take_line(line, Timestamp::from_millis(1));
        }
    }
    let size = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(80)) % 120 + 1;
    let backend = TestBackend::new(size(bytes.len() / 3), size(bytes.len() / 2) % 50 + 1);
    let mut terminal = Terminal::new(backend).expect("a terminal in memory");
    terminal.draw(|frame| view::draw(&app, None, frame)).expect("memory takes it");
});
