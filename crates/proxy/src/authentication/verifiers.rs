//! What clients are asked to prove themselves with, so that the question does not tell whether there is
//! such a user.
//!
//! A user that is unknown is asked as one of those that are known would be: which of them, and with
//! which salt, follows from the name and from a secret, so that asking twice, or again after a restart,
//! gives the same answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use pgweir_config::{AuthType, Config, Secret};
use pgweir_wire::auth::{md5, scram};

/// Where Linux keeps a number of the installation that does not change.
const MACHINE_ID: &str = "/etc/machine-id";

/// What a client is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// A proof that fits the verifier.
    Scram(Arc<scram::Verifier>),
    /// An answer that fits the hash; without one nothing fits.
    Md5(Option<String>),
}

/// How a known user is asked, as far as a peer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Scram { iterations: u32, salt_len: usize },
    Md5,
}

/// How many users have which look.
type Looks = BTreeMap<Look, u64>;

/// Verifiers, and what stands in for those that are missing.
pub(crate) struct Verifiers {
    /// Makes the salts of those that have none stored.
    secret: [u8; 32],
    /// Verifiers of plain passwords, with the password they are of. Making one takes a
    /// millisecond, a login with it microseconds. At most one per configured user.
    plain: Mutex<HashMap<String, (String, Arc<scram::Verifier>)>>,
    /// How users of the configuration are asked that was used last, and how many of each.
    looks: Mutex<Option<(Arc<Config>, Looks)>>,
}

impl Verifiers {
    /// With salts that are the same after a restart, where the machine has a number.
    pub(crate) fn new() -> Self {
        let machine = std::fs::read_to_string(MACHINE_ID).ok();
        Self::with_secret(
            machine
                .and_then(|text| from_machine_id(&text))
                .unwrap_or_else(|| {
                    let mut secret = [0; 32];
                    getrandom::fill(&mut secret).expect("the system gives random numbers");
                    secret
                }),
        )
    }

    fn with_secret(secret: [u8; 32]) -> Self {
        Self {
            secret,
            plain: Mutex::default(),
            looks: Mutex::default(),
        }
    }

    /// What to ask who says to be `user`. Nothing fits what a user is asked that is not known or has
    /// no secret.
    pub(crate) fn question(&self, config: &Arc<Config>, user: &str) -> Question {
        let secret = config.users.get(user).and_then(|user| user.secret.as_ref());
        match (config.auth_type, secret) {
            (AuthType::Md5, Some(Secret::Plain(password))) => {
                Question::Md5(Some(md5::verifier(user, password)))
            }
            (AuthType::Md5, Some(Secret::Md5(verifier))) => Question::Md5(Some(verifier.clone())),
            (_, Some(Secret::Plain(password))) => Question::Scram(self.of_plain(user, password)),
            (_, Some(Secret::Scram(text))) => match scram::Verifier::parse(text) {
                Some(verifier) => Question::Scram(Arc::new(verifier)),
                None => self.mock(config, user),
            },
            (_, Some(Secret::Md5(_)) | None) => self.mock(config, user),
        }
    }

    fn of_plain(&self, user: &str, password: &str) -> Arc<scram::Verifier> {
        let mut plain = self.plain.lock().expect("no panic under the lock");
        if let Some((_, verifier)) = plain.get(user).filter(|(known, _)| known == password) {
            return verifier.clone();
        }
        let salt = scram::Verifier::mock(user, &self.secret).salt;
        let count = scram::ITERATIONS_DEFAULT;
        let verifier = Arc::new(scram::Verifier::from_password(password, salt, count));
        plain.insert(user.to_owned(), (password.to_owned(), verifier.clone()));
        verifier
    }

    /// Asks as one of the users that there are would be.
    fn mock(&self, config: &Arc<Config>, user: &str) -> Question {
        let mut mock = scram::Verifier::mock(user, &self.secret);
        match self.look(config, &mock.server_key) {
            Look::Md5 => Question::Md5(None),
            Look::Scram {
                iterations,
                salt_len,
            } => {
                mock.iterations = iterations;
                mock.salt = self.salt(user, salt_len);
                Question::Scram(Arc::new(mock))
            }
        }
    }

    fn salt(&self, user: &str, len: usize) -> Vec<u8> {
        let mut salt = scram::Verifier::mock(user, &self.secret).salt;
        while salt.len() < len {
            // No user's name has a NUL.
            let more = format!("{user}\0{}", salt.len());
            salt.extend(scram::Verifier::mock(&more, &self.secret).salt);
        }
        salt.truncate(len);
        salt
    }

    /// A look, as often as users have it; which one follows from `random`.
    fn look(&self, config: &Arc<Config>, random: &[u8; 32]) -> Look {
        let mut looks = self.looks.lock().expect("no panic under the lock");
        let counts = match &mut *looks {
            Some((of, counts)) if Arc::ptr_eq(of, config) => counts,
            stale => &mut stale.insert((config.clone(), count(config))).1,
        };
        let all: u64 = counts.values().sum();
        let first = random.first_chunk().expect("it is longer");
        let mut at = u64::from_be_bytes(*first).checked_rem(all).unwrap_or(0);
        for (&look, &count) in &*counts {
            if at < count {
                return look;
            }
            at -= count;
        }
        usual(config)
    }
}

/// How users are asked where all are usual.
fn usual(config: &Config) -> Look {
    match config.auth_type {
        AuthType::Md5 => Look::Md5,
        AuthType::ScramSha256 | AuthType::Trust => Look::Scram {
            iterations: scram::ITERATIONS_DEFAULT,
            salt_len: 16,
        },
    }
}

fn count(config: &Config) -> Looks {
    let mut counts = Looks::new();
    for user in config.users.values() {
        let look = match &user.secret {
            Some(Secret::Scram(text)) => match scram::Verifier::parse(text) {
                Some(verifier) => Look::Scram {
                    iterations: verifier.iterations,
                    salt_len: verifier.salt.len(),
                },
                None => continue,
            },
            Some(Secret::Plain(_) | Secret::Md5(_)) => usual(config),
            None => continue,
        };
        *counts.entry(look).or_default() += 1;
    }
    counts
}

/// A secret from the number of a machine, from which that cannot be told (machine-id(5) asks for this).
/// Who knows the number learns which users exist, and nothing else.
fn from_machine_id(text: &str) -> Option<[u8; 32]> {
    let id: [u8; 32] = text.trim().as_bytes().try_into().ok()?;
    let is_number = id.iter().all(u8::is_ascii_hexdigit) && id != [b'0'; 32];
    is_number.then(|| scram::Verifier::mock("pgweir: salts of users without one", &id).stored_key)
}

#[cfg(test)]
mod tests;
