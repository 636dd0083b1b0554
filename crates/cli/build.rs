//! Tells the binary where it comes from: commit, target, profile.
//!
//! The commit of a build from a checkout is asked of git, and only for a release: while a program is
//! developed, each commit would link it anew. A tarball that `git archive` made says it in a file.

use std::env;
use std::fs;
use std::process::Command;

/// Its content is replaced by `git archive` (`.gitattributes`).
const FILE: &str = "commit.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FILE}");
    println!("cargo::rerun-if-env-changed=PGWEIR_COMMIT");
    let profile = env::var("PROFILE").unwrap_or_default();
    let commit = given().or_else(archived);
    let commit = commit.or_else(|| (profile == "release").then(checked_out).flatten());
    let target = env::var("TARGET").unwrap_or_default();
    println!(
        "cargo::rustc-env=PGWEIR_COMMIT={}",
        commit.unwrap_or_default()
    );
    println!("cargo::rustc-env=PGWEIR_TARGET={target}");
    println!("cargo::rustc-env=PGWEIR_PROFILE={profile}");
}

/// As who builds it says.
fn given() -> Option<String> {
    env::var("PGWEIR_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
}

/// As the tarball says.
fn archived() -> Option<String> {
    let text = fs::read_to_string(FILE).ok()?;
    let commit = text.trim();
    let is_hash = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| commit.to_owned())
}

/// As git says; built anew only when another commit is checked out.
fn checked_out() -> Option<String> {
    // Each commit and checkout adds a line.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
