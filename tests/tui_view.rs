//! What the dashboard draws: golden screens under `tests/fixtures/tui` (`UPDATE_GOLDEN=1` writes them anew), and what must hold at
//! every size.
#![expect(clippy::expect_used, reason = "what cannot fail here is not under test")]

#[path = "tui/sample.rs"]
mod sample;

use proptest::prelude::*;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::{Terminal, TerminalOptions, Viewport};
use sentinel::clock::Timestamp;
use sentinel::status::{Level, Limits, ProcessRow, State, Status, Tier, WatchLine};
use sentinel::tui::app::{App, Effect, Mode};
use sentinel::tui::keys::{Gesture, Input};
use sentinel::tui::look::Look;
use sentinel::tui::measure::{Measured, Pss};
use sentinel::tui::pane::Pane;
use sentinel::tui::replay::Replay;
use sentinel::tui::top::{self, state::Top};
use sentinel::tui::view;
use sentinel::units::Bytes;
use std::path::Path;

const LOOK: Look = Look { colour: true, unicode: true };
const NOW: Timestamp = Timestamp::from_millis(42_000);

/// A minute of growth to 70 MiB, with events.
fn grown(look: Look, has_pane: bool) -> App {
    let mut app = App::new(look, has_pane);
    app.take_line(
        sample::event(0, Level::Info, "kernel tier: cgroup /sys/fs/cgroup/sentinel-4000"),
        NOW,
    );
    for second in 0..60 {
        let mut status = sample::status(second * 1000, 20 + second * 5 / 6);
        status.forecast_ms = (second > 40).then_some(21_000);
        status.warned = second >= 48;
        app.take_line(sample::line(status), NOW);
    }
    app.take_line(sample::event(48_300, Level::Warning, "60% of the limit is in use"), NOW);
    app
}

fn with(mut app: App, change: impl FnOnce(&mut Status)) -> App {
    let mut status = app.now().expect("a status was taken").clone();
    change(&mut status);
    app.take_line(sample::line(status), NOW);
    app
}

fn terminating() -> App {
    let mut app = with(grown(LOOK, true), |status| {
        status.uptime_ms = 61_000;
        status.state = State::Terminating;
        status.memory = sample::memory(104);
        status.kill_in_ms = Some(1_800);
        status.reason = Some("footprint 101.2M reached the limit 100.0M".into());
        status.limits.trip_wire = sentinel::units::Limit::At(108 << 20);
    });
    let text = "SIGTERM to 6 processes: footprint 101.2M reached the limit 100.0M";
    app.take_line(sample::event(60_010, Level::Error, text), NOW);
    app
}

fn typed(mut app: App, keys: &str) -> App {
    for c in keys.chars() {
        let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        let _ = app.take_input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)), NOW);
    }
    app
}

fn output() -> Pane {
    let mut pane = Pane::new(24, 80);
    for epoch in 1..40 {
        let line = format!("\x1b[36mepoch {epoch}\x1b[0m loss 0.{:04} 漢字\r\n", 9999 - epoch * 37);
        let _ = pane.feed(line.as_bytes());
    }
    pane
}

