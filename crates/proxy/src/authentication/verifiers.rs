//! What clients are asked to prove themselves with, so that the question does not tell whether there is
//! such a user.
//!
//! A user that is unknown is asked as one of those that are known would be: which of them, and with
//! which salt, follows from the name and from a secret, so that asking twice, or again after a restart,
//! gives the same answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use pgweir_config::access::Method;
use pgweir_config::{Config, Secret};
use pgweir_wire::auth::{md5, scram};

/// Where Linux keeps a number of the installation that does not change.
const MACHINE_ID: &str = "/etc/machine-id";

/// Looks learned at most; PostgreSQL's users have one as a rule, and two while its settings change.
const LEARNED_MAX: usize = 16;

/// What a client is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// A proof that fits the verifier.
    Scram(Arc<scram::Verifier>),
    /// An answer that fits the hash; without one nothing fits.
    Md5(Option<String>),
    /// The password.
    Clear(Clear),
}

/// What a password in clear text is compared with.
pub(crate) enum Clear {
    /// The password.
    Plain(String),
    /// PostgreSQL's hash of it.
    Md5(String),
    /// Its verifier, or one that no password has.
    Scram(Arc<scram::Verifier>),
    /// Nothing is right.
    Nothing,
}

impl std::fmt::Debug for Clear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A secret never reaches a log, not even by accident.
        f.write_str("Clear(..)")
    }
}

/// How a known user is asked, as far as a peer sees; of a password in clear text, how long comparing
/// it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Scram {
        iterations: u32,
        salt_len: usize,
    },
    /// Of MD5, or of a password that is compared at once.
    Quick,
}

/// How many users have which look.
type Looks = BTreeMap<Look, u64>;
/// Those of each method that was asked with.
type LooksByMethod = BTreeMap<Method, Looks>;

