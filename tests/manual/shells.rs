//! What shells and mandoc(1) make of the scripts and pages: that they take them, and what is offered where.

use crate::folder;
use crate::support::pty::Pty;
use crate::support::{Run, Running, Scene, binary, has_program, skip};
use std::process::Command;

/// What is typed behind `sentinel `, a word that is offered then, and one that is not. `NAME` is the name of the run.
const CASES: &[(&str, &str, &str)] = &[
    ("sta", "status", "metrics"),
    ("r", "replay", "status"),
    ("--memo", "--memory", "--metrics"),
    ("status ", "NAME", "status"),
    ("top ", "NAME", "top"),
    ("ctl -g ", "NAME", "terminate"),
    ("ctl t", "terminate", "top"),
    ("ctl -g x t", "terminate", "top"),
    ("ctl set ", "memory", "terminate"),
    ("ctl status ", "json", "memory"),
    ("metrics --", "--once", "--handed"),
    ("doctor --", "--version", "--memory"),
    ("report ", "last", "replay"),
    ("help re", "replay", "status"),
    ("status --", "--socket", "--memory"),
    ("--kill-mode ", "control-group", "status"),
    ("-q --on-exit t", "terminate", "top"),
    // What follows is the command's own: none of our options, no verbs.
    ("-- re", "readlink", "replay"),
    ("-q re", "readlink", "replay"),
    ("-m 1G re", "readlink", "replay"),
];

/// A shell in which `sentinel` is the one under test, and a run that has the scene's name.
fn guarded(scene: &Scene) -> Running {
    scene.script("sentinel", &format!("exec {} \"$@\"", binary()));
    scene.with_mailbox(&[], &["sleep", "1000"])
}

fn path(scene: &Scene) -> String {
    format!("{}:{}", scene.dir().display(), std::env::var("PATH").unwrap())
}

fn stored(file: &str) -> String {
    folder("completions").join(file).to_str().unwrap().to_owned()
}

/// Checks each case against what a script prints for it, a word a line.
fn offers(scene: &Scene, shell: &str, ask: impl Fn(&str) -> String) {
    for (typed, offered, not) in CASES {
        let mut command = scene.program(shell);
        command.args(["-c", &ask(typed)]).env("PATH", path(scene)).env("TERM", "dumb");
        let out: Run = Running::start(&mut command).finish();
        assert!(out.stderr.is_empty(), "{shell}: sentinel {typed}: {out:?}");
        let offered = offered.replace("NAME", scene.name());
        let words: Vec<String> = out
            .stdout()
            .lines()
            .map(|line| line.split('\t').next().unwrap().trim().to_owned())
            .collect();
        assert!(words.contains(&offered), "{shell}: sentinel {typed}: no {offered}: {out:?}");
        assert!(!words.iter().any(|word| word == not), "{shell}: sentinel {typed}: {not}: {out:?}");
    }
}

fn end(scene: &Scene, running: Running) {
    scene.ask("kill").expect(0);
    running.finish();
}

#[test]
fn scripts_are_valid() {
    for (shell, file) in
        [("bash", "sentinel.bash"), ("zsh", "_sentinel"), ("fish", "sentinel.fish")]
    {
        if !has_program(shell) {
            skip(&format!("no {shell} here"));
            continue;
        }
        let output = Command::new(shell).args(["-n", &stored(file)]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{file}: {output:?}");
    }
}

#[test]
fn bash_offers_what_fits() {
    let scene = Scene::new();
    let running = guarded(&scene);
    let script = stored("sentinel.bash");
    // Without the package bash-completion, which not every machine has.
    offers(&scene, "bash", |typed| {
        format!(
            "compopt() {{ :; }}; . {script}; IFS=' '; COMP_WORDS=(sentinel {typed}); \
             [[ '{typed}' == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); unset IFS; \
             _sentinel sentinel \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
    });
    end(&scene, running);
}

#[test]
fn fish_offers_what_fits() {
    if !has_program("fish") {
        return skip("no fish here");
    }
    let scene = Scene::new();
    let running = guarded(&scene);
    let script = stored("sentinel.fish");
    offers(&scene, "fish", |typed| format!("source {script}; complete -C 'sentinel {typed}'"));
    end(&scene, running);
}

#[test]
fn zsh_offers_what_fits() {
    if !has_program("zsh") {
        return skip("no zsh here");
    }
    let scene = Scene::new();
    let running = guarded(&scene);
    let setup = format!(
        "PROMPT='re''ady> '; fpath=({} $fpath); path=({} $path); autoload -U compinit; compinit -u -D; \
         bindkey '^D' list-choices; bindkey '^U' kill-whole-line; setopt nolistbeep; LISTMAX=10000; unsetopt prompt_sp",
        folder("completions").display(),
        scene.dir().display(),
    );
    let mut pty = Pty::run(&scene, &["zsh", "-f", "-i"]);
    pty.type_line(&setup);
    pty.await_text("ready> ");
    for (typed, offered, not) in CASES {
        pty.type_text(&format!("sentinel {typed}\x04"));
        let before = pty.await_text(&offered.replace("NAME", scene.name()));
        let (_, listed) = before.split_once('\n').unwrap();
        assert!(
            !listed.split_whitespace().any(|word| word == *not),
            "zsh: sentinel {typed}: {before}"
        );
        // The list may go on, up to the line that is shown again behind it: it was all there when another line is answered.
        pty.type_text("\x15echo do''ne\n");
        let rest = pty.await_text("\ndone");
        let rest = rest.split("ready> ").next().unwrap();
        assert!(!rest.split_whitespace().any(|word| word == *not), "zsh: sentinel {typed}: {rest}");
        pty.await_text("ready> ");
    }
    pty.leave();
    end(&scene, running);
}

/// Errors, and warnings except that the pages have no date.
#[test]
fn pages_are_valid() {
    if !has_program("mandoc") {
        return skip("no mandoc here");
    }
    let mut pages: Vec<_> =
        std::fs::read_dir(folder("man")).unwrap().flatten().map(|entry| entry.path()).collect();
    pages.sort();
    let output =
        Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(pages).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaints: Vec<_> = text.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
