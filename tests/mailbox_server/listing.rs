//! Finding guardians among whatever else lies in their directory, and asking many at once when some of them never answer.

use crate::fixture::{Place, me, status};
use nix::sys::stat::Mode;
use sentinel::clock::Clock;
use sentinel::control::asking::{Silence, ask_all};
use sentinel::control::listing::{Listed, MOST_GUARDIANS, Unreachable, find, find_those};
use sentinel::control::socket::SocketChoice;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(30);

/// Where a guardian of ours is listed.
fn directory(place: &Place) -> PathBuf {
    let path = place.path(if me().uid == 0 { "run" } else { "session" }).join("sentinel");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn names(place: &Place) -> Vec<String> {
    find(&place.roots()).guardians.iter().map(Listed::full_name).collect()
}

/// A server that does this with one client.
fn serve(
    place: &Place,
    name: &str,
    answer: impl FnOnce(&mut std::os::unix::net::UnixStream) + Send + 'static,
) {
    let listener = UnixListener::bind(directory(place).join(name)).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut line = String::new();
        client.read_to_string(&mut line).unwrap();
        assert_eq!(line, "status json\n");
        answer(&mut client);
    });
}

#[test]
fn a_guardian_is_found_by_its_entry() {
    let place = Place::new();
    assert_eq!(names(&place), Vec::<String>::new());
    let mailbox = place.open(SocketChoice::Default, 4711);
    let found = find(&place.roots()).guardians;
    assert_eq!((found[0].name.as_str(), found[0].pid, found.len()), ("work", 4711, 1));
    assert_eq!(mailbox.paths().last(), Some(found[0].socket.as_path()));
    let contact = found[0].connect().unwrap();
    assert_eq!(u32::try_from(contact.pid), Ok(std::process::id()));
    drop(mailbox);
    assert_eq!(found[0].connect().unwrap_err(), Unreachable::Gone);
}

#[test]
fn what_else_lies_there_is_passed_over() {
    let place = Place::new();
    let directory = directory(&place);
    let live = UnixListener::bind(place.path("elsewhere")).unwrap();
    symlink(place.path("elsewhere"), directory.join("link-1.socket")).unwrap();
    std::fs::write(directory.join("file-2.socket"), "").unwrap();
    nix::unistd::mkfifo(&directory.join("fifo-3.socket"), Mode::S_IRWXU).unwrap();
    std::fs::create_dir(directory.join("dir-4.socket")).unwrap();
    let odd = [".hidden-5.socket", "no-pid.socket", "x\x1b[2J-6.socket", "other-7"];
    let odd: Vec<_> =
        odd.iter().map(|name| UnixListener::bind(directory.join(name)).unwrap()).collect();
    std::fs::write(directory.join(format!("{}-8.socket", "x".repeat(200))), "").unwrap();
    let good = UnixListener::bind(directory.join("good-9.socket")).unwrap();
    assert_eq!(names(&place), ["good-9"]);
    drop((live, odd, good));
}

/// A name may mean something else by the time of the connection.
#[test]
fn no_link_is_followed_to_a_guardian() {
    let place = Place::new();
    let path = directory(&place).join("work-1.socket");
    let listener = UnixListener::bind(&path).unwrap();
    let found = find(&place.roots()).guardians;
    std::fs::rename(&path, place.path("moved")).unwrap();
    symlink(place.path("moved"), &path).unwrap();
    assert_eq!(found[0].connect().unwrap_err(), Unreachable::Gone);
    std::fs::rename(place.path("moved"), &path).unwrap();
    found[0].connect().unwrap();
    let real = path.parent().unwrap();
    std::fs::rename(real, place.path("real")).unwrap();
    symlink(place.path("real"), real).unwrap();
    assert_eq!(found[0].connect().unwrap_err(), Unreachable::Gone);
    assert_eq!(names(&place), Vec::<String>::new());
    drop(listener);
}

#[test]
fn a_directory_that_others_may_write_to_is_not_believed() {
    let place = Place::new();
    let directory = directory(&place);
    let listener = UnixListener::bind(directory.join("work-1.socket")).unwrap();
    assert_eq!(names(&place), ["work-1"]);
    for mode in [0o775, 0o777, 0o1777] {
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(names(&place), Vec::<String>::new(), "{mode:o}");
    }
    drop(listener);
}

