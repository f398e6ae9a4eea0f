//! The exporter's connections: a thread for each, few at a time, each with one request and a deadline. Guardians are asked at most
//! once a second, however many ask us.

use super::gathering::Gatherer;
use super::http::{MAX_HEAD, Resource, answer, head_of, is_complete, parse};
use crate::clock::{Clock, Timestamp};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Connections at a time; more are told to come again.
const MOST: usize = 16;
/// A client has so long for its request, and again for taking the answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Pages are kept so long.
const FRESH: Duration = Duration::from_secs(1);
/// After a failed accept, which is for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// The text format that Prometheus reads (prometheus.io: exposition formats).
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const WORDS: &str = "text/plain; charset=utf-8";

/// What all connections share.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    open: AtomicUsize,
    page: Mutex<Option<(Timestamp, Arc<String>)>>,
    gatherer: Gatherer,
}

/// Serves for ever.
pub fn serve(listener: &TcpListener) {
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        open: AtomicUsize::new(0),
        page: Mutex::new(None),
        gatherer: Gatherer::default(),
    });
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => begin(stream, &shared),
            Err(_) => std::thread::park_timeout(PAUSE),
        }
    }
}

fn begin(stream: TcpStream, shared: &Arc<Shared>) {
    let ours = Arc::clone(shared);
    if shared.open.fetch_add(1, Ordering::SeqCst) >= MOST {
        shared.open.fetch_sub(1, Ordering::SeqCst);
        // It fits the socket's empty buffer; who does not get it comes again anyway.
        let _ = stream.set_nonblocking(true);
        let _ =
            (&stream).write(&answer("503 Service Unavailable", WORDS, "too many clients\n", false));
        return;
    }
    let spawned = std::thread::Builder::new().name("client".to_owned()).spawn(move || {
        // A client that is gone needs no answer.
        let _ = talk(&stream, &ours);
        ours.open.fetch_sub(1, Ordering::SeqCst);
    });
    if spawned.is_err() {
        shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn talk(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let wish = match read_head(stream, shared.clock)? {
        Some(head) => parse(&head),
        None => Resource::Refused("431 Request Header Fields Too Large"),
    };
    let until = shared.clock.now() + DEADLINE;
    let write = |bytes: &[u8]| write_all(stream, bytes, until, shared.clock);
    match wish {
        // The page is large and all clients have the same.
        Resource::Metrics { head } => {
            let page = shared.page();
            let until = shared.clock.now() + DEADLINE;
            write_all(stream, &head_of("200 OK", TEXT, page.len()), until, shared.clock)?;
            let body = if head { &[] } else { page.as_bytes() };
            write_all(stream, body, until, shared.clock)
        }
        Resource::Index { head } => write(&answer("200 OK", WORDS, "sentinel: /metrics\n", head)),
        Resource::Refused(status) => write(&answer(status, WORDS, &format!("{status}\n"), false)),
    }?;
    stream.shutdown(Shutdown::Write)?;
    // What was sent behind the head is read away, or the close would be a reset that swallows the answer.
    stream.set_read_timeout(Some(PAUSE))?;
    let mut rest = [0; 4096];
    for _ in 0..16 {
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// `None` for one that is too long.
fn read_head(mut stream: &TcpStream, clock: Clock) -> std::io::Result<Option<Vec<u8>>> {
    let until = clock.now() + DEADLINE;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !is_complete(&head) {
        if head.len() > MAX_HEAD {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left(until, clock)?))?;
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(Some(head))
}

fn write_all(
    mut stream: &TcpStream,
    mut bytes: &[u8],
    until: Timestamp,
    clock: Clock,
) -> std::io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until, clock)?))?;
        match stream.write(bytes)? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

/// A timeout of zero would mean none.
fn left(until: Timestamp, clock: Clock) -> std::io::Result<Duration> {
    let left = until.since(clock.now());
    match left.is_zero() {
        true => Err(std::io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

impl Shared {
    /// The page, made anew if it is old. Who comes meanwhile waits and gets the same.
    fn page(&self) -> Arc<String> {
        // A thread that panicked left the page as it was.
        let mut kept = self.page.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, page)) = &*kept
            && self.clock.now().since(*at) < FRESH
        {
            return Arc::clone(page);
        }
        let page = Arc::new(self.gatherer.page());
        *kept = Some((self.clock.now(), Arc::clone(&page)));
        page
    }
}
