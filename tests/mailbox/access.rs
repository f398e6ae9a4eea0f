//! Who may ask: the user who started it (under sudo the user behind it) and root; nobody else.

use crate::states::{FOREVER, kill};
use crate::support::{Run, Running, Scene, binary, is_root, skip, until};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

const NOBODY: u32 = 65534;
const OTHER: u32 = 65533;

/// False, and noted, where nobody else can be played.
fn can_be_others() -> bool {
    if !is_root() {
        skip("only root can become somebody else");
    }
    is_root()
}

fn set_mode(scene: &Scene, name: &str, mode: u32) {
    std::fs::set_permissions(scene.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn ask_as(scene: &Scene, uid: u32, request: &str) -> Run {
    let uid = format!("--reuid={uid}");
    let mut program = scene.program("setpriv");
    program.args([&uid, "--regid=65534", "--clear-groups", &binary(), "ctl", "--socket"]);
    Running::start(program.arg(scene.socket()).arg(request)).finish()
}

/// With the scene's directory open to lookers, the socket's own mode is all that is in the way.
fn guardian(scene: &Scene, sudo: bool) -> Running {
    set_mode(scene, "", 0o755);
    let socket = scene.text_path("s.socket");
    let mut sentinel = scene.guarded(&["--socket", &socket], &FOREVER);
    if sudo {
        sentinel.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string());
    }
    let running = Running::start(&mut sentinel);
    scene.await_mailbox();
    running
}

#[test]
fn others_cannot_connect() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    let running = guardian(&scene, false);
    for request in ["status", "kill", "help"] {
        let run = ask_as(&scene, NOBODY, request).expect(125);
        assert!(run.stderr.contains("is not yours: permission denied (try sudo)"), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
    kill(&scene, running);
}

#[test]
fn others_who_can_connect_are_refused_and_told() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    let running = guardian(&scene, false);
    set_mode(&scene, "s.socket", 0o666);
    for request in ["status", "kill", "help", "set memory 1G"] {
        let run = ask_as(&scene, NOBODY, request).expect(1);
        let refusal = "error: only uid 0 and root may use this mailbox, not uid 65534\n";
        assert_eq!(run.stderr, refusal, "{request}");
    }
    running.await_err("mailbox: refused uid 65534, who asked for kill");
    kill(&scene, running);
}

#[test]
fn under_sudo_the_mailbox_is_the_user_s() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    let running = guardian(&scene, true);
    let meta = std::fs::symlink_metadata(scene.socket()).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (NOBODY, NOBODY, 0o600));
    assert_eq!(ask_as(&scene, NOBODY, "ping").expect(0).stdout(), "pong\n");
    ask_as(&scene, OTHER, "ping").expect(125).says("is not yours");
    set_mode(&scene, "s.socket", 0o666);
    ask_as(&scene, OTHER, "ping").expect(1).says("only uid 65534 and root may");
    assert_eq!(ask_as(&scene, NOBODY, "terminate").expect(0).stdout(), "ok: terminating\n");
    running.finish().expect(143);
}

#[test]
fn under_sudo_the_record_is_written_as_the_user() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("theirs")).unwrap();
    std::os::unix::fs::chown(scene.path("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    set_mode(&scene, "", 0o755);
    let record = scene.text_path("theirs/record.json");
    let mut sentinel = scene.guarded(&["--json", &record], &["true"]);
    sentinel.env("SUDO_UID", NOBODY.to_string()).env("SUDO_GID", NOBODY.to_string());
    Running::start(&mut sentinel).finish().expect(0);
    let meta = std::fs::metadata(&record).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (NOBODY, NOBODY));
}

/// In a public directory anybody can put up a socket: a user does not talk to a stranger's.
#[test]
fn a_stranger_s_guardian_is_not_believed() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("public")).unwrap();
    set_mode(&scene, "public", 0o1777);
    let socket = scene.text_path("public/s");
    let guarded = scene.guarded(&["--socket", &socket], &FOREVER);
    let running = Running::start(scene.as_nobody(guarded.get_program()).args(guarded.get_args()));
    until("it is there", || UnixStream::connect(scene.path("public/s")).is_ok());
    set_mode(&scene, "public/s", 0o666);
    let mut other = scene.program("setpriv");
    other.args([&format!("--reuid={OTHER}"), "--regid=65533", "--clear-groups", &binary()]);
    let run = Running::start(other.args(["ctl", "--socket", &socket, "ping"])).finish().expect(125);
    assert!(
        run.stderr.contains("belongs to uid 65534, neither root nor you: not asked"),
        "{run:?}"
    );
    let mut root = scene.sentinel();
    Running::start(root.args(["ctl", "--socket", &socket, "kill"])).finish().expect(0);
    running.finish().expect(137);
}

#[test]
fn an_ordinary_user_has_a_guardian_too() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("theirs")).unwrap();
    std::os::unix::fs::chown(scene.path("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    let socket = scene.text_path("theirs/s");
    let guarded = scene
        .guarded(&["--socket", &socket], &["sh", "-c", "(setsid sleep 1000 &); exec sleep 1000"]);
    let mut user = scene.as_nobody(guarded.get_program());
    let running = Running::start(user.args(guarded.get_args()).env_remove("XDG_RUNTIME_DIR"));
    running.await_err("tier ");
    let mut ask = scene.as_nobody(binary());
    let ask = ask.args(["ctl", "--socket", &socket, "terminate"]);
    until("it is there", || UnixStream::connect(scene.path("theirs/s")).is_ok());
    Running::start(ask).finish().expect(0);
    running.finish().expect(143);
}

/// Somebody else's dead socket is theirs to remove, unless one is root.
#[test]
fn another_user_s_dead_socket() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("public")).unwrap();
    set_mode(&scene, "public", 0o1777);
    let socket = scene.text_path("public/s");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    set_mode(&scene, "public/s", 0o666);
    let guarded = scene.guarded(&["--socket", &socket], &["true"]);
    let mut user = scene.as_nobody(guarded.get_program());
    let run = Running::start(user.args(guarded.get_args())).finish().expect(125);
    assert_eq!(
        run.stderr,
        format!(
            "sentinel: cannot listen at {socket}: a dead socket of uid 0 is in the way: remove it or choose another --socket\n"
        )
    );
    std::os::unix::fs::chown(&socket, Some(NOBODY), None).unwrap();
    Running::start(user.args::<[&str; 0], _>([])).finish().expect(0);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    std::os::unix::fs::chown(&socket, Some(OTHER), None).unwrap();
    scene.run(&["--socket", &socket], &["true"]).expect(0);
}
