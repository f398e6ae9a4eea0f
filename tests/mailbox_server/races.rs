//! A name that means something else at every look: nothing is followed, nothing is waited for, and it ends with a socket or a reason.

use crate::fixture::{Place, me};
use nix::sys::stat::Mode;
use sentinel::control::socket::{SocketChoice, open_mailbox_in};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// One thing after the other under this name, until told to stop. What cannot be put there or taken away is the guardian's.
fn squat(name: &Path, victim: &Path, stop: &AtomicBool) {
    let mut listener = None;
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match turn % 6 {
            0 => drop(symlink(victim, name)),
            1 => drop(std::fs::create_dir(name)),
            2 => drop(nix::unistd::mkfifo(name, Mode::S_IRWXU)),
            3 => drop(std::fs::hard_link(victim, name)),
            4 => drop(UnixListener::bind(name)),
            _ => listener = UnixListener::bind(name).ok(),
        }
        let _ = std::fs::remove_file(name).or_else(|_| std::fs::remove_dir(name));
    }
    drop(listener);
}

/// Stops the squatter also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_name_that_changes_all_the_time() {
    let place = Place::new();
    let (name, victim) = (place.default_path(), place.path("victim"));
    std::fs::write(&victim, "precious").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| squat(&name, &victim, &stop));
        let _stop = Stop(&stop);
        for _ in 0..300 {
            let choice = SocketChoice::At(name.clone());
            match open_mailbox_in(&place.roots(), choice, me(), "work", 1) {
                Ok(mailbox) => assert!(mailbox.paths().any(|path| path == name)),
                Err(error) => {
                    assert!(error.to_string().starts_with("cannot listen at "), "{error}")
                }
            }
            let found = std::fs::symlink_metadata(&victim).unwrap();
            assert!(found.is_file() && !found.file_type().is_socket());
        }
    });
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&victim).unwrap());
    assert_eq!(mode & 0o111, 0, "not even its mode");
    let _ = std::fs::remove_file(&name).or_else(|_| std::fs::remove_dir(&name));
    drop(place.open(SocketChoice::Default, 2));
}
