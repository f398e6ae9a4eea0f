//! Configuration files: which one there is, whose it is, and what it says. Under sudo the user's own file is read with the user's
//! rights, and what it names is used with them too: see [`Authority`].

use crate::account::home_of;
use crate::cli::Settings;
use crate::escape::{shown, tame};
use crate::nearest::nearest;
use crate::report::file_kind::FileKind;
use crate::report::record::{CallerId, as_caller};
use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::geteuid;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// No configuration is larger.
const LARGEST: u64 = 1 << 20;
/// Device number of /dev/null: no settings.
const NULL_DEVICE: (u64, u64) = (1, 3);

/// Who decides what a configuration file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Those whose rights we have.
    Ours,
    /// Somebody who has fewer: root is asked by a user through sudo, and the file is not root's. A path in it is bound, opened and
    /// written as that user.
    Caller,
}

/// The settings of the file that was named, else of the user's or the machine's.
///
/// # Errors
/// When it cannot be read or understood.
pub fn settings(named: Option<PathBuf>) -> Result<(Settings, Authority)> {
    let caller = CallerId::find();
    let found = match named {
        // Opened as by whoever types it: root may name what it likes.
        Some(path) => Some((open(&path).map_err(Into::into), path)),
        None => default_file(caller),
    };
    let Some((opened, path)) = found else { return Ok((Settings::default(), Authority::Ours)) };
    let what = || format!("cannot read configuration {}", shown(&path));
    let (text, origin) = opened
        .and_then(|(file, data)| Ok((text(file)?, origin(&path, &data, caller))))
        .with_context(what)?;
    let settings = parse(&text).map_err(|(line, problem)| {
        let kind = FileKind::of(text.as_bytes());
        match kind.and_then(|kind| kind.told_instead_of(None, "write TOML (sentinel.toml(5))")) {
            Some(told) => anyhow!("{}: {told}", what()),
            None => anyhow!("{problem}").context(format!("{} line {line}", what())),
        }
    })?;
    Ok((settings, origin))
}

type Opened = (Result<(File, Metadata)>, PathBuf);

/// The user's file, then the machine's, if there is one. A file in a home that is the caller's is looked for with the caller's rights:
/// root would else read (and quote in an error) whatever a link of that user's leads to.
fn default_file(caller: CallerId) -> Option<Opened> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
    let user = base.map(|base| base.join("sentinel/config.toml"));
    let user = user.filter(|path| is_there(path)).and_then(|path| {
        // The same for all but root in somebody's name.
        let borrowed = caller.uid != 0 && geteuid().is_root();
        let opened = if borrowed && !is_roots(&path) {
            as_caller(caller, || open(&path))
        } else {
            open(&path).map_err(Into::into)
        };
        there(opened, path)
    });
    user.or_else(|| {
        let machine = PathBuf::from("/etc/sentinel/config.toml");
        if !is_there(&machine) {
            return None;
        }
        there(open(&machine).map_err(Into::into), machine)
    })
}

/// False only where it is sure that there is nothing, not even a link that leads nowhere, which was meant.
fn is_there(path: &Path) -> bool {
    !matches!(nix::sys::stat::lstat(path), Err(Errno::ENOENT | Errno::ENOTDIR))
}

/// What is not there is no configuration; what cannot be opened is one.
fn there(opened: Result<(File, Metadata)>, path: PathBuf) -> Option<Opened> {
    let kind = |error: &anyhow::Error| error.downcast_ref::<io::Error>().map(io::Error::kind);
    match &opened {
        Err(error)
            if matches!(
                kind(error),
                Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            ) =>
        {
            // A link that leads nowhere was meant.
            path.is_symlink().then_some((opened, path))
        }
        // Another user's home that is closed to us (HOME is kept by setpriv): whether anything is there is not for us to know.
        Err(error) if kind(error) == Some(io::ErrorKind::PermissionDenied) && is_closed(&path) => {
            None
        }
        _ => Some((opened, path)),
    }
}

