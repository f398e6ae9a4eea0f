//! The exporter's connections: a thread for each, few at a time, each with one request and a deadline. Guardians are asked at most
//! once a second, however many ask us.

use super::http::{MAX_HEAD, Wish, answer, is_complete, parse};
use super::page::Page;
use crate::clock::{Clock, Timestamp};
use crate::control::asking::{Silence, ask_all};
use crate::control::listing::{Listed, Unreachable, find_here};
use crate::fleet::PATIENCE;
use std::collections::BTreeMap;
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
}

/// Serves for ever.
pub fn serve(listener: &TcpListener) {
    let shared = Arc::new(Shared {
        clock: Clock::start(),
        open: AtomicUsize::new(0),
        page: Mutex::new(None),
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
        None => Wish::Refused("431 Request Header Fields Too Large"),
    };
    let reply = match wish {
        Wish::Metrics { head } => answer("200 OK", TEXT, &shared.page(), head),
        Wish::Index { head } => answer("200 OK", WORDS, "sentinel: /metrics\n", head),
        Wish::Refused(status) => answer(status, WORDS, &format!("{status}\n"), false),
    };
    write_all(stream, &reply, shared.clock)?;
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

fn write_all(mut stream: &TcpStream, mut bytes: &[u8], clock: Clock) -> std::io::Result<()> {
    let until = clock.now() + DEADLINE;
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
        let page = Arc::new(gather());
        *kept = Some((self.clock.now(), Arc::clone(&page)));
        page
    }
}

/// Asks all guardians.
pub fn gather() -> String {
    let guardians = find_here().guardians;
    let mut same: BTreeMap<&str, usize> = BTreeMap::new();
    guardians.iter().for_each(|listed| *same.entry(&listed.name).or_default() += 1);
    let mut page = Page::default();
    for (listed, told) in guardians.iter().zip(ask_all(&guardians, "metrics", PATIENCE)) {
        let name = label(listed, &same);
        match told {
            Err(Silence::Unreachable(Unreachable::Gone)) => {}
            Err(_) => page.silent(&name),
            Ok(text) => page.add(&name, &String::from_utf8_lossy(&text)),
        }
    }
    page.finish()
}

/// The run's name, which is plain; where several have it, with the process id.
fn label(listed: &Listed, same: &BTreeMap<&str, usize>) -> String {
    match same.get(listed.name.as_str()) {
        Some(2..) => listed.full_name(),
        _ => listed.name.clone(),
    }
}
