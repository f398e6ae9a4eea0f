//! What systemd and podman run is guarded by the names that people have for it.

use crate::guest::{
    Cgroupfs, Guest, Owner, as_root, in_container, in_session, ran, wait, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// A guardian, and what it says.
pub struct Guardian {
    child: Child,
    said: mpsc::Receiver<String>,
    all: Vec<String>,
}

impl Guardian {
    pub fn attach(place: fn(&[&str]) -> Command, options: &[&str]) -> Guardian {
        let sentinel = std::env::var("SENTINEL_BIN").unwrap();
        Guardian::of(place(&[&[sentinel.as_str(), "attach", "-m"], options].concat()))
    }

    pub fn of(mut command: Command) -> Guardian {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|it| tell.send(it)));
        Guardian { child, said, all: Vec::new() }
    }

    pub fn await_line(&mut self, text: &str) {
        let child = &mut self.child;
        let in_vain = wait(|| {
            let ended = child.try_wait().unwrap();
            match ended {
                // All that it said, to the last line.
                Some(_) => self.all.extend(self.said.iter()),
                None => self.all.extend(self.said.try_iter()),
            }
            let is_said = self.all.iter().any(|line| line.contains(text));
            assert!(is_said || ended.is_none(), "{text}: {ended:?} {:?}", self.all);
            if is_said { Ok(()) } else { Err(self.all.join("\n")) }
        });
        assert!(in_vain.is_none(), "{text} is not said: {}", in_vain.unwrap_or_default());
    }

    /// Detaches it.
    pub fn leave(self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let (status, said) = self.end();
        assert_eq!(status, Some(0), "{said}");
    }

    /// Its exit status, and all that it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap().code();
        self.all.extend(self.said.iter());
        (status, self.all.join("\n"))
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

pub fn systemctl(words: &[&str]) {
    ran(as_root(&[&["systemctl"], words].concat())).text();
}

