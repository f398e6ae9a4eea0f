//! Making the sockets: what is replaced, what is left alone, and what is said then.

use crate::fixture::{Place, dead_socket, me, skipped};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};
use sentinel::control::runtime_dir::list;
use sentinel::control::socket::{
    Mailbox, Owner, Problem, SocketChoice, SocketError, open_mailbox_in,
};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;

fn open_at(place: &Place, path: &Path) -> Result<Mailbox, SocketError> {
    open_mailbox_in(&place.roots(), SocketChoice::At(path.to_owned()), me(), "work", 1)
}

fn refused(place: &Place, path: &Path) -> SocketError {
    open_at(place, path).expect_err("it must not be made")
}

fn runtime_path(place: &Place, pid: u32) -> PathBuf {
    let root = nix::unistd::geteuid().is_root();
    place.path(if root { "run" } else { "session" }).join(format!("sentinel/work-{pid}.socket"))
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_default_is_two_sockets_for_the_owner_alone() {
    let place = Place::new();
    let mailbox = place.open(SocketChoice::Default, 1);
    assert_eq!(mailbox.notices, Vec::<String>::new());
    let paths = [place.default_path(), runtime_path(&place, 1)];
    assert_eq!(mailbox.paths().collect::<Vec<_>>(), paths);
    for path in &paths {
        assert_eq!(mode(path), 0o600);
        UnixStream::connect(path).unwrap();
    }
    let directory = if me().uid == 0 { 0o755 } else { 0o700 };
    assert_eq!(mode(paths[1].parent().unwrap()), directory);
    assert_eq!(list(&place.roots()), [runtime_path(&place, 1)]);
    drop(mailbox);
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn a_wide_umask_opens_nothing() {
    let before = umask(Mode::empty());
    let place = Place::new();
    let mailbox = place.open(SocketChoice::Default, 1);
    umask(before);
    let modes: Vec<_> = mailbox.paths().map(mode).collect();
    assert_eq!(modes, [0o600, 0o600]);
    assert_eq!(mode(runtime_path(&place, 1).parent().unwrap()) & 0o022, 0);
}

#[test]
fn no_socket_when_none_is_wanted() {
    let place = Place::new();
    assert_eq!(place.open(SocketChoice::Off, 1).paths().count(), 0);
    assert!(!place.default_path().exists());
}

#[test]
fn a_live_guardian_is_left_alone() {
    let place = Place::new();
    let first = place.open(SocketChoice::Default, 1);
    let inode = std::fs::metadata(place.default_path()).unwrap().ino();
    let second = place.open(SocketChoice::Default, 2);
    assert_eq!(second.paths().collect::<Vec<_>>(), [runtime_path(&place, 2)]);
    assert!(second.notices[0].contains("another process is already listening there"));
    assert_eq!(list(&place.roots()).len(), 2);
    drop(second);
    assert_eq!(std::fs::metadata(place.default_path()).unwrap().ino(), inode);
    UnixStream::connect(place.default_path()).unwrap();
    drop(first);
    let error = {
        let _live = UnixListener::bind(place.default_path()).unwrap();
        refused(&place, &place.default_path())
    };
    assert!(matches!(error.problem, Problem::Busy));
    assert!(error.to_string().ends_with("choose another --socket, or leave it out"), "{error}");
}

#[test]
fn a_guardian_whose_queue_is_full_is_alive() {
    let place = Place::new();
    let live = place.open(SocketChoice::Default, 1);
    let socket = || {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        let address = UnixAddr::new(&place.default_path()).unwrap();
        connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).map(|()| fd)
    };
    let waiting: Vec<_> = std::iter::from_fn(|| socket().ok()).take(1000).collect();
    assert!(waiting.len() < 1000, "the queue never was full");
    assert!(matches!(refused(&place, &place.default_path()).problem, Problem::Busy));
    drop(live);
}

#[test]
fn a_dead_socket_is_replaced() {
    let place = Place::new();
    dead_socket(&place.default_path());
    let mailbox = place.open(SocketChoice::Default, 1);
    assert_eq!(mailbox.notices, Vec::<String>::new());
    UnixStream::connect(place.default_path()).unwrap();
    let explicit = place.path("tmp/explicit.socket");
    dead_socket(&explicit);
    let mailbox = open_at(&place, &explicit).unwrap();
    UnixStream::connect(mailbox.paths().next().unwrap()).unwrap();
}

#[test]
fn dead_entries_are_swept_and_live_ones_are_not() {
    let place = Place::new();
    let first = place.open(SocketChoice::Default, 1);
    dead_socket(&runtime_path(&place, 2));
    std::fs::write(runtime_path(&place, 3), "not a socket").unwrap();
    let second = place.open(SocketChoice::Default, 4);
    let left: Vec<_> = [1, 3, 4].map(|pid| runtime_path(&place, pid)).into();
    assert_eq!(list(&place.roots()), left);
    drop((first, second));
}

#[test]
fn of_many_that_start_at_once_one_gets_the_default() {
    for _ in 0..20 {
        let place = Place::new();
        dead_socket(&place.default_path());
        let start = Barrier::new(6);
        let open = |pid| {
            start.wait();
            place.open(SocketChoice::Default, pid)
        };
        let mailboxes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=6).map(|pid| scope.spawn(move || open(pid))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(mailboxes.iter().map(|mailbox| mailbox.paths().count()).sum::<usize>(), 7);
        UnixStream::connect(place.default_path()).unwrap();
        assert_eq!(list(&place.roots()).len(), 6);
    }
}

#[test]
fn who_holds_the_directory_s_lock_for_ever_stops_no_guardian() {
    let place = Place::new();
    let directory = std::fs::File::open(place.path("tmp")).unwrap();
    let _lock = Flock::lock(directory, FlockArg::LockExclusive).unwrap();
    // A free name is taken all the same; a dead socket is not replaced, for it might be about to live.
    assert_eq!(place.open(SocketChoice::Default, 1).paths().count(), 2);
    dead_socket(&place.default_path());
    assert!(matches!(refused(&place, &place.default_path()).problem, Problem::Locked));
    assert!(std::fs::symlink_metadata(place.default_path()).is_ok());
}

#[test]
fn a_symbolic_link_is_neither_followed_nor_removed() {
    let place = Place::new();
    let victim = place.path("victim");
    for target in [victim.clone(), place.path("absent")] {
        std::fs::write(&victim, "precious").unwrap();
        let link = place.default_path();
        symlink(&target, &link).unwrap();
        let error = refused(&place, &link);
        assert!(matches!(error.problem, Problem::Occupied { what: "a symbolic link" }), "{error}");
        let mailbox = place.open(SocketChoice::Default, 1);
        assert_eq!(mailbox.paths().count(), 1);
        assert!(mailbox.notices[0].contains("a symbolic link is in the way"));
        drop(mailbox);
        assert_eq!(std::fs::read_link(&link).unwrap(), target);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!place.path("absent").exists());
        std::fs::remove_file(link).unwrap();
    }
    // Not even when it leads to a dead socket of ours.
    let dead = place.path("dead.socket");
    dead_socket(&dead);
    symlink(&dead, place.default_path()).unwrap();
    refused(&place, &place.default_path());
    assert!(std::fs::symlink_metadata(dead).unwrap().file_type().is_socket());
}

