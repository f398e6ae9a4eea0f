//! Files of others, reached by names that a user controls: never written, never quoted.

use crate::refusal::{attempt, refused};
use crate::support::{Running, Scene};
use crate::{can_be_others, open_to_all};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

const USER: u32 = 65534;
const SECRET: &str = "secret-word = 1\n";

/// A scene that everybody sees, with a file of root's and a directory of a user's.
fn scene() -> Scene {
    let scene = Scene::new();
    open_to_all(&scene);
    scene.write("roots.toml", SECRET);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(scene.path("roots.toml"), private).unwrap();
    std::fs::create_dir(scene.path("users")).unwrap();
    lchown(scene.path("users"), Some(USER), Some(USER)).unwrap();
    scene
}

fn user_links(scene: &Scene) -> String {
    symlink("../roots.toml", scene.path("users/link")).unwrap();
    lchown(scene.path("users/link"), Some(USER), Some(USER)).unwrap();
    scene.text_path("users/link")
}

#[test]
fn a_record_goes_through_no_link_of_another_s() {
    if !can_be_others() {
        return;
    }
    for option in ["--json", "--record"] {
        let scene = scene();
        let link = user_links(&scene);
        let run = refused(&scene, &mut attempt(&scene, &[option, &link]), 125);
        assert!(run.stderr.contains("it is a symbolic link owned by user 65534"), "{run:?}");
        let mut sudo = attempt(&scene, &[option, &link]);
        let run = refused(&scene, sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534"), 125);
        assert!(run.stderr.contains("Permission denied"), "{run:?}");
        std::fs::hard_link(scene.path("roots.toml"), scene.path("users/name")).unwrap();
        let name = scene.text_path("users/name");
        let run = refused(&scene, &mut attempt(&scene, &[option, &name]), 125);
        assert!(run.stderr.contains("the file has a second hard link"), "{run:?}");
        assert_eq!(scene.read("roots.toml"), SECRET);
    }
}

/// `XDG_STATE_HOME` of a user in the environment of root, as `su` keeps it: what root's run leaves goes where root's goes, and nothing of
/// root's lies in the user's directory, where the user's own runs could not write any more. Behind sudo it is the user's run.
#[test]
fn what_is_kept_lies_where_its_owner_keeps_it() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    let guarded = scene.guarded(&["-q"], &["sh", "-c", "kill -KILL $$"]);
    let script = "mount -t tmpfs none /var/lib || exit 99; \"$@\"; ls /var/lib/sentinel >&2; true";
    let run = |ids: Option<&str>| {
        let mut outer = scene.through(&["unshare", "--mount", "sh", "-c", script, "sh"], &guarded);
        outer.env("XDG_STATE_HOME", scene.path("users"));
        if let Some(uid) = ids {
            outer.env("SUDO_UID", uid).env("SUDO_GID", uid);
        }
        Running::start(&mut outer).finish().expect(0)
    };
    let of_root = run(None);
    assert!(
        of_root.stderr.contains("ended.json") && of_root.stderr.contains(scene.name()),
        "{of_root:?}"
    );
    assert!(!scene.path("users/sentinel").exists(), "{of_root:?}");
    let of_user = run(Some("65534"));
    assert!(!of_user.stderr.contains("ended.json"), "{of_user:?}");
    let kept: Vec<_> = std::fs::read_dir(scene.path("users/sentinel")).unwrap().flatten().collect();
    assert!(kept.len() >= 3, "a post-mortem, the ledger and its lock: {kept:?}");
    assert!(kept.iter().all(|entry| entry.metadata().unwrap().uid() == USER), "{kept:?}");
}

#[test]
fn a_record_goes_through_links_of_our_own() {
    let scene = Scene::new();
    scene.write("old", "something longer than nothing".repeat(1000));
    symlink("old", scene.path("link")).unwrap();
    scene.run(&["-q", "--json", &scene.text_path("link")], &["true"]).expect(0);
    let record: serde_json::Value = serde_json::from_str(&scene.read("old")).unwrap();
    assert_eq!(record["exit_status"], 0);
    let run = scene.run(&["-q", "--json", "/dev/stdout"], &["true"]).expect(0);
    let record: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(record["outcome"]["ended_by"], "command");
}

#[test]
fn a_record_is_its_caller_s_alone() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    let path = scene.text_path("users/record");
    let mut sudo = scene.guarded(&["-q", "--json", &path], &["true"]);
    Running::start(sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534")).finish().expect(0);
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (USER, USER, 0o600));
}

/// chown(2) and setresuid(2) take the last number for "as it is".
#[test]
fn no_number_of_sudo_s_means_nobody() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    let path = scene.text_path("record");
    for id in ["4294967295", "-1", "root", ""] {
        let mut sudo = scene.guarded(&["-q", "--json", &path], &["true"]);
        Running::start(sudo.env("SUDO_UID", id).env("SUDO_GID", id)).finish().expect(0);
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0, "{id}");
    }
}

