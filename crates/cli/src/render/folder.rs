//! The folder that files are rendered into. Each file is written as a whole or not at all. Existing files
//! are compared, and the folder is searched for those that an earlier plan left.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use pgweir_advisor::render::{self, MARK, TARGETS};

use super::difference::difference;

/// Writes all files.
///
/// # Errors
/// One cannot be written. It is then as it was before, without a partial copy next to it.
pub(super) fn write(
    folder: &Path,
    files: &[render::File],
    tell: impl Fn(&Path),
) -> anyhow::Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        replace(&path, &file.content)
            .with_context(|| format!("cannot write {}", path.display()))?;
        tell(&path);
    }
    Ok(())
}

/// The differences from the files as text; empty if there are none.
///
/// # Errors
/// A file cannot be read.
pub(super) fn compare(folder: &Path, files: &[render::File]) -> anyhow::Result<String> {
    let mut shown = String::new();
    for file in files {
        let path = folder.join(&file.path);
        let there = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        if there != file.content {
            let name = path.display();
            shown.push_str(&format!("--- {name}\n+++ {name} (as planned)\n"));
            shown.push_str(&difference(&there, &file.content));
        }
    }
    Ok(shown)
}

/// Rendered files that the plan does not have, in the folders of this target or of all.
///
/// # Errors
/// A folder or a file in it cannot be read.
pub(super) fn leftovers(
    folder: &Path,
    target: &str,
    files: &[render::File],
) -> anyhow::Result<Vec<PathBuf>> {
    let planned: HashSet<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
    let mut left = Vec::new();
    for known in TARGETS {
        if target == "all" || target == known.name {
            let below = folder.join(known.name);
            search(&below, &planned, &mut left)
                .with_context(|| format!("cannot look through {}", below.display()))?;
        }
    }
    left.sort();
    Ok(left)
}

fn search(folder: &Path, planned: &HashSet<PathBuf>, left: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was rendered here.
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        // Links are not rendered, and may lead anywhere.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            search(&path, planned, left)?;
        } else if kind.is_file() && !planned.contains(&path) && is_rendered(&path)? {
            left.push(path);
        }
    }
    Ok(())
}

/// Whether a file begins like a rendered one.
fn is_rendered(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(HEADER_MAX).read_to_end(&mut start)?;
    Ok(String::from_utf8_lossy(&start).contains(MARK))
}

/// Replaces a file in one step: a reader sees the old or the new one, and a full disk leaves the old
/// one.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    // Replace what a link leads to, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    let written = write_new(&beside, &path, content);
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(beside: &Path, path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(beside)?;
    file.write_all(content.as_bytes())?;
    // Some file systems report a full disk only now.
    file.sync_all()?;
    if let Ok(there) = fs::metadata(path) {
        file.set_permissions(there.permissions())?;
    }
    fs::rename(beside, path)
}

/// The mark is in the first two lines.
const HEADER_MAX: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> render::File {
        render::File {
            path: path.to_owned(),
            content: content.to_owned(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_an_earlier_plan_left_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let marked = format!("# {MARK}sql`: plan 1\n");
        let all = [
            file("kubernetes/service-gone.yaml", &marked),
            file("kubernetes/service-here.yaml", &marked),
            file("kubernetes/of-the-team.yaml", "kind: Secret\n"),
            file("laravel/gone/connections.php", &marked),
            file("src/not-ours.sql", &marked),
        ];
        write(folder.path(), &all, |_| {}).unwrap();
        let planned = &all[1..2];
        let found = |target: &str| -> Vec<String> {
            let left = leftovers(folder.path(), target, planned).unwrap();
            let name = |path: &PathBuf| {
                path.strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string()
            };
            left.iter().map(name).collect()
        };
        let gone = "kubernetes/service-gone.yaml";
        assert_eq!(found("all"), [gone, "laravel/gone/connections.php"]);
        assert_eq!(found("kubernetes"), [gone]);
        assert_eq!(found("sql"), [""; 0]);
        assert_eq!(
            leftovers(Path::new("/dev/null"), "all", planned).unwrap(),
            [""; 0].map(PathBuf::from)
        );
    }

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_through_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        write(folder.path(), &[file("link", "new")], |_| {}).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(names(folder.path()), ["link", "real"]);
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing_about() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        let result = write(folder.path(), &[file("taken", "new")], |_| {});
        assert!(format!("{:#}", result.unwrap_err()).contains("taken"));
        assert_eq!(names(folder.path()), ["taken"]);
    }
}
