//! Clients that pass descriptors (SCM_RIGHTS, unix(7)), the nastiest being one that takes an hour to close: none is ever kept,
//! and none is ever closed by the guardian itself.

use crate::states::{FOREVER, kill};
use crate::support::{PATIENCE, Running, Scene, until};
use nix::libc::{SIGCONT, SIGSTOP, linger};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Both ends of a connection. The last close of the first waits for an hour, for nobody reads what it sent.
fn lingering() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    while near.write(&[0; 64 << 10]).is_ok() {}
    setsockopt(&near, sockopt::Linger, &linger { l_onoff: 1, l_linger: 3600 }).unwrap();
    (near, listener.accept().unwrap().0)
}

fn connect(scene: &Scene) -> UnixStream {
    let client = UnixStream::connect(scene.socket()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn pass(client: &UnixStream, bytes: &[u8], fds: &[RawFd], flags: MsgFlags) -> nix::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let flags = flags | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(client.as_raw_fd(), &[IoSlice::new(bytes)], &rights, flags, None).map(drop)
}

/// Passes the descriptor and leaves, while the guardian cannot look: the reference that it has then is the last. Gives the other end.
fn abandon(
    guardian: &Running,
    mut client: UnixStream,
    [before, with]: [&[u8]; 2],
    flags: MsgFlags,
) -> TcpStream {
    guardian.send(SIGSTOP);
    until("it is stopped", || crate::support::state(guardian.pid()) == Some('T'));
    let (passed, end) = lingering();
    client.write_all(before).unwrap();
    if pass(&client, with, &[passed.as_raw_fd()], flags).is_err() {
        // Out of band there is nothing before Linux 5.15; then this close is the last one.
        assert!(flags.contains(MsgFlags::MSG_OOB));
        setsockopt(&passed, sockopt::Linger, &linger { l_onoff: 0, l_linger: 0 }).unwrap();
    }
    drop((passed, client));
    end
}

#[test]
fn what_takes_an_hour_to_close_keeps_nobody_waiting() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let unread = vec![b'x'; 20_000];
    let mut ends = Vec::new();
    for (words, flags) in [
        ([&b""[..], b"ping\n"], MsgFlags::empty()),
        ([b"", b"p"], MsgFlags::empty()),
        ([b"pi", b"ng\n"], MsgFlags::empty()),
        ([b"ping\n", b"ping\n"], MsgFlags::empty()),
        ([&unread, b"x"], MsgFlags::empty()),
        ([b"", b"p"], MsgFlags::MSG_OOB),
        ([b"ping\n", b"p"], MsgFlags::MSG_OOB),
    ] {
        ends.push(abandon(&running, connect(&scene), words, flags));
        running.send(SIGCONT);
        assert_eq!(scene.ask("ping").expect(0).stdout(), "pong\n", "{words:?}");
    }
    let mut watching = connect(&scene);
    watching.write_all(b"watch\n").unwrap();
    watching.read_exact(&mut [0]).unwrap();
    ends.push(abandon(&running, watching, [b"", b"p"], MsgFlags::empty()));
    running.send(SIGCONT);
    running.await_err("mailbox: dropped a client that passed descriptors");
    kill(&scene, running);
}

/// At the end of a run too, be the client known to the guardian or still in the kernel's queue.
#[test]
fn what_takes_an_hour_to_close_does_not_hold_up_the_end() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    let known = connect(&scene);
    scene.ask("ping").expect(0);
    let mut ends = vec![abandon(&running, known, [b"pin", b"g\n"], MsgFlags::empty())];
    for _ in 0..40 {
        ends.push(abandon(&running, connect(&scene), [b"", b"p"], MsgFlags::empty()));
    }
    running.send(nix::libc::SIGTERM);
    running.send(SIGCONT);
    running.finish().expect(143);
}

#[test]
fn none_is_kept() {
    let scene = Scene::new();
    let running = scene.with_mailbox(&[], &FOREVER);
    scene.ask("ping").expect(0);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
    let before = open();
    let (end, passed) = std::io::pipe().unwrap();
    let fds = vec![passed.as_raw_fd(); 250];
    for _ in 0..100 {
        let mut client = connect(&scene);
        // All that a user has under way at a time is bounded (unix(7)): tests beside this one have some too.
        until("there is room for them", || {
            match pass(&client, b"ping\n", &fds, MsgFlags::empty()) {
                Err(nix::errno::Errno::ETOOMANYREFS) => false,
                passed => passed.is_ok(),
            }
        });
        let mut answer = Vec::new();
        // What was sent is not read any more: behind the answer that is a reset.
        if let Err(error) = client.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert_eq!(answer, b"error: file descriptors are not accepted; try: help\n");
        assert!(open() < before + 250, "one client's would be more");
    }
    drop(passed);
    until("all are closed", || open() == before);
    // Nobody has the other end of the pipe: also not the kernel's queues.
    let mut end = std::fs::File::from(std::os::fd::OwnedFd::from(end));
    assert_eq!(end.read(&mut [0]).unwrap(), 0);
    kill(&scene, running);
}