/// A HOME that sudo kept is the user's: what a link there leads to is not read, and not quoted in an error.
#[test]
fn a_configuration_is_read_with_the_caller_s_rights() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    std::fs::create_dir(scene.path("home/sentinel")).unwrap();
    symlink(scene.path("roots.toml"), scene.path("home/sentinel/config.toml")).unwrap();
    let mut sudo = attempt::<&str>(&scene, &[]);
    let run = refused(&scene, sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534"), 125);
    assert!(run.stderr.contains("config.toml: Permission denied"), "{run:?}");
    assert!(!run.stderr.contains("secret-word"), "{run:?}");
    let run = refused(&scene, &mut attempt::<&str>(&scene, &[]), 125);
    assert!(run.stderr.contains("secret-word"), "root itself may: {run:?}");
}

#[test]
fn a_directory_that_only_looks_like_a_cgroup_is_not_written_to() {
    let scene = Scene::new();
    scene.write("cgroup.controllers", "memory pids\n");
    scene.write("cgroup.subtree_control", "mine");
    let directory = scene.dir().to_str().unwrap().to_owned();
    let run = refused(&scene, &mut attempt(&scene, &["--cgroup", &directory]), 125);
    assert!(run.stderr.contains("is not in a cgroup v2 file system"), "{run:?}");
    assert_eq!(scene.read("cgroup.subtree_control"), "mine");
    let odd = "/no\u{1b}[2J/\u{202e}cgroup\n";
    let run = refused(&scene, &mut attempt(&scene, &["--cgroup", odd]), 125);
    assert!(run.stderr.contains("/no\\u{1b}[2J/\\u{202e}cgroup\\n"), "{run:?}");
}

/// `path =` in a file of the user's is bound and written with the user's rights: root could do more than the user meant it to.
#[test]
fn what_the_user_s_configuration_names_is_the_user_s_to_use() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    std::fs::create_dir(scene.path("roots")).unwrap();
    std::fs::create_dir(scene.path("home/sentinel")).unwrap();
    let roots = scene.text_path("roots/made");
    let link = user_links(&scene);
    let (named, own) = (scene.text_path("named.toml"), scene.path("home/sentinel/config.toml"));
    for (setting, needle) in [
        (format!("socket = {roots:?}"), "cannot listen at "),
        (format!("json = {roots:?}"), "Permission denied"),
        (format!("record = {roots:?}"), "Permission denied"),
        (format!("json = {link:?}"), "Permission denied"),
        (format!("record = {link:?}"), "Permission denied"),
        ("cgroup = \"/sys/fs/cgroup\"".to_owned(), "cannot be used with the rights of its user"),
        ("metrics = \"127.0.0.1:809\"".to_owned(), "Permission denied"),
    ] {
        for (file, options) in [(own.as_path(), &[][..]), (named.as_ref(), &["--config", &named])] {
            std::fs::write(file, &setting).unwrap();
            lchown(file, Some(USER), Some(USER)).unwrap();
            let mut sudo = unmailed(&scene, options);
            let run = refused(&scene, sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534"), 125);
            assert!(run.stderr.contains(needle), "{setting}: {run:?}");
            assert!(!scene.path("roots/made").exists(), "{setting}");
            assert_eq!(scene.read("roots.toml"), SECRET);
            std::fs::remove_file(file).unwrap();
        }
    }
    // The same is no trouble where the user may, and the socket is then the user's.
    let socket = scene.text_path("users/socket");
    std::fs::write(&own, format!("socket = {socket:?}\nplain = true\n")).unwrap();
    let command = ["--", "stat", "-c", "%u %a", &socket].map(str::to_owned);
    let mut sudo = scene.sentinel();
    sudo.args(["--name", scene.name()]).args(command);
    let run = Running::start(sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534")).finish();
    assert_eq!(run.expect(0).stdout(), "65534 600\n");
    assert!(!std::path::Path::new(&socket).exists(), "it is removed at the end");
}

/// As [`attempt`], with a mailbox if the configuration names one.
fn unmailed(scene: &Scene, options: &[&str]) -> std::process::Command {
    let mut sentinel = scene.sentinel();
    sentinel.args(["--plain", "--name", scene.name()]).args(options);
    let marker = scene.text_path(crate::refusal::MARKER);
    sentinel.args(["--", "/bin/sh", "-c", ": > \"$0\"", &marker]);
    sentinel
}

/// A file of root's, in root's own home, counts under sudo: the user has no say in it.
#[test]
fn root_s_own_configuration_is_read_by_root() {
    if !can_be_others() {
        return;
    }
    let scene = scene();
    let path = scene.write("own.toml", "quiet = true\nnonsense = 1\n");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
    let mut sudo = attempt(&scene, &["--config", &path]);
    let run = refused(&scene, sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534"), 125);
    assert!(run.stderr.contains("unknown field `nonsense`"), "{run:?}");
}