fn draw(app: &App, width: u16, height: u16) -> Buffer {
    let mut pane = output();
    if let Some((rows, columns)) = view::pane_size(app, height, width) {
        pane.resize(rows, columns);
    }
    let pane = app.has_pane.then_some(&pane);
    let mut terminal =
        Terminal::new(TestBackend::new(width, height)).expect("no terminal can fail");
    terminal.draw(|frame| view::draw(app, pane, frame)).expect("no terminal can fail");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut text = String::new();
    for row in buffer.content.chunks(width.max(1)) {
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
fn golden(name: &str, app: &App, width: u16, height: u16) {
    let drawn = text(&draw(app, width, height));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tui").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &drawn).expect("the fixture can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, expected, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
}

#[test]
fn running_at_the_usual_sizes() {
    let app = grown(LOOK, true);
    golden("running-80x24.txt", &app, 80, 24);
    golden("running-200x60.txt", &app, 200, 60);
    golden("running-40x15.txt", &app, 40, 15);
    golden("running-20x4.txt", &app, 20, 4);
}

#[test]
fn terminating_shows_countdown_and_reason() {
    golden("terminating-80x24.txt", &terminating(), 80, 24);
    golden("terminating-120x40.txt", &terminating(), 120, 40);
    golden("terminating-40x15.txt", &terminating(), 40, 15);
}

#[test]
fn without_a_pane_events_get_its_room() {
    golden("no-pane-100x30.txt", &grown(LOOK, false), 100, 30);
}

#[test]
fn the_pane_can_have_nearly_all_the_room() {
    golden("zoomed-80x24.txt", &typed(grown(LOOK, true), "z"), 80, 24);
}

#[test]
fn processes_as_a_tree_sorted_filtered_and_chosen() {
    golden("tree-110x30.txt", &typed(grown(LOOK, false), "e"), 110, 30);
    golden("filter-80x24.txt", &typed(grown(LOOK, true), "/PYTHON"), 80, 24);
    golden("filter-30x6.txt", &typed(grown(LOOK, true), "/x"), 30, 6);
    golden("growth-60x24.txt", &typed(grown(LOOK, false), "s"), 60, 24);
    let mut app = typed(grown(LOOK, false), "sss");
    let pss = |mib| Ok(Pss { pss: Bytes::mib(mib), private: Bytes::mib(1), swap: Bytes(0) });
    let found = vec![(4002, pss(9)), (4015, pss(30)), (4021, Err("it has no memory".to_owned()))];
    app.take_found(Measured { pss: found, traffic: None }, NOW);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Down);
    let drawn = draw(&app, 120, 40);
    let chosen: Vec<_> = (0..40).filter(|y| is_reversed(&drawn, 119, *y)).collect();
    assert_eq!(chosen.len(), 1, "one row is chosen");
    golden("pss-120x40.txt", &app, 120, 40);
}

fn press(app: &mut App, code: KeyCode) {
    let _ = app.take_input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)), NOW);
}

fn is_reversed(buffer: &Buffer, x: u16, y: u16) -> bool {
    let cell = buffer.cell((x, y)).expect("in the buffer");
    cell.modifier.contains(Modifier::REVERSED)
}

/// A table longer than the screen: the chosen row is in view wherever it is.
#[test]
fn many_rows_scroll_with_the_choice() {
    let mut app = grown(LOOK, false);
    let row = |pid| ProcessRow { pid, ppid: 1, ..sample::processes(100)[0].clone() };
    let processes = Some((1..=200).map(row).collect());
    let mut status = app.now().expect("a status was taken").clone();
    status.processes = 10_000;
    app.take_line(WatchLine::Status { status: Box::new(status), processes }, NOW);
    for (key, expected) in [(KeyCode::Down, "1 "), (KeyCode::End, "200 "), (KeyCode::Up, "199 ")] {
        press(&mut app, key);
        let drawn = draw(&app, 100, 30);
        let row = (0..30).find(|y| is_reversed(&drawn, 99, *y)).expect("the chosen row is seen");
        let line = text(&drawn).lines().nth(usize::from(row)).expect("a line").to_owned();
        assert!(line.contains(&format!(" {expected}python3")), "{key:?} {line}");
        assert!(text(&drawn).contains("200 largest of 10000"));
    }
}

/// The line into the future is a promise: there is none where the guardian makes none.
#[test]
fn no_forecast_is_drawn_without_one() {
    let dots = |app: &App| {
        text(&draw(app, 100, 30)).matches(|c| ('\u{2801}'..'\u{28ff}').contains(&c)).count()
    };
    let app = grown(LOOK, false);
    // One is the legend.
    assert!(dots(&app) > 5);
    for change in [
        |status: &mut Status| status.forecast_ms = None,
        |status: &mut Status| status.frozen = true,
        |status: &mut Status| status.state = State::Terminating,
        |status: &mut Status| status.memory.footprint = status.limits.limit,
    ] {
        assert_eq!(dots(&with(grown(LOOK, false), change)), 0);
    }
}

#[test]
fn boxes_and_questions() {
    golden("help-80x24.txt", &typed(grown(LOOK, true), "?"), 80, 24);
    golden("help-40x12.txt", &typed(grown(LOOK, true), "?"), 40, 12);
    let mut visiting = grown(LOOK, false);
    visiting.visiting = true;
    golden("help-visiting-80x24.txt", &typed(visiting, "?"), 80, 24);
    golden("prompt-80x24.txt", &typed(grown(LOOK, true), "mX\n"), 80, 24);
    golden("kill-80x24.txt", &typed(grown(LOOK, true), "Ky"), 80, 24);
    golden("quit-40x15.txt", &typed(grown(LOOK, true), "q"), 40, 15);
    golden("prompt-30x3.txt", &typed(grown(LOOK, true), "m"), 30, 3);
}

