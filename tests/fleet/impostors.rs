//! Impostors: guardians that are none, in directories of users; and how much memory it costs to look at them.

#![allow(dead_code, reason = "each suite uses a part of it")]

use crate::stage::Stage;
use crate::support::{Running, python};
use nix::libc::SIGKILL;

const HOSTILE: &str = include_str!("hostile.py");

/// All of it.
pub const KINDS: [&str; 17] = [
    "words", "letters", "slow", "word", "endless", "reason", "unknown", "labels", "silent",
    "numbers", "twice", "metrics", "deep", "infinite", "bytes", "nothing", "refusal",
];

/// Resident memory that `ps` and `metrics` may ever have, KiB.
pub const MOST_KIB: u64 = 32 << 10;

/// Impostors in a directory of this user's.
pub struct Impostors(Running);

impl Impostors {
    pub fn come(
        stage: &Stage,
        (uid, directory): (u32, &str),
        (name, first, count): (&str, u32, u32),
        (template, kinds): (&str, &[&str]),
    ) -> Impostors {
        let (uid, first, count) = (format!("--reuid={uid}"), first.to_string(), count.to_string());
        let own = ["setpriv", uid.as_str(), "--clear-groups", python(), "-c", HOSTILE];
        let words = [directory, first.as_str(), count.as_str(), name, template];
        let running = stage.start_any(&[&own[..], &words, kinds].concat());
        running.await_out("ready");
        Impostors(running)
    }

    pub fn go(self) {
        self.0.send(SIGKILL);
        self.0.finish();
    }
}

/// Runs sentinel and says how much memory it had at most, KiB, and what it wrote.
pub fn measured(stage: &Stage, words: &[&str]) -> (u64, String) {
    // Of a process that ended the kernel tells it to its parent alone.
    let script = "import os, resource, sys\n\
        pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)\n\
        os.waitpid(pid, 0)\n\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)";
    let binary = crate::support::binary();
    let run = stage.here(python(), &[&["-c", script, &binary], words].concat());
    let last = run.stderr.lines().last().and_then(|line| line.trim().parse().ok());
    (last.unwrap_or_else(|| panic!("{run:?}")), run.stdout())
}

/// The answer of a guardian, for impostors to begin with.
pub fn template(stage: &Stage, name: &str) -> String {
    stage.run(&["status", name, "--json"]).expect(0).stdout().trim().to_owned()
}
