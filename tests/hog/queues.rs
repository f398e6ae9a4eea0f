//! Messages that nobody takes: queues and sockets.

use crate::kernel_memory::stuff;
use crate::system::{hold, own_ipc, raise, raise_open_files, repeat};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use sentinel::units::{Bytes, MIB};
use std::ffi::CString;
use std::net::UdpSocket;

/// System V message queues.
#[expect(unsafe_code, reason = "msgget(2) and msgsnd(2), which nix does not have")]
pub fn system_v(cap: Bytes) -> Result<()> {
    #[repr(C)]
    struct Message {
        kind: libc::c_long,
        text: [u8; TEXT],
    }
    const TEXT: usize = 8192;
    /// As many as a queue takes.
    const A_QUEUE: u64 = 2;
    own_ipc()?;
    let message = Message { kind: 1, text: [0x5a; TEXT] };
    repeat(cap.0, A_QUEUE * TEXT as u64, |_| {
        // SAFETY: no memory is involved.
        let queue = Errno::result(unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) })?;
        for _ in 0..A_QUEUE {
            let text = (&raw const message).cast();
            // SAFETY: a message with so much text.
            Errno::result(unsafe { libc::msgsnd(queue, text, TEXT, libc::IPC_NOWAIT) })?;
        }
        Ok(())
    })
}

/// POSIX message queues.
#[expect(
    unsafe_code,
    reason = "mq_open(3) and mq_send(3), for which nix wants a feature of its own"
)]
pub fn posix(cap: Bytes) -> Result<()> {
    const TEXT: u32 = 64 << 10;
    const A_QUEUE: u32 = 16;
    own_ipc()?;
    raise("fs/mqueue/msg_max", 1 << 10);
    raise("fs/mqueue/msgsize_max", 1 << 20);
    raise("fs/mqueue/queues_max", 1 << 14);
    raise_open_files()?;
    setrlimit(Resource::RLIMIT_MSGQUEUE, libc::RLIM_INFINITY, libc::RLIM_INFINITY)?;
    let text = vec![0x5a_u8; usize::try_from(TEXT)?];
    repeat(cap.0, u64::from(TEXT * A_QUEUE), |number| {
        let name = CString::new(format!("/hog-{}-{number}", std::process::id()))?;
        // SAFETY: plain numbers, for which zero is a value.
        let mut size: libc::mq_attr = unsafe { std::mem::zeroed() };
        (size.mq_maxmsg, size.mq_msgsize) = (A_QUEUE.into(), TEXT.into());
        let flags = libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK;
        // SAFETY: a name and a size that live as long as the call.
        let queue =
            Errno::result(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const size) })?;
        for _ in 0..A_QUEUE {
            // SAFETY: a text of this length.
            Errno::result(unsafe { libc::mq_send(queue, text.as_ptr().cast(), text.len(), 0) })?;
        }
        Ok(())
    })
}

/// Sets of semaphores.
#[expect(unsafe_code, reason = "semget(2), which nix does not have")]
pub fn semaphores(cap: Bytes) -> Result<()> {
    /// So many are in a set, and what one takes.
    const A_SET: u16 = 4000;
    const SEMAPHORE: u64 = 64;
    own_ipc()?;
    repeat(cap.0, u64::from(A_SET) * SEMAPHORE, |_| {
        // SAFETY: no memory is involved.
        let set = unsafe { libc::semget(libc::IPC_PRIVATE, A_SET.into(), 0o600) };
        Ok(Errno::result(set).map(drop)?)
    })
}

/// Datagrams that came in.
pub fn udp(cap: Bytes) -> Result<()> {
    const DATAGRAM: usize = 8 << 10;
    raise_open_files()?;
    let text = [0x5a_u8; DATAGRAM];
    repeat(cap.0, MIB, |_| {
        let reader = UdpSocket::bind("127.0.0.1:0")?;
        // As root only; the usual buffer does it as well, with more sockets.
        let _ = setsockopt(&reader, sockopt::RcvBufForce, &usize::try_from(MIB)?);
        let writer = UdpSocket::bind("127.0.0.1:0")?;
        writer.connect(reader.local_addr()?)?;
        for _ in 0..usize::try_from(MIB)? / DATAGRAM {
            writer.send(&text)?;
        }
        hold((reader, writer))
    })
}

/// Datagrams between processes of one machine.
pub fn datagrams(cap: Bytes) -> Result<()> {
    raise_open_files()?;
    let mut taken = 0;
    while taken < cap.0 {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_NONBLOCK)
                .context("socketpair")?;
        // As root only, as above.
        let _ = setsockopt(&ours, sockopt::SndBufForce, &usize::try_from(MIB)?);
        taken += stuff(&ours)?;
        std::mem::forget((ours, theirs));
    }
    Ok(())
}
