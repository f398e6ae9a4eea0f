//! `sentinel attach`: what others started is ended at the limit as a run is, the others live, and what was written to their cgroups is put
//! back, whoever is killed. On a host in tier hybrid, in a guest in tier kernel.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "attach/attacked.rs"]
mod attacked;
#[path = "attach/coming.rs"]
mod coming;
#[path = "attach/floor.rs"]
mod floor;
#[path = "attach/machine.rs"]
mod machine;
#[path = "attach/many.rs"]
mod many;
#[path = "attach/named.rs"]
mod named;
#[path = "attach/place.rs"]
mod place;
#[path = "attach/pool.rs"]
mod pool;
#[path = "attach/refused.rs"]
mod refused;
#[path = "attach/stopped.rs"]
mod stopped;
mod support;

use nix::libc::{SIGINT, SIGKILL, SIGTERM};
use place::Place;
use support::{Run, Running, Scene, keeper_of, send, until};

/// Attaches; the mailbox is the scene's.
fn attach(scene: &Scene, options: &[&str]) -> Running {
    let mut command = scene.sentinel();
    let socket = scene.text_path("s.socket");
    command.args(["attach", "--as", scene.name(), "--socket", &socket]).args(options);
    Running::start(&mut command)
}

/// It cannot be guarded: one line, 125.
fn refused(scene: &Scene, options: &[&str]) -> Run {
    let mut command = scene.sentinel();
    command.args(["attach", "--socket", "off"]).args(options);
    let run = Running::start(&mut command).finish().expect(125);
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    run
}

/// The post-mortem of a workload.
fn report_of(scene: &Scene, name: &str) -> serde_json::Value {
    let run = Running::start(scene.sentinel().args(["report", "--json", name])).finish();
    serde_json::from_str(&run.expect(0).stdout()).unwrap()
}

#[test]
fn what_grows_is_ended_politely_and_nobody_else() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut leak, mut other) = (place.cgroup("leak"), place.cgroup("other"));
    let go = scene.path("go");
    leak.grows(200, &go);
    other.rests();
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("2 cgroups of");
    scene.write("go", "");
    running.await_err("sentinel: leak: ended leak with SIGTERM: footprint ");
    // Whose words they are is said, and nobody knows how long it had run before.
    running.await_err("sentinel: leak: guarded for ");
    running.await_err("sentinel: leak: footprint ");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    assert!(other.lives());
    running.send(SIGTERM);
    running.finish().expect(0).says("2 cgroups are as before, and guarded no more");
    assert!(other.lives());
    let report = Running::start(scene.sentinel().args(["report", "leak"])).finish().expect(0);
    assert!(report.stdout().contains("leak"), "{report:?}");
}

#[test]
fn cgroups_come_and_go() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("0 cgroups of");
    for turn in 0..20 {
        let mut passing = place.cgroup(&format!("passing{turn}"));
        passing.rests();
        passing.leaves();
        place.cgroup(&format!("passing-empty{turn}")).leaves();
    }
    let came = sentinel::clock::Clock::start();
    let (mut late, go) = (place.cgroup("late"), scene.path("go"));
    late.grows(200, &go);
    scene.write("go", "");
    running.await_err("ended late with SIGTERM");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    // It was guarded since it came, and not since the guardian did.
    running.await_err("post-mortem: ");
    let report = report_of(&scene, "late");
    let guarded = report["run"]["ran_ms"].as_u64().unwrap();
    assert!(u128::from(guarded) <= came.now().0.as_millis(), "{report:#}");
    // It is guarded anew: the same cgroup may be used again.
    let again = scene.path("again");
    late.grows(200, &again);
    scene.write("again", "");
    until("it heard SIGTERM", || scene.read("again.heard") == "SIGTERM");
    running.send(SIGINT);
    let run = running.finish().expect(0);
    // Of those that were gone nobody is told, not even that they could not be read.
    let said = |what: &str| run.stderr.contains(what);
    assert!(!said("passing") && !said("failed to") && said("1 cgroup is as before"), "{run:?}");
}

