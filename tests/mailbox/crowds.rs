//! Clients beyond number: the guardian keeps its own descriptors, and says little about it.

use crate::states::{FOREVER, kill};
use crate::support::{Running, Scene, is_root, skip, until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// So many of this process's descriptors may be open as the system lets it.
fn raise_own_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let most = if is_root() { hard.max(20_000) } else { hard };
    setrlimit(Resource::RLIMIT_NOFILE, most.min(20_000), most).unwrap();
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Held as long as they can be: those that find no place are told so and hung up on.
#[test]
fn ten_thousand_connections() {
    raise_own_limit();
    let (own, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let held_at_once = usize::try_from(own).unwrap().min(11_000) - 500;
    let scene = Scene::new();
    let running = scene.with_mailbox(&["--grace", "1000s"], &FOREVER);
    // Once it answers it has opened all that it needs.
    scene.ask("ping").expect(0);
    let before = open_files(running.pid());
    let mut held = std::collections::VecDeque::new();
    for number in 0..10_000 {
        if held.len() >= held_at_once {
            held.pop_front();
        }
        held.push_back(UnixStream::connect(scene.socket()).unwrap());
        if number % 2500 == 0 {
            let open = open_files(running.pid());
            // 128 clients, and what a look opens for a moment.
            assert!(open <= before + 140, "{open} descriptors, {before} before");
        }
    }
    assert_eq!(scene.ask("ping").expect(0).stdout(), "pong\n");
    assert_eq!(scene.ask("terminate").expect(0).stdout(), "ok: terminating\n");
    let run = running.finish().expect(143);
    assert!(run.stderr.lines().count() < 200, "{run:?}");
}

/// Few descriptors, all of them wanted by clients: there still are some to signal with.
#[test]
fn with_few_descriptors_clients_get_few_of_them() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let script = "trap 'echo heard; exit 3' TERM; echo up; while :; do sleep 0.1; done";
    let guarded = scene.guarded(&["--socket", &socket, "--grace", "1000s"], &["sh", "-c", script]);
    let few = ["sh", "-c", "ulimit -n 48; exec \"$@\"", "sh"];
    let running = Running::start(&mut scene.through(&few, &guarded));
    running.await_out("up");
    scene.await_mailbox();
    let held: Vec<_> = (0..200).map(|_| UnixStream::connect(scene.socket()).unwrap()).collect();
    scene.ask("ping").expect(0);
    let open = open_files(running.pid());
    assert!(open < 46, "{open}: none is left");
    running.send(nix::libc::SIGTERM);
    let run = running.finish();
    assert!(run.stdout().contains("heard"), "{run:?}");
    drop(held);
}

#[test]
fn refusals_are_counted_and_few_are_told() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(scene.socket(), open).unwrap();
    let ask = "i=0; while [ $i -lt 100 ]; do \"$0\" ctl --socket \"$1\" kill; i=$((i+1)); done";
    let mut stranger = scene.as_nobody("sh");
    stranger.args(["-c", ask, &crate::support::binary(), &scene.text_path("s.socket")]);
    let run = Running::start(&mut stranger).finish();
    let refused = run.stderr.matches("only uid 0 and root may use this mailbox").count();
    assert_eq!(refused, 100, "{run:?}");
    running.await_err("mailbox: refused uid 65534, who asked for kill");
    let said = running.err.text().matches("mailbox: refused").count();
    assert!(said < 50, "{said} of 100 refusals are told");
    kill(&scene, running);
}

/// What the user wrote into a path or a name is shown, not obeyed.
#[test]
fn control_characters_in_names_and_paths() {
    let scene = Scene::new();
    let socket = scene.text_path("s\u{1b}[2J\n.socket");
    let name = format!("{}\u{1b}[2J\nx", scene.name());
    let mut sentinel = scene.guarded(&["--socket", &socket], &["sh", "-c", "read x"]);
    let running = Running::start(sentinel.stdin(std::process::Stdio::piped()));
    until("it is there", || UnixStream::connect(&socket).is_ok());
    let mut second = scene.guarded(&["--socket", &socket], &["true"]);
    let run = Running::start(&mut second).finish().expect(125);
    assert!(
        run.stderr.contains("s\\u{1b}[2J\\n.socket: another process is already listening"),
        "{run:?}"
    );
    let mut named = scene.sentinel();
    named.args(["--plain", "--socket", &socket, "--name", &name, "--", "true"]);
    let refused = Running::start(&mut named).finish().expect(125);
    for text in [&run.stderr, &refused.stderr] {
        assert!(!text.contains('\u{1b}') && text.lines().count() == 1, "{text:?}");
    }
    let run = running.finish().expect(1);
    assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
    assert!(!std::path::Path::new(&socket).exists());
}
