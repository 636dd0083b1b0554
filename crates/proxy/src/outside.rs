//! What a configuration needs from outside: files, environment variables, and whether keys can be used.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgweir_config::import::{Format, Imported};
use pgweir_config::raw::Raw;
use pgweir_config::{Outside, Problem, Resolved, Source, Unusable};
use pgweir_http::{Keys, Tls};

/// Reads and resolves a configuration with the files and the environment of this process.
///
/// # Errors
/// Every problem there is, in the order of the text.
pub fn load(source: &Source) -> Result<Resolved, Vec<Problem>> {
    with_process(|process| pgweir_config::load(source, process))
}

/// Makes a `pgweir.toml` of another pooler's configuration, to be written at `target`.
///
/// # Errors
/// A file cannot be read as what it is said to be.
pub fn import(
    format: Format,
    files: &[(&Path, &str)],
    target: &Path,
) -> Result<Imported, Vec<Problem>> {
    with_process(|process| pgweir_config::import::import(format, files, target, process))
}

/// Resolves what was read before, with the files that it names as they are.
///
/// # Errors
/// Every problem there is, in the order of the text.
pub(crate) fn resolve(raw: &Raw) -> Result<Resolved, Vec<Problem>> {
    with_process(|process| pgweir_config::resolve(raw, process))
}

fn with_process<T>(read: impl FnOnce(&Outside<'_>) -> T) -> T {
    read(&Outside {
        variable: &|name| std::env::var(name).ok(),
        file: &read_file,
        folder: &names_in,
        is_open: &is_open,
        is_shared: &is_shared,
        token_secret: &|secret| Keys::default().add_secret(secret.as_bytes()),
        token_set: &|text| Keys::default().add_set(text),
        pem: &|pem| match Tls::new(&pem.certificate, &pem.key) {
            Ok(_) => Ok(()),
            Err(pgweir_http::Unusable::Certificate(message)) => Err(Unusable::Certificate(message)),
            Err(pgweir_http::Unusable::Key(message)) => Err(Unusable::Key(message)),
        },
        tls: &crate::tls::check,
    })
}

/// Reads a file of text up to a bound, so that a wrong path (a device, a dump) does no harm.
pub(crate) fn read_file(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        let message = format!("is larger than {} MiB", FILE_LEN_MAX >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let message = format!("line {line} is no UTF-8 text");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// The names of what is in a folder, as far as they are text.
fn names_in(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)?.take(NAMES_MAX) {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Whether every user of the machine may read a file; one that cannot be looked at is not open.
fn is_open(path: &Path) -> bool {
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    mode.is_ok_and(|mode| mode & OTHERS_READ != 0)
}

/// Whether anybody but its owner may do anything with a file; one that cannot be looked at is not shared.
pub(crate) fn is_shared(path: &Path) -> bool {
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    mode.is_ok_and(|mode| mode & NOT_OWNERS != 0)
}

/// The bits of a file's mode that libpq does not want in a password file.
const NOT_OWNERS: u32 = 0o077;

/// The bit of a file's mode.
const OTHERS_READ: u32 = 0o004;

/// More than anybody puts into a folder of rules.
const NAMES_MAX: usize = 10_000;

/// Room for some hundred thousand users.
const FILE_LEN_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
