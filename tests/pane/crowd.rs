//! Many processes: what is sent and done for a frame depends on the rows that are shown, and not on how many there are.

use crate::stage::{Stage, dashboard_of};
use crate::support::{Scene, eventually};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

const PROCESSES: u64 = 300;
/// Rows that a line of the guardian has at most.
const ROWS: usize = 200;
const LINES: u64 = 20;

/// System calls of a process that read or wrote files, and bytes that it read (proc_pid_io(5)). What a socket brings is not in it.
fn work(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let field = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    (field("syscr:") + field("syscw:"), field("rchar:"))
}

/// The next line of the guardian, and its rows if it has a table.
fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> (usize, Option<usize>) {
    loop {
        let text = lines.next().unwrap().unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        if line["type"] == "status" {
            return (text.len() + 1, line["processes"].as_array().map(Vec::len));
        }
    }
}

#[test]
fn a_frame_costs_no_more_for_a_crowd() {
    let scene = Scene::new();
    let script =
        format!("for n in $(seq {PROCESSES}); do sleep 100000 & done; echo all here; wait");
    let mut stage = Stage::open_with(&scene, (40, 120), &["--pids", "max"], &["sh", "-c", &script]);
    stage.until_shown("all here");
    let dashboard = eventually("the dashboard runs", || dashboard_of(stage.pid()));
    let mut stream = UnixStream::connect(scene.socket()).unwrap();
    stream.write_all(b"watch json\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    // From the table on that has all of them: their command lines are read once, and known then.
    for _ in 0..2 {
        while next(&mut lines).1 != Some(ROWS) {}
    }
    stage.read_some(0);
    let (calls, bytes) = work(dashboard);
    for _ in 0..LINES {
        let (length, rows) = next(&mut lines);
        assert!(rows.is_none_or(|rows| rows == ROWS), "{rows:?}");
        assert!(length < ROWS * 256, "a line of {length} bytes");
        stage.read_some(0);
    }
    let (calls, bytes) = (work(dashboard).0 - calls, work(dashboard).1 - bytes);
    // Some for each line and frame, and for a row that is new in the table. With each table, and on a busy machine each line has one, some
    // command lines are read again: the same few of however many.
    assert!(calls < (20 + 3 * 16) * LINES, "{calls} system calls for {LINES} lines");
    assert!(bytes < 1 << 16, "{bytes} bytes read for {LINES} lines");
    stream.write_all(b"kill\n").unwrap();
    stage.finish();
    stage.assert_as_before();
}
