//! Ten thousand processes: they are signalled a few at a time, the mailbox answers meanwhile, and a grace period is as long as it
//! was. `SENTINEL_CROWD=10000` makes it as many; a test suite has fewer.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[expect(unused_imports, reason = "this suite looks at no run")]
mod support;

use sentinel::clock::Clock;
use support::{Running, Scene, is_root, python, skip};

/// More than are signalled in one step, several times over.
const FEW: u64 = 1500;

fn size() -> u64 {
    std::env::var("SENTINEL_CROWD").map_or(FEW, |size| size.parse().unwrap())
}

/// So many children that sleep, of a few parents that wait. `deaf`: nobody listens to SIGTERM. `forks`: each parent goes on
/// starting others in place of those that end.
const CROWD: &str = r"
import os, signal, sys, time
count, how = int(sys.argv[1]), sys.argv[2]
if how == 'deaf':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def child():
    if how == 'forks':
        # Some of the crowd are always on their way to be others.
        while True:
            if os.fork() == 0:
                time.sleep(0.05)
                os._exit(0)
            os.wait()
    time.sleep(1000)
    os._exit(0)
forkers = 50 if how == 'forks' else count
for index in range(count):
    if os.fork() == 0:
        if index >= forkers:
            time.sleep(1000)
            os._exit(0)
        child()
print('ready', flush=True)
time.sleep(1000)
";

fn crowd(scene: &Scene, how: &str, options: &[&str]) -> Running {
    let (count, socket) = (size().to_string(), scene.text_path("s.socket"));
    let record = scene.text_path("record.json");
    let options = [&["--socket", &socket, "--json", &record, "-m", "80%"], options].concat();
    let running = scene.start(&options, &[python(), "-c", CROWD, &count, how]);
    running.await_out("ready");
    running
}

/// From a decision to an end, milliseconds.
fn took(scene: &Scene) -> (u64, u64) {
    let record = scene.record();
    let at = |which: &str| record[which]["at_ms"].as_u64().unwrap_or(0);
    (at("term"), at("kill"))
}

#[test]
fn who_listens_gets_the_signal() {
    let scene = Scene::new();
    let running = crowd(&scene, "listens", &["--grace", "100s"]);
    let clock = Clock::start();
    scene.ask("terminate").expect(0);
    println!("answered after {:?}", clock.now().0);
    let again = scene.ask("ping");
    // All may have heard and be gone by now, or while it was asked.
    let gone = ["no guardian at", "the connection was closed without an answer"];
    let is_gone = gone.iter().any(|said| again.stderr.contains(said));
    assert!(again.code() == 0 || is_gone, "{again:?}");
    println!("and again after {:?}", clock.now().0);
    running.finish().expect(143);
    println!("{} processes gone after {:?}", size(), clock.now().0);
}

/// A grace period that is never over: whoever was missed would be waited for.
#[test]
fn who_is_started_meanwhile_gets_it_too() {
    let scene = Scene::new();
    let running = crowd(&scene, "forks", &["--grace", "1000s"]);
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
}

#[test]
fn the_grace_is_as_long_as_it_was() {
    let scene = Scene::new();
    let running = crowd(&scene, "deaf", &["--grace", "3s"]);
    scene.ask("terminate").expect(0);
    running.finish().expect(137);
    let (term, kill) = took(&scene);
    println!("{} processes: SIGKILL {} ms after SIGTERM", size(), kill - term);
    assert!(kill + 1 >= term + 3000, "{term} {kill}");
    // The turn of the loop in which it is due may be a late one.
    assert!(kill < term + 6000, "{term} {kill}");
}

#[test]
fn without_a_cgroup() {
    if !is_root() {
        return skip("only root can take the cgroups away");
    }
    let scene = Scene::new();
    let (count, socket) = (size().to_string(), scene.text_path("s.socket"));
    let options = ["--socket", &socket, "-m", "80%", "--grace", "1000s"];
    let command = scene.guarded(&options, &[python(), "-c", CROWD, &count, "forks"]);
    let running = Running::start(&mut scene.without_cgroups(&command));
    running.await_out("ready");
    scene.ask("terminate").expect(0);
    running.finish().expect(143);
}