/// The same key is the same deed in the dashboard and in `top`, and has the same name.
#[test]
fn keys_mean_the_same_in_dashboard_and_top() {
    let keys = |footer: &str| {
        let groups = footer.trim().split("  ").filter_map(|group| group.split_once(' '));
        groups.map(|(key, word)| (key.to_owned(), word.to_owned())).collect::<Vec<_>>()
    };
    let dashboard = text(&draw(&grown(LOOK, true), 250, 30));
    let dashboard = keys(dashboard.lines().last().expect("a footer"));
    let mut top = Top::new(LOOK);
    top.add(&"a".into(), "a", 1);
    let mut terminal = Terminal::new(TestBackend::new(250, 30)).expect("no terminal can fail");
    terminal.draw(|frame| top::view::draw(&top, frame)).expect("no terminal can fail");
    let top = text(terminal.backend().buffer());
    let top = keys(top.lines().last().expect("a footer"));
    let shared: Vec<_> =
        dashboard.iter().filter(|(key, _)| top.iter().any(|t| t.0 == *key)).collect();
    assert!(shared.len() >= 8, "{dashboard:?} {top:?}");
    for pair in shared {
        assert!(top.contains(pair), "{pair:?} means something else in {top:?}");
    }
}

/// Whatever is drawn there is pressed, and whatever row is drawn there is chosen.
#[test]
fn the_mouse_does_what_is_drawn_under_it() {
    let mut app = grown(LOOK, false);
    let drawn = text(&draw(&app, 100, 30));
    let lines: Vec<&str> = drawn.lines().collect();
    let column = |y: usize, word: &str| {
        let at = lines[y].find(word).expect(word);
        u16::try_from(lines[y][..at].chars().count()).expect("small")
    };
    let target = |app: &App, x, y| view::target(app, (30, 100), (x, y));
    let freeze = target(&app, column(29, "f freeze") + 3, 29);
    let effect = app.point(Gesture::Click, freeze, NOW);
    assert_eq!(effect, Effect::Request("freeze".to_owned()));
    let y = lines.iter().position(|line| line.contains("loader")).expect("a row");
    let row = target(&app, column(y, "loader"), u16::try_from(y).expect("small"));
    assert_eq!(app.point(Gesture::Click, row, NOW), Effect::None);
    assert_eq!(app.table.chosen(), Some(4011));
    assert_eq!(app.point(Gesture::WheelUp, row, NOW), Effect::None);
    assert_eq!(app.table.chosen(), Some(4010));
    // A question is answered by keys.
    let mut asked = typed(app, "K");
    assert_eq!(asked.point(Gesture::Click, freeze, NOW), Effect::None);
    assert!(matches!(asked.mode, Mode::Question(_)));
}

#[test]
fn a_message_that_has_no_room_is_seen_to_be_cut() {
    let mut app = grown(LOOK, true);
    app.tell(&"too long a reason, ".repeat(10), true, NOW);
    let drawn = text(&draw(&app, 80, 24));
    assert!(drawn.lines().last().is_some_and(|line| line.ends_with('…')), "{drawn}");
}

#[test]
fn a_replay_is_seen_to_be_one_and_offers_nothing_that_acts() {
    let mut app = terminating();
    app.has_pane = false;
    app.replay = Some(Replay { length_ms: 90_000, speed: 4.0, paused: true });
    golden("replay-80x24.txt", &app, 80, 24);
    golden("replay-40x15.txt", &app, 40, 15);
    golden("replay-help-80x24.txt", &typed(app, "?"), 80, 24);
}

/// Rungs that fired stay lit when all is over; those that did not are not.
#[test]
fn the_ladder_shows_what_fired() {
    let over = with(terminating(), |status| status.state = State::Ended);
    let drawn = text(&draw(&over, 100, 30));
    assert!(
        drawn.contains("● warn") && drawn.contains("● TERM") && drawn.contains("○ KILL"),
        "{drawn}"
    );
}

#[test]
fn frozen_paused_and_refused_are_seen() {
    let mut app = with(grown(LOOK, true), |status| status.frozen = true);
    app = typed(app, "p");
    let text = "set memory: below what is in use".to_owned();
    app.take_line(WatchLine::Reply { ok: false, text }, NOW);
    golden("frozen-80x24.txt", &app, 80, 24);
}

