//! Files of ours that are given where another is wanted.

use crate::support::{Running, Scene};
use crate::{ended, report};

/// It is said what it is, and what it is for.
#[test]
fn files_that_are_mixed_up_are_named() {
    let scene = Scene::new();
    let at = |name: &str| scene.text_path(name);
    let options = ["--report", "always", "--json", &at("record"), "--record", &at("trace")];
    ended(&scene, &options, &["true"]).expect(0);
    let post_mortem = scene.write("post-mortem", report(&scene, &["--json"]).expect(0).stdout());
    let page = scene.write("page", report(&scene, &["--html"]).expect(0).stdout());
    let mut metrics = scene.sentinel();
    let metrics = Running::start(metrics.args(["metrics", "--once"])).finish().expect(0);
    let metrics = scene.write("metrics", metrics.stdout());
    let ledger = at("state/sentinel/ended.json");
    let files = [
        (at("record"), "it is the record of a run (--json): "),
        (at("trace"), "it is a trace (--record): show it with sentinel replay\n"),
        (post_mortem, "it is a post-mortem: show it with sentinel report\n"),
        (page, "it is a page for browsers: "),
        (metrics, "it is a page of metrics: "),
        (ledger, "it is the ledger of ended runs, for sentinel metrics: "),
    ];
    for (verb, own) in [("report", "post-mortem"), ("replay", "trace"), ("--config", "")] {
        for (file, says) in &files {
            let mut sentinel = scene.sentinel();
            let more = if verb == "--config" { &["true"][..] } else { &["--json"] };
            let run = Running::start(sentinel.arg(verb).arg(file).args(more)).finish();
            if !own.is_empty() && file.ends_with(own) {
                run.expect(0);
                continue;
            }
            let run = run.expect(125);
            assert!(run.stderr.contains(says), "{verb} {file}: {run:?}");
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        }
    }
}
