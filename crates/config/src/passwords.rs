//! Finds the password of each section: in the file, beside it, or in the `auth_file`.

use std::path::{Path, PathBuf};

use pgweir_settings::text::key_of;
use pgweir_settings::{Origin, Problem, Section};

use super::level::{Chain, Level};
use super::outside::Outside;
use super::secrets::{self, AuthFile};
use super::settings::Scope;
use super::value::shown_text;
use super::{PasswordCommand, PasswordSource, Secret, without_line_break};

/// The password of a section and where it was given.
pub(super) struct Held {
    pub(super) password: Password,
    pub(super) origin: Origin,
    /// Where it is fetched for server logins.
    pub(super) source: Option<PasswordSource>,
}

/// What is known of a password.
pub(super) enum Password {
    /// The section says nothing of one.
    NotGiven,
    /// The section says that there is none.
    Empty,
    /// It cannot be read, which was reported.
    Broken,
    /// It is there.
    Set(Secret),
}

impl Held {
    fn new(secret: Option<Secret>, origin: Origin) -> Self {
        Self {
            password: secret.map_or(Password::Empty, Password::Set),
            origin,
            source: None,
        }
    }

    /// The secret, if there is one.
    pub(super) fn secret(&self) -> Option<Secret> {
        match &self.password {
            Password::Set(secret) => Some(secret.clone()),
            Password::NotGiven | Password::Empty | Password::Broken => None,
        }
    }
}

/// A section with its password and what it was resolved to.
pub(super) struct Entry<'a, T> {
    pub(super) name: &'a str,
    pub(super) level: &'a Level,
    pub(super) password: &'a Held,
    pub(super) value: T,
}

/// The password a section gives, in whichever way.
pub(super) fn of(
    level: &Level,
    folder: &Path,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Held {
    let chain = Chain::new(&[level]);
    let argv: Vec<String> = chain.get("password_command");
    let command = (!argv.is_empty()).then(|| PasswordCommand {
        argv,
        ttl: chain.get("password_command_ttl"),
    });
    let mut held = written(level, folder, outside, problems);
    match command {
        // Of a user it is for servers, and the other for clients.
        Some(_)
            if level.scope == Scope::Database && WRITTEN.iter().any(|name| level.gives(name)) =>
        {
            let found = chain.find("password_command");
            let message = "stands beside another password; remove one";
            problems.push(Problem::new(
                found.origin,
                chain.key("password_command"),
                message,
            ));
        }
        Some(command) => held.source = Some(PasswordSource::Command(command)),
        None => {}
    }
    held
}

/// The password that is written in a section, or in what it names.
fn written(
    level: &Level,
    folder: &Path,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Held {
    let chain = Chain::new(&[level]);
    let given: Vec<&str> = WRITTEN
        .into_iter()
        .filter(|name| level.gives(name))
        .collect();
    let Some(name) = given.first() else {
        return Held {
            password: Password::NotGiven,
            origin: level.origin.clone(),
            source: None,
        };
    };
    let found = chain.find(name);
    let broken = Held {
        password: Password::Broken,
        origin: found.origin.clone(),
        source: None,
    };
    if found.broken {
        return broken;
    }
    let secret = match given.get(1) {
        Some(other) => Err(format!("stands beside {other}; remove one")),
        None => fetch(name, chain.get::<String>(name), folder, outside),
    };
    match secret {
        Ok(secret) => Held {
            source: (*name == "password_file")
                .then(|| PasswordSource::File(folder.join(chain.get::<String>(name)))),
            ..Held::new(secret, found.origin.clone())
        },
        Err(message) => {
            problems.push(Problem::new(found.origin, chain.key(name), message));
            broken
        }
    }
}

/// The secret behind what is written at `name`.
fn fetch(
    name: &str,
    written: String,
    folder: &Path,
    outside: &Outside<'_>,
) -> Result<Option<Secret>, String> {
    let text = match name {
        // What is written stays out of messages: it may be the password itself.
        "password_env" if !is_variable(&written) => {
            return Err("is no name of an environment variable".to_owned());
        }
        "password_env" => (outside.variable)(&written)
            .ok_or_else(|| "names an environment variable that is not set; set it".to_owned())?,
        "password_file" => {
            let text = (outside.file)(&folder.join(&written))
                .map_err(|error| format!("names a file that cannot be read: {error}"))?;
            without_line_break(&text).to_owned()
        }
        _ => return secrets::classify(&written),
    };
    if text.is_empty() {
        return Err("leads to an empty password".to_owned());
    }
    if text.contains('\0') {
        return Err("leads to a password with a NUL".to_owned());
    }
    secrets::classify(&text)
}

/// The file in libpq's format that holds for `chain`: the one that is named, or the usual one if it
/// can be read.
pub(super) fn passfile(chain: &Chain<'_>, folder: &Path, outside: &Outside<'_>) -> Option<PathBuf> {
    if let Some(written) = chain.get::<Option<String>>("passfile") {
        return Some(folder.join(written));
    }
    let named = (outside.variable)("PGPASSFILE").map(PathBuf::from);
    let usual = || (outside.variable)("HOME").map(|home| Path::new(&home).join(".pgpass"));
    named
        .or_else(usual)
        .filter(|path| (outside.file)(path).is_ok())
}

/// Settings that a password may be written with.
const WRITTEN: [&str; 3] = ["password", "password_env", "password_file"];

/// Whether a shell takes this for the name of a variable (POSIX, Base Definitions, 8.1).
fn is_variable(name: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Adds the users of `auth_file` that have no secret in their section, or no section.
pub(super) fn add_auth_file(
    globals: &Chain<'_>,
    folder: &Path,
    outside: &Outside<'_>,
    users: &mut Vec<(String, Level, Held)>,
    problems: &mut Vec<Problem>,
) {
    let Some(written) = globals.get::<Option<String>>("auth_file") else {
        return;
    };
    let path = folder.join(&written);
    let mut listed: AuthFile = match (outside.file)(&path) {
        Ok(text) => secrets::parse_auth_file(&path, &text, problems),
        Err(error) => {
            let origin = globals.find("auth_file").origin;
            let message = format!("cannot be read: {error}");
            problems
                .push(Problem::new(origin, "auth_file", message).with_value(shown_text(&written)));
            return;
        }
    };
    for (name, _, held) in users.iter_mut() {
        if let Some((secret, origin)) = listed.remove(name)
            && matches!(held.password, Password::NotGiven)
        {
            *held = Held::new(secret, origin);
        }
    }
    for (name, (secret, origin)) in listed {
        let section = Section::new(origin.clone());
        let level = Level::read(Scope::User, &key_of("users", &name), &section, problems);
        users.push((name, level, Held::new(secret, origin)));
    }
}
