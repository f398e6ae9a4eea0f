//! What `sentinel top` and `sentinel ps` draw: golden screens under `tests/fixtures/top` (`UPDATE_GOLDEN=1` writes them anew), what
//! keys do, and what must hold at every size.
#![expect(clippy::expect_used, reason = "what cannot fail here is not under test")]

#[path = "tui/sample.rs"]
mod sample;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use sentinel::clock::Timestamp;
use sentinel::fleet::columns;
use sentinel::fleet::row::{Note, Row};
use sentinel::status::{Level, State, Status, WatchLine};
use sentinel::tui::keys::{Gesture, Input};
use sentinel::tui::look::Look;
use sentinel::tui::top::state::{STAYS, Top, TopEffect};
use sentinel::tui::top::view;
use std::path::{Path, PathBuf};

const LOOK: Look = Look { colour: true, unicode: true };
const NOW: Timestamp = Timestamp::from_millis(42_000);

fn key(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/sentinel/{name}.socket"))
}

/// One that grew for a minute to so many MiB.
fn add(top: &mut Top, name: &str, pid: u32, mib: u64, change: impl Fn(&mut Status)) {
    let key = key(name);
    top.add(&key, name, pid);
    top.take_line(&key, sample::event(0, Level::Info, "tier kernel (plain)"), NOW);
    for second in 0..60 {
        let mut status = sample::status(second * 1000, mib * (second + 20) / 79);
        status.guardian_pid = pid;
        change(&mut status);
        top.take_line(&key, sample::line(status), NOW);
    }
}

/// One of each kind.
fn kinds(look: Look) -> Top {
    let mut top = Top::new(look);
    add(&mut top, "train", 4000, 88, |status| {
        status.warned = true;
        status.forecast_ms = Some(21_000);
    });
    add(&mut top, "build-the-whole-world", 51_234, 40, |status| {
        status.command = vec!["make".into(), "-j8".into()];
        status.growth = -(5 << 20);
    });
    add(&mut top, "web", 977, 2, |status| {
        status.frozen = true;
        status.growth = 0;
        status.command = vec!["größe-漢字".into()];
    });
    add(&mut top, "leak", 6001, 103, |status| {
        status.state = State::Terminating;
        status.reason = Some("footprint 101.2M reached the limit 100.0M".into());
        status.kill_in_ms = Some(1_800);
    });
    add(&mut top, "batch", 6100, 50, |_| {});
    let text = "ended job with SIGTERM: footprint 100.4M reached the limit 100.0M".to_owned();
    top.take_line(&key("batch"), WatchLine::End { text, exit_status: 143, goes_on: false }, NOW);
    add(&mut top, "stuck", 7000, 20, |_| {});
    top.silence(&key("stuck"), "stopped by a signal, silent for 7s");
    top.tick(NOW);
    top
}

fn typed(mut top: Top, keys: &str) -> Top {
    for c in keys.chars() {
        let _ = press(&mut top, c);
    }
    top
}

