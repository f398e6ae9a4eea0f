//! Files and places that cannot be used: configuration, mailbox, record, and a tier that is not to be had.

use crate::refusal::{MARKER, attempt, refused, table};
use crate::support::{Running, Scene, binary, is_root, skip};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

#[test]
fn a_configuration_that_cannot_be_read() {
    table(&[
        (&["--config", "/no/such/file"], "read configuration /no/such/file: No such file"),
        (&["--config", "/etc"], "read configuration /etc: Is a directory"),
        (&["--config", "two\nlines"], "read configuration two\\nlines: No such file"),
        (&["--config", "/dev/zero"], "it is not a regular file"),
    ]);
}

/// What would make a start wait, or never end: pipes, devices, directories, what is too large.
#[test]
fn what_is_no_file_does_not_hold_up_the_start() {
    let scene = Scene::new();
    let pipe = scene.text_path("pipe");
    nix::unistd::mkfifo(scene.path("pipe").as_path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::File::create(scene.path("huge")).unwrap().set_len(1 << 40).unwrap();
    let huge = scene.text_path("huge");
    let bytes = scene.write("bytes", b"memory = \"\xff\"");
    let _socket = UnixListener::bind(scene.path("listening")).unwrap();
    let socket = scene.text_path("listening");
    for (options, needle) in [
        (["--config", &pipe], "it is a pipe: give a file"),
        (["--config", &huge], "it is too large"),
        (["--config", &bytes], "valid UTF-8"),
        (["--config", &socket], "No such device"),
        (["--config", "/dev/tty"], "cannot read configuration /dev/tty: "),
        (["--json", &pipe], "it is a pipe without a reader"),
        (["--record", &pipe], "it is a pipe without a reader"),
        (["--json", &socket], "it is a pipe without a reader, or a missing device"),
        (["--socket", &pipe], "a pipe is in the way"),
    ] {
        let run = refused(&scene, &mut attempt(&scene, &options), 125);
        assert!(run.stderr.contains(needle), "{options:?}: {run:?}");
    }
    std::fs::create_dir_all(scene.path("home/sentinel")).unwrap();
    let own = scene.path("home/sentinel/config.toml");
    nix::unistd::mkfifo(own.as_path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let run = refused(&scene, &mut attempt::<&str>(&scene, &[]), 125);
    assert!(run.stderr.contains("config.toml: it is a pipe"), "{run:?}");
    std::fs::remove_file(own).unwrap();
    scene.run(&["-q", "--config", "/dev/null"], &["true"]).expect(0);
}

/// A pipe that somebody holds open and does not read: the record is lost, and the end is not.
#[test]
fn a_pipe_that_takes_no_record_does_not_hold_up_the_end() {
    let scene = Scene::new();
    let pipe = scene.text_path("pipe");
    nix::unistd::mkfifo(scene.path("pipe").as_path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut end = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    scene.run(&["-q", "--json", &pipe], &["true"]).expect(0);
    let mut text = vec![0; 65536];
    let length = std::io::Read::read(&mut end, &mut text).unwrap();
    assert!(text[..length].starts_with(b"{"), "who reads later has it");
    nix::fcntl::fcntl(&end, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    std::io::Write::write_all(&mut end, &[b'x'; 4096]).unwrap();
    let run = scene.run(&["-q", "--json", &pipe], &["sh", "-c", "exit 7"]).expect(7);
    assert!(run.stderr.contains("nothing reads it"), "{run:?}");
}

#[test]
fn a_configuration_that_makes_no_sense() {
    let scene = Scene::new();
    for (text, line, needle) in [
        ("memory = \"1G\"\nmemroy = \"2G\"\n", 2, "unknown field `memroy` (did you mean memory?)"),
        ("best_effort = true", 1, "(did you mean best-effort?)"),
        ("colour = \"red\"", 1, "unknown field `colour`: keys are the long names of options"),
        ("memory = ", 1, ""),
        ("memory = \"1G", 1, ""),
        ("\n\n[section]\n", 3, "unknown field `section`"),
        ("memory = \"lots\"", 1, "memory: \"lots\" is not a size: write for instance 100M"),
        ("memory = [1, 2]", 1, ""),
        ("grace = \"later\"", 1, "is not a duration"),
        ("dry-run = \"yes\"", 1, "expected a boolean"),
        ("limit-exit-code = 300", 1, "300"),
        ("kill-mode = \"all\"", 1, "control-group, mixed, process"),
        ("pids = -5", 1, "from 1 to"),
        ("\"two\\nlines\" = 1", 1, "two\\nlines"),
        ("\u{0}", 1, ""),
    ] {
        let path = scene.write("bad.toml", text);
        let run = refused(&scene, &mut attempt(&scene, &["--config", &path]), 125);
        let place = format!("read configuration {path} line {line}: ");
        assert!(run.stderr.contains(&place) && run.stderr.contains(needle), "{text:?}: {run:?}");
    }
    let path = scene.write("bad.toml", "memory = \"1M\"");
    let run = refused(&scene, &mut attempt(&scene, &["--config", &path]), 125);
    assert!(run.stderr.contains("limit 1.0M is below"), "{run:?}");
}

#[test]
fn the_user_s_own_configuration_counts_too() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("home/sentinel")).unwrap();
    scene.write("home/sentinel/config.toml", "nonsense = 1");
    let run = refused(&scene, &mut attempt::<&str>(&scene, &[]), 125);
    assert!(run.stderr.contains("home/sentinel/config.toml line 1: "), "{run:?}");
    scene.write("home/sentinel/config.toml", "plain = true\nquiet = true\ngrace = 9");
    let run = scene.run(&[], &["true"]).expect(0);
    assert!(!run.stderr.contains("tier hybrid"), "quiet: {run:?}");
}

#[test]
fn a_mailbox_that_cannot_be_made() {
    let long = format!("/tmp/{}", "x".repeat(200));
    table(&[
        (&["--socket", "/no/such/directory/s"], "cannot open its directory"),
        (&["--socket", "/proc/s"], "cannot listen at /proc/s"),
        (&["--socket", "/etc/passwd/s"], "cannot open its directory"),
        (&["--socket", &long], "the kernel takes 107 at most"),
        (&["--socket", ""], "a value is required"),
        (&["--socket", "/tmp/"], "does not name a file"),
        (&["--socket", ".."], "does not name a file"),
        (&["--socket", "/no\n/s"], "cannot listen at /no\\n/s"),
    ]);
}

#[test]
fn what_is_in_the_mailbox_s_place_is_left_alone() {
    let scene = Scene::new();
    scene.write("file", "mine");
    symlink("file", scene.path("link")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    let _live = UnixListener::bind(scene.path("live")).unwrap();
    symlink("live", scene.path("link-to-live")).unwrap();
    for (name, needle) in [
        ("file", "a file is in the way"),
        ("link", "a symbolic link is in the way"),
        ("dangling", "a symbolic link is in the way"),
        ("link-to-live", "a symbolic link is in the way"),
        ("home", "a directory is in the way"),
        ("live", "another process is already listening there"),
    ] {
        let path = scene.text_path(name);
        let run = refused(&scene, &mut attempt(&scene, &["--socket", &path]), 125);
        assert!(run.stderr.contains(needle), "{name}: {run:?}");
    }
    assert_eq!(scene.read("file"), "mine");
    assert!(!scene.path("nowhere").exists());
    assert!(std::os::unix::net::UnixStream::connect(scene.path("live")).is_ok());
}

#[test]
fn a_public_directory_without_the_sticky_bit_is_no_place_for_a_mailbox() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("open")).unwrap();
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(scene.path("open"), everybody).unwrap();
    let run = refused(&scene, &mut attempt(&scene, &["--socket", &scene.text_path("open/s")]), 125);
    assert!(run.stderr.contains("anyone may rename files"), "{run:?}");
}

#[test]
fn a_record_that_cannot_be_written() {
    table(&[
        (
            &["--json", "/no/such/directory/r"],
            "open /no/such/directory/r for the record (--json): ",
        ),
        (&["--json", "/etc"], "Is a directory"),
        (&["--json", "/proc/sys/kernel/nothing"], "for the record"),
        (&["--json", "/no\n/r"], "open /no\\n/r for the record"),
        (&["--json", ""], "a value is required"),
    ]);
}

/// A guardian of root's writes nothing that the user behind sudo could not.
#[test]
fn what_only_others_may_use_is_refused() {
    if !is_root() {
        return skip("only root can become somebody else");
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("closed")).unwrap();
    scene.write("private.toml", "memory = \"1G\"");
    for (name, mode) in [("closed", 0o755), ("private.toml", 0o600)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(scene.path(name), mode).unwrap();
    }
    let closed = |name: &str| scene.text_path(&format!("closed/{name}"));
    for (options, needle) in [
        (["--socket", &closed("s")], "cannot listen"),
        (["--json", &closed("r")], "for the record (--json): Permission denied"),
        (["--config", &scene.text_path("private.toml")], "Permission denied"),
    ] {
        let words = attempt(&scene, &options)
            .get_args()
            .map(Into::into)
            .collect::<Vec<std::ffi::OsString>>();
        let run = refused(&scene, scene.as_nobody(binary()).args(words), 125);
        assert!(run.stderr.contains(needle), "{options:?}: {run:?}");
    }
    let path = closed("r");
    let mut sudo = attempt(&scene, &["--json", &path]);
    let run = refused(&scene, sudo.env("SUDO_UID", "65534").env("SUDO_GID", "65534"), 125);
    assert!(run.stderr.contains("for the record (--json): Permission denied"), "{run:?}");
}

#[test]
fn a_tier_that_is_not_to_be_had_is_refused_when_required() {
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    let scene = Scene::new();
    for tier in ["kernel", "hybrid"] {
        let mut sentinel = scene.without_cgroups(&attempt(&scene, &["--require", tier]));
        let run = refused(&scene, &mut sentinel, 125);
        let needle = format!("--require {tier}: that tier is not available here: ");
        assert!(run.stderr.contains(&needle) && run.stderr.contains("to get it: "), "{run:?}");
    }
    let mut polled = scene.without_cgroups(&attempt(&scene, &["--require", "polled"]));
    let run = Running::start(&mut polled).finish().expect(0).says("tier polled: no cgroup");
    assert!(scene.path(MARKER).exists(), "{run:?}");
}

/// The way out is that of the tier that was asked for: where root has tier `hybrid`, a user is told of sudo and not of a boot.
#[test]
fn a_user_is_told_what_sudo_would_give() {
    if !is_root() {
        return skip("only root can be others");
    }
    let scene = Scene::new();
    let of_root = Running::start(scene.sentinel().arg("doctor")).finish();
    let best = of_root.stdout().split_whitespace().nth(1).unwrap_or_default().to_owned();
    // What is not to be had here, how that begins, and the ways out of the tiers.
    let (missing, kernel) = match best.as_str() {
        "kernel" => ("not tier kernel: ", "run it with sudo ("),
        "hybrid" => ("not tier hybrid: not allowed", "boot with "),
        other => return skip(&format!("root has tier {other} here")),
    };
    let mut nobody = scene.as_nobody(binary());
    let run = Running::start(nobody.arg("doctor")).finish().expect(1).stdout();
    let mut lines = run.lines().skip_while(|line| !line.starts_with(missing));
    assert!(lines.next().is_some(), "{run}");
    assert_eq!(lines.next(), Some("  better: run it with sudo"), "{run}");
    assert!(!of_root.stdout().contains(missing), "{of_root:?}");
    for (tier, way_out) in [("hybrid", "run it with sudo ("), ("kernel", kernel)] {
        let required = attempt(&scene, &["--require", tier]);
        let mut nobody = scene.as_nobody(required.get_program());
        let run = refused(&scene, nobody.args(required.get_args()), 125);
        assert!(run.stderr.contains(&format!("; to get it: {way_out}")), "{run:?}");
    }
}

/// What keeps the guardian able to act when memory is out is told with the way to it.
#[test]
fn doctor_says_whether_memory_is_locked_and_whom_the_oom_killer_spares() {
    if !is_root() {
        return skip("only root has what others lack");
    }
    let scene = Scene::new();
    let line = |said: &str, key: &str| {
        let found = said.lines().find(|line| line.starts_with(key));
        found.unwrap_or_else(|| panic!("no {key}: {said}")).to_owned()
    };
    let may = |capability: u32| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() >> capability & 1 == 1
    };
    let of_root = Running::start(scene.sentinel().arg("doctor")).finish().stdout();
    // CAP_IPC_LOCK and CAP_SYS_RESOURCE (linux/capability.h).
    if may(14) {
        assert_eq!(line(&of_root, "memory lock "), "memory lock  yes");
    }
    if may(24) {
        assert_eq!(line(&of_root, "oom killer "), "oom killer   takes sentinel last");
    }
    let mut nobody = scene.as_nobody("sh");
    let run = nobody.args(["-c", "ulimit -l 0; exec \"$0\" doctor"]).arg(binary());
    let said = Running::start(run).finish().stdout();
    let (locked, taken) = (line(&said, "memory lock "), line(&said, "oom killer "));
    assert!(locked.contains("no: ") && locked.contains("LimitMEMLOCK="), "{locked}");
    assert!(taken.contains("may take sentinel") && taken.contains("OOMScoreAdjust="), "{taken}");
}

/// HOME is kept by setpriv: whether root has a configuration is not for others to know.
#[test]
fn a_home_that_is_closed_to_us_has_no_configuration_of_ours() {
    if !is_root() {
        return skip("only root can be others");
    }
    let scene = Scene::new();
    let home = scene.path("closed");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let guarded = scene.guarded(&[], &["true"]);
    let mut nobody = scene.as_nobody(guarded.get_program());
    nobody.args(guarded.get_args()).env("HOME", &home).env_remove("XDG_CONFIG_HOME");
    Running::start(&mut nobody).finish().expect(0);
}