/// Whether a directory on the way is not ours to search.
fn is_closed(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Below root's own home, which nobody else writes to.
fn is_roots(path: &Path) -> bool {
    let plain = path.components().all(|part| !matches!(part, Component::ParentDir));
    plain && home_of(0).is_some_and(|home| home != Path::new("/") && path.starts_with(home))
}

/// Never waits: not for the writer of a pipe, not for a device.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    let device = (libc::major(data.rdev()), libc::minor(data.rdev()));
    let null = (u64::from(device.0), u64::from(device.1)) == NULL_DEVICE;
    let kind = data.file_type();
    match () {
        () if kind.is_file() && data.size() > LARGEST => Err(io::Error::other("it is too large")),
        () if kind.is_file() || (kind.is_char_device() && null) => Ok((file, data)),
        () if kind.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        () if kind.is_fifo() => Err(io::Error::other("it is a pipe: give a file")),
        () => Err(io::Error::other("it is not a regular file")),
    }
}

fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    // Files of /proc have no size.
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A file in the caller's home is the caller's, whoever owns it; one that was named is whose it is.
fn origin(path: &Path, data: &Metadata, caller: CallerId) -> Authority {
    let theirs = data.uid() != 0 || data.mode() & 0o022 != 0;
    let home = home_of(caller.uid).is_some_and(|home| path.starts_with(home));
    match geteuid().is_root() && caller.uid != 0 && (theirs || home) {
        true => Authority::Caller,
        false => Authority::Ours,
    }
}

/// The settings in the text of a configuration file (TOML).
///
/// # Errors
/// The line that is not understood, and what is wrong with it, escaped.
pub fn parse(text: &str) -> std::result::Result<Settings, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        (line, tame(&problem(text, line, error.message())))
    })
}

/// An unknown key with the one that was meant, and a value with its key; the list of all keys is for the help.
fn problem(text: &str, line: usize, message: &str) -> String {
    if let Some((unknown, known)) = message.split_once(", expected one of ") {
        let quoted = |text: &'_ str| text.trim_matches([',', ' ', '`']).to_owned();
        let known: Vec<String> = known.split(", ").map(quoted).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let word = quoted(unknown.trim_start_matches("unknown field "));
        return match nearest(&word, &known) {
            Some((meant, _)) => format!("{unknown} (did you mean {meant}?)"),
            None => format!("{unknown}: keys are the long names of options (sentinel --help)"),
        };
    }
    let key = text.lines().nth(line.saturating_sub(1)).and_then(|line| line.split_once('='));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match key.map(|(key, _)| key.trim()) {
        Some(key) if !key.is_empty() && key.chars().all(plain) => format!("{key}: {message}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_s_home_is_told_by_its_path_alone() {
        let Some(home) = home_of(0).filter(|home| home != Path::new("/")) else { return };
        assert!(is_roots(&home.join(".config/sentinel/config.toml")));
        for other in ["../home/user/config.toml", "../etc/shadow"] {
            assert!(!is_roots(&home.join(other)), "{other}");
        }
        assert!(!is_roots(Path::new("/home/user/.config/sentinel/config.toml")));
        assert!(!is_roots(Path::new("config.toml")));
    }

    #[test]
    fn problems_name_the_key() {
        let said = |text: &str| parse(text).unwrap_err();
        let (line, problem) = said("plain = true\ngrace = \"later\"");
        assert!(line == 2 && problem.starts_with("grace: "), "{problem}");
        let (_, problem) = said("limit-exit-code = 256");
        assert!(
            problem.ends_with("is not an exit status: write a number from 0 to 255"),
            "{problem}"
        );
        assert_eq!(said("pidz = 4").1, "unknown field `pidz` (did you mean pids?)");
        assert!(said("flavour = 1").1.ends_with("long names of options (sentinel --help)"));
    }
}
