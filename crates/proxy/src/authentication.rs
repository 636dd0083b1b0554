//! Who a client is, and how it proves that.
//!
//! What it has to show is decided in `pgweir_config::access`; here it is asked for. Whoever has proven
//! nothing gets no answer that tells whether a user or database exists.

mod accounts;
mod exchange;
mod networks;
mod texts;
mod verifiers;

use std::sync::Arc;

use pgweir_config::access::{Attempt, CertificateDemand, Channel, Demand, Method, Peer};
use pgweir_config::{Config, Database, Secret, User};
use pgweir_wire::auth::{clear, md5, scram};
use pgweir_wire::encode;
use pgweir_wire::startup::Startup;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::login_end::LoginEnd;
use crate::replication;
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::wire_io::Inbound;
use exchange::{Exchange, ScramKeys};
use verifiers::{Clear, Question, Verifiers};

/// Bytes that hold most greetings: some fifteen settings and the key.
const GREETING_USUAL: usize = 768;

/// Passwords in clear text that are hashed at once, each for a millisecond or more of a thread of its own.
const HASHING_MAX: usize = 2;

/// What a client says of itself, and what is known of its connection.
pub(crate) struct Claim<'a> {
    pub(crate) startup: &'a Startup,
    pub(crate) channel: &'a Channel,
    /// What leads to the database that it names; `None` if nothing does.
    pub(crate) database: Option<&'a Database>,
}

/// A proof that was accepted.
pub(crate) struct Proven {
    pub(crate) user: Arc<User>,
    /// What the client is told of it, in the same write as the greeting.
    pub(crate) reply: Vec<u8>,
    /// The key that logs servers in as this user, and the server key of its verifier.
    pub(crate) passed: Option<ScramKeys>,
}

/// What asks clients for their proofs.
pub(crate) struct Authentication {
    verifiers: Verifiers,
    hashing: Semaphore,
}

impl Authentication {
    pub(crate) fn new() -> Self {
        Self {
            verifiers: Verifiers::new(),
            hashing: Semaphore::new(HASHING_MAX),
        }
    }

    /// Has the client prove that it is whom it says. `out` goes before the first request.
    ///
    /// # Errors
    /// The client is refused, or its stream ended.
    pub(crate) async fn prove(
        &self,
        (stream, inbound): (&mut (impl AsyncRead + AsyncWrite + Unpin), &mut Inbound),
        config: &Arc<Config>,
        claim: &Claim<'_>,
        (out, stranger): (Vec<u8>, &Stranger),
    ) -> Result<Proven, LoginEnd> {
        let name = &*claim.startup.user;
        let demand = demand(config, claim)?;
        let known = config.users.get(name);
        let has_certificate = is_named_by_certificate(config, &demand, claim);
        match demand.method {
            Method::Any => {
                let user = forced(config, claim)?;
                return Ok(Proven::without_password(user, out));
            }
            Method::Trust => {
                let user = known.ok_or_else(|| texts::no_such_user(name))?;
                if !has_certificate {
                    return Err(texts::failed(Method::Cert, name).into());
                }
                return Ok(Proven::without_password(user.clone(), out));
            }
            Method::Peer | Method::Cert => {
                let is_proven = has_certificate
                    && (demand.method == Method::Cert
                        || is_named_by_system(config, &demand, claim));
                let user = known.filter(|_| is_proven);
                let user = user.ok_or_else(|| texts::failed(demand.method, name))?;
                return Ok(Proven::without_password(user.clone(), out));
            }
            Method::Password | Method::Md5 | Method::ScramSha256 => {}
        }
        let secret = known.and_then(|user| user.secret.as_ref());
        let question = self
            .verifiers
            .question(config, demand.method, (name, secret));
        let tls = claim.channel.tls.as_ref();
        let mut exchange = Exchange {
            binding: tls.and_then(|tls| tls.binding.as_deref()),
            stream,
            inbound,
            out,
            stranger,
        };
        let answer = self.ask(&mut exchange, name, question).await?;
        match (known, answer) {
            (Some(_), Some(_)) if !has_certificate => Err(texts::failed(Method::Cert, name).into()),
            (Some(user), Some(answer)) => Ok(Proven {
                passed: answer.keys.filter(|_| is_verifier(secret)),
                user: user.clone(),
                reply: answer.reply,
            }),
            (Some(_), None) | (None, _) => Err(texts::failed(demand.method, name).into()),
        }
    }

