//! The binary where everybody can run it: a clone may lie in a home that is closed to others, or below a /tmp that a test hides.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Not emptied at a start, and no test mounts anything over it.
const PLACE: &str = "/var/tmp";

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// The same program at a path that everybody reaches: where it is, or a copy, one for each clone.
pub fn reachable(binary: &str) -> PathBuf {
    let original = Path::new(binary);
    let found = BINARY.get_or_init(|| match is_reachable(original) {
        true => original.to_owned(),
        false => copied(original).unwrap(),
    });
    found.clone()
}

fn is_reachable(path: &Path) -> bool {
    let hidden = ["/tmp", "/run"].iter().any(|place| path.starts_with(place));
    let open = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o001 != 0);
    !path.is_absolute() || !hidden && path.ancestors().all(open)
}

fn copied(original: &Path) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    original.hash(&mut hasher);
    let own = nix::unistd::geteuid();
    let place = Path::new(PLACE).join(format!("sentinel-test-{own}-{:016x}", hasher.finish()));
    match fs::create_dir(&place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    assert_eq!(fs::symlink_metadata(&place)?.uid(), own.as_raw(), "{place:?} is somebody else's");
    fs::set_permissions(&place, Permissions::from_mode(0o755))?;
    let copy = place.join("sentinel");
    let of = |path: &Path| fs::metadata(path).map(|meta| (meta.len(), meta.modified().ok()));
    let (new, old) = (of(original)?, of(&copy).ok());
    if old != Some(new) {
        let fresh = place.join(format!("sentinel.{}", std::process::id()));
        fs::copy(original, &fresh)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o755))?;
        let file = fs::File::options().write(true).open(&fresh)?;
        file.set_modified(fs::metadata(original)?.modified()?)?;
        drop(file);
        fs::rename(&fresh, &copy)?;
    }
    Ok(copy)
}