/// A footprint over the limit is no breach where what is over lies in swap, and does not look like one.
#[test]
fn what_is_in_swap_is_seen_to_be_there() {
    let swapped = |status: &mut Status, room| {
        status.limits.swap = room;
        status.limits.swap_room = room;
        status.memory = sentinel::status::Memory {
            current: Bytes::mib(99),
            footprint: Bytes::mib(150),
            swap: Bytes::mib(60),
            ..status.memory
        };
    };
    let room = sentinel::units::Limit::At(256 << 20);
    let app = with(grown(LOOK, false), |status| swapped(status, room));
    golden("swap-80x24.txt", &app, 80, 24);
    golden("swap-160x45.txt", &app, 160, 45);
    let any = with(grown(LOOK, false), |status| swapped(status, sentinel::units::Limit::Max));
    golden("any-swap-80x24.txt", &any, 80, 24);
    for app in [app, any] {
        let drawn = draw(&app, 80, 24);
        let alarm = |cell: &ratatui::buffer::Cell| cell.fg == Color::Red && cell.symbol() == "█";
        assert!(!drawn.content.iter().any(alarm));
    }
}

/// No memory controller: no ceiling, no trip-wire, no counters, but the reason why.
#[test]
fn without_a_memory_controller_only_what_is_there_is_shown() {
    let app = with(grown(LOOK, true), |status| {
        status.tier = Tier::Hybrid;
        status.tier_reason = "the memory controller belongs to cgroup v1 here".into();
        status.limits = Limits { trip_wire: sentinel::units::Limit::Max, ..status.limits };
        status.pressure = None;
    });
    golden("hybrid-80x24.txt", &app, 80, 24);
    golden("hybrid-40x15.txt", &app, 40, 15);
    golden("hybrid-160x45.txt", &app, 160, 45);
}

/// Yellow, green, cyan text can hardly be read on a light ground: as a colour of text they are left to marks and bars.
#[test]
fn nothing_to_be_read_is_in_a_colour_that_a_light_terminal_swallows() {
    let pale = |c: Color| matches!(c, Color::Yellow | Color::Green | Color::Cyan);
    for app in [grown(LOOK, false), terminating(), typed(grown(LOOK, false), "?")] {
        let drawn = draw(&app, 120, 40);
        let letters =
            drawn.content.iter().filter(|cell| cell.symbol().chars().all(char::is_alphanumeric));
        let pale: String = letters.filter(|cell| pale(cell.fg)).map(|cell| cell.symbol()).collect();
        assert_eq!(pale, "");
    }
}

#[test]
fn before_the_first_status() {
    golden("waiting-80x24.txt", &App::new(LOOK, true), 80, 24);
}

#[test]
fn ascii_where_the_locale_is_not_utf8() {
    let app = grown(Look { unicode: false, ..LOOK }, true);
    let drawn = draw(&app, 80, 24);
    assert!(text(&drawn).is_ascii());
    golden("ascii-80x24.txt", &app, 80, 24);
}

#[test]
fn no_colour_means_none_of_ours() {
    let app = grown(Look { colour: false, ..LOOK }, false);
    for (width, height) in [(80, 24), (200, 60), (40, 15)] {
        let drawn = draw(&app, width, height);
        let coloured = |c: Color| c != Color::Reset;
        assert!(!drawn.content.iter().any(|cell| coloured(cell.fg) || coloured(cell.bg)));
    }
}

#[test]
fn only_the_base_colours_are_used() {
    let base = |colour: Color| !matches!(colour, Color::Rgb(..) | Color::Indexed(_));
    for app in [grown(LOOK, false), typed(grown(LOOK, false), "?"), typed(grown(LOOK, false), "K")]
    {
        let drawn = draw(&app, 120, 40);
        assert!(drawn.content.iter().all(|cell| base(cell.fg) && base(cell.bg)));
    }
}

#[test]
fn the_commands_colours_reach_the_screen() {
    let drawn = draw(&grown(LOOK, true), 80, 24);
    assert!(drawn.content.iter().any(|cell| cell.fg == Color::Indexed(6) && cell.symbol() == "e"));
}