#[test]
fn a_cgroup_that_is_made_again_under_its_name_is_guarded() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("0 cgroups of");
    scene.await_mailbox();
    let listed = || scene.ask("wards").expect(0).stdout().contains("phoenix");
    for turn in 0..3 {
        let mut phoenix = place.cgroup("phoenix");
        until("it is guarded", listed);
        if turn == 1 {
            phoenix.rests();
        }
        phoenix.leaves();
    }
    let (mut phoenix, go) = (place.cgroup("phoenix"), scene.path("go"));
    phoenix.grows(200, &go);
    scene.write("go", "");
    running.await_err("ended phoenix with SIGTERM");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    running.send(SIGTERM);
    running.finish().expect(0);
}

#[test]
fn one_cgroup_that_ends_by_itself_ends_the_guard() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = place.cgroup("one");
    let pid = theirs.rests();
    let running = attach(&scene, &["--cgroup", theirs.path(), "-m", "40M"]);
    running.await_err("limit 40.0M");
    send(pid, SIGKILL);
    running.finish().expect(0).says("one ended by itself");
}

#[test]
fn what_cannot_be_guarded_is_an_error_and_nothing_is_written() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = place.cgroup("theirs");
    let go = scene.path("go");
    scene.write("go", "");
    theirs.grows(20, &go);
    let root = std::path::Path::new(place.path()).parent().unwrap().to_str().unwrap();
    for (options, why) in [
        (&[][..], "nothing to guard was named: use --unit, "),
        (&["--pid", "0"], "\"0\" is not a process id: write a number from 1 on"),
        (&["--pid", "1", "--name", "x"], "cannot be used with"),
        (&["--name", "x", "--each"], "cannot be used with"),
        (&["--cgroup", "/sys/fs/cgroup/not-there", "-m", "40M"], "cannot find the cgroup"),
        (&["--cgroup", "/tmp", "-m", "40M"], "/tmp is not in a cgroup v2 file system"),
        (&["--cgroup", root, "-m", "40M"], "the cgroup that sentinel itself is in, or above it"),
        (&["--cgroup", theirs.path()], "no limit was given: use -m SIZE"),
        (&["--cgroup", theirs.path(), "-m", "900T"], "is above what"),
    ] {
        let run = refused(&scene, options);
        assert!(run.stderr.contains(why), "{options:?}: {run:?}");
    }
    if place.has_memory() {
        until("it has grown", || theirs.says("memory.current").parse::<u64>().unwrap() > 20 << 20);
        refused(&scene, &["--cgroup", theirs.path(), "-m", "10M"]).says("has in use");
        assert_eq!(theirs.says("memory.high"), "max");
    }
    let running = attach(&scene, &["--cgroup", theirs.path(), "-m", "60M"]);
    running.await_err("limit 60.0M");
    let again = refused(&scene, &["--cgroup", theirs.path(), "-m", "50M"]);
    assert!(again.stderr.contains(&format!("guarded by sentinel {} already", running.pid())));
    running.send(SIGTERM);
    running.finish().expect(0);
    assert!(theirs.lives());
}

