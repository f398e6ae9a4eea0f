//! Docker as Debian has it: what it runs is guarded by its name and its id, with either cgroup driver; it sees the end that there was,
//! and does not start again what it was asked to stop. One test, since all of it has one daemon.

use crate::attached::{Guardian, grows, systemctl};
use crate::guest::{Guest, as_root, ran, wait_until};

const UNITS: [&str; 3] = ["containerd.service", "docker.socket", "docker.service"];
const IMAGE: &str = "busybox:guest";
const SIDECAR: &str = "sentinel:guest";

fn docker(words: &[&str]) -> String {
    ran(as_root(&[&["docker"], words].concat())).text().to_owned()
}

/// Runs one that leaks as soon as it is told to. Gives its id.
fn leaks(name: &str, more: &[&str], script: &str) -> String {
    let volume = ["--volume=/job:/job:ro", "--network=none", "--memory=200M", "--name", name];
    let run = [&["run", "--detach"], &volume[..], more, &[IMAGE, "sh", "-c", script]].concat();
    docker(&run)
}

/// Process 1 of a container hears no SIGTERM that it does not handle: the shell waits for what does.
fn script() -> String {
    format!("(while ! [ -e /tmp/go ]; do sleep 0.1; done; exec {}) & wait $!", grows())
}

fn goes(name: &str) {
    docker(&["exec", name, "touch", "/tmp/go"]);
}

fn await_state(name: &str, format: &str, state: &str) {
    let inspect = ["docker", "inspect", "--format", format, name];
    wait_until(state, || ran(as_root(&inspect)).stdout.trim() == state);
}

const ENDED: &str = "{{.State.ExitCode}} {{.State.OOMKilled}}";

fn start() {
    systemctl(&[&["unmask"], &UNITS[..]].concat());
    systemctl(&["start", "docker.service"]);
    docker(&["import", "/opt/busybox.tar", IMAGE]);
}

fn stop() {
    systemctl(&[&["mask", "--now"], &UNITS[..]].concat());
}

/// By its name, and by the beginning of its id.
fn guards(name: &str, place: &str) {
    let id = leaks(name, &[], &script());
    for typed in [&id[..12], name] {
        let options = ["60M", "--socket", "off", "--container", typed];
        let mut guardian = Guardian::attach(as_root, &options);
        guardian.await_line("limit 60.0M");
        if typed != name {
            guardian.leave();
            continue;
        }
        goes(name);
        let (status, said) = guardian.end();
        assert_eq!(status, Some(143), "{said}");
        assert!(said.contains(&place.replace("ID", &id)), "{said}");
        assert!(said.contains(&format!("ended {name} with SIGTERM")), "{said}");
        assert!(said.contains("max 0 oom 0 oom_kill 0"), "{said}");
    }
    await_state(name, ENDED, "143 false");
    docker(&["rm", name]);
}

/// Started again whenever it ends, unless Docker is asked to stop it.
fn stops() {
    let name = "docker-stops";
    let traps = format!("trap 'exit 3' TERM; {}", script());
    leaks(name, &["--restart=always"], &traps);
    let options = ["60M", "--socket", "off", "--end-by", "stop", "--container", name];
    let mut guardian = Guardian::attach(as_root, &options);
    guardian.await_line("limit 60.0M");
    goes(name);
    let (status, said) = guardian.end();
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("sent a stop request to Docker"), "{said}");
    await_state(name, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", "exited 3 0");
    docker(&["rm", name]);
}

/// The image of the static binary, beside a container that leaks.
fn sidecar() {
    let folder = std::env::temp_dir().join("image-docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(std::env::var("SENTINEL_BIN").unwrap(), folder.join("sentinel")).unwrap();
    let recipe = include_str!("../../docs/container/Containerfile");
    std::fs::write(folder.join("Containerfile"), recipe).unwrap();
    let folder = folder.to_str().unwrap();
    let recipe = format!("{folder}/Containerfile");
    let build = ["build", "--quiet", "--tag", SIDECAR, "--file", &recipe, folder];
    // The builder that comes with Docker; the other is a package of its own.
    let built = as_root(&[&["env", "DOCKER_BUILDKIT=0", "docker"], &build[..]].concat());
    ran(built).text();
    for (name, options, tier) in [
        ("docker-sums", &[][..], "tier polled: no cgroup, limit 60.0M"),
        (
            "docker-counts",
            &["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"],
            "tier kernel: ",
        ),
    ] {
        leaks(name, &[], &script());
        let pid = format!("--pid=container:{name}");
        let run = ["docker", "run", "--rm", "--network=none", &pid];
        let attach = [SIDECAR, "attach", "--pid", "1", "-m", "60M"];
        let mut guardian = Guardian::of(as_root(&[&run[..], options, &attach].concat()));
        guardian.await_line(tier);
        goes(name);
        await_state(name, ENDED, "143 false");
        guardian.end();
        docker(&["rm", name]);
    }
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn containers_of_docker_s_are_guarded_and_stopped_by_it() {
    if !Guest::this().docker {
        return;
    }
    start();
    guards("docker-leaks", "/system.slice/docker-ID.scope");
    stops();
    sidecar();
    let options = "{\"bridge\": \"none\", \"iptables\": false, \"ip6tables\": false, \
                   \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}";
    std::fs::write("/etc/docker/daemon.json", options).unwrap();
    systemctl(&["restart", "docker.service"]);
    guards("docker-plain", "/docker/ID");
    stop();
}
