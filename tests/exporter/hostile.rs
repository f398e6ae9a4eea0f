//! Requests that are none, clients that never finish, and too many of them.

use crate::serving::{Exporter, GET, body};
use crate::support::{Scene, eventually};
use std::io::{Read, Write};

#[test]
fn what_is_no_scrape_is_refused_in_one_line() {
    let scene = Scene::new();
    let exporter = Exporter::start(&scene);
    let long = [b"GET /".as_slice(), &[b'x'; 20_000], b" HTTP/1.1\r\n\r\n"].concat();
    for (bytes, status) in [
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n".as_slice(), "404"),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\nkill\nkill", "405"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        (b"terminate\n\n", "400"),
        (b"\x16\x03\x01\x02\0\x01\n\n", "400"),
        (b"\0\xff\xfe\n\n", "400"),
        (&long, "431"),
    ] {
        let answer = exporter.ask(bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
    }
    assert_eq!(body(&exporter.ask(b"GET / HTTP/1.0\r\n\r\n")), "sentinel: /metrics\n");
    let answer = exporter.ask(b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        answer.contains("Content-Type: text/plain; version=0.0.4") && answer.ends_with("\r\n\r\n")
    );
    body(&exporter.ask(GET));
    exporter.end();
}

#[test]
fn clients_that_say_nothing_hold_up_nobody_for_long() {
    let scene = Scene::new();
    let exporter = Exporter::start(&scene);
    let silent: Vec<_> = (0..40).map(|_| exporter.connect()).collect();
    for (n, mut stream) in silent.iter().enumerate() {
        let _ = stream.write_all(if n % 2 == 0 { b"" } else { b"GET /metrics HTT" });
    }
    // All places are taken for some seconds: who comes then is told so, later the places are free again.
    eventually("a scrape gets through", || {
        let answer = exporter.ask(GET);
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    });
    // The silent ones were let go; some of them were told that there was no place.
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 503 "), "{rest:?}");
    }
    exporter.end();
}

#[test]
fn an_address_that_cannot_be_had_is_said() {
    let scene = Scene::new();
    let exporter = Exporter::start(&scene);
    let address = exporter.address.to_string();
    for (words, needle) in [
        (["metrics", "--listen", &address], "cannot listen on 127.0.0.1:"),
        (["metrics", "--listen", "nonsense"], "nonsense is not an address to listen on"),
        (["metrics", "--listen", "127.0.0.1:99999"], "is not an address to listen on"),
    ] {
        let mut command = scene.sentinel();
        crate::support::Running::start(command.args(words)).finish().expect(125).says(needle);
    }
    let socket = scene.text_path("s.socket");
    let options = ["--socket", &socket, "--metrics", &address];
    let run = scene.run(&options, &["echo", "ran"]).expect(125);
    assert!(run.stderr.contains("cannot listen on") && run.out.is_empty(), "{run:?}");
    exporter.end();
}