/// Verifiers, and what stands in for those that are missing.
pub(crate) struct Verifiers {
    /// Makes the salts of those that have none stored.
    secret: [u8; 32],
    /// Verifiers of plain passwords, with the password they are of. Making one takes a
    /// millisecond, a login with it microseconds. At most one per configured user.
    plain: Mutex<HashMap<String, (String, Arc<scram::Verifier>)>>,
    /// How users of the configuration that was used last are asked by each method, and how many of each.
    looks: Mutex<Option<(Arc<Config>, LooksByMethod)>>,
    /// How users are asked that PostgreSQL has told of.
    learned: Mutex<BTreeSet<(Method, Look)>>,
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
            learned: Mutex::default(),
        }
    }

    /// What to ask who says to be `user`, whose secret is this. Nothing fits what a user is asked that is
    /// not known or has no secret.
    ///
    /// # Panics
    /// The method needs no secret.
    pub(crate) fn question(
        &self,
        config: &Arc<Config>,
        method: Method,
        (user, secret): (&str, Option<&Secret>),
    ) -> Question {
        assert!(method.needs_secret(), "{method:?} asks for none");
        let mock = || self.mock(config, method, user);
        let scram = |text: &str| scram::Verifier::parse(text).map(Arc::new);
        match (method, secret) {
            (Method::Password, Some(Secret::Plain(password))) => {
                Question::Clear(Clear::Plain(password.clone()))
            }
            (Method::Password, Some(Secret::Md5(verifier))) => {
                Question::Clear(Clear::Md5(verifier.clone()))
            }
            (Method::Password, Some(Secret::Scram(text))) => match scram(text) {
                Some(verifier) => Question::Clear(Clear::Scram(verifier)),
                None => mock(),
            },
            (Method::Md5, Some(Secret::Plain(password))) => {
                Question::Md5(Some(md5::verifier(user, password)))
            }
            (Method::Md5, Some(Secret::Md5(verifier))) => Question::Md5(Some(verifier.clone())),
            (_, Some(Secret::Plain(password))) => {
                let count = config.scram_iterations;
                Question::Scram(self.of_plain(user, password, count))
            }
            (_, Some(Secret::Scram(text))) => scram(text).map_or_else(mock, Question::Scram),
            (_, Some(Secret::Md5(_)) | None) => mock(),
        }
    }

    /// There are users with such a secret that the configuration does not know, so unknown ones may look
    /// like them.
    pub(crate) fn learn(&self, config: &Config, method: Method, secret: &Secret) {
        let Some(look) = look_of(config, method, secret) else {
            return;
        };
        let mut learned = self.learned.lock().expect("no panic under the lock");
        if learned.len() < LEARNED_MAX {
            learned.insert((method, look));
        }
    }

    fn of_plain(&self, user: &str, password: &str, count: u32) -> Arc<scram::Verifier> {
        let mut plain = self.plain.lock().expect("no panic under the lock");
        let is_same =
            |known: &String, made: &scram::Verifier| known == password && made.iterations == count;
        if let Some((_, verifier)) = plain.get(user).filter(|(known, made)| is_same(known, made)) {
            return verifier.clone();
        }
        let salt = scram::Verifier::mock(user, &self.secret).salt;
        let verifier = Arc::new(scram::Verifier::from_password(password, salt, count));
        plain.insert(user.to_owned(), (password.to_owned(), verifier.clone()));
        verifier
    }

    /// Asks as one of the users that there are would be.
    fn mock(&self, config: &Arc<Config>, method: Method, user: &str) -> Question {
        let mut mock = scram::Verifier::mock(user, &self.secret);
        let look = self.look(config, method, &mock.server_key);
        if let Look::Scram {
            iterations,
            salt_len,
        } = look
        {
            mock.iterations = iterations;
            mock.salt = self.salt(user, salt_len);
        }
        match (method, look) {
            (Method::Password, Look::Quick) => Question::Clear(Clear::Nothing),
            (Method::Password, Look::Scram { .. }) => Question::Clear(Clear::Scram(Arc::new(mock))),
            (_, Look::Quick) => Question::Md5(None),
            (_, Look::Scram { .. }) => Question::Scram(Arc::new(mock)),
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
    fn look(&self, config: &Arc<Config>, method: Method, random: &[u8; 32]) -> Look {
        let mut looks = self.looks.lock().expect("no panic under the lock");
        let by_method = match &mut *looks {
            Some((of, by_method)) if Arc::ptr_eq(of, config) => by_method,
            stale => &mut stale.insert((config.clone(), BTreeMap::new())).1,
        };
        let counts = by_method
            .entry(method)
            .or_insert_with(|| count(config, method));
        let learned = self.learned.lock().expect("no panic under the lock");
        let learned = learned.iter().filter(|(by, _)| *by == method);
        // How many of these there are PostgreSQL was not asked: as many as here.
        let weight = counts.values().sum::<u64>().max(1);
        let looks: Vec<(Look, u64)> = counts
            .iter()
            .map(|(look, count)| (*look, *count))
            .chain(learned.map(|(_, look)| (*look, weight)))
            .collect();
        let all: u64 = looks.iter().map(|(_, count)| count).sum();
        let first = random.first_chunk().expect("it is longer");
        let mut at = u64::from_be_bytes(*first).checked_rem(all).unwrap_or(0);
        for (look, count) in looks {
            if at < count {
                return look;
            }
            at -= count;
        }
        usual(config, method)
    }
}

/// How users are asked where all are usual.
fn usual(config: &Config, method: Method) -> Look {
    match method {
        Method::Md5 | Method::Password => Look::Quick,
        Method::ScramSha256
        | Method::Any
        | Method::Trust
        | Method::Peer
        | Method::Cert
        | Method::Jwt
        | Method::Oauth
        | Method::Pam
        | Method::Ldap => Look::Scram {
            iterations: config.scram_iterations,
            salt_len: 16,
        },
    }
}

fn count(config: &Config, method: Method) -> Looks {
    let mut counts = Looks::new();
    let secrets = config
        .users
        .values()
        .filter_map(|user| user.secret.as_ref());
    for look in secrets.filter_map(|secret| look_of(config, method, secret)) {
        *counts.entry(look).or_default() += 1;
    }
    counts
}

/// How a user with this secret is asked.
fn look_of(config: &Config, method: Method, secret: &Secret) -> Option<Look> {
    let Secret::Scram(text) = secret else {
        return Some(usual(config, method));
    };
    let verifier = scram::Verifier::parse(text)?;
    Some(Look::Scram {
        iterations: verifier.iterations,
        salt_len: verifier.salt.len(),
    })
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
