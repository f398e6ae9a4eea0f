//! A process beside this one that is a copy of it: no exec, whose start would cost more than most commands take, and no memory of its
//! own but what it writes. It has none of our descriptors but those that it is given, and none of our words.

use nix::libc;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What the process is given: its standard input and output, and one further descriptor. Standard error stays what it is.
#[derive(Clone, Copy, Debug)]
pub struct Given<'fd> {
    /// Becomes standard input.
    pub input: BorrowedFd<'fd>,
    /// Becomes standard output.
    pub output: BorrowedFd<'fd>,
    /// Becomes [`Held::third`].
    pub third: Option<BorrowedFd<'fd>>,
}

/// The same as the process has it.
#[derive(Debug)]
pub struct AttendantEnds {
    /// Standard input.
    pub input: OwnedFd,
    /// Standard output.
    pub output: OwnedFd,
    /// What else it was given.
    pub third: Option<OwnedFd>,
}

/// The lowest descriptor that is neither input, output nor standard error.
const THIRD: RawFd = 3;

/// Starts the process: it does the task and ends with the status that this gives. In a session of its own; its signal mask is ours.
///
/// The task runs in a copy of this process: what it borrows is as it was at this moment, and nothing of ours is dropped when it ends.
///
/// # Errors
/// Without processes.
pub fn start(
    name: &CStr,
    given: Given<'_>,
    task: impl FnOnce(AttendantEnds) -> u8,
) -> io::Result<i32> {
    // SAFETY: this process has one thread, so that the copy finds no lock taken.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => run(name, given, task),
        pid => Ok(pid),
    }
}

fn run(name: &CStr, given: Given<'_>, task: impl FnOnce(AttendantEnds) -> u8) -> ! {
    // A panic must not come back to what our parent was doing.
    let done = catch_unwind(AssertUnwindSafe(|| {
        super::process::forget_own();
        let held = keep_only(given);
        // SAFETY: takes numbers and a string that ends.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        }
        entitle(name);
        task(held)
    }));
    let status = done.unwrap_or(125);
    // SAFETY: ends this process without running anything of its parent's.
    unsafe { libc::_exit(status.into()) }
}

/// What it is given is put in its place and all else closed. Our caller may have left 0 to 2 closed: then the runtime opened them, so
/// that whatever was made since has a higher number.
fn keep_only(given: Given<'_>) -> AttendantEnds {
    let third = given.third.map(|fd| fd.as_raw_fd());
    // SAFETY: numbers of descriptors that this copy of the process owns and nobody in it uses any more. A descriptor that is in the
    // way of the third was copied before that.
    unsafe {
        libc::dup2(given.input.as_raw_fd(), libc::STDIN_FILENO);
        libc::dup2(given.output.as_raw_fd(), libc::STDOUT_FILENO);
        if let Some(third) = third
            && third != THIRD
        {
            libc::dup2(third, THIRD);
        }
        super::inherited::close_from(if third.is_some() { 4 } else { 3 });
        AttendantEnds {
            input: OwnedFd::from_raw_fd(libc::STDIN_FILENO),
            output: OwnedFd::from_raw_fd(libc::STDOUT_FILENO),
            third: third.map(|_| OwnedFd::from_raw_fd(THIRD)),
        }
    }
}

/// It dies with its parent, however that ends.
pub fn die_with_parent() {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Nobody waits for our children: the kernel reaps them.
pub fn leave_children_alone() {
    // SAFETY: ignoring involves no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Where the words of our command line lie, and how long they are: /proc/PID/cmdline shows what is there.
static WORDS: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// glibc hands the words to what runs before `main`, others do not.
#[cfg(target_env = "gnu")]
#[unsafe(link_section = ".init_array")]
#[used]
static FIND_WORDS: extern "C" fn(libc::c_int, *const *mut u8) = find_words;

#[cfg(target_env = "gnu")]
extern "C" fn find_words(count: libc::c_int, words: *const *mut u8) {
    let Some(last) = usize::try_from(count).ok().and_then(|count| count.checked_sub(1)) else {
        return;
    };
    // SAFETY: `count` pointers to strings that end (execve(2)); the kernel lays them one behind the other.
    unsafe {
        let (first, last) = (*words, *words.add(last));
        let length = last.addr().saturating_sub(first.addr()) + libc::strlen(last.cast()) + 1;
        WORDS.store(first, Ordering::Relaxed);
        LENGTH.store(length, Ordering::Relaxed);
    }
}

/// Our command line is this name from now on, as far as there is room: a copy of us is not to be taken for us, and has no need of the
/// words that our caller gave us.
fn entitle(name: &CStr) {
    let (words, length) = (WORDS.load(Ordering::Relaxed), LENGTH.load(Ordering::Relaxed));
    let name = name.to_bytes();
    let Some(room) = length.checked_sub(2).filter(|_| !words.is_null()) else { return };
    let name = &name[..name.len().min(room)];
    // SAFETY: memory that the kernel made for these words and that is ours to write; nobody in this process reads it any more. A last
    // byte that is no NUL tells the kernel that only the first string counts (get_mm_cmdline() in fs/proc/base.c).
    unsafe {
        words.write_bytes(0, length);
        words.copy_from_nonoverlapping(name.as_ptr(), name.len());
        words.add(length - 1).write(b'.');
    }
}