    /// Asks, and judges the answer; `None` if it is wrong.
    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        exchange: &mut Exchange<'_, S>,
        name: &str,
        question: Question,
    ) -> Result<Option<Answer>, LoginEnd> {
        let mut reply = Vec::with_capacity(GREETING_USUAL);
        match question {
            Question::Scram(verifier) => {
                let proof = exchange.by_scram(verifier).await?;
                Ok(proof.map(|(keys, last)| {
                    encode::authentication_sasl_final(&mut reply, &last);
                    let keys = Some(keys);
                    Answer { keys, reply }
                }))
            }
            Question::Md5(verifier) => {
                let is_right = exchange.by_md5(verifier.as_deref()).await?;
                Ok(is_right.then_some(Answer { keys: None, reply }))
            }
            Question::Clear(known) => {
                let password = exchange.by_password().await?;
                let (is_right, keys) = self.compare(name, password, known).await;
                Ok(is_right.then_some(Answer { keys, reply }))
            }
        }
    }

    /// Whether this is the password, and the keys that it makes.
    async fn compare(
        &self,
        name: &str,
        password: String,
        known: Clear,
    ) -> (bool, Option<ScramKeys>) {
        match known {
            Clear::Plain(known) => (clear::is_same(password.as_bytes(), known.as_bytes()), None),
            Clear::Md5(known) => {
                let hash = md5::verifier(name, &password);
                (clear::is_same(hash.as_bytes(), known.as_bytes()), None)
            }
            Clear::Scram(verifier) => {
                let keys = self.keys_of(password, verifier).await;
                (keys.is_some(), keys)
            }
            Clear::Nothing => (false, None),
        }
    }

    /// The keys of a password that fits the verifier. Hashing takes a millisecond or more, which is not
    /// the control plane's to spend on strangers.
    async fn keys_of(&self, password: String, verifier: Arc<scram::Verifier>) -> Option<ScramKeys> {
        let turn = self.hashing.acquire().await;
        let _turn = turn.expect("never closed");
        let hash = move || {
            let client_key = verifier.client_key(&password)?;
            Some((client_key, verifier.server_key))
        };
        let hashed = tokio::task::spawn_blocking(hash).await;
        hashed.expect("hashing does not panic")
    }
}

/// An answer that is right.
struct Answer {
    keys: Option<ScramKeys>,
    /// What the client is told of it.
    reply: Vec<u8>,
}

impl Proven {
    fn without_password(user: Arc<User>, reply: Vec<u8>) -> Self {
        Self {
            user,
            reply,
            passed: None,
        }
    }
}

/// What a client has to show.
fn demand<'a>(config: &'a Config, claim: &Claim<'_>) -> Result<Demand<'a>, ClientError> {
    let attempt = Attempt {
        user: &claim.startup.user,
        database: &claim.startup.database,
        replication: replication::wanted(claim.startup),
        channel: claim.channel,
        networks: &networks::of_this_machine,
    };
    let demand = config.demand(&attempt);
    demand.map_err(|refused| texts::refused(refused, &attempt))
}

/// The user whose servers clients get, whatever name they give.
fn forced(config: &Config, claim: &Claim<'_>) -> Result<Arc<User>, ClientError> {
    let database = claim.database;
    let name = database.and_then(|database| database.forced_user.as_deref());
    // Each database has one, as the configuration demands; so there is none that leads to this one.
    let name = name.ok_or_else(|| crate::texts::no_such_database(&claim.startup.database))?;
    let listed = config.users.get(name).cloned();
    Ok(listed.unwrap_or_else(|| Arc::new(config.unlisted_user(name))))
}

/// Whether whom the operating system names at the other end may be the user.
fn is_named_by_system(config: &Config, demand: &Demand<'_>, claim: &Claim<'_>) -> bool {
    let Peer::Unix(Some(uid)) = claim.channel.peer else {
        return false;
    };
    let name = accounts::name_of(uid);
    let maps = &config.ident;
    maps.allows(demand.map, &name, &claim.startup.user)
}

/// Whether whom the certificate names may be the user, as far as it has to say that.
fn is_named_by_certificate(config: &Config, demand: &Demand<'_>, claim: &Claim<'_>) -> bool {
    let tls = claim.channel.tls.as_ref();
    let certificate = tls.and_then(|tls| tls.certificate.as_ref());
    let name = match (demand.certificate, certificate) {
        (CertificateDemand::None, _) => return true,
        (CertificateDemand::Any, certificate) => return certificate.is_some(),
        (CertificateDemand::CommonName, Some(certificate)) => certificate.common_name.as_deref(),
        (CertificateDemand::DistinguishedName, Some(certificate)) => {
            Some(&*certificate.distinguished_name)
        }
        (CertificateDemand::CommonName | CertificateDemand::DistinguishedName, None) => None,
    };
    let maps = &config.ident;
    name.is_some_and(|name| maps.allows(demand.map, name, &claim.startup.user))
}

fn is_verifier(secret: Option<&Secret>) -> bool {
    matches!(secret, Some(Secret::Scram(_)))
}