/// What was there before is there afterwards: when we leave, when we are killed, and when our keeper is killed first.
#[test]
fn what_was_written_is_put_back() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = place.cgroup("theirs");
    theirs.rests();
    let options = ["--cgroup", theirs.path(), "-m", "40M"].map(str::to_owned);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let before = |theirs: &place::Theirs| {
        assert_eq!(theirs.says("cgroup.freeze"), "0");
        if place.has_memory() {
            assert_eq!(theirs.says("memory.high"), "max");
        }
    };
    let begin = || {
        let running = attach(&scene, &options);
        running.await_err("limit 40.0M");
        scene.await_mailbox();
        scene.ask("freeze").expect(0);
        assert_eq!(theirs.says("cgroup.freeze"), "1");
        if place.has_memory() {
            assert_eq!(theirs.says("memory.high"), (40 << 20).to_string());
        }
        running
    };
    let running = begin();
    running.send(SIGTERM);
    running.finish().expect(0);
    before(&theirs);

    let running = begin();
    running.send(SIGKILL);
    running.finish().says("1 cgroup is as before, and guarded no more");
    before(&theirs);

    let running = begin();
    send(keeper_of(running.pid()), SIGKILL);
    running.await_err("the keeper was killed");
    running.send(SIGKILL);
    running.finish();
    assert_eq!(theirs.says("cgroup.freeze"), "1", "nobody is left to put it back");
    let running = attach(&scene, &options);
    running.await_err("limit 40.0M");
    running.send(SIGTERM);
    running.finish().expect(0);
    before(&theirs);
    assert!(theirs.lives());
}

#[test]
fn whoever_is_let_go_is_as_before_and_the_others_are_guarded() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut one, mut two) = (place.cgroup("one"), place.cgroup("two"));
    let (go, first) = (scene.path("go"), scene.path("first"));
    one.rests();
    two.grows(200, &go);
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("2 cgroups of");
    scene.await_mailbox();
    scene.ask("@one freeze").expect(0);
    assert_eq!(scene.ask("@one detach").expect(0).stdout(), "ok: one is guarded no more\n");
    running.await_err("one: detached: as before, and guarded no more");
    assert_eq!(one.says("cgroup.freeze"), "0");
    if place.has_memory() {
        assert_eq!(one.says("memory.high"), "max");
    }
    scene.ask("@one status").expect(1).says("no workload here is called one");
    // Whatever happens in the directory, it is let go; one that is made anew under its name is not.
    place.cgroup("passing").leaves();
    scene.write("go", "");
    running.await_err("ended two with SIGTERM");
    assert!(one.lives() && !scene.ask("wards").expect(0).stdout().contains("one: "));
    one.leaves();
    let mut again = place.cgroup("one");
    again.grows(200, &first);
    scene.write("first", "");
    running.await_err("ended one with SIGTERM");
    let said = scene.ask("detach").expect(0).stdout();
    assert_eq!(said, "ok: 2 workloads are guarded no more\n");
    running.finish().expect(0).says("as before, and guarded no more");
}

#[test]
fn some_have_rules_of_their_own() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut web, mut db, mut other) =
        (place.cgroup("web-1"), place.cgroup("db"), place.cgroup("other"));
    let go = scene.path("go");
    web.grows(200, &go);
    db.rests();
    other.rests();
    let file = scene.write(
        "config.toml",
        "[[match]]\nname = \"web-*\"\nmemory = \"40M\"\n[[match]]\nname = \"d?\"\nignore = true\n",
    );
    let options = ["--cgroup", place.path(), "--each", "-m", "300M", "--config", &file];
    let running = attach(&scene, &options);
    running.await_err("2 cgroups of");
    scene.await_mailbox();
    let guarded = scene.ask("wards").expect(0).stdout();
    assert!(guarded.contains("of 40.0M") && guarded.contains("of 300.0M"), "{guarded}");
    assert!(!guarded.contains("db: "), "{guarded}");
    scene.write("go", "");
    running.await_err("ended web-1 with SIGTERM: footprint ");
    assert!(db.lives() && other.lives());
    running.send(SIGTERM);
    running.finish().expect(0);
    let wrong = scene.write("wrong.toml", "[[match]]\nname = \"x\"\nmemroy = 1\n");
    let options = ["--cgroup", place.path(), "--each", "-m", "300M", "--config", &wrong];
    refused(&scene, &options).says("did you mean memory?");
}

#[test]
fn a_run_is_not_let_go() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &["sleep", "1000"]);
    scene.ask("detach").expect(1).says("does not let it go");
    running.send(SIGTERM);
    running.finish().expect(143);
}

