//! What a user is told once a boot and not at each run. It is remembered in the runtime directory, which is ours and nobody else's to
//! write to; where there is none, it is said each time.

use super::runtime_dir::{self, Roots};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// All that is remembered has room in it.
const LONGEST: u64 = 8192;

/// Whether this text is news to the user in this boot. From now on it is none.
pub fn is_news(uid: u32, text: &str) -> bool {
    is_news_in(&Roots::system(), uid, text)
}

/// A directory of /tmp can outlive the boot: which one it was is part of what is remembered.
fn is_news_in(roots: &Roots, uid: u32, text: &str) -> bool {
    let Ok((directory, _)) = runtime_dir::prepare(roots) else { return true };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (boot, name) = (boot.trim(), format!("told-{uid}"));
    let then = recall(&directory, &name).unwrap_or_default();
    let told = of_boot(&then, boot);
    if told.contains(&text) {
        return false;
    }
    // What cannot be remembered, or not all of it, is said again.
    let all: String = told.iter().chain(&[text]).map(|line| format!("{line}\n")).collect();
    let fits = ((boot.len() + all.len()) as u64) < LONGEST;
    let kept = if fits { all } else { format!("{text}\n") };
    let _ = remember(&directory, &name, &format!("{boot}\n{kept}"));
    true
}

/// The lines that were told in this boot.
fn of_boot<'a>(then: &'a str, boot: &str) -> Vec<&'a str> {
    let mut lines = then.lines();
    if lines.next() == Some(boot) { lines.collect() } else { Vec::new() }
}

/// Through the directory itself: what the path means by then does not matter.
fn open(directory: &Path, name: &str, flags: OFlag) -> io::Result<File> {
    let directory = runtime_dir::open(directory)?;
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    Ok(File::from(openat(&directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?))
}

fn recall(directory: &Path, name: &str) -> io::Result<String> {
    let mut text = String::new();
    open(directory, name, OFlag::O_RDONLY)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn remember(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    open(directory, name, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_news_once_to_each_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["tmp", "run"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let roots = Roots { tmp: path("tmp"), run: path("run"), session: None };
        assert!(is_news_in(&roots, 1000, "a lower tier"));
        assert!(!is_news_in(&roots, 1000, "a lower tier"));
        assert!(is_news_in(&roots, 1001, "a lower tier"));
        assert!(is_news_in(&roots, 1000, "another place"));
        assert!(!is_news_in(&roots, 1000, "a lower tier"), "they may take turns");
        let long = "x".repeat(5000);
        assert!(is_news_in(&roots, 1000, &long) && !is_news_in(&roots, 1000, &long));
        assert!(is_news_in(&roots, 1000, &long.to_uppercase()), "what does not fit begins anew");
        assert!(!is_news_in(&roots, 1000, &long.to_uppercase()));
        let nowhere = Roots { tmp: path("none"), run: path("none"), session: None };
        assert!(is_news_in(&nowhere, 1000, "a") && is_news_in(&nowhere, 1000, "a"));
    }

    #[test]
    fn a_link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let roots =
            Roots { tmp: folder.path().to_owned(), run: folder.path().to_owned(), session: None };
        let (directory, _) = runtime_dir::prepare(&roots).unwrap();
        std::fs::write(folder.path().join("mine"), "mine").unwrap();
        std::os::unix::fs::symlink("../mine", directory.join("told-7")).unwrap();
        assert!(is_news_in(&roots, 7, "a") && is_news_in(&roots, 7, "a"));
        assert_eq!(std::fs::read_to_string(folder.path().join("mine")).unwrap(), "mine");
    }
}
