//! Where the mailbox is: the default place, a second guardian beside the first, a dead one's socket.

use crate::states::{FOREVER, kill};
use crate::support::{Running, Scene, binary, is_root, skip, until};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;

/// Two guardians with default places, on a machine where /tmp and /run are empty.
const TWO: &str = r#"
mount -t tmpfs -o mode=1777 tmpfs /tmp && mount -t tmpfs -o mode=755 tmpfs /run || exit 99
cd /tmp
start() { "$SENTINEL" --plain --name "$NAME" -- sh -c 'echo up; exec sleep 100000' > $1 2> $1.err & }
up() { until grep -qs up $1; do sleep 0.02; done; }
start first; first=$!; up first
start second; second=$!; up second
echo "default: $("$SENTINEL" status | tail -n 1)"
echo "by nc: $(echo ping | nc -U /tmp/sentinel.socket)"
for n in $first $second; do
    echo "own $n: $("$SENTINEL" status --socket "/run/sentinel/$NAME-$n.socket" | tail -n 1)"
done
echo "pids $first $second"
cat second.err
"$SENTINEL" ctl terminate; wait $first; echo "first $?"
start third; third=$!; up third
echo "third: $("$SENTINEL" status | tail -n 1)"
echo "pid $third"
"$SENTINEL" ctl kill; wait $third; echo "third $?"
"$SENTINEL" ctl --socket "/run/sentinel/$NAME-$second.socket" kill; wait $second; echo "second $?"
echo left /tmp/*.socket /run/sentinel/*.socket
"#;

#[test]
fn a_second_guardian_does_not_disturb_the_first() {
    if !is_root() {
        return skip("only root can mount");
    }
    let scene = Scene::new();
    let mut shell = scene.program("unshare");
    shell.args(["--mount", "sh", "-c", TWO]).env("SENTINEL", binary()).env("NAME", scene.name());
    let run = Running::start(&mut shell).finish().expect(0);
    let said = run.stdout();
    let number = |word: &str, index: usize| {
        let line = said.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        line.split(' ').nth(index).unwrap().to_owned()
    };
    let (first, second, third) = (number("pids ", 0), number("pids ", 1), number("pid ", 0));
    let guardian =
        |pid: &str| format!("guardian   sentinel {} (pid {pid})", env!("CARGO_PKG_VERSION"));
    for line in [
        format!("default: {}", guardian(&first)),
        "by nc: pong".to_owned(),
        format!("own {first}: {}", guardian(&first)),
        format!("own {second}: {}", guardian(&second)),
        "first 143".to_owned(),
        format!("third: {}", guardian(&third)),
        "third 137".to_owned(),
        "second 137".to_owned(),
        "left /tmp/*.socket /run/sentinel/*.socket".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "no {line:?} in {run:?}");
    }
    assert!(
        said.contains(
            "not listening at /tmp/sentinel.socket: another process is already listening"
        ),
        "{run:?}"
    );
}

#[test]
fn a_dead_guardian_s_socket_is_replaced() {
    let scene = Scene::new();
    drop(UnixListener::bind(scene.socket()).unwrap());
    scene.ask("ping").expect(125).says("its guardian is gone");
    let running = scene.with_mailbox(&[], &FOREVER);
    until("the new one answers", || scene.ask("ping").code() == 0);
    kill(&scene, running);
    assert!(!scene.socket().exists());
}

#[test]
fn the_socket_of_a_guardian_that_was_killed_is_replaced() {
    let scene = Scene::new();
    let first = scene.with_mailbox(&[], &FOREVER);
    scene.ask("ping").expect(0);
    crate::support::send(crate::support::keeper_of(first.pid()), nix::libc::SIGKILL);
    first.send(nix::libc::SIGKILL);
    until("it is gone", || !crate::support::is_alive(first.pid()));
    scene.clear();
    first.finish();
    assert!(scene.socket().exists(), "nobody was there to remove it");
    let second = scene.start(&["--socket", &scene.text_path("s.socket")], &FOREVER);
    until("the new one answers", || scene.ask("ping").code() == 0);
    kill(&scene, second);
}

#[test]
fn a_live_guardian_s_socket_is_refused() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let options = ["--socket", &scene.text_path("s.socket")];
    scene.run(&options, &["true"]).expect(125).says("another process is already listening there");
    scene.ask("ping").expect(0);
    kill(&scene, running);
}

/// Whatever came in its place meanwhile is not the guardian's to remove.
#[test]
fn what_took_the_socket_s_place_stays() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    scene.ask("ping").expect(0);
    std::fs::rename(scene.socket(), scene.path("moved")).unwrap();
    scene.write("s.socket", "somebody's");
    running.send(nix::libc::SIGTERM);
    running.finish().expect(143);
    assert_eq!(scene.read("s.socket"), "somebody's");
    std::fs::remove_file(scene.socket()).unwrap();
}

#[test]
fn only_its_owner_may_use_the_socket_whatever_the_umask() {
    let scene = Scene::new();
    for umask in ["000", "022", "777"] {
        let socket = scene.text_path("s.socket");
        let guarded = scene.guarded(&["--socket", &socket], &FOREVER);
        let script = format!("umask {umask}; exec \"$@\"");
        let running = Running::start(&mut scene.through(&["sh", "-c", &script, "sh"], &guarded));
        scene.await_mailbox();
        let meta = std::fs::symlink_metadata(scene.socket()).unwrap();
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.mode() & 0o7777, 0o600, "umask {umask}");
        kill(&scene, running);
    }
}

#[test]
fn without_a_mailbox_there_is_no_socket() {
    let scene = Scene::new();
    let running = scene.start(&[], &["sh", "-c", "echo up; exec sleep 100000"]);
    running.await_out("up");
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!sockets.contains(&format!("{}-", scene.name())), "{sockets}");
    running.send(nix::libc::SIGTERM);
    running.finish().expect(143);
}
