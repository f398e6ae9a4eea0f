//! `--user`: what the command is, what it is not any more, and what it cannot do to its guardian.

use crate::refusal::{attempt, refused, table};
use crate::support::pty::Pty;
use crate::support::{Running, Scene, binary, state, until};
use crate::{can_be_others, open_to_all};
use std::os::unix::fs::MetadataExt;

const NOBODY: &str = "65534:65534";

const PROBE: &str = r#"
while read -r key value; do
    case $key in Uid:|Gid:|Groups:|CapInh:|CapPrm:|CapEff:|CapAmb:) echo "$key" $value ;; esac
done < /proc/$$/status
echo "$HOME $SHELL $USER $LOGNAME ${MEMORY_PRESSURE_WATCH-none}"
"#;

fn expected(groups: &str, variables: &str) -> String {
    let none = "0000000000000000";
    let ids = "65534 65534 65534 65534";
    format!(
        "Uid: {ids}\nGid: {ids}\nGroups: {groups}\nCapInh: {none}\nCapPrm: {none}\nCapEff: {none}\nCapAmb: {none}\n{variables} none\n"
    )
}

/// Whatever the caller has: groups, capabilities that survive, securebits that keep them.
#[test]
fn nothing_of_root_is_left() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    let guarded = scene.guarded(&["-q", "--user", NOBODY], &["sh", "-c", PROBE]);
    let named = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = named.lines().find(|line| line.split(':').nth(2) == Some("65534"));
    let variables = entry.map_or_else(
        || "/ /bin/sh 65534 65534".to_owned(),
        |line| {
            let fields: Vec<_> = line.split(':').collect();
            format!("{} {} {} {}", fields[5], fields[6], fields[0], fields[0])
        },
    );
    for caller in [
        &["setpriv", "--groups=0,4,24"][..],
        &["setpriv", "--inh-caps=+chown", "--ambient-caps=+chown"],
        &["setpriv", "--securebits=+no_setuid_fixup"],
        &["setpriv", "--securebits=+keep_caps_locked"],
    ] {
        let run = Running::start(&mut scene.through(caller, &guarded)).finish().expect(0);
        assert_eq!(run.stdout(), expected("65534", &variables), "{caller:?}");
    }
}

#[test]
fn a_number_without_an_entry_needs_its_group_and_gets_no_other() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    let run = scene.run(&["-q", "--user", "3999999999:3999999998"], &["sh", "-c", PROBE]).expect(0);
    let said = run.stdout();
    assert!(said.contains("Uid: 3999999999 3999999999 3999999999 3999999999\n"), "{said}");
    assert!(said.contains("Groups: 3999999998\n"), "{said}");
    assert!(said.ends_with("/ /bin/sh 3999999999 3999999999 none\n"), "{said}");
}

#[test]
fn users_that_there_are_not() {
    if !can_be_others() {
        return;
    }
    table(&[
        (&["--user", "no-such-user"], "no such user: no-such-user"),
        (&["--user", ":65534"], "no such user"),
        (&["--user", "3999999999"], "give a group too: 3999999999:GROUP"),
        (&["--user", "4294967295:0"], "no such user: 4294967295"),
        (&["--user=-1:0"], "no such user: -1"),
        (&["--user", "65534:no-such-group"], "no such group: no-such-group"),
        (&["--user", "65534:"], "no such group"),
        (&["--user", "two\nlines\u{1b}[2J"], "no such user: two\\nlines\\u{1b}[2J"),
    ]);
    let scene = Scene::new();
    let words: Vec<_> = attempt(&scene, &["--user", NOBODY]).get_args().map(Into::into).collect();
    let mut nobody = scene.as_nobody(binary());
    let words: Vec<std::ffi::OsString> = words;
    let run = refused(&scene, nobody.args(words), 125);
    assert!(run.stderr.contains("--user 65534: only root can run"), "{run:?}");
}

/// What only root may run is not run.
#[test]
fn the_command_is_run_with_the_user_s_rights() {
    if !can_be_others() {
        return;
    }
    let scene = Scene::new();
    open_to_all(&scene);
    let script = scene.script("job", "echo ran");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let run = scene.run(&["-q", "--user", NOBODY], &[&script]).expect(126);
    assert!(run.out.is_empty() && run.stderr.contains("Permission denied"), "{run:?}");
}

/// It can ask nothing, signal nobody, and is asked politely all the same.
#[test]
fn the_command_has_no_power_over_its_guardian() {
    if !can_be_others() {
        return;
    }
    const COMMAND: &str = r#"
trap 'echo polite; exit 7' TERM
"$0" ctl --socket "$1" status > /dev/null 2>&1; echo "ctl $?"
kill -TERM $PPID 2> /dev/null; echo "kill $?"
sleep 1000 & wait
"#;
    let scene = Scene::new();
    open_to_all(&scene);
    let socket = scene.text_path("s.socket");
    let options = ["--user", NOBODY, "--socket", &socket];
    let running = scene.start(&options, &["sh", "-c", COMMAND, &binary(), &socket]);
    running.await_out("kill 1\n");
    assert!(running.out.text().starts_with("ctl 125\n"), "{}", running.out.text());
    let found = std::fs::metadata(&socket).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600));
    let mut ctl = scene.sentinel();
    Running::start(ctl.args(["ctl", "--socket", &socket, "terminate"])).finish().expect(0);
    let run = running.finish().expect(143);
    assert!(run.stdout().ends_with("polite\n"), "{run:?}");
}

/// On the caller's terminal it could type into the caller's shell (ioctl(2), TIOCSTI).
#[test]
fn the_caller_s_terminal_is_not_the_command_s() {
    if !can_be_others() {
        return;
    }
    const COMMAND: &str =
        r#"set -- $(cat /proc/$$/stat); echo "session $(($6 - $$)) terminal $7.""#;
    let scene = Scene::new();
    let (binary, options) = (binary(), scene.options());
    let mut words: Vec<&str> = vec![&binary];
    words.extend(options.iter().map(String::as_str));
    words.extend(["-q", "--user", NOBODY, "--", "sh", "-c", COMMAND]);
    let mut pty = Pty::run(&scene, &words);
    pty.await_text("session 0 terminal 0.");
    let pid = pty.pid();
    assert!(pty.finish().success());
    until("it is gone", || state(pid).is_none());
}
