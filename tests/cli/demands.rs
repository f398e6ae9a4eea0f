//! Asked for and not in force is an error, in every tier; `--best-effort` makes a line of it. What nobody asked for is no demand.

use crate::refusal::{attempt, refused};
use crate::support::{Running, Scene, is_root, skip};
use serde_json::Value;
use std::process::Command;

/// In these a tier below `kernel` cannot put them in force.
const DEMANDS: [(&[&str], &str); 6] = [
    (&["--pids", "64"], "--pids 64 ("),
    (&["--swap", "256M"], "--swap 256.0M ("),
    (&["--swap", "max"], "--swap max ("),
    (&["--thrash", "50%:1m"], "--thrash 50%:1m00s ("),
    (&["--slice", "batch.slice"], "--slice batch.slice ("),
    (&["--cgroup", "/nowhere"], "--cgroup /nowhere"),
];

fn as_config(options: &[&str]) -> String {
    let (key, value) = (options[0].trim_start_matches('-'), options[1]);
    format!("{key} = {value:?}\n")
}

/// What doctor says of this place, or of the same without cgroups.
fn doctor(scene: &Scene, wrap: impl Fn(&Command) -> Command) -> Value {
    let mut asked = scene.sentinel();
    asked.args(["doctor", "--json"]);
    let run = Running::start(&mut wrap(&asked)).finish();
    serde_json::from_slice(&run.out).unwrap()
}

/// In each tier below `kernel` that can be had here.
fn lower_tiers(check: impl Fn(&Scene, &dyn Fn(&Command) -> Command, &str)) {
    let scene = Scene::new();
    let same = |command: &Command| scene.through(&["env"], command);
    match doctor(&scene, same)["tier"].as_str().unwrap() {
        // The others are below it.
        "kernel" => {}
        tier => check(&scene, &same, tier),
    }
    if !is_root() {
        return skip("only root can take the cgroup file system away");
    }
    check(&scene, &|command: &Command| scene.without_cgroups(command), "polled");
}

#[test]
fn what_was_asked_for_and_cannot_be_put_in_force_is_an_error() {
    lower_tiers(|scene, wrap, tier| {
        for (options, named) in DEMANDS {
            let config = scene.write("settings.toml", as_config(options));
            for options in [options, &["--config", &config]] {
                let run = refused(scene, &mut wrap(&attempt(scene, options)), 125);
                assert!(run.stderr.contains(named), "{options:?}: {run:?}");
                assert!(run.stderr.contains("--best-effort"), "the way out: {run:?}");
                if !named.starts_with("--cgroup") {
                    let place = format!("tier {tier} cannot enforce {named}");
                    let told = run.stderr.contains(&place) && run.stderr.contains("; better: ");
                    assert!(told, "{options:?}: {run:?}");
                }
            }
        }
    });
}

fn all_demands() -> Vec<&'static str> {
    DEMANDS
        .iter()
        .filter(|(words, _)| words[1] != "max")
        .flat_map(|(words, _)| *words)
        .copied()
        .collect()
}

#[test]
fn the_best_effort_is_one_line() {
    lower_tiers(|scene, wrap, tier| {
        let config = scene.write("settings.toml", "best-effort = true\n");
        for more in [&["--best-effort"][..], &["--config", &config], &["--dry-run"]] {
            let options = [&all_demands()[..], more].concat();
            let run =
                Running::start(&mut wrap(&scene.guarded(&options, &["true"]))).finish().expect(0);
            let lines = run.stderr.lines().filter(|line| line.contains("--pids 64"));
            let told: Vec<_> = lines.collect();
            assert_eq!(told.len(), 1, "{run:?}");
            for (options, named) in DEMANDS.iter().filter(|(words, _)| words[1] != "max") {
                assert!(told[0].contains(named), "{options:?}: {run:?}");
            }
            let prefix = match more[0] {
                "--dry-run" => format!("without --dry-run this run would be refused: tier {tier} "),
                _ => format!("not in force in tier {tier}, as --best-effort allows: "),
            };
            assert!(told[0].contains(&prefix), "{run:?}");
        }
    });
}

#[test]
fn what_nobody_asked_for_is_no_demand() {
    lower_tiers(|scene, wrap, _| {
        let none = ["--pids", "max", "--swap", "0", "--thrash", "off"];
        for options in [&[][..], &none] {
            let run =
                Running::start(&mut wrap(&scene.guarded(options, &["true"]))).finish().expect(0);
            assert!(!run.stderr.contains("in force"), "{run:?}");
        }
    });
}

/// Mailbox, metrics and doctor say the same about the kernel's limits.
#[test]
fn all_agree_about_what_is_in_force() {
    lower_tiers(|scene, wrap, tier| {
        let found = doctor(scene, wrap);
        assert_eq!((&found["tier"], &found["kernel_limits"]), (&tier.into(), &false.into()));
        let socket = scene.text_path("s.socket");
        let guarded = scene.guarded(&["--socket", &socket], &["sleep", "1000"]);
        let running = Running::start(&mut wrap(&guarded));
        scene.await_mailbox();
        let text = scene.ask("limits").expect(0).stdout();
        assert!(text.contains("trip-wire max, ") && text.contains("ceiling max\n"), "{text}");
        assert!(text.contains("swap max, pids max"), "{text}");
        let metrics = scene.ask("metrics").expect(0).stdout();
        for name in ["sentinel_memory_max_bytes", "sentinel_memory_high_bytes"] {
            let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(line.ends_with(" +Inf"), "{line}");
        }
        let options = found["not_in_force"].as_array().unwrap();
        let options: Vec<_> = options.iter().map(|it| it["option"].as_str().unwrap()).collect();
        let beside = if tier == "observed" { &[][..] } else { &["--thrash"] };
        let freeze = if tier == "hybrid" { &[][..] } else { &["--on-breach freeze"] };
        let expected = [&["--pids", "--swap"][..], beside, &["--slice"], freeze].concat();
        assert_eq!(options, expected, "{found:#}");
        scene.ask("kill").expect(0);
        running.finish().expect(137);
    });
}
