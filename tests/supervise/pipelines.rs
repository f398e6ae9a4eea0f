//! Sentinel as a part of something larger: pipelines, loops and scripts, which stop, go on and end as a whole.

use crate::jobs::{STAY, await_start, await_stop, each_shell, pid};
use crate::support::pty::{INTERRUPT, SUSPEND};
use crate::support::{Scene, is_alive, until};

const STAY_WORDS: &[&str] = &["sh", "-c", "echo pid $$.; exec sleep 100000"];

/// A guarded command, quoted for a script.
fn guarded(scene: &Scene, words: &[&str]) -> String {
    let command = scene.guarded(&[], words);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    words.join(" ")
}

#[test]
fn at_the_head_of_a_pipeline() {
    each_shell(|_, mut pty| {
        pty.type_line("s sh -c 'echo a; echo b; echo pid $$.; exec sleep 100000' | grep -v b");
        let child = pid(&mut pty);
        pty.type_text(INTERRUPT);
        pty.await_text("ready> ");
        until("the command ends", || !is_alive(child));
        pty.type_line("s printf 'x\\ny\\n' | wc -l | tr 2 '#'");
        pty.await_text("#");
        pty.await_text("ready> ");
        pty.leave();
    });
}

#[test]
fn at_the_tail_of_a_pipeline_and_in_its_middle() {
    each_shell(|_, mut pty| {
        pty.type_line("echo one two | s tr a-z A-Z");
        pty.await_text("ONE TWO");
        pty.await_text("ready> ");
        pty.type_line("yes | s head -n 3 | wc -l | tr 3 '#'");
        pty.await_text("#");
        pty.await_text("ready> ");
        pty.type_line("sleep 100000 | s sh -c 'echo pid $$.; exec cat' | cat");
        let child = pid(&mut pty);
        pty.type_text(SUSPEND);
        pty.await_text("ready> ");
        await_stop(child);
        pty.bring_forward();
        await_start(child);
        pty.type_text(INTERRUPT);
        pty.await_text("ready> ");
        until("the command ends", || !is_alive(child));
        pty.leave();
    });
}

/// Not the terminal's owner from the start, for it may not be the only reader; it gets it when it asks.
#[test]
fn a_command_whose_output_goes_elsewhere_can_still_read_the_terminal() {
    each_shell(|_, mut pty| {
        pty.type_line("s sh -c 'echo st''arted; read x; echo \"<$x\"\">\"' | cat");
        pty.await_text("started");
        pty.type_line("word");
        pty.await_text("<word>");
        pty.await_text("ready> ");
        pty.leave();
    });
}

/// Ctrl-C reaches the command's group alone; what is around us must hear of it.
#[test]
fn ctrl_c_ends_the_loop_that_we_are_in() {
    each_shell(|scene, mut pty| {
        pty.type_line(&format!("for n in 1 2 3; do s {STAY}; done; echo af''ter"));
        let child = pid(&mut pty);
        pty.type_text(INTERRUPT);
        let shown = pty.await_text("ready> ");
        assert!(!shown.contains("after") && !is_alive(child), "{shown}");
        assert_eq!(pty.ask("$?"), "130");
        let script = format!("for n in 1 2 3; do {}; done; echo after", guarded(scene, STAY_WORDS));
        pty.type_line(&scene.script("loop", &script));
        let child = pid(&mut pty);
        pty.type_text(INTERRUPT);
        let shown = pty.await_text("ready> ");
        assert!(!shown.contains("after") && !is_alive(child), "{shown}");
        pty.leave();
    });
}

/// The shell sees the script as its job, and the script's other processes are stopped and go on too.
#[test]
fn a_script_around_us_stops_and_goes_on_as_a_whole() {
    each_shell(|scene, mut pty| {
        let command = guarded(scene, STAY_WORDS);
        let script = scene.script("script", &format!("{command}; echo \"script: $?\""));
        pty.type_line(&script);
        let child = pid(&mut pty);
        pty.type_text(SUSPEND);
        pty.await_text("ready> ");
        await_stop(child);
        pty.bring_forward();
        await_start(child);
        pty.type_text(INTERRUPT);
        pty.await_text("ready> ");
        until("the command ends", || !is_alive(child));
        pty.leave();
    });
}
