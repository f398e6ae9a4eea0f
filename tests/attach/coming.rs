//! Directories that go and come again, and pods in their classes.

use super::attach;
use super::place::{Place, Theirs};
use super::support::{Running, Scene, until};
use nix::libc::{SIGKILL, SIGTERM};

/// A leak in this cgroup is ended.
fn ends_in(scene: &Scene, running: &Running, mut leak: Theirs, name: &str, go: &str) {
    leak.grows(200, &scene.path(go));
    scene.write(go, "");
    running.await_err(&format!("ended {name} with SIGTERM: footprint "));
    until("it heard SIGTERM", || scene.read(&format!("{go}.heard")) == "SIGTERM");
}

/// As systemd's slices do.
#[test]
fn a_directory_that_comes_again_is_guarded() {
    let (scene, Some(place)) = (Scene::new(), Place::new()) else { return };
    let (outer, inner) = (place.cgroup("outer"), place.cgroup("outer/inner"));
    let options = ["--cgroup", inner.path(), "--each", "-m", "40M"].map(str::to_owned);
    let running = attach(&scene, &options.each_ref().map(String::as_str));
    running.await_err("0 cgroups of");
    ends_in(&scene, &running, place.cgroup("outer/inner/first"), "first", "go1");
    inner.leaves();
    running.await_err("/outer/inner is gone: it is guarded when it comes again");
    let inner = place.cgroup("outer/inner");
    running.await_err("/outer/inner is there again");
    inner.delegates();
    ends_in(&scene, &running, place.cgroup("outer/inner/second"), "second", "go2");
    // The way to it goes, too, and what is made beside it is nobody's matter.
    inner.leaves();
    outer.leaves();
    let (beside, outer) = (place.cgroup("beside"), place.cgroup("outer"));
    outer.delegates();
    let inner = place.cgroup("outer/inner");
    inner.delegates();
    ends_in(&scene, &running, place.cgroup("outer/inner/third"), "third", "go3");
    scene.await_mailbox();
    assert!(!scene.ask("wards").expect(0).stdout().contains("beside"));
    running.send(SIGTERM);
    running.finish().expect(0);
    inner.leaves();
    outer.leaves();
    beside.leaves();
}

/// `kubepods.slice` with one class; pods of their own names in it and beside it.
struct Pods {
    place: Place,
    levels: Vec<Theirs>,
}

const UID: &str = "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0";

impl Pods {
    fn new() -> Option<Pods> {
        let mut pods = Pods { place: Place::new()?, levels: Vec::new() };
        pods.make("kubepods.slice");
        Some(pods)
    }

    fn make(&mut self, path: &str) {
        let level = self.place.cgroup(path);
        level.delegates();
        self.levels.push(level);
    }

    fn path(&self) -> String {
        format!("{}/kubepods.slice", self.place.path())
    }
}

impl Drop for Pods {
    /// From the innermost.
    fn drop(&mut self) {
        while self.levels.pop().is_some() {}
    }
}

fn id(digit: &str) -> String {
    digit.repeat(64)
}

#[test]
fn containers_of_pods_are_guarded_as_they_come_and_go() {
    let (scene, Some(mut pods)) = (Scene::new(), Pods::new()) else { return };
    let guaranteed = format!("kubepods.slice/kubepods-pod{UID}.slice");
    pods.make(&guaranteed);
    let mut first = pods.place.cgroup(&format!("{guaranteed}/cri-containerd-{}.scope", id("a")));
    first.rests();
    // What is no container is not guarded: it may be a part of the pod's own.
    let mut other = pods.place.cgroup(&format!("{guaranteed}/init.scope"));
    other.rests();
    let path = pods.path();
    let running = attach(&scene, &["--pods", "--cgroup", &path, "-m", "40M"]);
    running.await_err("1 container of ");
    scene.await_mailbox();
    let class = "kubepods.slice/kubepods-burstable.slice";
    pods.make(class);
    let pod = format!("{class}/kubepods-burstable-pod{UID}.slice");
    pods.make(&pod);
    let leak = pods.place.cgroup(&format!("{pod}/crio-{}.scope", id("b")));
    ends_in(&scene, &running, leak, "bbbbbbbbbbbb", "go");
    assert!(first.lives() && other.lives());
    let wards = || scene.ask("wards").expect(0).stdout();
    assert!(wards().contains("aaaaaaaaaaaa") && !wards().contains("init"), "{}", wards());
    // A pod that is gone is not waited for.
    drop(pods.levels.pop());
    pods.make(&pod);
    let leak = pods.place.cgroup(&format!("{pod}/cri-containerd-{}.scope", id("c")));
    ends_in(&scene, &running, leak, "cccccccccccc", "again");
    running.send(SIGTERM);
    let run = running.finish().expect(0);
    assert!(!run.stderr.contains("is gone: it is guarded"), "{run:?}");
}

/// What is in classes and pods is found by the keeper as well, which knew of none of them at the start.
#[test]
fn containers_of_pods_are_given_back_by_the_keeper() {
    let (scene, Some(mut pods)) = (Scene::new(), Pods::new()) else { return };
    if !pods.place.has_memory() {
        return super::support::skip("nothing is written where no memory is limited");
    }
    let path = pods.path();
    let running = attach(&scene, &["--pods", "--cgroup", &path, "-m", "40M"]);
    running.await_err("0 containers of ");
    let class = "kubepods.slice/kubepods-besteffort.slice";
    pods.make(class);
    let pod = format!("{class}/kubepods-besteffort-pod{UID}.slice");
    pods.make(&pod);
    let mut rests = pods.place.cgroup(&format!("{pod}/cri-containerd-{}.scope", id("d")));
    rests.rests();
    let line = (40 << 20).to_string();
    until("it is guarded", || rests.says("memory.high") == line);
    running.send(SIGKILL);
    running.finish();
    until("it is given back", || rests.says("memory.high") == "max");
    assert!(rests.lives());
}
