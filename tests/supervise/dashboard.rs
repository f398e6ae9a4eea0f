//! The real dashboard as a job of a real shell: Ctrl-Z, `fg` and `bg`, and what a job in the background may not do.

use crate::jobs::{BASH, each_shell};
use crate::support::pty::{Pty, SUSPEND};
use crate::support::{Scene, binary, eventually, is_alive, parent, state, until};

const ENTER_SCREEN: &str = "\x1b[?1049h";
const LEAVE_SCREEN: &str = "\x1b[?1049l";

/// A command that stays and whose number is in a file, under sentinel as a person would call it.
fn job(scene: &Scene) -> String {
    let (binary, name, socket) = (binary(), scene.name(), scene.socket());
    let file = scene.text_path("pid");
    let command = format!("sh -c 'echo $$ > {file}; exec sleep 100000'");
    format!("TERM=xterm {binary} --name {name} --socket {} {command}", socket.display())
}

fn guardian(scene: &Scene) -> u32 {
    let child = eventually("the command runs", || {
        std::fs::read_to_string(scene.path("pid")).ok()?.trim().parse().ok()
    });
    parent(child).unwrap()
}

/// Shell with the dashboard in front; gives the guardian.
fn open(scene: &Scene, pty: &mut Pty) -> u32 {
    pty.type_line(&job(scene));
    pty.await_text(ENTER_SCREEN);
    pty.await_text("RUNNING");
    let guardian = guardian(scene);
    assert_eq!(dashboards_of(guardian), 1);
    guardian
}

fn suspend(pty: &mut Pty, guardian: u32) {
    pty.type_text(SUSPEND);
    pty.await_text(LEAVE_SCREEN);
    pty.await_text("topped");
    pty.await_text("ready> ");
    until("the guardian is stopped", || state(guardian) == Some('T'));
}

/// `t`, and yes.
fn terminate(pty: &mut Pty) {
    pty.type_text("ty");
    pty.await_text("with SIGTERM");
    pty.await_text("ready> ");
    assert_eq!(pty.ask("$?"), "143");
}

#[test]
fn ctrl_z_stops_the_job_and_fg_brings_the_dashboard_back() {
    each_shell(|scene, mut pty| {
        let guardian = open(scene, &mut pty);
        for _ in 0..2 {
            suspend(&mut pty, guardian);
            pty.bring_forward();
            pty.await_text(ENTER_SCREEN);
            pty.await_text("RUNNING");
        }
        terminate(&mut pty);
        pty.leave();
    });
}

#[test]
fn the_guardian_can_be_asked_to_stop_too() {
    each_shell(|scene, mut pty| {
        let guardian = open(scene, &mut pty);
        crate::support::send(guardian, nix::libc::SIGTSTP);
        pty.await_text(LEAVE_SCREEN);
        pty.await_text("topped");
        pty.await_text("ready> ");
        pty.bring_forward();
        pty.await_text(ENTER_SCREEN);
        pty.await_text("RUNNING");
        terminate(&mut pty);
        pty.leave();
    });
}

#[test]
fn in_the_background_the_job_goes_on_without_a_dashboard() {
    each_shell(|scene, mut pty| {
        let guardian = open(scene, &mut pty);
        suspend(&mut pty, guardian);
        pty.type_line("bg");
        pty.await_text("the dashboard has exited");
        assert_eq!(pty.ask("sh"), "sh");
        pty.bring_forward();
        pty.type_text(SUSPEND);
        pty.await_text("topped");
        pty.await_text("ready> ");
        pty.bring_forward();
        until("the guardian goes on", || matches!(state(guardian), Some('S' | 'R')));
        pty.type_text("\x03");
        pty.await_text("was killed by SIGINT");
        pty.await_text("ready> ");
        assert!(!is_alive(guardian));
        pty.leave();
    });
}

/// It is started before the command.
fn dashboards_of(guardian: u32) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent(*pid) == Some(guardian))
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok())
        .filter(|line| line.contains("__dashboard"))
        .count()
}

#[test]
fn started_in_the_background_nothing_is_drawn_over_the_shell() {
    let scene = Scene::new();
    let mut pty = Pty::shell(&scene, BASH);
    pty.type_line(&format!("{} &", job(&scene)));
    let guardian = guardian(&scene);
    assert_eq!(dashboards_of(guardian), 0);
    pty.type_line("kill %1; wait %1");
    pty.await_text("was killed by SIGTERM");
    pty.await_text("ready> ");
    assert!(!pty.screen.text().contains(ENTER_SCREEN));
    pty.leave();
    until("nothing is left", || scene.leftovers().is_empty());
}
