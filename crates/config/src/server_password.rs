//! What the pooler proves itself to PostgreSQL with, and how much of it it may reveal.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use pgweir_wire::login::Methods;

use super::level::{Chain, ReadAs};
use super::value::Parsed;
use super::{Config, Database, Secret, User, secrets};

/// A program that prints a password (`password_command`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PasswordCommand {
    /// The program and its arguments, at least the former. No shell reads them.
    pub argv: Vec<String>,
    /// How long what it printed is used (`password_command_ttl`). Zero: for one login.
    pub ttl: Duration,
}

impl fmt::Debug for PasswordCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An argument may be a secret.
        write!(f, "PasswordCommand({:?}, ..)", self.argv[0])
    }
}

/// Where a password is fetched when it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PasswordSource {
    /// A file that holds nothing else (`password_file`).
    File(PathBuf),
    /// What a program prints (`password_command`).
    Command(PasswordCommand),
    /// A file in libpq's format (`passfile`), which may have none for a login.
    Passfile(PathBuf),
}

/// What is known of the password for a server login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerPassword {
    /// Nothing: PostgreSQL may ask for none, or a client's login brings a key.
    None,
    /// It stands in the configuration.
    Known(Secret),
    /// It is fetched.
    Fetched(PasswordSource),
}

/// What may be answered to a server that asks for a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerAuth {
    /// Methods that are answered (`server_require_auth`).
    pub accepted: Methods,
    /// Whether the password may be sent as it is over a network without encryption
    /// (`server_allow_plaintext_password`).
    pub allow_plaintext: bool,
}

impl ServerAuth {
    pub(super) fn read(chain: &Chain<'_>) -> Self {
        Self {
            accepted: chain.get("server_require_auth"),
            allow_plaintext: chain.get("server_allow_plaintext_password"),
        }
    }
}

impl ReadAs for Methods {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Methods(methods) => Some(methods),
            _ => None,
        }
    }
}

impl ReadAs for Vec<String> {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Words(words) => Some(words),
            _ => None,
        }
    }
}

impl Config {
    /// The password for logins to a server of `database` as `user`: the database's own, else the
    /// user's, else what a password file has.
    pub fn server_password(&self, database: &Database, user: &str) -> ServerPassword {
        if let Some(source) = &database.password_source {
            return ServerPassword::Fetched(source.clone());
        }
        if let Some(secret) = &database.password {
            return ServerPassword::Known(secret.clone());
        }
        self.user_password(database, user)
    }

    /// As [`Self::server_password`], where the database's own is another user's.
    pub fn user_password(&self, database: &Database, user: &str) -> ServerPassword {
        let own = self.users.get(user).map(|user| user.server_password());
        match (own.unwrap_or(ServerPassword::None), &database.passfile) {
            // A verifier proves nothing.
            (ServerPassword::None | ServerPassword::Known(Secret::Scram(_)), Some(path)) => {
                ServerPassword::Fetched(PasswordSource::Passfile(path.clone()))
            }
            (own, _) => own,
        }
    }
}

impl User {
    /// What its section has for logins to servers.
    pub fn server_password(&self) -> ServerPassword {
        match (&self.password_source, &self.secret) {
            // The file has it for clients.
            (Some(PasswordSource::File(_)), Some(secret @ Secret::Scram(_))) => {
                ServerPassword::Known(secret.clone())
            }
            (Some(source), _) => ServerPassword::Fetched(source.clone()),
            (None, Some(secret)) => ServerPassword::Known(secret.clone()),
            (None, None) => ServerPassword::None,
        }
    }
}

impl Secret {
    /// Tells the kind of a secret by its form; empty text is none. A file's text has lost its last line
    /// break before ([`without_line_break`]).
    ///
    /// # Errors
    /// A sentence without the secret.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        if text.contains('\0') {
            return Err("has a NUL".to_owned());
        }
        secrets::classify(text)
    }
}

/// What a file or program says, without the line break that ends it.
pub fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
