//! Other users of the machine, and guardians that are none: whatever they do, root's and our own guardians are seen, nothing of
//! theirs is taken for more than it is, and who looks needs little memory for it.

use crate::impostors::{Impostors, KINDS, MOST_KIB, measured, template};
use crate::stage::Stage;
use crate::support::{eventually, python, until};
use nix::libc::SIGTERM;

const FOREVER: [&str; 2] = ["sleep", "100000"];

#[test]
fn three_hundred_sockets_of_a_user_hide_nobody() {
    let Some(stage) = Stage::open() else { return };
    // By name it comes last.
    let ours = stage.guard("zzz", &[], &FOREVER);
    let template = template(&stage, "zzz");
    let kinds = ["nothing"];
    let theirs = Impostors::come(
        &stage,
        (65_534, "/tmp/sentinel-65534"),
        ("aaa", 100_000, 300),
        (&template, &kinds),
    );
    let one = Impostors::come(
        &stage,
        (65_533, "/tmp/sentinel-65533"),
        ("bbb", 200_000, 1),
        (&template, &kinds),
    );
    // Each has so much time for its answer, and on a busy machine that may be too little for any of them once.
    let run = eventually("ours has answered beside theirs", || {
        let run = stage.ps(&[]).expect(0);
        let table = run.stdout();
        let ours = table.lines().find(|line| line.starts_with("zzz "));
        let ours = ours.unwrap_or_else(|| panic!("ours is hidden: {table}"));
        ours.contains("running").then_some(run)
    });
    let table = run.stdout();
    assert!(table.contains("bbb "), "a user with one is crowded out by one with many: {table}");
    assert_eq!(table.matches("aaa ").count(), 254, "{table}");
    run.says("46 more are not shown: 46 of user 65534");
    let up = format!("sentinel_guard_up{{guard=\"zzz\",uid=\"0\",pid=\"{}\"}} ", ours.pid());
    let page = eventually("ours is up beside theirs", || {
        let page = stage.run(&["metrics", "--once"]).expect(0).stdout();
        assert!(page.contains(&up), "ours is hidden: {page}");
        page.contains(&format!("{up}1\n")).then_some(page)
    });
    assert!(page.contains("sentinel_scrape_left_out{what=\"guards\"} 46\n"), "{page}");
    assert_eq!(stage.run(&["ctl", "-g", "zzz", "ping"]).expect(0).stdout(), "pong\n");
    // Nor does a name that they take.
    let same = Impostors::come(
        &stage,
        (65_534, "/tmp/sentinel-65534"),
        ("zzz", 500_000, 600),
        (&template, &["slow"]),
    );
    assert_eq!(stage.run(&["ctl", "-g", "zzz", "ping"]).expect(0).stdout(), "pong\n");
    [theirs, one, same].into_iter().for_each(Impostors::go);
    ours.send(SIGTERM);
    ours.finish().expect(143);
}

/// A thousand of them, of four users and in root's own directory, each as bad as it can be.
#[test]
fn a_thousand_hostile_answers_cost_little_memory() {
    let Some(stage) = Stage::open() else { return };
    let ours = stage.guard("zzz", &[], &FOREVER);
    let template = template(&stage, "zzz");
    let mut crowd: Vec<_> = (0..4)
        .map(|n| {
            let uid = 65_530 + n;
            let place = format!("/tmp/sentinel-{uid}");
            let named = ("aaa", 100_000 + n * 1000, 250);
            Impostors::come(&stage, (uid, &place), named, (&template, &KINDS))
        })
        .collect();
    for round in 0..2 {
        let (kib, table) = measured(&stage, &["ps"]);
        // A thousand in root's own directory leave no room for all of them.
        assert!(table.contains("zzz ") || round == 1, "{table}");
        assert!(table.lines().count() > 200, "{table}");
        assert!(kib < MOST_KIB, "ps had {kib} KiB in round {round}");
        let (kib, json) = measured(&stage, &["ps", "--json"]);
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        assert!(kib < MOST_KIB, "ps --json had {kib} KiB in round {round}");
        let (kib, page) = measured(&stage, &["metrics", "--once"]);
        assert!(page.contains("sentinel_guard_up{guard=\"zzz\",") || round == 1, "{page}");
        assert!(kib < MOST_KIB, "metrics had {kib} KiB in round {round}");
        if round == 0 {
            let own = ("/run/sentinel", ("aaa", 300_000, 1000));
            crowd.push(Impostors::come(&stage, (0, own.0), own.1, (&template, &KINDS)));
        }
    }
    crowd.into_iter().for_each(Impostors::go);
    ours.send(SIGTERM);
    ours.finish().expect(143);
    until("they are gone", || stage.ps(&[]).code() == 1);
}

/// Whoever is asked by its name, and does not stop to answer.
#[test]
fn an_answer_without_an_end_is_cut_off() {
    let Some(stage) = Stage::open() else { return };
    let ours = stage.guard("zzz", &[], &FOREVER);
    let template = template(&stage, "zzz");
    let place = (65_534, "/tmp/sentinel-65534");
    let theirs = Impostors::come(&stage, place, ("endl", 100_000, 1), (&template, &["endless"]));
    for words in [&["ps", "endl"][..], &["status", "endl"], &["status", "endl", "--json"]] {
        let (kib, answer) = measured(&stage, words);
        assert!(kib < MOST_KIB, "{words:?} had {kib} KiB");
        assert!(answer.len() <= 9 << 20, "{words:?}: {} bytes", answer.len());
    }
    stage.run(&["ps", "endl"]).expect(125).says("it was cut off");
    theirs.go();
    ours.send(SIGTERM);
    ours.finish().expect(143);
}

/// At the place where guardians listen that were told nothing else, anybody may: of theirs nothing is believed.
#[test]
fn a_stranger_at_the_default_socket_is_not_asked() {
    let Some(stage) = Stage::open() else { return };
    let script = "
import socket
listener = socket.socket(socket.AF_UNIX)
listener.bind('/tmp/sentinel.socket')
listener.listen(8)
print('ready', flush=True)
while True:
    client = listener.accept()[0]
    try:
        client.recv(100)
        client.sendall(b'ok: terminating\\n')
    except OSError:
        pass
    client.close()";
    let stranger = ["setpriv", "--reuid=65534", "--clear-groups", python(), "-c", script];
    let stranger = stage.start_any(&stranger);
    stranger.await_out("ready");
    for words in [&["ctl", "terminate"][..], &["status"]] {
        let run = stage.run(words).expect(125);
        run.says(
            "the guardian at /tmp/sentinel.socket is user 65534's, and none of yours is running",
        );
    }
    let ours = stage.guard("zzz", &[], &FOREVER);
    // What changes something is for one that was named; the rest for our only one.
    stage.run(&["ctl", "terminate"]).expect(125).says("add --guardian zzz-");
    assert!(stage.run(&["status"]).expect(0).says("asking zzz-").stdout().contains("sleep"));
    stranger.send(SIGTERM);
    stranger.finish();
    ours.send(SIGTERM);
    ours.finish().expect(143);
}
