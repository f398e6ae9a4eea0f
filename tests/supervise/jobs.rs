//! A shell with job control on a terminal: sentinel is a job like any other, and hands the terminal over and back.

use crate::support::pty::{INTERRUPT, Pty, SUSPEND};
use crate::support::{Scene, is_alive, parent, state, until};

pub const BASH: &[&str] = &["bash", "--norc", "--noprofile", "-i"];
const DASH: &[&str] = &["dash", "-i"];
const SHELLS: [&[&str]; 2] = [BASH, DASH];

/// Each shell in a scene of its own.
pub fn each_shell(test: impl Fn(&Scene, Pty)) {
    for shell in SHELLS {
        let scene = Scene::new();
        test(&scene, Pty::shell(&scene, shell));
        // A shell around sentinel in a pipeline may be done with a moment before it.
        until("nothing is left", || scene.leftovers().is_empty());
    }
}

/// A command that says its number and stays.
pub const STAY: &str = "sh -c 'echo pid $$.; exec sleep 100000'";

pub fn pid(pty: &mut Pty) -> u32 {
    pty.await_text("pid ");
    // What was typed is shown as well, with two dollar signs in place of the number.
    loop {
        if let Ok(pid) = pty.await_text(".").parse() {
            return pid;
        }
        pty.await_text("pid ");
    }
}

/// The shell takes a job for stopped, and `fg` continues it, when all of it is: command, guardian, and the shell's own process around them.
pub fn await_stop(child: u32) {
    let guardian = parent(child).unwrap();
    let group = group_of(guardian);
    let around = std::iter::successors(Some(guardian), |pid| parent(*pid));
    let mut job: Vec<u32> = around.take_while(|pid| group_of(*pid) == group).collect();
    job.push(child);
    until("the whole job is stopped", || job.iter().all(|pid| state(*pid) == Some('T')));
}

/// Of a process; empty where there is none.
fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

fn group_of(pid: u32) -> i32 {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    nix::unistd::getpgid(Some(pid)).unwrap().as_raw()
}

pub fn await_start(child: u32) {
    until("the command goes on", || matches!(state(child), Some('S' | 'R')));
}

#[test]
fn ctrl_c_ends_the_command_and_the_shell_goes_on() {
    each_shell(|_, mut pty| {
        pty.type_line(&format!("s {STAY}"));
        let child = pid(&mut pty);
        pty.type_text(INTERRUPT);
        pty.await_text("was killed by SIGINT");
        pty.await_text("ready> ");
        assert_eq!(pty.ask("$?"), "130");
        assert!(!is_alive(child));
        let shown = pty.screen.text();
        assert!(!shown.contains("post-mortem"), "who interrupts it knows why it ended: {shown}");
        pty.leave();
    });
}

#[test]
fn a_command_that_handles_ctrl_c_stays() {
    each_shell(|_, mut pty| {
        pty.type_line(
            "s sh -c 'trap \"echo he''ard\" INT; echo st''arted; until [ \"$x\" = end ]; do read x; done; exit 8'",
        );
        pty.await_text("started");
        pty.type_text(INTERRUPT);
        pty.await_text("heard");
        pty.type_line("end");
        pty.await_text("ready> ");
        assert_eq!(pty.ask("$?"), "8");
        pty.leave();
    });
}

#[test]
fn ctrl_z_stops_both_and_fg_goes_on() {
    each_shell(|_, mut pty| {
        pty.type_line(&format!("s {STAY}"));
        let child = pid(&mut pty);
        for _ in 0..2 {
            pty.type_text(SUSPEND);
            pty.await_text("topped");
            pty.await_text("ready> ");
            await_stop(child);
            pty.bring_forward();
            await_start(child);
        }
        pty.type_text(INTERRUPT);
        pty.await_text("was killed by SIGINT");
        pty.await_text("ready> ");
        assert_eq!(pty.ask("$?"), "130");
        pty.leave();
    });
}

#[test]
fn a_stopped_job_goes_on_in_the_background() {
    each_shell(|_, mut pty| {
        pty.type_line(&format!("s {STAY}"));
        let child = pid(&mut pty);
        pty.type_text(SUSPEND);
        pty.await_text("ready> ");
        await_stop(child);
        pty.type_line("bg");
        await_start(child);
        assert_eq!(pty.ask("on"), "on");
        pty.type_line("kill %1; wait %1; echo \"[$?\"\"]\"");
        pty.await_text("[143]");
        pty.await_text("ready> ");
        assert!(!is_alive(child));
        pty.leave();
    });
}

#[test]
fn started_in_the_background_and_brought_forward() {
    each_shell(|_, mut pty| {
        pty.type_line(&format!("s {STAY} &"));
        let child = pid(&mut pty);
        assert_eq!(pty.ask("on"), "on");
        assert!(is_alive(child) && state(child) != Some('T'));
        pty.bring_forward();
        pty.type_text(INTERRUPT);
        // The shell that the function runs in may be done with before sentinel is.
        until("the command ends", || !is_alive(child));
        assert_eq!(pty.ask("on"), "on");
        pty.leave();
    });
}

