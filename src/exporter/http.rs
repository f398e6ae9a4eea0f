//! As much of HTTP/1.1 as a scrape needs: the head of one request, and one answer with `Connection: close`. Pure. No server of a
//! library: the small ones set no deadline for a slow client's request, the large ones bring a runtime.

/// The longest head, bytes.
pub const MAX_HEAD: usize = 8 << 10;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The metrics; `head` without the page itself.
    Metrics {
        /// HEAD.
        head: bool,
    },
    /// A word about where they are.
    Index {
        /// HEAD.
        head: bool,
    },
    /// Nothing that there is: this status and these words instead.
    Refused(&'static str),
}

/// More fields than any client sends.
const FIELDS: usize = 64;

/// Whether the head is complete, or wrong already.
pub fn is_complete(head: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    !matches!(httparse::Request::new(&mut fields).parse(head), Ok(httparse::Status::Partial))
}

/// What a complete head asks for. A body is not read.
pub fn parse(head: &[u8]) -> Resource {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::Version) => {
            return Resource::Refused("505 HTTP Version Not Supported");
        }
        Err(httparse::Error::TooManyHeaders) => {
            return Resource::Refused("431 Request Header Fields Too Large");
        }
        Ok(httparse::Status::Partial) | Err(_) => return Resource::Refused("400 Bad Request"),
    }
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Resource::Refused("405 Method Not Allowed"),
    };
    match target.split('?').next().unwrap_or_default() {
        "/metrics" => Resource::Metrics { head },
        "/" => Resource::Index { head },
        _ => Resource::Refused("404 Not Found"),
    }
}

/// The head of an answer with a body of this length.
pub fn head_of(status: &str, content_type: &str, length: usize) -> Vec<u8> {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    text.into_bytes()
}

/// The answer, whole.
pub fn answer(status: &str, content_type: &str, body: &str, head: bool) -> Vec<u8> {
    let mut bytes = head_of(status, content_type, body.len());
    bytes.extend_from_slice(if head { b"" } else { body.as_bytes() });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests() {
        for (line, wish) in [
            ("GET /metrics HTTP/1.1", Resource::Metrics { head: false }),
            ("HEAD /metrics?x=1 HTTP/1.0", Resource::Metrics { head: true }),
            ("GET / HTTP/1.1", Resource::Index { head: false }),
            ("GET /etc/passwd HTTP/1.1", Resource::Refused("404 Not Found")),
            ("POST /metrics HTTP/1.1", Resource::Refused("405 Method Not Allowed")),
            ("GET /metrics HTTP/2.0", Resource::Refused("505 HTTP Version Not Supported")),
            ("GET /metrics", Resource::Refused("400 Bad Request")),
            ("GET  /metrics HTTP/1.1", Resource::Refused("400 Bad Request")),
            ("", Resource::Refused("400 Bad Request")),
            ("\u{7f}ET / HTTP/1.1", Resource::Refused("400 Bad Request")),
        ] {
            assert_eq!(parse(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()), wish, "{line:?}");
        }
        assert!(
            is_complete(b"GET / HTTP/1.1\n\n") && !is_complete(b"GET / HTTP/1.1\r\nHost: x\r\n")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parse(&bytes);
            is_complete(&bytes);
        }
    }
}