#[test]
fn root_finds_those_of_a_user_but_not_in_a_directory_of_somebody_else() {
    if me().uid != 0 {
        return crate::fixture::skipped("only root looks for others");
    }
    let place = Place::new();
    // Somebody who runs a process, or nobody looks there.
    let mut child = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "sleep", "60"])
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", child.id());
    let clock = Clock::start();
    while std::fs::metadata(&process).unwrap().uid() != 65_534 {
        assert!(clock.now().0 < LONG);
        std::thread::yield_now();
    }
    let uid = Some(nix::unistd::Uid::from_raw(65_534));
    let mut listeners = Vec::new();
    for directory in ["tmp/sentinel-65534", "run/user/65534/sentinel"] {
        let path = place.path(directory);
        std::fs::create_dir_all(&path).unwrap();
        listeners.push(UnixListener::bind(path.join("theirs-1.socket")).unwrap());
        assert_eq!(names(&place), Vec::<String>::new(), "ours, where theirs should be");
        nix::unistd::chown(&path, uid, None).unwrap();
        assert_eq!(names(&place), ["theirs-1"]);
        std::fs::remove_dir_all(&path).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn thousands_of_entries_are_no_trouble() {
    let place = Place::new();
    let directory = directory(&place);
    for n in 1..=3000 {
        std::fs::write(directory.join(format!("junk-{n}.socket")), "").unwrap();
    }
    let clock = Clock::start();
    assert_eq!(names(&place), Vec::<String>::new());
    assert!(clock.now().0 < LONG);
    for n in 1..=3000 {
        std::fs::remove_file(directory.join(format!("junk-{n}.socket"))).unwrap();
    }
    // A datagram socket's node is cheap, and looks like a guardian's until somebody connects.
    for n in 1..=MOST_GUARDIANS + 44 {
        UnixDatagram::bind(directory.join(format!("dead-{n}.socket"))).unwrap();
    }
    let found = find(&place.roots());
    assert_eq!((found.guardians.len(), found.left_out), (MOST_GUARDIANS, 44));
    assert_eq!(found.left_out_of.into_iter().collect::<Vec<_>>(), [(me().uid, 44)]);
    // One that is looked for by its name is found among them.
    let last = find_those(&place.roots(), &|name, pid| name == "dead" && pid == 300).guardians;
    assert_eq!(last.iter().map(Listed::full_name).collect::<Vec<_>>(), ["dead-300"]);
    let answers = ask_all(&found.guardians, "ping", LONG);
    assert!(answers.iter().all(|answer| *answer == Err(Unreachable::Gone.into())));
}

#[test]
fn each_gets_its_own_answer_whatever_the_others_do() {
    let place = Place::new();
    let answer = serde_json::to_string(&status()).unwrap();
    let told = answer.clone();
    serve(&place, "a-1.socket", move |client| client.write_all(told.as_bytes()).unwrap());
    serve(&place, "b-2.socket", |client| while client.write_all(&[b'x'; 4096]).is_ok() {});
    serve(&place, "c-3.socket", |_| {});
    serve(&place, "d-4.socket", |client| client.write_all(b"error: not you\x1b[2J\n").unwrap());
    let silent = UnixListener::bind(directory(&place).join("e-5.socket")).unwrap();
    let found = find(&place.roots()).guardians;
    // The silent one answers when all others have, so that nobody else can be late.
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| ask_all(&found, "status json", LONG));
        let (client, _) = silent.accept().unwrap();
        drop(client);
        let answers = answers.join().unwrap();
        assert_eq!(answers[0].as_deref(), Ok(answer.as_bytes()));
        assert_eq!(answers[1], Err(Silence::Endless));
        assert_eq!(answers[2], Err(Silence::Closed));
        assert_eq!(answers[3], Err(Silence::Refused("not you\\u{1b}[2J".to_owned())));
    });
    let late = ask_all(&found[4..], "status json", SHORT);
    assert_eq!(late, [Err(Silence::Late(SHORT))]);
}

#[test]
fn one_that_passes_descriptors_is_not_listened_to() {
    let place = Place::new();
    serve(&place, "a-1.socket", |client| {
        use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
        let fds = [client.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let bytes = [std::io::IoSlice::new(b"pong\n")];
        sendmsg::<()>(client.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None).unwrap();
    });
    let found = find(&place.roots()).guardians;
    assert_eq!(ask_all(&found, "status json", LONG), [Err(Silence::Closed)]);
}