#[test]
fn the_command_reads_the_terminal() {
    each_shell(|_, mut pty| {
        pty.type_line(
            "s sh -c 'echo st''arted; read x; echo \"<$x\"\">\"; read x; echo \"<$x\"\">\"'",
        );
        pty.await_text("started");
        pty.type_line("first");
        pty.await_text("<first>");
        pty.type_text(SUSPEND);
        pty.await_text("ready> ");
        pty.bring_forward();
        pty.type_line("second");
        pty.await_text("<second>");
        pty.await_text("ready> ");
        assert_eq!(pty.ask("$?"), "0");
        pty.leave();
    });
}

/// Bash ignores SIGTTIN there: a process group of its own would get EIO from the terminal, and never ask for it.
#[test]
fn in_a_command_substitution_the_command_reads_the_terminal() {
    each_shell(|_, mut pty| {
        pty.type_line(
            "v=$(s -q -- sh -c 'echo st''arted >&2; read x; echo \"$x\"'); echo \"got <$v\"\">\"",
        );
        pty.await_text("started");
        pty.type_line("a line");
        pty.await_text("got <a line>");
        pty.await_text("ready> ");
        // Whoever comes behind it in a pipeline still has the terminal.
        pty.type_line(
            "v=$(s -q -- echo one | sh -c 'cat; echo st''arted >&2; read x </dev/tty; echo $x'); echo \"got <\"$v\">\"",
        );
        pty.await_text("started");
        pty.type_line("two");
        pty.await_text("got <one two>");
        pty.await_text("ready> ");
        pty.leave();
    });
}

#[test]
fn in_a_command_substitution_ctrl_c_ends_the_command() {
    each_shell(|_, mut pty| {
        pty.type_line("v=$(s -q -- sh -c 'echo pid $$. >&2; exec sleep 100000')");
        let child = pid(&mut pty);
        pty.type_text(INTERRUPT);
        until("the command ends", || !is_alive(child));
        assert_eq!(pty.ask("on"), "on");
        pty.leave();
    });
}

#[test]
fn in_the_background_who_wants_the_terminal_is_stopped_until_fg() {
    each_shell(|_, mut pty| {
        pty.type_line("s sh -c 'echo pid $$.; read x; echo \"<$x\"\">\"' &");
        let child = pid(&mut pty);
        await_stop(child);
        assert_eq!(pty.ask("on"), "on");
        pty.bring_forward();
        pty.type_line("word");
        pty.await_text("<word>");
        pty.await_text("ready> ");
        pty.leave();
    });
}

#[test]
fn modes_of_the_terminal_are_as_before_when_the_command_could_not_do_so() {
    each_shell(|scene, mut pty| {
        pty.type_line("stty -a > before");
        pty.await_text("ready> ");
        pty.type_line("s sh -c 'stty raw -echo; echo pid $$.; exec sleep 100000'");
        let child = pid(&mut pty);
        crate::support::send(child, nix::libc::SIGKILL);
        pty.await_text("was killed by SIGKILL");
        pty.await_text("ready> ");
        pty.type_line("stty -a > after");
        pty.await_text("ready> ");
        assert_eq!(scene.read("after"), scene.read("before"));
        assert!(!scene.read("before").is_empty());
        pty.leave();
    });
}

#[test]
fn a_limit_reached_in_the_foreground_gives_the_terminal_back() {
    each_shell(|_, mut pty| {
        pty.type_line("s --timeout 500ms sleep 100000");
        pty.await_text("(exit 143)");
        pty.await_text("ready> ");
        assert_eq!(pty.ask("$?"), "143");
        pty.leave();
    });
}

/// Typed as soon as there is a guardian: before the command runs, as it starts, or a little later. Before that, a shell's own process
/// takes it and goes on to exec whatever was typed.
#[test]
fn ctrl_c_at_once_ends_what_was_started() {
    each_shell(|_, mut pty| {
        let shell = name(pty.pid());
        for _ in 0..8 {
            pty.type_line("s sleep 100000");
            until("the shell's process is sentinel", || {
                !["", &shell].contains(&name(pty.foreground()).as_str())
            });
            pty.type_text(INTERRUPT);
            pty.await_text("ready> ");
            assert_eq!(pty.ask("$?"), "130");
        }
        pty.leave();
    });
}

/// The shell is gone: the kernel hangs up and nobody is left behind.
#[test]
fn a_hangup_ends_the_command() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut pty = Pty::shell(&scene, shell);
        pty.type_line(&format!("s {STAY}"));
        let child = pid(&mut pty);
        drop(pty);
        until("the command ends", || !is_alive(child));
        until("nothing is left", || scene.leftovers().is_empty());
    }
}

/// Starts nothing while it runs: a process that is stopped between vfork(2) and exec holds up its parent for good.
const WAITER: &str = "trap 'echo interrupted; kill $!; exit 3' INT; sleep 100000 & echo pid $$.; while :; do wait; done";

/// Without a shell: the leader of the session is sentinel itself.
#[test]
fn as_the_terminal_s_only_program() {
    let scene = Scene::new();
    let options = scene.options();
    let binary = crate::support::binary();
    let mut words = vec![binary.as_str()];
    words.extend(options.iter().map(String::as_str));
    words.extend(["sh", "-c", WAITER]);
    let mut pty = Pty::run(&scene, &words);
    let child = pid(&mut pty);
    pty.type_text(SUSPEND);
    // Nobody could continue it, so it is not stopped for good.
    pty.type_text(INTERRUPT);
    pty.await_text("interrupted");
    // The last line can be lost: the terminal hangs up when the leader of its session ends.
    assert_eq!(pty.finish().code(), Some(3));
    assert!(!is_alive(child));
}
