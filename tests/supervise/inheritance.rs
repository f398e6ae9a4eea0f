//! What a process inherits reaches the command exactly as the caller had it: compared with a run without sentinel.

use crate::support::{Running, Scene, send, until};

/// Says everything that a process inherits. Only builtins where it matters: each other program is one more process.
const PROBE: &str = r#"
while read -r key value; do
    case $key in SigBlk:|SigIgn:|Umask:|Uid:|Gid:|Groups:|NoNewPrivs:|Seccomp:|Cap*|Cpus_allowed:) echo "$key $value" ;; esac
done < /proc/$$/status
echo fds /proc/$$/fd/*
for n in 0 5 7 9; do readlink /proc/$$/fd/$n; done
umask; pwd; nice
cat /proc/$$/oom_score_adj /proc/$$/limits
env | grep -v -e ^MEMORY_PRESSURE_ -e ^SENTINEL_MEMORY_LIMIT= | sort
"#;

/// A caller with something unusual of everything. The file that it opens is the first word.
const CALLER: &str = r#"
umask 027; cd /; ulimit -c 0; ulimit -n 333; ulimit -s 4096; ulimit -v 8000000
exec 5< "$0" 7<&5 9> /dev/null
trap '' HUP USR1 PIPE CHLD
echo 137 > /proc/$$/oom_score_adj
export ODD='two
lines' EMPTY= PS1='\w'
exec env --block-signal=USR2,ALRM,RTMIN+3 nice -n 3 "$@"
"#;

/// The process's number is another one each time.
fn without_numbers(text: &str) -> String {
    let words = text
        .split('/')
        .map(|word| if word.parse::<u32>().is_ok_and(|n| n > 99) { "N" } else { word });
    words.collect::<Vec<_>>().join("/")
}

#[test]
fn everything_inherited_is_as_without_us() {
    let scene = Scene::new();
    let file = scene.write("file", "");
    let probe = scene.script("probe", PROBE);
    let caller = ["sh", "-c", CALLER, &file];
    let direct = scene.through(&caller, &scene.program(&probe)).output().unwrap();
    let direct = without_numbers(&String::from_utf8(direct.stdout).unwrap());
    for needle in ["fds ", "\n0027\n", "\n137\n", "333", "ODD=two", &file, "/dev/null"] {
        assert!(direct.contains(needle), "the probe says {needle:?}: {direct}");
    }
    let guarded = scene.guarded(&["-q"], &[&probe]);
    let run = Running::start(&mut scene.through(&caller, &guarded)).finish().expect(0);
    assert_eq!(without_numbers(&run.stdout()), direct, "{run:?}");
}

/// A shell that runs a script keeps it open: the command of `sh -c` has nothing open but what it was given.
#[test]
fn no_descriptor_of_ours_leaks() {
    let scene = Scene::new();
    let socket = scene.text_path("s.socket");
    let record = scene.text_path("record.json");
    let options = ["-q", "--socket", &socket, "--json", &record];
    let list = "echo /proc/$$/fd/*";
    let caller = ["sh", "-c", "exec 4<&0 6<&0; exec \"$@\"", "sh"];
    let direct = scene.through(&caller, scene.program("sh").args(["-c", list])).output().unwrap();
    let guarded = scene.guarded(&options, &["sh", "-c", list]);
    let run = Running::start(&mut scene.through(&caller, &guarded)).finish().expect(0);
    let direct = String::from_utf8(direct.stdout).unwrap();
    assert_eq!(without_numbers(&run.stdout()), without_numbers(&direct));
    assert!(direct.contains("fd/4") && direct.contains("fd/6"), "{direct}");
}

#[test]
fn a_caller_that_ignores_everything_is_no_hindrance() {
    let scene = Scene::new();
    let guarded = scene.guarded(&["-q"], &["sh", "-c", "grep SigIgn /proc/self/status; exit 9"]);
    let caller = ["sh", "-c", "trap '' 1 2 3 10 12 13 14 15 17 18 20 21 22 28; exec \"$@\"", "sh"];
    let run = Running::start(&mut scene.through(&caller, &guarded)).finish().expect(9);
    let direct =
        scene.through(&caller, scene.program("grep").args(["SigIgn", "/proc/self/status"]));
    let mut direct = direct;
    assert_eq!(run.out, direct.output().unwrap().stdout);
}

/// What nohup(1) is for.
#[test]
fn a_hangup_that_the_caller_ignores_is_ignored() {
    let scene = Scene::new();
    let guarded = scene.guarded(&[], &["sh", "-c", "echo ready; read line; echo \"got $line\""]);
    let mut outer = scene.through(&["env", "--ignore-signal=HUP"], &guarded);
    let mut running = Running::start(outer.stdin(std::process::Stdio::piped()));
    running.await_out("ready");
    running.send(nix::libc::SIGHUP);
    running.type_line("on");
    running.await_out("got on");
    running.finish().expect(0);
}

/// CAP_SYS_RESOURCE is number 24 (linux/capability.h).
fn may_lower() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    u64::from_str_radix(effective, 16).unwrap() & 1 << 24 != 0
}

/// The guardian protects itself, never the command.
#[test]
fn the_guardian_s_own_oom_score_is_not_the_command_s() {
    let scene = Scene::new();
    let running =
        scene.start(&[], &["sh", "-c", "echo ready; cat /proc/$$/oom_score_adj; exec sleep 1000"]);
    running.await_out("ready");
    let score = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    if may_lower() {
        until("the guardian lowers its own", || score(running.pid()).trim() == "-900");
    }
    running.await_out(&format!("ready\n{own}"));
    send(running.pid(), nix::libc::SIGTERM);
    running.finish().expect(143);
}
