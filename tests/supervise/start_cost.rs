//! What a start and an end cost, as a number of system calls: a time would be the machine's.

use crate::support::{Run, Running, Scene, has_program, is_root, skip};

/// In all processes together, the command's own thirty-odd among them, and in a guest without a cache of libraries fifty.
const MOST: usize = 265;
/// In tier kernel each limit is written and read back, and its files are opened.
const MOST_IN_THE_KERNEL: usize = 335;
/// Where the tree of cgroups that is not mounted has the memory controller, more ways to one are tried before.
const MOST_WITHOUT: usize = 285;
/// A guardian beside us is looked at by the mark of its cgroup and its entry in /proc.
const EACH_BESIDE: usize = 4;
/// One that is listed is asked whether it lives, so that its socket is not taken for one of the dead.
const EACH_LISTED: usize = 7;

/// Without what the guardian did since time passed: looks, and making ready for the worst day. Between a wait that nothing ended and
/// the next wait; its process is the first of the trace.
fn untimed(trace: &str) -> Vec<&str> {
    let guardian = trace.split_once(' ').map_or("", |(pid, _)| pid);
    let mut timed = false;
    trace
        .lines()
        .filter(|line| {
            let its = line.split_once(' ').is_some_and(|(pid, _)| pid == guardian);
            if its && line.contains("epoll_wait") {
                timed = line.ends_with(" = 0");
            }
            !(its && timed)
        })
        .collect()
}

/// Lines of strace(1) that are calls of ours.
fn calls(trace: &str, own: &str) -> usize {
    let is_call = |line: &&str| {
        let line = line.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
        // The second half of one, an end or a signal.
        !line.starts_with(['<', '+', '-'])
        // The standard library looks at each descriptor that it closes, where it is built with debug assertions.
            && !line.contains("F_GETFD")
            // Each tmpfs of the machine is asked before and afterwards.
            && !line.starts_with("statfs(")
    };
    let beside = |line: &&str| {
        line.contains("getxattr(") && line.contains("/sentinel-") && !line.contains(own)
    };
    let listed = |line: &&str| line.contains("connect(") && line.contains(".socket\"");
    let lines = untimed(trace);
    let count = |what: &dyn Fn(&&str) -> bool| lines.iter().filter(|line| what(line)).count();
    count(&is_call).saturating_sub(count(&beside) * EACH_BESIDE + count(&listed) * EACH_LISTED)
}

/// The least of some runs to which no other guardian came that looked who lives.
fn least(scene: &Scene, wrap: impl Fn(&std::process::Command) -> std::process::Command) -> usize {
    let (file, socket) = (scene.text_path("trace"), scene.text_path("s.socket"));
    let own = format!("/sentinel-{}-", scene.name());
    let one = || {
        let mut sentinel = scene.sentinel();
        sentinel.args(["-q", "--name", scene.name(), "--socket", &socket, "--", "true"]);
        // Where the test runner has us look for libraries, the command looks too.
        sentinel.env("PATH", "/usr/bin:/bin").env_remove("LD_LIBRARY_PATH");
        let traced = scene.through(&["strace", "-f", "-o", &file], &sentinel);
        let run: Run = Running::start(&mut wrap(&traced)).finish().expect(0);
        let trace = scene.read("trace");
        assert!(trace.contains("exit_group(0)"), "{run:?}: {trace}");
        let alone = !trace.contains("SO_PEERCRED");
        alone.then(|| calls(&trace, &own))
    };
    (0..200).filter_map(|_| one()).take(5).min().unwrap()
}

#[test]
fn a_start_makes_few_system_calls() {
    if !has_program("strace") {
        return skip("no strace here");
    }
    let scene = Scene::new();
    let kernel = Running::start(scene.sentinel().arg("doctor")).finish().code() == 0;
    let most = if kernel { MOST_IN_THE_KERNEL } else { MOST };
    let count = least(&scene, |traced| scene.through(&["env"], traced));
    println!("{count} system calls");
    assert!(count < most, "{count}: {}", scene.read("trace"));
}

#[test]
fn so_does_one_without_a_cgroup() {
    if !has_program("strace") {
        return skip("no strace here");
    }
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    let scene = Scene::new();
    let count = least(&scene, |traced| scene.without_cgroups(traced));
    println!("{count} system calls");
    assert!(count < MOST_WITHOUT, "{count}: {}", scene.read("trace"));
}
