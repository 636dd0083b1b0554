//! Passwords for server logins that are fetched when they are needed: from files, and from programs.
//!
//! What was fetched is kept until PostgreSQL refuses it, its time is over, or the configuration is read
//! again. One login at a time fetches for all that need the same.

mod command;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgweir_config::passfile::{Wanted, look_up};
use pgweir_config::{PasswordSource, Secret, ServerAddress, ServerPassword, without_line_break};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::outside::{is_shared, read_file};
use command::{CommandError, Programs};

/// Passwords kept at once: one for each pool there can be, and some.
const KEPT_MAX: usize = 20_000;

/// A login that needs a password.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) server: &'a ServerAddress,
    /// Name of the database in PostgreSQL.
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
    /// How long a failure holds (`server_login_retry`).
    pub(crate) retry: Duration,
}

/// What a login goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) secret: Option<Secret>,
    /// It was fetched for this very login, so that fetching it again is of no use.
    is_fresh: bool,
}

/// Why there is no password. It never has any of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The `password_file` cannot be read, or has none.
    File(PathBuf, String),
    /// The `password_command`, by the name of its program, failed.
    Command(String, CommandError),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "password_file {}: {error}", path.display()),
            Self::Command(program, error) => {
                write!(f, "password_command {}: {error}", program.escape_debug())
            }
        }
    }
}

/// What a password is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    source: PasswordSource,
    /// What else decides about it: nothing for a file.
    of: Option<(ServerAddress, String, String)>,
}

impl Key {
    fn new(source: &PasswordSource, place: Place<'_>) -> Self {
        let named = |database: &str| {
            let server = place.server.clone();
            Some((server, database.to_owned(), place.user.to_owned()))
        };
        let of = match source {
            PasswordSource::File(_) => None,
            PasswordSource::Command(_) => named(""),
            PasswordSource::Passfile(_) => named(place.database),
        };
        Self {
            source: source.clone(),
            of,
        }
    }
}

/// What is known of one password.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Secret {
        secret: Option<Secret>,
        /// `None` is until it is refused.
        until: Option<Instant>,
        /// PostgreSQL refused it, and fetching it brought no other.
        is_refused: bool,
    },
    Failed {
        error: FetchError,
        until: Instant,
    },
}

impl Kept {
    /// What holds at this time.
    fn at(&self, now: Instant) -> Option<Result<Option<Secret>, FetchError>> {
        match self {
            Self::Secret { secret, until, .. } if until.is_none_or(|until| now < until) => {
                Some(Ok(secret.clone()))
            }
            Self::Failed { error, until } if now < *until => Some(Err(error.clone())),
            Self::Nothing | Self::Secret { .. } | Self::Failed { .. } => None,
        }
    }

    /// Whether fetching again may help a login that was refused with `used`.
    fn renewal(&mut self, used: &Fetched, retry_at: Instant) -> Renewal {
        match self {
            Self::Secret {
                secret,
                until,
                is_refused,
            } if *secret == used.secret => {
                if used.is_fresh && !*is_refused {
                    *is_refused = true;
                    // It is asked for again, but not by every login until then.
                    *until = Some(retry_at);
                }
                if *is_refused {
                    Renewal::Useless
                } else {
                    Renewal::Due
                }
            }
            Self::Nothing | Self::Secret { .. } | Self::Failed { .. } => Renewal::Done,
        }
    }
}

/// What to do after PostgreSQL refused a password.
#[derive(Debug, PartialEq, Eq)]
enum Renewal {
    /// Fetch it.
    Due,
    /// Another login has done so.
    Done,
    /// It would be the same.
    Useless,
}

type Entry = Arc<tokio::sync::Mutex<Kept>>;

/// All passwords that were fetched.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    entries: Mutex<HashMap<Key, Entry>>,
    programs: Arc<Programs>,
}

impl Vault {
    /// An empty one, which has its programs in common with this.
    pub(crate) fn apart(&self) -> Self {
        Self {
            entries: Mutex::default(),
            programs: self.programs.clone(),
        }
    }

    /// The password for a login: kept, or fetched now.
    ///
    /// # Errors
    /// It cannot be fetched, or could not lately.
    pub(crate) async fn fetch(
        &self,
        password: &ServerPassword,
        place: Place<'_>,
    ) -> Result<Fetched, FetchError> {
        let source = match password {
            ServerPassword::None => return Ok(Fetched::known(None)),
            ServerPassword::Known(secret) => return Ok(Fetched::known(Some(secret.clone()))),
            ServerPassword::Fetched(source) => source,
        };
        let entry = self.entry(Key::new(source, place));
        let mut kept = entry.lock().await;
        if let Some(outcome) = kept.at(Instant::now()) {
            return outcome.map(Fetched::known);
        }
        self.fetch_into(&mut kept, source, place).await
    }

