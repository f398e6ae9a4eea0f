//! Bytes from a client, and the end of its connection, without ever touching a descriptor that it passed (SCM_RIGHTS, unix(7)):
//! whoever takes the last reference to a file closes it, and closing a TCP socket with SO_LINGER waits as long as its maker likes.

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, UnixAddr, recv, recvmsg};
use std::io::IoSliceMut;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// What there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes, at the buffer's beginning.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing, and nothing will come.
    Ended,
    /// A reset: the client is gone.
    Broken,
    /// Descriptors come with the next bytes. They stay in the kernel's queue, and so does all that is behind them.
    Descriptors,
}

/// Reads what is there and fits. Never blocks.
pub(crate) fn receive(stream: &UnixStream, buffer: &mut [u8]) -> Received {
    let ahead = look_ahead(stream, buffer);
    let Received::Bytes(length) = ahead else { return ahead };
    // Exactly what was looked at: behind it there may be descriptors by now.
    match recv(stream.as_raw_fd(), &mut buffer[..length], MsgFlags::MSG_DONTWAIT) {
        Ok(read) => Received::Bytes(read),
        Err(errno) => failed(errno),
    }
}

/// Peeking takes a second reference to what was passed and drops it, which closes nothing. Without room for them the kernel says
/// that descriptors were left out (MSG_CTRUNC, recvmsg(2)).
fn look_ahead(stream: &UnixStream, buffer: &mut [u8]) -> Received {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let mut slices = [IoSliceMut::new(buffer)];
    match recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut slices, None, flags) {
        Ok(message) if message.flags.contains(MsgFlags::MSG_CTRUNC) => Received::Descriptors,
        Ok(message) if message.bytes == 0 => Received::Ended,
        Ok(message) => Received::Bytes(message.bytes),
        Err(errno) => failed(errno),
    }
}

fn failed(errno: Errno) -> Received {
    match matches!(errno, Errno::EAGAIN | Errno::EINTR) {
        true => Received::Nothing,
        false => Received::Broken,
    }
}

/// Closes the connection so that the client gets all that was sent: input that nobody read would turn the close into a reset.
/// Gives it back, shut, when closing it could take time.
pub(crate) fn close(stream: UnixStream) -> Option<UnixStream> {
    // First shut, so that nothing can arrive behind the reading. Where that fails the client is gone; what it sent is still there.
    let _ = stream.shutdown(Shutdown::Both);
    let mut buffer = [0; 16 << 10];
    // The kernel queues a few hundred KiB for a socket; more than a MiB is not worth the time.
    for _ in 0..64 {
        match receive(&stream, &mut buffer) {
            Received::Bytes(_) => {}
            Received::Nothing | Received::Ended | Received::Broken => return None,
            Received::Descriptors => break,
        }
    }
    Some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessage, sendmsg};
    use std::io::{IoSlice, Write};
    use std::os::fd::RawFd;

    fn pair() -> (UnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (near, far)
    }

    fn pass(far: &UnixStream, bytes: &[u8], fds: &[RawFd]) {
        let rights = [ControlMessage::ScmRights(fds)];
        sendmsg::<()>(far.as_raw_fd(), &[IoSlice::new(bytes)], &rights, MsgFlags::empty(), None)
            .unwrap();
    }

    #[test]
    fn bytes_and_the_end() {
        let (near, mut far) = pair();
        let mut buffer = [0; 8];
        assert_eq!(receive(&near, &mut buffer), Received::Nothing);
        far.write_all(b"0123456789").unwrap();
        assert_eq!(receive(&near, &mut buffer), Received::Bytes(8));
        assert_eq!(receive(&near, &mut buffer), Received::Bytes(2));
        assert_eq!(&buffer[..2], b"89");
        drop(far);
        assert_eq!(receive(&near, &mut buffer), Received::Ended);
        assert!(close(near).is_none());
    }

    #[test]
    fn descriptors_stay_where_they_are() {
        let (near, mut far) = pair();
        let (kept, passed) = std::io::pipe().unwrap();
        far.write_all(b"before").unwrap();
        pass(&far, b"with", &[passed.as_raw_fd()]);
        far.write_all(b"behind").unwrap();
        let mut buffer = [0; 64];
        // Peeked over whole messages, the bytes before the passed ones are left with them.
        for _ in 0..3 {
            assert_eq!(receive(&near, &mut buffer), Received::Descriptors);
        }
        drop((far, passed));
        let near = close(near).expect("it is not safe to close");
        let mut pipe =
            [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&kept), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut pipe, nix::poll::PollTimeout::ZERO).unwrap();
        assert_eq!(pipe[0].revents(), Some(nix::poll::PollFlags::empty()), "the pipe is open");
        drop(near);
        nix::poll::poll(&mut pipe, nix::poll::PollTimeout::ZERO).unwrap();
        assert_eq!(pipe[0].revents(), Some(nix::poll::PollFlags::POLLHUP), "and now it is not");
    }
}
