//! What a configuration needs from outside: files, variables, and whether keys are good.

use std::io;
use std::path::Path;

use super::tls::{Pem, Tls, TlsSide, Unfit};

/// What lies outside the configuration and is looked up for it.
pub struct Outside<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file.
    pub file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The names of what is in a folder, in any order. Those that are no text may be missing.
    pub folder: &'a dyn Fn(&Path) -> io::Result<Vec<String>>,
    /// Whether everybody on this machine may read a file.
    pub is_open: &'a dyn Fn(&Path) -> bool,
    /// Whether anybody but its owner may do anything with a file.
    pub is_shared: &'a dyn Fn(&Path) -> bool,
    /// Whether a secret is good enough to sign tokens with; if not, a sentence.
    pub token_secret: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether a JSON Web Key Set has keys that can be used; if not, a sentence.
    pub token_set: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether HTTP can be encrypted with a certificate and its key.
    pub pem: &'a dyn Fn(&Pem) -> Result<(), Unusable>,
    /// Whether one side of the pooler can be encrypted like this.
    pub tls: &'a dyn Fn(TlsSide, &Tls) -> Result<(), Unfit>,
}

impl Outside<'_> {
    /// The content of the file that a setting names, as seen from the configuration's folder.
    ///
    /// # Errors
    /// A sentence about the setting.
    pub(super) fn read(&self, folder: &Path, written: &str) -> Result<String, String> {
        (self.file)(&folder.join(written)).map_err(|error| format!("cannot be read: {error}"))
    }
}

/// Which of the two is wrong, and how.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The certificate.
    Certificate(String),
    /// The key.
    Key(String),
}
