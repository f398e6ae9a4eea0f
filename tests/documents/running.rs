//! Commands of the documents that end by themselves, run as they stand by a shell: in a place where `make`, `./job` and what else they
//! guard do nothing. Requests that only read are asked of a real guardian.

use crate::commands::{self, Found, GUARDED};
use crate::markdown::{Document, stored};
use crate::none;
use crate::shell::{innermost, programs};
use crate::support::{Running, Scene, binary, skip};
use sentinel::cli::{Cli, Run, Verb};
use sentinel::control::protocol::{addressed, parse};
use sentinel::units::{Bytes, Size};
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// What the place is made of. Others' guardians may have the usual socket, and not every tier has every option.
const CONFIG: &str = "socket = \"off\"\nbest-effort = true\n";

/// What is done with a command.
enum Plan {
    /// It is run, and has to exit with one of these.
    Run(&'static [i32]),
    /// It guards with this limit.
    Guard(Size),
    /// It asks a guardian, and changes nothing.
    Ask(Vec<String>),
    /// It does not end by itself, changes somebody's workload, or needs what a test has not.
    Leave,
}

fn plan(words: &[String]) -> Plan {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let Ok(cli) = Cli::read(&words) else { return Plan::Run(&[0]) };
    match cli.verb {
        None => guarding(&cli.run),
        Some(Verb::Help { .. }) => Plan::Run(&[0]),
        Some(Verb::Doctor(_)) => Plan::Run(&[0, 1]),
        // Whether there are guardians is not for this test to say.
        Some(Verb::Ps(asked)) if asked.guardian.is_none() => Plan::Run(&[0, 1]),
        Some(Verb::Report(_) | Verb::Replay(_)) => Plan::Run(&[0]),
        Some(Verb::Metrics(asked)) if asked.once => Plan::Run(&[0]),
        Some(Verb::Status(asked)) => {
            let json = asked.json.then(|| "--json".to_owned());
            Plan::Ask(std::iter::once("status".to_owned()).chain(json).collect())
        }
        Some(Verb::Ctl(asked)) => asking(&[&[asked.verb][..], &asked.arguments].concat()),
        Some(Verb::Attach(_) | Verb::Ps(_) | Verb::Top(_) | Verb::Metrics(_)) => Plan::Leave,
    }
}

fn guarding(run: &Run) -> Plan {
    let settings = &run.settings;
    let needs = settings.require.is_some() || settings.user.is_some() || settings.metrics.is_some();
    match settings.memory {
        _ if needs => Plan::Leave,
        Some(size) => Plan::Guard(size),
        None => Plan::Run(&[0]),
    }
}

/// A request of `sentinel ctl`, or of `nc`.
fn asking(words: &[String]) -> Plan {
    let line = words.join(" ");
    let request = parse(addressed(line.as_bytes()).1);
    match request {
        Ok(request) if !request.changes() && request.verb() != "watch" => {
            Plan::Ask(std::iter::once("ctl".to_owned()).chain(words.iter().cloned()).collect())
        }
        Ok(_) | Err(_) => Plan::Leave,
    }
}

/// The place.
struct Stand {
    scene: Scene,
    /// The least limit around us.
    outer: Bytes,
}

impl Stand {
    fn new() -> Stand {
        let scene = Scene::new();
        std::fs::create_dir_all(scene.path("home/sentinel")).unwrap();
        scene.write("home/sentinel/config.toml", CONFIG);
        std::fs::create_dir(scene.path("bin")).unwrap();
        let script = |name: &str, text: &str| {
            let path = scene.path("bin").join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        for name in GUARDED.iter().filter(|name| !name.contains('/')) {
            script(name, "exit 0");
        }
        script("sudo", "exec env \"$@\"");
        // What came, and the filter behind it.
        script("jq", "exec tee jq.in");
        symlink(binary(), scene.path("bin/sentinel")).unwrap();
        scene.script("job", "exit 0");
        let mut stand = Stand { scene, outer: Bytes(0) };
        stand.outer = stand.outer_limit();
        // Post-mortems and a trace for those that want some.
        for _ in 0..2 {
            let run =
                stand.shell("sentinel --report always --name train --record t.jsonl -- ./job");
            assert_eq!(run.code(), 0, "{run:?}");
        }
        stand
    }

    fn outer_limit(&self) -> Bytes {
        let run = self.shell("sentinel doctor --json");
        let found: Value = serde_json::from_slice(&run.out).unwrap();
        let text = found["outer_limit"].as_str().unwrap_or_default();
        text.split(' ').next().unwrap().parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn shell(&self, line: &str) -> crate::support::Run {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.scene.path("bin").as_os_str(), &path].join(std::ffi::OsStr::new(":"));
        let mut shell = self.scene.program("sh");
        shell.args(["-c", line]).env("PATH", path).current_dir(self.scene.dir());
        Running::start(&mut shell).finish()
    }

    /// What is wrong, if anything. `None` also where it was left out.
    fn run(&self, found: &Found, words: &[String], count: &mut usize) -> Option<String> {
        let expected: &[i32] = match plan(words) {
            Plan::Run(expected) => expected,
            Plan::Guard(Size::Absolute(size)) if size.0 + size.0 / 4 > self.outer.0 => {
                skip(&format!("{}: the limit around us is {}", found.text, self.outer));
                return None;
            }
            Plan::Guard(_) => &[0],
            Plan::Ask(words) => {
                *count += 1;
                return self.ask(&words);
            }
            Plan::Leave => return None,
        };
        *count += 1;
        eprintln!("runs {}", found.text);
        let run = self.shell(&found.text);
        if !expected.contains(&run.code()) {
            return Some(format!("exit status {}: {}", run.code(), run.stderr));
        }
        self.filtered(&found.text)
    }

    /// Asks a guardian of this place's own, whichever the document asks.
    fn ask(&self, words: &[String]) -> Option<String> {
        let mut sentinel = self.scene.sentinel();
        let (verb, rest) = words.split_first()?;
        sentinel.args([verb, "--socket", &self.scene.text_path("s.socket")]).args(rest);
        let run = Running::start(&mut sentinel).finish();
        let is_fine = run.code() == 0 && !run.out.is_empty();
        (!is_fine).then(|| format!("exit status {}: {}", run.code(), run.stderr))
    }

    /// Where jq is behind it, what its filter names has to be in what came.
    fn filtered(&self, line: &str) -> Option<String> {
        let programs = programs(line).ok()?;
        let jq = programs.iter().find(|words| words.first().is_some_and(|it| it == "jq"))?;
        let filter = jq.last()?;
        let came: Value = match serde_json::from_str(&self.scene.read("jq.in")) {
            Ok(came) => came,
            Err(error) => return Some(format!("no JSON came: {error}")),
        };
        // Of lists (`.a[].b`) one may be empty.
        let mut keys = filter.trim_start_matches('.').split("[]").next()?.split('.');
        let named = keys.try_fold(&came, |value, key| value.get(key));
        named.is_none_or(Value::is_null).then(|| format!("there is no {filter}"))
    }
}

/// The words of sentinel in a line, and of a request by nc as if `sentinel ctl` made it.
fn ours(line: &str) -> Vec<String> {
    let programs = programs(line).unwrap_or_default();
    let words: Vec<&[String]> = programs.iter().map(|words| innermost(words)).collect();
    match words.as_slice() {
        [[echo, request @ ..], [nc, ..]] if echo == "echo" && nc == "nc" => {
            let ctl = ["sentinel", "ctl"].map(str::to_owned);
            ctl.into_iter().chain(request.iter().cloned()).collect()
        }
        [words, ..] if words.first().is_some_and(|word| word == "sentinel") => words.to_vec(),
        _ => Vec::new(),
    }
}

fn play(stand: &Stand, documents: &[Document]) -> (usize, Vec<String>) {
    let (mut count, mut problems) = (0, Vec::new());
    for document in documents {
        for found in commands::found(document) {
            let words = ours(&found.text);
            let problem =
                (!words.is_empty()).then(|| stand.run(&found, &words, &mut count)).flatten();
            let at = document.at(found.line);
            problems.extend(problem.map(|problem| format!("{at}: {}: {problem}", found.text)));
        }
    }
    (count, problems)
}

#[test]
fn commands_do_what_they_are_shown_for() {
    let stand = Stand::new();
    let guardian = stand.scene.with_mailbox(&["--best-effort"], &["sleep", "100000"]);
    let (count, problems) = play(&stand, &stored());
    guardian.send(nix::libc::SIGTERM);
    guardian.finish();
    none(&problems);
    assert!(count >= 30, "only {count} commands were run");
}

/// What is wrong in a document only when it is run is found.
#[test]
fn a_command_that_fails_is_found() {
    let stand = Stand::new();
    let lines = [
        "sentinel report tarin",
        "sentinel report --json | jq .verdcit",
        "sentinel replay no-such-trace",
        "sentinel --second-line 1G -- ./job",
    ];
    for line in lines {
        let document = Document::new("README.md", &format!("# Title\n\n    {line}\n"));
        let (count, problems) = play(&stand, &[document]);
        assert_eq!((count, problems.len()), (1, 1), "{line}: {problems:?}");
        assert!(problems[0].starts_with("README.md:3: "), "{problems:?}");
    }
}
