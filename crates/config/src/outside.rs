//! What a configuration needs from outside: files, variables, and whether keys are good.

use std::path::Path;
use std::{fmt, io};

use super::tls::{Tls, TlsSide, Unfit};

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
    /// Whether a secret is good enough to sign tokens with; if not, a sentence.
    pub token_secret: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether a JSON Web Key Set has keys that can be used; if not, a sentence.
    pub token_set: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether HTTP can be encrypted with a certificate and its key.
    pub pem: &'a dyn Fn(&Pem) -> Result<(), Unusable>,
    /// Whether one side of the pooler can be encrypted like this.
    pub tls: &'a dyn Fn(TlsSide, &Tls) -> Result<(), Unfit>,
}

/// A certificate, with what signed it, and its key, as texts in PEM. They fit each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Of a setting like `http_tls_cert_file`.
    pub certificate: String,
    /// Of one like `http_tls_key_file`.
    pub key: String,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
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
