//! Not set-user-ID, and `--no-new-privs`.

use crate::refusal::{attempt, refused};
use crate::support::{Running, Scene, binary};
use crate::{can_be_others, open_to_all};
use std::os::unix::fs::PermissionsExt;

#[test]
fn borrowed_privileges_are_refused() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    for borrowed in
        [&["setpriv", "--euid=65534"][..], &["setpriv", "--egid=65534", "--keep-groups"]]
    {
        let direct = attempt::<&str>(&scene, &[]);
        let run = refused(&scene, &mut scene.through(borrowed, &direct), 125);
        assert!(run.stderr.contains("not made to be set-user-ID"), "{borrowed:?}: {run:?}");
    }
    for verb in ["status", "doctor", "__dashboard"] {
        let mut command = scene.program("setpriv");
        let run = Running::start(command.args(["--euid=65534", &binary(), verb])).finish();
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        run.expect(125).says("not made to be set-user-ID");
    }
}

const NO_NEW_PRIVS: [&str; 3] = ["grep", "NoNewPrivs", "/proc/self/status"];

#[test]
fn no_new_privileges_where_asked_for() {
    let scene = Scene::new();
    let asked = scene.run(&["-q", "--no-new-privs"], &NO_NEW_PRIVS).expect(0);
    assert_eq!(asked.stdout(), "NoNewPrivs:\t1\n");
    let direct = Running::start(scene.program(NO_NEW_PRIVS[0]).args(&NO_NEW_PRIVS[1..])).finish();
    let not_asked = scene.run(&["-q"], &NO_NEW_PRIVS).expect(0);
    assert_eq!(not_asked.stdout(), direct.stdout());
}

/// A set-user-ID copy of id(1) stands for sudo.
#[test]
fn a_program_s_mode_gives_nothing_then() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    open_to_all(&scene);
    let copy = scene.text_path("id");
    std::fs::copy("/usr/bin/id", &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let as_nobody = |options: &[&str]| {
        let guarded = scene.guarded(options, &[&copy, "-u"]);
        let mut nobody = scene.as_nobody(guarded.get_program());
        Running::start(nobody.args(guarded.get_args())).finish().expect(0).stdout()
    };
    assert_eq!(as_nobody(&["-q", "--no-new-privs"]), "65534\n");
    let root_run = scene.run(&["-q", "--user", "65534:65534"], &[&copy, "-u"]).expect(0).stdout();
    assert_eq!(as_nobody(&["-q"]), root_run, "--user alone leaves such programs as they are");
}
