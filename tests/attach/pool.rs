//! A pool: one limit for all in a directory. Where it is reached one is ended, and the others live.

use crate::place::{Place, Theirs};
use crate::support::{Scene, keeper_of, send, until};
use crate::{attach, refused, report_of};
use nix::libc::{SIGKILL, SIGTERM};
use std::path::Path;

/// The options for all in it.
fn together<'a>(place: &'a Place, total: &'a str) -> Vec<&'a str> {
    vec!["--cgroup", place.path(), "--each", "--total", total]
}

/// Somebody who takes so much, and says so.
fn holds(place: &Place, scene: &Scene, name: &str, mib: u32) -> Theirs {
    let mut theirs = place.cgroup(name);
    let go = scene.path(name);
    scene.write(name, "");
    theirs.grows(mib, &go);
    until("it holds it", || scene.path(&format!("{name}.full")).exists());
    theirs
}

fn priority(theirs: &Theirs, number: &str) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(theirs.path(), "user.sentinel.priority", number.as_bytes(), flags)
        .unwrap();
}

#[test]
fn the_largest_is_ended_and_the_others_live() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut others = [holds(&place, &scene, "one", 10), holds(&place, &scene, "two", 20)];
    let (mut leak, go) = (place.cgroup("leak"), scene.path("go"));
    leak.grows(300, &go);
    let running = attach(&scene, &together(&place, "200M"));
    running.await_err("together 200.0M at most: there the largest is ended");
    scene.write("go", "");
    running.await_err("leak is ended, the largest of 3 (");
    running.await_err("leak: ended leak with SIGTERM: chosen because all of its pool together, ");
    assert_eq!(scene.read("go.heard"), "SIGTERM");
    assert!(others.iter_mut().all(Theirs::lives));
    scene.await_mailbox();
    let ended = report_of(&scene, "leak");
    assert_eq!(ended["verdict"]["reason"], "pool", "{ended:#}");
    running.send(SIGTERM);
    running.finish().expect(0).says("4 cgroups are as before");
    is_as_before(&place, &others);
}

/// One after the other, until what is left has room.
#[test]
fn all_of_them_keep_the_limit_when_all_grow() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let go = scene.path("go");
    let mut all: Vec<Theirs> = (0..4).map(|n| place.cgroup(&format!("w{n}"))).collect();
    for theirs in &mut all {
        theirs.grows(90, &go);
    }
    // Throttled on a busy machine, a handler takes its time.
    let running = attach(&scene, &[&together(&place, "200M")[..], &["--grace", "60s"]].concat());
    running.await_err("4 cgroups of ");
    scene.write("go", "");
    // Two of some hundred MiB each have room.
    until("two are full", || scene.path("go.full").exists() && count(&mut all) <= 2);
    scene.await_mailbox();
    let held = scene.ask("wards").expect(0).stdout();
    running.send(SIGTERM);
    let run = running.finish().expect(0);
    assert!(count(&mut all) >= 1, "{run:?} {held}");
    assert!(!run.stderr.contains("sent SIGKILL"), "{run:?}");
    if place.has_memory() {
        let events = std::fs::read_to_string(Path::new(place.path()).join("memory.events"));
        assert!(events.unwrap().contains("oom_kill 0"), "{run:?}");
    }
}

fn count(all: &mut [Theirs]) -> usize {
    all.iter_mut().filter_map(|theirs| theirs.lives().then_some(())).count()
}

#[test]
fn who_is_marked_lives_while_there_are_others() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut dear, go) = (place.cgroup("dear"), scene.path("go"));
    dear.grows(150, &go);
    priority(&dear, "10");
    let mut cheap = holds(&place, &scene, "cheap", 60);
    let mut other = holds(&place, &scene, "other", 20);
    let running = attach(&scene, &together(&place, "200M"));
    running.await_err("3 cgroups of ");
    scene.write("go", "");
    running.await_err("cheap is ended, the largest of 3 (");
    until("it is full", || scene.path("go.full").exists());
    assert!(dear.lives() && other.lives() && !cheap.lives());
    running.send(SIGTERM);
    running.finish().expect(0);
}

#[test]
fn who_came_last_is_ended_where_that_is_asked_for() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (mut old, go) = (place.cgroup("old"), scene.path("go"));
    old.grows(150, &go);
    let mut middle = holds(&place, &scene, "middle", 20);
    let options = [together(&place, "200M"), vec!["--victim", "newest"]].concat();
    let running = attach(&scene, &options);
    running.await_err("there the newest is ended");
    let mut late = holds(&place, &scene, "late", 60);
    scene.write("go", "");
    running.await_err("late is ended, the newest of 3 (");
    until("it is full", || scene.path("go.full").exists());
    assert!(old.lives() && middle.lives() && !late.lives());
    running.send(SIGTERM);
    running.finish().expect(0);
}

#[test]
fn who_was_there_before_us_is_known_by_age_too() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut old: Vec<Theirs> = (0..7).map(|n| place.cgroup(&format!("old{n}"))).collect();
    for theirs in &mut old {
        theirs.rests();
    }
    // So that all of it is at the limit before the last is at its own.
    old.push(holds(&place, &scene, "old7", 60));
    let (mut last, go) = (place.cgroup("a-last"), scene.path("go"));
    last.grows(300, &go);
    let options = [together(&place, "200M"), vec!["--victim", "newest"]].concat();
    let running = attach(&scene, &options);
    running.await_err("9 cgroups of ");
    scene.write("go", "");
    running.await_err("a-last is ended, the newest of 9 (");
    assert!(old.iter_mut().all(Theirs::lives));
    running.send(SIGTERM);
    running.finish().expect(0);
}

#[test]
fn its_line_is_put_back_when_the_guardian_is_killed() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let mut one = [holds(&place, &scene, "one", 10)];
    let running = attach(&scene, &together(&place, "200M"));
    running.await_err("1 cgroup of ");
    if place.has_memory() {
        assert_eq!(high(place.path()), (200 << 20).to_string());
    }
    running.send(SIGKILL);
    running.finish().says("2 cgroups are as before, and guarded no more");
    is_as_before(&place, &one);

    // With its keeper: by the next guardian, for which the line is no limit from outside.
    let running = attach(&scene, &together(&place, "200M"));
    running.await_err("1 cgroup of ");
    send(keeper_of(running.pid()), SIGKILL);
    running.await_err("the keeper was killed");
    running.send(SIGKILL);
    running.finish();
    let running = attach(&scene, &together(&place, "200M"));
    running.await_err("1 cgroup of ");
    running.send(SIGTERM);
    running.finish().expect(0);
    is_as_before(&place, &one);
    assert!(one[0].lives());
}

#[test]
fn a_limit_that_is_reached_already_is_refused() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let one = [holds(&place, &scene, "one", 60)];
    refused(&scene, &["--cgroup", place.path(), "--total", "200M"]).says("--each");
    refused(&scene, &["--cgroup", place.path(), "--each", "--victim", "newest"]).says("--total");
    if place.has_memory() {
        refused(&scene, &together(&place, "40M")).says("has in use");
    }
    is_as_before(&place, &one);
}

fn high(directory: &str) -> String {
    std::fs::read_to_string(Path::new(directory).join("memory.high")).unwrap().trim().to_owned()
}

fn is_as_before(place: &Place, others: &[Theirs]) {
    if place.has_memory() {
        let all = others.iter().map(Theirs::path).chain([place.path()]);
        all.for_each(|directory| assert_eq!(high(directory), "max", "{directory}"));
    }
}
