//! The ids behind the names that people give containers, from the files and sockets in which the engines tell them.

use crate::account::home_of;
use crate::escape::escape;
use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Docker answers on the same machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// A thousand containers, or a big answer.
const LONGEST: u64 = 16 << 20;
const DOCKER: &str = "/run/docker.sock";

/// The ids of all containers of this name. What an engine does not tell us, it does not.
pub(super) fn ids_of(name: &str) -> Vec<String> {
    let mut ids: Vec<String> = docker(name).into_iter().collect();
    let stored = stores().iter().flat_map(|store| lists(store)).collect::<Vec<_>>();
    ids.extend(stored.iter().filter_map(|list| read(list)).flat_map(|list| in_list(&list, name)));
    ids.sort();
    ids.dedup();
    ids
}

/// Where podman and CRI-O keep what they have (containers-storage.conf(5)): root's, or our own user's.
fn stores() -> Vec<PathBuf> {
    let uid = geteuid();
    if uid.is_root() {
        return vec!["/var/lib/containers/storage".into(), "/run/containers/storage".into()];
    }
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|it| it.is_absolute());
    let data = data.or_else(|| Some(home_of(uid.as_raw())?.join(".local/share")));
    data.into_iter().map(|data| data.join("containers/storage")).collect()
}

/// `DRIVER-containers/containers.json`, and those that do not outlive the machine.
fn lists(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store).into_iter().flatten().flatten();
    let drivers = entries.filter(|it| it.file_name().as_encoded_bytes().ends_with(b"-containers"));
    let names = ["containers.json", "volatile-containers.json"];
    drivers.flat_map(|driver| names.map(|name| driver.path().join(name))).collect()
}

fn read(path: &Path) -> Option<Value> {
    // What is no file does not hold us up.
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).ok()?;
    is_file(&file).then_some(())?;
    serde_json::from_reader(file.take(LONGEST)).ok()
}

fn is_file(file: &File) -> bool {
    file.metadata().is_ok_and(|file| file.is_file())
}

fn in_list(list: &Value, name: &str) -> Vec<String> {
    let is_called = |entry: &&Value| {
        let names = entry["names"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).any(|known| known == name)
    };
    let entries = list.as_array().into_iter().flatten().filter(is_called);
    entries.filter_map(|entry| Some(entry["id"].as_str()?.to_owned())).collect()
}

/// Docker's own answer (Docker Engine API, ContainerInspect).
fn docker(name: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if !name.bytes().all(fits) {
        return None;
    }
    let body = ask_docker("GET", &format!("/containers/{name}/json"), Duration::ZERO).ok()?;
    let container: Value = serde_json::from_slice(&body).ok()?;
    container["Id"].as_str().map(str::to_owned)
}

/// Docker's answer to a request without a body, for which it may take this long.
///
/// # Errors
/// What it answers, when that is an error; or that it does not answer.
pub(super) fn ask_docker(method: &str, path: &str, time: Duration) -> Result<Vec<u8>> {
    let stream = UnixStream::connect(DOCKER);
    let mut stream = stream.with_context(|| format!("connect to Docker at {DOCKER}"))?;
    let patience = Some(PATIENCE.saturating_add(time));
    stream.set_read_timeout(patience).context("limit the wait")?;
    stream.set_write_timeout(patience).context("limit the wait")?;
    // 1.0: the answer ends with the connection, and is in one piece.
    let request = format!("{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).context("ask Docker")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).context("wait for Docker's answer")?;
    docker_body(&answer)
}

/// What is in an answer that is no error: 304 says that it was so already.
fn docker_body(answer: &[u8]) -> Result<Vec<u8>> {
    let text = "Docker answers with what is not HTTP";
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").context(text)?;
    let status = answer.split(|byte| *byte == b' ').nth(1).context(text)?;
    let body = &answer[end + 4..];
    match status {
        [b'2', ..] | b"304" => Ok(body.to_vec()),
        _ => {
            let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
            let said =
                said["message"].as_str().map_or_else(|| escape(status), |it| escape(it.as_bytes()));
            bail!("Docker answers: {said}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_ids() {
        let list = serde_json::json!([
            {"id": "a1", "names": ["web", "other"], "image": "x"},
            {"id": "b2", "names": ["db"]},
            {"id": "c3"}, 5, {"names": ["db"]},
        ]);
        assert_eq!(in_list(&list, "web"), ["a1"]);
        assert_eq!(in_list(&list, "db"), ["b2"]);
        assert!(in_list(&list, "").is_empty() && in_list(&Value::Null, "db").is_empty());
    }

    #[test]
    fn what_docker_answers_is_told() {
        let ok = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Id\":\"a1\"}";
        assert_eq!(docker_body(ok).unwrap(), b"{\"Id\":\"a1\"}");
        assert_eq!(docker_body(b"HTTP/1.0 204 No Content\r\n\r\n").unwrap(), b"");
        assert!(docker_body(b"HTTP/1.0 304 Not Modified\r\n\r\n").is_ok());
        let said = |answer: &[u8]| docker_body(answer).unwrap_err().to_string();
        let no = b"HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such \\u001b container: web\"}";
        assert_eq!(said(no), "Docker answers: No such \\u{1b} container: web");
        assert_eq!(said(b"HTTP/1.0 500 Oh\r\n\r\nno"), "Docker answers: 500");
        assert_eq!(said(b"junk"), "Docker answers with what is not HTTP");
    }
}