#[test]
fn squatters_are_left_alone() {
    let place = Place::new();
    let path = place.default_path();
    std::fs::write(&path, "mine").unwrap();
    let error = refused(&place, &path);
    assert!(error.to_string().contains("a file is in the way: remove it or choose another"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(refused(&place, &path).problem, Problem::Occupied { what: "a directory" }));
    std::fs::remove_dir(&path).unwrap();
    let _other_kind = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(refused(&place, &path).problem, Problem::Busy));
}

#[test]
fn a_squatted_runtime_directory_is_not_used() {
    let place = Place::new();
    let own = format!("tmp/sentinel-{}", me().uid);
    for name in ["run/sentinel", "session/sentinel", &own] {
        symlink(place.path("tmp"), place.path(name)).unwrap();
    }
    let mailbox = place.open(SocketChoice::Default, 1);
    assert_eq!(mailbox.paths().collect::<Vec<_>>(), [place.default_path()]);
    assert!(mailbox.notices[0].starts_with("not listed for others to find: "));
    assert_eq!(list(&place.roots()), Vec::<PathBuf>::new());
    drop(mailbox);
    for name in ["run/sentinel", "session/sentinel", &own] {
        std::fs::remove_file(place.path(name)).unwrap();
        std::fs::create_dir(place.path(name)).unwrap();
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(place.path(name), everybody).unwrap();
    }
    let mailbox = place.open(SocketChoice::Default, 1);
    assert!(mailbox.notices[0].contains("writable by no one else"), "{:?}", mailbox.notices);
}

