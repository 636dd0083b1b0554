//! A file that is read again when it has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another: its device, number, length and time of change in seconds
/// and nanoseconds. The time of change (ctime) cannot be set back.
type Stamp = (u64, u64, u64, i64, i64);

/// A file, as it was read last and as it was seen last.
pub(crate) struct Watched {
    path: Option<PathBuf>,
    read: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Watched {
    /// Of a file that is read after this.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        let stamp = path.as_deref().and_then(stamp);
        Self {
            path,
            read: stamp,
            seen: stamp,
        }
    }

    /// Whether it is this file that is watched.
    pub(crate) fn is(&self, path: Option<&Path>) -> bool {
        self.path.as_deref() == path
    }

    /// Whether it has changed since it was read, and not since it was looked at last: who writes it may
    /// still be about it. Once it says so, the file counts as read. One that is missing has not changed:
    /// it is being replaced.
    pub(crate) fn has_changed(&mut self) -> bool {
        let Some(stamp) = self.path.as_deref().and_then(stamp) else {
            return false;
        };
        let is_settled = self.seen.replace(stamp) == Some(stamp);
        let has_changed = self.read != Some(stamp);
        if is_settled && has_changed {
            self.read = Some(stamp);
        }
        is_settled && has_changed
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    let number = (file.dev(), file.ino(), file.size());
    Some((
        number.0,
        number.1,
        number.2,
        file.ctime(),
        file.ctime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Watched;

    #[test]
    fn a_change_is_told_once_when_the_file_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "1").unwrap();
        let mut watched = Watched::new(Some(path.clone()));
        assert!(!watched.has_changed());
        fs::write(&path, "12").unwrap();
        assert!(!watched.has_changed(), "who writes may not be done");
        fs::write(&path, "123").unwrap();
        assert!(!watched.has_changed(), "who writes was not done");
        assert!(watched.has_changed());
        assert!(!watched.has_changed(), "once");
        fs::remove_file(&path).unwrap();
        assert!(!watched.has_changed(), "while it is replaced");
        fs::write(&path, "123").unwrap();
        assert!(!watched.has_changed());
        assert!(watched.has_changed(), "another file");
        assert!(!Watched::new(None).has_changed());
    }
}
