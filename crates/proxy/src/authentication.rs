//! Who a client is, and how it proves that.
//!
//! What it has to show is decided in `pgweir_config::access`; here it is asked for. Whoever has proven
//! nothing gets no answer that tells whether a user or database exists.

mod exchange;
mod judged;
mod members;
mod networks;
mod texts;
mod verifiers;

use std::sync::Arc;

use pgweir_config::access::{CertificateDemand, Channel, Demand, Method, Peer};
use pgweir_config::{AuthSource, Config, Database, Secret, User};
use pgweir_http::{Keys, Token};
use pgweir_wire::auth::oauthbearer::Credential;
use pgweir_wire::auth::{clear, md5, scram};
use pgweir_wire::encode;
use pgweir_wire::startup::Startup;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::access::token_keys;
use crate::accounts;
use crate::judges::Judges;
use crate::latest::Latest;
use crate::login_end::LoginEnd;
use crate::lookups::{self, Found, Lookups};
use crate::slots::Stranger;
use crate::texts::ClientError;
use crate::wire_io::Inbound;
use exchange::Exchange;
pub(crate) use exchange::ScramKeys;
pub(crate) use texts::wrong_password;
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
    /// It names the admin console.
    pub(crate) is_console: bool,
}

/// A proof that was accepted.
pub(crate) struct Proven {
    pub(crate) user: Arc<User>,
    /// What the client is told of it, in the same write as the greeting.
    pub(crate) reply: Vec<u8>,
    /// The key that logs servers in as this user, and the server key of its verifier.
    pub(crate) passed: Option<ScramKeys>,
    /// The secret by which servers are logged in, of a user that the configuration has none of.
    pub(crate) found: Option<Secret>,
}

/// What asks clients for their proofs.
pub(crate) struct Authentication {
    verifiers: Verifiers,
    lookups: Arc<Lookups>,
    /// Those that clients' tokens are signed with.
    token_keys: Latest<Config, Arc<Keys>>,
    hashing: Semaphore,
    judges: Judges,
}

impl Authentication {
    pub(crate) fn new(lookups: Arc<Lookups>) -> Self {
        Self {
            verifiers: Verifiers::new(),
            lookups,
            token_keys: Latest::default(),
            hashing: Semaphore::new(HASHING_MAX),
            judges: Judges::default(),
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
        let demand = self.demand(config, claim, stranger).await?;
        let method = demand.method;
        if method == Method::Any {
            let user = forced(config, claim)?;
            return Ok(Proven::without_password(user, out));
        }
        let has_certificate = is_named_by_certificate(config, &demand, claim);
        let is_named = match method {
            Method::Peer => has_certificate && is_named_by_system(config, &demand, claim),
            _ => has_certificate,
        };
        // Nobody is looked up for whom the connection itself does not speak.
        if !method.needs_secret() && !is_named {
            let by = if has_certificate {
                method
            } else {
                Method::Cert
            };
            return Err(texts::failed(by, name).into());
        }
        let tls = claim.channel.tls.as_ref();
        let mut exchange = Exchange {
            binding: tls.and_then(|tls| tls.binding.as_deref()),
            stream,
            inbound,
            out,
            stranger,
        };
        if method == Method::Oauth {
            return self.by_bearer(&mut exchange, config, claim, &demand).await;
        }
        if let Some(judge) = demand.judge {
            let asking = self.by_judge(&mut exchange, config, claim, (&demand, judge));
            return Box::pin(asking).await;
        }
        if method == Method::Jwt {
            let token = exchange.by_password().await?;
            if !self.is_named_by_token(config, &demand, claim, token).await {
                return Err(texts::failed(method, name).into());
            }
        }
        let (user, is_found) = self.user(config, claim, method, stranger).await?;
        if !method.needs_secret() {
            let user = user.ok_or_else(|| texts::unknown(method, name))?;
            return Ok(Proven::without_password(user, exchange.out));
        }
        let proven = self.by_password(&mut exchange, config, claim, method, (user, is_found));
        let proven = proven.await?;
        if !has_certificate {
            return Err(texts::failed(Method::Cert, name).into());
        }
        Ok(proven)
    }

    /// Has the client prove that it knows the password of `user`, or lets it fail as if there were one.
    async fn by_password<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        exchange: &mut Exchange<'_, S>,
        config: &Arc<Config>,
        claim: &Claim<'_>,
        method: Method,
        (user, is_found): (Option<Arc<User>>, bool),
    ) -> Result<Proven, LoginEnd> {
        let name = &*claim.startup.user;
        let secret = user.as_ref().and_then(|user| user.secret.as_ref());
        let question = self.verifiers.question(config, method, (name, secret));
        let answer = self.ask(exchange, name, question).await?;
        let (Some(user), Some(answer)) = (&user, answer) else {
            if let (true, Some(source)) = (is_found, source(config, claim)) {
                let place = (source, &*claim.startup.database);
                self.lookups.doubt(config, place, name);
            }
            return Err(texts::failed(method, name).into());
        };
        Ok(Proven {
            passed: answer.keys.filter(|_| is_verifier(secret)),
            found: lookups::for_servers(secret).filter(|_| is_found),
            user: user.clone(),
            reply: answer.reply,
        })
    }