    /// PostgreSQL refused a login with `used`: another password, if fetching brings one.
    pub(crate) async fn refused(
        &self,
        password: &ServerPassword,
        place: Place<'_>,
        used: &Fetched,
    ) -> Option<Result<Fetched, FetchError>> {
        let ServerPassword::Fetched(source) = password else {
            return None;
        };
        let entry = self.entry(Key::new(source, place));
        let mut kept = entry.lock().await;
        let retry_at = Instant::now() + place.retry;
        match kept.renewal(used, retry_at) {
            Renewal::Useless => None,
            Renewal::Done => {
                if let Some(outcome) = kept.at(Instant::now()) {
                    return Some(outcome.map(Fetched::known));
                }
                Some(self.fetch_into(&mut kept, source, place).await)
            }
            Renewal::Due => match self.fetch_into(&mut kept, source, place).await {
                Ok(same) if same.secret == used.secret => {
                    let _ = kept.renewal(&same, retry_at);
                    None
                }
                outcome => Some(outcome),
            },
        }
    }

    /// PostgreSQL refused a login with `used`, which was not its first: it is fetched again later.
    pub(crate) async fn gives_no_better(
        &self,
        password: &ServerPassword,
        place: Place<'_>,
        used: &Fetched,
    ) {
        // Whoever fetched it says so.
        if let ServerPassword::Fetched(source) = password
            && used.is_fresh
        {
            let entry = self.entry(Key::new(source, place));
            let mut kept = entry.lock().await;
            let renewal = kept.renewal(used, Instant::now() + place.retry);
            assert_ne!(renewal, Renewal::Due, "it is fresh");
        }
    }

    /// Forgets all, as the configuration was read again.
    pub(crate) fn clear(&self) {
        self.entries
            .lock()
            .expect("no panic under the lock")
            .clear();
    }

    fn entry(&self, key: Key) -> Entry {
        let mut entries = self.entries.lock().expect("no panic under the lock");
        if entries.len() >= KEPT_MAX && !entries.contains_key(&key) {
            // Those in use stay with their users, and all can be fetched again.
            entries.clear();
        }
        entries.entry(key).or_default().clone()
    }

    /// Fetches a password and keeps what came of it.
    async fn fetch_into(
        &self,
        kept: &mut Kept,
        source: &PasswordSource,
        place: Place<'_>,
    ) -> Result<Fetched, FetchError> {
        // Dropped half way, nothing is known.
        *kept = Kept::Nothing;
        let outcome = match source {
            PasswordSource::File(path) => in_background(path, from_file).await.map(Some),
            PasswordSource::Command(of) => {
                let printed = self.programs.run(&of.argv, place).await;
                let printed = printed.map_err(|e| FetchError::Command(of.argv[0].clone(), e));
                printed.map(|password| Some(Secret::Plain(password)))
            }
            PasswordSource::Passfile(path) => {
                let text = in_background(path, |path| Ok(from_passfile(path))).await?;
                let wanted = Wanted {
                    server: place.server,
                    database: place.database,
                    user: place.user,
                };
                Ok(look_up(&text, wanted).map(Secret::Plain))
            }
        };
        let now = Instant::now();
        *kept = match &outcome {
            Ok(secret) => Kept::Secret {
                secret: secret.clone(),
                until: match source {
                    PasswordSource::Command(of) => Some(now + of.ttl),
                    PasswordSource::File(_) | PasswordSource::Passfile(_) => None,
                },
                is_refused: false,
            },
            Err(error) => Kept::Failed {
                error: error.clone(),
                until: now + place.retry,
            },
        };
        outcome.map(|secret| Fetched {
            secret,
            is_fresh: true,
        })
    }
}

impl Fetched {
    fn known(secret: Option<Secret>) -> Self {
        Self {
            secret,
            is_fresh: false,
        }
    }
}

/// Reads a file on a thread that may wait for it.
async fn in_background<T: Send + 'static>(
    path: &Path,
    read: impl FnOnce(&Path) -> T + Send + 'static,
) -> T {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read(&path));
    reading.await.expect("a panic ends the process")
}

fn from_file(path: &Path) -> Result<Secret, FetchError> {
    let failed = |message: String| FetchError::File(path.to_owned(), message);
    let text = read_file(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let secret = Secret::read(without_line_break(&text)).map_err(failed)?;
    secret.ok_or_else(|| failed("is empty".to_owned()))
}

/// Like libpq, ignores a file that is not there, and one that others may use.
fn from_passfile(path: &Path) -> String {
    if is_shared(path) {
        let path = path.display();
        warn!("passfile {path} is ignored: others than its owner may use it; chmod 0600 it");
        return String::new();
    }
    read_file(path).unwrap_or_else(|error| {
        debug!("passfile {} cannot be read: {error}", path.display());
        String::new()
    })
}
