//! An exporter that runs, and a client.

use crate::support::{Running, Scene, eventually};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An exporter at a free port.
pub struct Exporter {
    pub running: Running,
    pub address: SocketAddr,
}

impl Exporter {
    pub fn start(scene: &Scene) -> Exporter {
        let mut command = scene.sentinel();
        Exporter::of(Running::start(command.args(["metrics", "--listen", "127.0.0.1:0"])))
    }

    /// The one that this process is.
    pub fn of(running: Running) -> Exporter {
        let address = eventually("it says where it listens", || {
            let text = running.err.text();
            text.split_once("http://")?.1.split_once("/metrics")?.0.parse().ok()
        });
        Exporter { running, address }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// The answer to these bytes, to its end.
    pub fn ask(&self, bytes: &[u8]) -> String {
        ask(self.address, bytes)
    }

    pub fn end(self) {
        self.running.send(nix::libc::SIGTERM);
        self.running.finish().expect(-nix::libc::SIGTERM);
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

pub fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // Who is refused early may find the connection closed; what came back counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The body of a good answer.
pub fn body(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    body
}

pub const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