/// Its owner may write to it as well: systemd does at every reload. What was written last is put back.
#[test]
fn what_its_owner_writes_is_not_lost_and_the_line_is_kept() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    if !place.has_memory() {
        return support::skip("no memory controller on cgroup v2");
    }
    let mut theirs = place.cgroup("theirs");
    theirs.rests();
    let running = attach(&scene, &["--cgroup", theirs.path(), "-m", "40M"]);
    running.await_err("limit 40.0M");
    let high = |mib: u64| (mib << 20).to_string();
    until("ours is there", || theirs.says("memory.high") == high(40));
    theirs.write("memory.high", "max");
    until("ours is there again", || theirs.says("memory.high") == high(40));
    running.await_err("memory.high was written by others, to max: set to 40.0M again");
    theirs.write("memory.high", &high(30));
    scene.await_mailbox();
    assert!(scene.ask("status").expect(0).stdout().contains("trip-wire 30.0M"));
    theirs.write("memory.high", &high(70));
    until("ours is there once more", || theirs.says("memory.high") == high(40));
    running.send(SIGTERM);
    running.finish().expect(0);
    assert_eq!(theirs.says("memory.high"), high(70));
}

#[test]
fn an_operator_sets_another_limit() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut theirs = place.cgroup("theirs");
    theirs.rests();
    let running = attach(&scene, &["--cgroup", theirs.path(), "-m", "40M"]);
    running.await_err("limit 40.0M");
    scene.await_mailbox();
    for (limit, was) in [("70M", "40.0M"), ("50M", "70.0M")] {
        let shown = limit.replace('M', ".0M");
        let said = scene.ask(&format!("set memory {limit}")).expect(0).stdout();
        assert_eq!(said, format!("ok: limit {shown} in force, was {was}\n"));
        let status = scene.ask("status").expect(0).stdout();
        assert!(status.contains(&format!("limit {shown}, ")), "{status}");
    }
    running.send(SIGTERM);
    running.finish().expect(0);
}

/// Of several each is asked by its name.
#[test]
fn one_of_several_is_asked_by_its_name() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut one, mut two) = (place.cgroup("one"), place.cgroup("two"));
    one.rests();
    two.rests();
    let running = attach(&scene, &["--cgroup", place.path(), "--each", "-m", "40M"]);
    running.await_err("2 cgroups of");
    scene.await_mailbox();
    let all = scene.ask("wards").expect(0).stdout();
    assert!(all.lines().count() == 2 && all.contains("one: ") && all.contains("of 40.0M"), "{all}");
    assert_eq!(scene.ask("status").expect(0).stdout().lines().count(), 2);
    scene.ask("freeze").expect(1).says("2 workloads are guarded here");
    scene.ask("@three freeze").expect(1).says("no workload here is called three");
    scene.ask("@two freeze").expect(0);
    assert_eq!((one.says("cgroup.freeze"), two.says("cgroup.freeze")), ("0".into(), "1".into()));
    assert!(scene.ask("@two status").expect(0).stdout().contains("frozen"));
    scene.ask("@two terminate").expect(0);
    running.await_err("ended two with SIGTERM");
    assert!(one.lives());
    let listed = Running::start(scene.sentinel().arg("ps")).finish().expect(0).stdout();
    assert!(listed.contains("one") && listed.contains("two"), "{listed}");
    running.send(SIGTERM);
    running.finish().expect(0);
}

/// Nobody of another cgroup is hit, whatever its name.
#[test]
fn the_same_name_elsewhere_is_another() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let Some(elsewhere) = Place::new() else { return };
    let (mut meant, mut other) = (place.cgroup("same"), elsewhere.cgroup("same"));
    let go = scene.path("go");
    meant.grows(200, &go);
    other.rests();
    let running = attach(&scene, &["--cgroup", meant.path(), "-m", "40M"]);
    running.await_err("limit 40.0M");
    scene.write("go", "");
    running.finish().expect(143);
    assert!(other.lives());
}