fn press(top: &mut Top, c: char) -> TopEffect {
    let code = match c {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        c => KeyCode::Char(c),
    };
    top.take_input(&Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn draw(top: &Top, width: u16, height: u16) -> Buffer {
    let mut terminal =
        Terminal::new(TestBackend::new(width, height)).expect("no terminal can fail");
    terminal.draw(|frame| view::draw(top, frame)).expect("no terminal can fail");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
        let mut line = String::new();
        let mut skip = 0;
        for cell in row {
            if skip == 0 {
                line.push_str(cell.symbol());
            }
            let wide = ratatui::text::Span::raw(cell.symbol().to_owned()).width();
            skip = if skip > 0 { skip - 1 } else { wide.saturating_sub(1) };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[track_caller]
fn golden(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/top").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, drawn).expect("the fixture can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, expected, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[track_caller]
fn golden_screen(name: &str, top: &Top, width: u16, height: u16) {
    golden(name, &text(&draw(top, width, height)));
}

#[test]
fn all_kinds_at_the_usual_sizes() {
    let top = kinds(LOOK);
    golden_screen("kinds-80x24.txt", &top, 80, 24);
    golden_screen("kinds-200x50.txt", &top, 200, 50);
    golden_screen("kinds-40x15.txt", &top, 40, 15);
    golden_screen("kinds-30x5.txt", &top, 30, 5);
}

#[test]
fn boxes_and_questions() {
    golden_screen("help-80x24.txt", &typed(kinds(LOOK), "?"), 80, 24);
    golden_screen("filter-80x24.txt", &typed(kinds(LOOK), "/tr"), 80, 24);
    golden_screen("kill-80x24.txt", &typed(kinds(LOOK), "Ky"), 80, 24);
    golden_screen("prompt-40x15.txt", &typed(kinds(LOOK), "m"), 40, 15);
    golden_screen("terminate-30x5.txt", &typed(kinds(LOOK), "t"), 30, 5);
}

#[test]
fn nobody_is_there() {
    golden_screen("nobody-80x24.txt", &Top::new(LOOK), 80, 24);
}

#[test]
fn ascii_where_the_locale_is_not_utf8() {
    let drawn = text(&draw(&kinds(Look { unicode: false, ..LOOK }), 120, 24));
    assert!(drawn.is_ascii(), "{drawn}");
}

#[test]
fn no_colour_means_none_of_ours() {
    let top = kinds(Look { colour: false, ..LOOK });
    for (width, height) in [(80, 24), (200, 60), (40, 15)] {
        let drawn = draw(&top, width, height);
        let coloured = |c: Color| c != Color::Reset;
        assert!(!drawn.content.iter().any(|cell| coloured(cell.fg) || coloured(cell.bg)));
    }
}

/// Yellow, green, cyan text can hardly be read on a light ground.
#[test]
fn nothing_to_be_read_is_in_a_colour_that_a_light_terminal_swallows() {
    let pale = |c: Color| matches!(c, Color::Yellow | Color::Green | Color::Cyan);
    for top in [kinds(LOOK), typed(kinds(LOOK), "?"), typed(kinds(LOOK), "t")] {
        let drawn = draw(&top, 120, 40);
        let letters =
            drawn.content.iter().filter(|cell| cell.symbol().chars().all(char::is_alphanumeric));
        let pale: String = letters.filter(|cell| pale(cell.fg)).map(|cell| cell.symbol()).collect();
        assert_eq!(pale, "");
    }
}

#[test]
fn no_size_panics() {
    let mut wild = Top::new(LOOK);
    add(&mut wild, "wild", u32::MAX, 80, |status| {
        status.memory.footprint = sentinel::units::Bytes(u64::MAX);
        status.limits.limit = sentinel::units::Bytes(0);
        status.growth = i64::MIN;
        status.uptime_ms = u64::MAX;
        status.processes = u64::MAX;
        status.command = vec!["漢字".repeat(100)];
    });
    let tops = [
        Top::new(LOOK),
        wild,
        kinds(LOOK),
        typed(kinds(LOOK), "?"),
        typed(kinds(LOOK), "m"),
        typed(kinds(LOOK), "K"),
    ];
    let widths = (1..=8).chain((9..=120).step_by(10)).chain([320]);
    for (width, height) in widths.flat_map(|w| [1, 2, 3, 5, 9, 14, 16, 40].map(move |h| (w, h))) {
        for top in &tops {
            draw(top, width, height);
        }
    }
}

#[test]
fn the_selection_stays_on_its_guardian_and_is_always_seen() {
    let mut top = kinds(LOOK);
    let selected = |top: &Top| top.members()[top.selected().expect("one")].row.name.clone();
    assert_eq!(selected(&top), "train", "the first that came");
    top = typed(top, "sss");
    assert_eq!(selected(&top), "train");
    let end = Input::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    assert_eq!(top.take_input(&end), TopEffect::None);
    let last = selected(&top);
    assert_eq!(last, top.members()[top.members().len() - 1].row.name);
    // Three rows of the table.
    let drawn = draw(&top, 80, 6);
    let reversed: String = drawn
        .content
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED))
        .map(|cell| cell.symbol())
        .collect();
    assert!(reversed.contains(&last), "{reversed:?}");
}

#[test]
fn one_that_has_ended_stays_for_some_seconds_and_takes_no_requests() {
    let mut top = kinds(LOOK);
    while top.members()[top.selected().expect("one")].row.name != "batch" {
        let before = top.selected();
        let _ = press(&mut top, 'j');
        assert_ne!(before, top.selected(), "there is no such row");
    }
    for c in ['\n', 'f', 't', 'K', 'm'] {
        assert_eq!(press(&mut top, c), TopEffect::None, "{c:?}");
    }
    // The socket of one that just ended still takes connections for a moment.
    top.add(&key("batch"), "batch", 6100);
    let count = top.members().len();
    assert!(top.members().iter().any(|m| matches!(m.row.note, Some(Note::Gone(_)))));
    top.tick(NOW + STAYS / 2);
    assert_eq!(top.members().len(), count);
    top.tick(NOW + STAYS);
    assert_eq!(top.members().len(), count - 1);
    assert!(top.selected().is_some());
}

#[test]
fn what_ends_a_workload_is_asked_first_and_about_the_same_one() {
    let request = |name: &str, line: &str| TopEffect::Request(key(name), line.to_owned());
    let mut top = kinds(LOOK);
    assert_eq!(press(&mut top, 't'), TopEffect::None);
    // Another one comes first meanwhile.
    add(&mut top, "first", 1, 500, |_| {});
    top.tick(NOW);
    assert_eq!(press(&mut top, 'y'), request("train", "terminate"));
    for (keys, last, effect) in [
        ("t", 'n', TopEffect::None),
        ("K", 'y', TopEffect::None),
        ("Ky", 'n', TopEffect::None),
        ("Ky", 'y', request("train", "kill")),
        ("", 'f', request("train", "freeze")),
        ("m", '\n', request("train", "set memory 100M")),
        ("+", '\n', request("train", "set memory 125M")),
        ("", '\n', TopEffect::Enter(key("train"))),
        ("", 'q', TopEffect::Leave),
        ("", '\x1b', TopEffect::Leave),
        ("/zz\n", '\x1b', TopEffect::None),
        ("g", '\n', request("train", "set grace 3s")),
        ("?", 'q', TopEffect::None),
    ] {
        let mut top = typed(kinds(LOOK), keys);
        assert_eq!(press(&mut top, last), effect, "{keys:?} {last:?}");
    }
}

/// A size that is refused can be corrected where it was typed, and the answer of another guardian changes nothing.
#[test]
fn a_dialog_stays_open_until_its_value_is_taken() {
    let request = |line: &str| TopEffect::Request(key("train"), line.to_owned());
    let mut top = typed(kinds(LOOK), "m40G");
    assert_eq!(press(&mut top, '\n'), request("set memory 40G"));
    let reply = |ok: bool, text: &str| WatchLine::Reply { ok, text: text.to_owned() };
    top.take_line(&key("web"), reply(false, "no"), NOW);
    top.take_line(&key("train"), reply(false, "more than there is"), NOW);
    let drawn = text(&draw(&top, 80, 24));
    assert!(drawn.contains("40G") && drawn.contains("more than there is"), "{drawn}");
    assert!(drawn.contains("Ctrl-U clears"), "the hint is needed now: {drawn}");
    let mut top = typed(top, "2G");
    assert_eq!(press(&mut top, '\n'), request("set memory 2G"));
    top.take_line(&key("train"), reply(true, "limit 2.00G"), NOW);
    assert_eq!(press(&mut top, 'q'), TopEffect::Leave);
}

#[test]
fn the_selected_row_is_of_one_colour_but_for_what_asks_for_attention() {
    let drawn = draw(&kinds(LOOK), 200, 30);
    let rows = drawn.content.chunks(200);
    let reversed = |row: &&[ratatui::buffer::Cell]| {
        row.iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED)).count() > 100
    };
    let rows: Vec<_> = rows.filter(reversed).collect();
    assert_eq!(rows.len(), 1);
    for (x, cell) in rows[0].iter().enumerate() {
        let one =
            cell.modifier.contains(Modifier::REVERSED) && !cell.modifier.contains(Modifier::DIM);
        assert!(one || cell.modifier.contains(Modifier::BOLD), "{:?} in column {x}", cell.symbol());
    }
}

/// Not by hand: whatever is drawn there is pressed, and whatever row is drawn there is chosen.
#[test]
fn the_mouse_does_what_is_drawn_under_it() {
    let mut top = kinds(LOOK);
    let drawn = text(&draw(&top, 100, 30));
    let lines: Vec<&str> = drawn.lines().collect();
    let at = |word: &str| u16::try_from(lines[29].find(word).expect(word)).expect("small");
    let target = |top: &Top, x, y| view::target(top, (30, 100), (x, y));
    let effect = top.point(Gesture::Click, target(&top, at("f freeze"), 29));
    assert_eq!(effect, TopEffect::Request(key("train"), "freeze".to_owned()));
    assert_eq!(top.point(Gesture::Click, target(&top, at("q leave") + 3, 29)), TopEffect::Leave);
    for name in ["web", "build-the-whole-world"] {
        let y = lines.iter().position(|line| line.contains(&name[..3])).expect(name);
        let y = u16::try_from(y).expect("small");
        assert_eq!(top.point(Gesture::Click, target(&top, 30, y)), TopEffect::None);
        assert_eq!(top.chosen().expect("one").row.name, name);
    }
    let before = top.selected();
    assert_eq!(top.point(Gesture::WheelUp, target(&top, 30, 5)), TopEffect::None);
    assert_ne!(top.selected(), before);
}

#[test]
fn a_filter_leaves_what_matches_and_keys_mean_one_of_those() {
    let top = typed(kinds(LOOK), "/make\n");
    assert_eq!(top.shown().len(), 1);
    assert_eq!(top.chosen().expect("one").row.name, "build-the-whole-world");
    let mut none = typed(kinds(LOOK), "/no such thing\n");
    assert!(none.chosen().is_none());
    assert_eq!(press(&mut none, 'f'), TopEffect::None);
    assert_eq!(press(&mut none, '\x1b'), TopEffect::None);
    assert_eq!(none.shown().len(), none.members().len());
}

#[test]
fn a_paste_is_no_command() {
    let mut top = kinds(LOOK);
    for input in [Input::PasteStart, Input::Pasted(b"Kyy".to_vec()), Input::PasteEnd] {
        assert_eq!(top.take_input(&input), TopEffect::None);
    }
}

/// Whatever somebody's guardian makes up.
#[test]
fn a_table_has_no_instruction_for_a_terminal() {
    let mut status = sample::status(1, 1);
    status.command = vec!["\x1b[2J\u{202e}x\ny".into()];
    let rows = [Row {
        name: "x".into(),
        pid: 1,
        status: Some(sentinel::fleet::row::clean(status)),
        note: None,
    }];
    let text = columns::text(&rows, None);
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains("\\u{1b}[2J\\u{202e}x\\ny"), "{text:?}");
}