#[test]
fn a_path_that_cannot_be_is_refused_with_a_way_out() {
    let place = Place::new();
    let long = place.path(&"x".repeat(200));
    let error = refused(&place, &long);
    assert!(matches!(error.problem, Problem::TooLong { length } if length > 200));
    assert!(error.to_string().ends_with("choose a shorter --socket"), "{error}");
    let fits = 107 - place.dir.path().as_os_str().len() - 1;
    assert!(open_at(&place, &place.path(&"x".repeat(fits))).is_ok());
    assert!(open_at(&place, &place.path(&"x".repeat(fits + 1))).is_err());
    for odd in ["", "/", "tmp/", "tmp/.."] {
        let path = PathBuf::from(odd);
        assert!(matches!(refused(&place, &path).problem, Problem::NoName), "{odd}");
    }
    let error = refused(&place, &place.path("absent/x.socket"));
    assert!(matches!(error.problem, Problem::Directory(_)), "{error}");
    assert!(refused(&place, Path::new("a\0b")).to_string().contains("\\u{0}"));
}

#[test]
fn a_public_directory_without_the_sticky_bit_is_refused() {
    let place = Place::new();
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(place.path("tmp"), everybody).unwrap();
    let error = refused(&place, &place.default_path());
    assert!(matches!(error.problem, Problem::UnsafeDirectory), "{error}");
    assert!(!place.default_path().exists());
}

#[test]
fn only_what_is_still_ours_is_removed() {
    let place = Place::new();
    let mailbox = place.open(SocketChoice::Default, 1);
    std::fs::remove_file(place.default_path()).unwrap();
    let other = UnixListener::bind(place.default_path()).unwrap();
    drop(mailbox);
    UnixStream::connect(place.default_path()).unwrap();
    assert!(!runtime_path(&place, 1).exists());
    drop(other);
}

#[test]
fn under_sudo_the_sockets_belong_to_the_user() {
    if me().uid != 0 {
        return skipped("mailbox_server: only root can give sockets away");
    }
    let place = Place::new();
    let bob = Owner { uid: 65534, gid: 65534 };
    let open =
        |pid| open_mailbox_in(&place.roots(), SocketChoice::Default, bob, "work", pid).unwrap();
    let mailbox = open(1);
    for path in mailbox.paths() {
        let found = std::fs::symlink_metadata(path).unwrap();
        assert_eq!((found.uid(), found.gid(), mode(path)), (65534, 65534, 0o600));
    }
    // Root replaces a user's dead socket.
    std::mem::forget(mailbox);
    dead_socket(&place.path("tmp/other"));
    std::fs::rename(place.path("tmp/other"), place.default_path()).unwrap();
    std::os::unix::fs::chown(place.default_path(), Some(65534), None).unwrap();
    assert_eq!(open(2).paths().count(), 2);
}