/// A hog that grows by so much a second, in a shell's words.
pub fn grows() -> String {
    format!("{} step --rate 20M --cap 1G", std::env::var("SENTINEL_HOG").unwrap())
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_has_its_line_through_reloads_and_gets_back_what_it_had() {
    if !Guest::this().limits_memory() {
        return;
    }
    let high = "/sys/fs/cgroup/system.slice/attached-rests.service/memory.high";
    let ours = (60 << 20).to_string();
    ran(as_root(&["systemd-run", "--quiet", "--unit=attached-rests", "sleep", "1000"])).text();
    let mut guardian = Guardian::attach(as_root, &["60M", "--unit", "attached-rests"]);
    guardian.await_line("system.slice/attached-rests.service, limit 60.0M");
    let property = ["set-property", "--runtime", "attached-rests.service", "MemoryHigh=300M"];
    for change in [&["daemon-reload"][..], &["daemon-reexec"], &property] {
        systemctl(change);
        wait_until("the line is there", || read(high) == ours);
    }
    kill(Pid::from_raw(guardian.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let (status, said) = guardian.end();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(read(high), (300 << 20).to_string(), "what its owner wrote last");
    systemctl(&["stop", "attached-rests"]);
    let (status, said) = Guardian::attach(as_root, &["60M", "--unit", "attached-rests"]).end();
    assert_eq!(status, Some(125), "{said}");
    assert!(said.contains("there is no unit attached-rests.service"), "{said}");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_service_that_leaks_is_ended_politely_and_its_state_is_right() {
    if !Guest::this().limits_memory() {
        return;
    }
    let script = format!("sleep 2; exec {}", grows());
    let options = ["systemd-run", "--quiet", "--unit=attached-leaks", "--property=MemoryMax=200M"];
    ran(as_root(&[&options[..], &["--remain-after-exit", "sh", "-c", &script]].concat())).text();
    let (status, said) = Guardian::attach(as_root, &["60M", "--unit", "attached-leaks"]).end();
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("sent SIGTERM") && said.contains("max 0 oom 0 oom_kill 0"), "{said}");
    // systemd.service(5): SIGTERM is a clean end.
    let result = ["systemctl", "show", "--property=Result", "--value", "attached-leaks"];
    assert_eq!(ran(as_root(&result)).text(), "success");
    systemctl(&["stop", "attached-leaks"]);
}

/// By its name and by its id, where its engine put it; its engine sees the end that it had.
fn container(owner: Owner, place: fn(&[&str]) -> Command) {
    if !Guest::this().limits_memory() {
        return;
    }
    let (name, grows) = ("attached-leaks", grows());
    let go = "/tmp/go";
    // Process 1 of a container hears no SIGTERM that it does not handle: the shell waits for what does.
    let script = format!("(while ! [ -e {go} ]; do sleep 0.1; done; exec {grows}) & wait $!");
    let options = ["--detach", "--rm=false", "--name", name, "--memory=200M"];
    ran(in_container(owner, Cgroupfs::ReadOnly, &options, &["sh", "-c", &script])).text();
    let id = ran(place(&["podman", "ps", "--quiet", "--filter", "name=attached-leaks"]));
    let id = id.text().to_owned();
    let mut guardian = Guardian::attach(place, &["60M", "--socket", "off", "--container", &id]);
    guardian.await_line("limit 60.0M");
    kill(Pid::from_raw(guardian.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let (_, said) = guardian.end();
    assert!(said.contains("tier kernel: ") && said.contains(&format!("libpod-{id}")), "{said}");
    let mut guardian = Guardian::attach(place, &["60M", "--socket", "off", "--container", name]);
    guardian.await_line("limit 60.0M");
    ran(place(&["podman", "exec", name, "touch", go])).text();
    let (status, said) = guardian.end();
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("ended attached-leaks with SIGTERM"), "{said}");
    assert!(said.contains("max 0 oom 0 oom_kill 0"), "{said}");
    let state = ["podman", "inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name];
    wait_until("its engine has seen it", || ran(place(&state)).stdout.trim() == "143 false");
    let (status, said) = Guardian::attach(place, &["60M", "--container", name]).end();
    assert_eq!(status, Some(125), "{said}");
    assert!(said.contains("the container attached-leaks is not running"), "{said}");
    ran(place(&["podman", "rm", name])).text();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_container_of_root_s_is_guarded_by_its_name() {
    container(Owner::Root, as_root);
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_container_of_the_user_s_is_guarded_by_its_name() {
    container(Owner::User, in_session);
}

/// `sentinel attach --pid 1` in a container of its own, beside one that leaks.
fn sidecar(name: &str, options: &[&str], tier: &str) {
    if !Guest::this().limits_memory() {
        return;
    }
    let image = "localhost/sentinel";
    let folder = std::env::temp_dir().join(format!("image-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(std::env::var("SENTINEL_BIN").unwrap(), folder.join("sentinel")).unwrap();
    let recipe = include_str!("../../docs/container/Containerfile");
    std::fs::write(folder.join("Containerfile"), recipe).unwrap();
    let folder = folder.to_str().unwrap();
    ran(as_root(&["podman", "build", "--quiet", "--tag", image, folder])).text();
    let script =
        format!("(while ! [ -e /tmp/go ]; do sleep 0.1; done; exec {}) & wait $!", grows());
    let beside = ["--detach", "--rm=false", "--name", name, "--memory=200M"];
    let words = ["sh", "-c", script.as_str()];
    ran(in_container(Owner::Root, Cgroupfs::ReadOnly, &beside, &words)).text();
    let pid = format!("--pid=container:{name}");
    let run = ["podman", "run", "--rm", "--network=none", &pid];
    let attach = [image, "attach", "--pid", "1", "-m", "60M"];
    let mut guardian = Guardian::of(as_root(&[&run[..], options, &attach].concat()));
    guardian.await_line(tier);
    ran(as_root(&["podman", "exec", name, "touch", "/tmp/go"])).text();
    let state = ["podman", "inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name];
    wait_until("it was ended politely", || ran(as_root(&state)).stdout.trim() == "143 false");
    guardian.end();
    ran(as_root(&["podman", "rm", name])).text();
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_sidecar_sums_what_it_sees() {
    sidecar("attached-sums", &[], "tier polled: no cgroup, limit 60.0M");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn a_sidecar_with_the_cgroups_has_the_kernel_s_tier() {
    let options = ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"];
    sidecar("attached-counts", &options, "tier kernel: ");
}

#[test]
#[ignore = "for a guest: scripts/vm/test"]
fn pods_are_found_where_a_kubelet_has_them() {
    if !Guest::this().limits_memory() {
        return;
    }
    let attach = || Guardian::attach(as_root, &["60M", "--socket", "off", "--pods"]);
    let (status, said) = attach().end();
    assert_eq!(status, Some(125), "{said}");
    assert!(said.contains("no kubelet has its pods here"), "{said}");
    let root = "/sys/fs/cgroup/kubelet.slice";
    std::fs::create_dir_all(format!("{root}/kubelet-kubepods.slice")).unwrap();
    let mut guardian = attach();
    guardian.await_line("0 containers of /sys/fs/cgroup/kubelet.slice/kubelet-kubepods.slice");
    guardian.leave();
    for path in ["kubelet-kubepods.slice", ""] {
        std::fs::remove_dir(format!("{root}/{path}")).unwrap();
    }
}