fn rows() -> Vec<Row> {
    let row = |name: &str, pid, status, note| Row { name: name.into(), pid, status, note };
    let mut long = sample::status(90_061_000, 93);
    long.forecast_ms = Some(125_000);
    vec![
        row("python3", 4711, Some(sample::status(61_000, 40)), None),
        row("a-name-of-some-length", 1_234_567, Some(long), None),
        row("stuck", 12, None, Some(Note::Silent("no answer in 2.0s".into()))),
    ]
}

#[test]
fn ps_fits_the_width_and_is_whole_without_one() {
    golden("ps-80.txt", &columns::text(&rows(), Some(80)));
    golden("ps-40.txt", &columns::text(&rows(), Some(40)));
    golden("ps-whole.txt", &columns::text(&rows(), None));
    for width in 1..300 {
        let text = columns::text(&rows(), Some(width));
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= width), "{width}: {text}");
    }
}

/// Of several workloads of one guardian the row shows the one that is nearest to its limit, and stays when one of them ends.
#[test]
fn of_several_workloads_the_nearest_to_its_limit_is_shown() {
    let mut top = Top::new(LOOK);
    let key = key("machine");
    top.add(&key, "machine", 7);
    let mut tell = |name: &str, mib: u64| {
        let status = Status { name: name.to_owned(), ..sample::status(1000, mib) };
        top.take_line(&key, sample::line(status), NOW);
        let shown = top.members()[0].row.status.as_ref().map(|status| status.name.clone());
        shown.unwrap_or_default()
    };
    assert_eq!(tell("one", 40), "one");
    assert_eq!(tell("two", 20), "one");
    assert_eq!(tell("one", 30), "one");
    assert_eq!(tell("two", 60), "two");
    let text = "two ended by itself".to_owned();
    top.take_line(&key, WatchLine::End { text, exit_status: 0, goes_on: true }, NOW);
    assert!(top.members()[0].row.note.is_none(), "the guardian goes on");
}