    /// Has the client show a token, or tells it where to get one. Whatever is wrong with a token, the client is told
    /// the same, and so is who has a good one for a user that is unknown.
    async fn by_bearer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        exchange: &mut Exchange<'_, S>,
        config: &Arc<Config>,
        claim: &Claim<'_>,
        demand: &Demand<'_>,
    ) -> Result<Proven, LoginEnd> {
        let method = demand.method;
        let (credential, pending) = exchange.by_bearer().await?;
        let failure = texts::failed(method, &claim.startup.user);
        let end = match credential {
            Credential::Token(token) => {
                let token = token.into_text();
                if self.is_named_by_token(config, demand, claim, token).await {
                    let stranger = exchange.stranger;
                    let (user, _) = self.user(config, claim, method, stranger).await?;
                    if let Some(user) = user {
                        return Ok(Proven::without_password(user, exchange.take_out()));
                    }
                }
                LoginEnd::Refused(failure)
            }
            Credential::Other => LoginEnd::Refused(failure),
            Credential::Discovery => LoginEnd::Discovered(failure),
        };
        let oauth = demand.oauth.expect("the configuration has one for it");
        let refused = pending.refuse(&oauth.discovery, &oauth.scope);
        exchange.refuse_bearer(refused).await?;
        Err(end)
    }

    /// Whether a token names the user. Looking at it takes a fraction of a millisecond for each key, which is
    /// not the control plane's to spend on strangers.
    async fn is_named_by_token(
        &self,
        config: &Arc<Config>,
        demand: &Demand<'_>,
        claim: &Claim<'_>,
        token: String,
    ) -> bool {
        let make = |config: &Config| Arc::new(token_keys(&config.token_keys));
        let keys = self.token_keys.of(config, make);
        let look = move || keys.read(token.as_bytes());
        let Some(token) = self.aside(look).await else {
            return false;
        };
        let (maps, user) = (&config.ident, &*claim.startup.user);
        let mut named = token.texts(&config.token_claim);
        is_issued(demand, &token) && named.any(|name| maps.allows(demand.map, name, user))
    }

    /// The user that a client says to be, and whether its secret is from PostgreSQL, which is asked where the
    /// configuration has none.
    async fn user(
        &self,
        config: &Arc<Config>,
        claim: &Claim<'_>,
        method: Method,
        stranger: &Stranger,
    ) -> Result<(Option<Arc<User>>, bool), ClientError> {
        let (database, name) = (&*claim.startup.database, &*claim.startup.user);
        let listed = config.users.get(name).cloned();
        let is_enough =
            |user: &Arc<User>| user.secret.is_some() || (!method.needs_secret() && user.is_known);
        let source = source(config, claim).filter(|_| !listed.as_ref().is_some_and(is_enough));
        let Some(source) = source else {
            let misplaced = claim.database.and_then(|it| it.misplaced_auth.as_deref());
            if let Some(section) = misplaced.filter(|_| !listed.as_ref().is_some_and(is_enough)) {
                return Err(texts::misplaced(section));
            }
            return Ok((listed.filter(|user| user.is_known), false));
        };
        let lookups = &self.lookups;
        let found = lookups.find(config, (source, database), name, stranger);
        let secret = match found.await? {
            Found::User(secret) => secret,
            Found::Nobody | Found::Member => {
                return Ok((listed.filter(|user| user.is_known), false));
            }
        };
        if let Some(secret) = secret.as_ref().filter(|_| method.needs_secret()) {
            self.verifiers.learn(config, method, secret);
        }
        let user = listed.map_or_else(|| config.unlisted_user(name), |user| User::clone(&user));
        Ok((Some(Arc::new(User { secret, ..user })), true))
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

    /// The keys of a password that fits the verifier.
    async fn keys_of(&self, password: String, verifier: Arc<scram::Verifier>) -> Option<ScramKeys> {
        let hash = move || {
            let client_key = verifier.client_key(&password)?;
            Some((client_key, verifier.server_key))
        };
        self.aside(hash).await
    }

    /// Does what takes a millisecond or more, which is not the control plane's to spend on strangers.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = self.hashing.acquire().await;
        let _turn = turn.expect("never closed");
        let done = tokio::task::spawn_blocking(work).await;
        done.expect("it does not panic")
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
            found: None,
        }
    }
}

/// Where users without a secret of the database that the client names are looked up.
fn source<'a>(config: &'a Config, claim: &Claim<'a>) -> Option<&'a AuthSource> {
    match claim.database {
        Some(database) => database.auth.as_ref(),
        None => config.auth.as_ref(),
    }
}

/// The user whose servers clients get, whatever name they give. In the console it is by name what it may do.
fn forced(config: &Config, claim: &Claim<'_>) -> Result<Arc<User>, ClientError> {
    let database = claim.database;
    if claim.is_console {
        let name = &claim.startup.user;
        let listed = config.users.get(name).cloned();
        return Ok(listed.unwrap_or_else(|| Arc::new(config.unlisted_user(name))));
    }
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

/// Whether the issuer gave out a token for this, where one is told to clients.
fn is_issued(demand: &Demand<'_>, token: &Token) -> bool {
    match (demand.method, demand.oauth) {
        (Method::Oauth, Some(oauth)) => oauth.accepts(token.texts("iss"), token.scopes()),
        (Method::Oauth, None) => false,
        _ => true,
    }
}

fn is_verifier(secret: Option<&Secret>) -> bool {
    matches!(secret, Some(Secret::Scram(_)))
}