/// Values that no workload has, and every mode.
fn wild() -> Vec<App> {
    let wild = with(grown(LOOK, true), |status| {
        status.memory = sentinel::status::Memory {
            current: Bytes(u64::MAX),
            footprint: Bytes(u64::MAX),
            anon: Bytes(u64::MAX),
            ..status.memory
        };
        status.limits.limit = Bytes(0);
        status.growth = i64::MIN;
        status.command = vec!["漢字".repeat(100)];
    });
    let soon = with(grown(LOOK, false), |status| {
        status.limits.limit = Bytes(u64::MAX);
        status.forecast_ms = Some(0);
        status.usage = None;
        status.memory.rss = None;
    });
    let mut apps =
        vec![App::new(LOOK, true), grown(LOOK, false), terminating(), wild, soon, several()];
    apps.extend(
        ["z", "?", "m", "K", "i", "/py", "e", "sss"].map(|keys| typed(grown(LOOK, true), keys)),
    );
    apps
}

#[test]
fn no_small_size_panics() {
    let apps = wild();
    for (width, height) in (1..=24).flat_map(|w| (1..=12).map(move |h| (w, h))) {
        for app in &apps {
            draw(app, width, height);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// In a part of the screen that does not begin at its corner: who forgets where the own place is draws outside, and panics.
    #[test]
    fn no_size_panics_and_nothing_is_drawn_outside(
        (x, y) in (0u16..20, 0u16..20),
        (width, height) in (1u16..=300, 1u16..=100),
        which in 0usize..13,
    ) {
        let app = &wild()[which];
        let mut pane = output();
        if let Some((rows, columns)) = view::pane_size(app, height, width) {
            prop_assert!(rows <= height && columns <= width);
            pane.resize(rows, columns);
        }
        let backend = TestBackend::new(x + width + 3, y + height + 3);
        let viewport = Viewport::Fixed(Rect { x, y, width, height });
        let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).expect("no terminal can fail");
        terminal.draw(|frame| view::draw(app, Some(&pane), frame)).expect("no terminal can fail");
    }
}

/// A guardian of twelve, of which one is being ended and one is frozen.
fn several() -> App {
    let mut app = App::new(LOOK, false);
    app.visiting = true;
    for n in 0..12_u64 {
        let mut status = sample::status(1000, 20 + 6 * n);
        status.name = format!("agent-{n:02}");
        status.frozen = n == 3;
        if n == 11 {
            status.state = State::Terminating;
        }
        app.take_line(sample::line(status), NOW);
    }
    app
}

#[test]
fn of_several_workloads_one_is_shown_beside_the_list() {
    let mut app = several();
    golden("several-120x34", &app, 120, 34);
    let shown = |app: &App| app.now().map(|status| status.name.clone());
    assert_eq!(shown(&app).as_deref(), Some("agent-00"));
    assert_eq!(app.workloads.addressed("freeze".into()), "@agent-00 freeze");
    // What is known of one is not shown as another's.
    press(&mut app, KeyCode::BackTab);
    assert_eq!((shown(&app), app.workloads.place()), (None, 11));
    let mut status = sample::status(2000, 60);
    status.name = "agent-11".into();
    app.take_line(sample::line(status), NOW);
    assert_eq!(shown(&app).as_deref(), Some("agent-11"));
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.workloads.place(), 0);
    // While something is asked, it is asked of this one.
    let mut app = typed(app, "t");
    press(&mut app, KeyCode::Tab);
    assert_eq!((app.workloads.place(), app.mode.clone()), (0, Mode::Normal));
    let row = view::target(&app, (34, 120), (3, 5));
    assert_eq!(row, sentinel::tui::target::Target::Workload(4));
    let _ = app.point(Gesture::Click, row, NOW);
    assert_eq!(app.workloads.addressed("grace 5s".into()), "@agent-04 grace 5s");
}

#[test]
fn who_tells_nothing_any_more_is_no_longer_listed() {
    let mut app = several();
    let later = NOW + std::time::Duration::from_secs(60);
    let mut status = sample::status(61_000, 30);
    status.name = "agent-05".into();
    app.take_line(sample::line(status), later);
    let text_of = "ended by itself".to_owned();
    app.take_line(WatchLine::End { text: text_of, exit_status: 0, goes_on: true }, later);
    assert!(app.tick(later) && app.ended.is_none());
    let left: Vec<&str> = app.workloads.lines().map(|(name, _)| name).collect();
    assert_eq!(left, ["agent-00", "agent-05"], "and the one that is shown");
    // One alone was one of several: requests still say which.
    assert_eq!(app.workloads.addressed("kill".into()), "@agent-00 kill");
}
