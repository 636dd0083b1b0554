//! Directories, which are asked to let the user in over a connection of its own.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgweir_config::{Config, Ldap, LdapEncryption, LdapNaming, Tls};
use pgweir_wire::ldap::{
    self, Filter, MESSAGE_MAX, Malformed, Outcome, Response, Scope, Search, bind_name,
};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ClientConfig;
use tracing::{debug, warn};

use super::{Asked, Judgement};
use crate::latest::Latest;
use crate::tls::servers::{encrypt, plain_config};
use crate::tls::stream::MaybeTls;
use crate::wire_io::{Inbound, send};

/// Connections at once, of all directories.
const CONNECTIONS_MAX: usize = 64;

/// Time to connect to a host, so that there is some left for the next.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Time for one host, with the connection to it.
const HOST_MAX: Duration = Duration::from_secs(10);

/// Time for which a host that could not be asked is the last to be asked.
const SILENCE: Duration = Duration::from_secs(10);

/// Time for which nobody tries a host again where all failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Hosts that are remembered as silent: more than there are in any configuration.
const SILENT_MAX: usize = 1000;

/// Responses to a search: two entries at most were asked for, and references are few.
const RESPONSES_MAX: usize = 100;

/// Codes of results (RFC 4511, appendix A).
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// Those that say that the directory is not able to judge: operationsError, protocolError, timeLimitExceeded,
/// strongerAuthRequired, referral, adminLimitExceeded, confidentialityRequired, busy, unavailable,
/// loopDetect, other.
const UNABLE: [u32; 11] = [1, 2, 3, 8, 10, 11, 13, 51, 52, 54, 80];

/// A host with its port.
type Place = (String, u16);

/// See the module's description.
pub(super) struct Directories {
    turns: Semaphore,
    tls: Latest<Tls, Option<Arc<ClientConfig>>>,
    /// When hosts could not be asked last.
    silent: Mutex<HashMap<Place, Instant>>,
}

impl Default for Directories {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(CONNECTIONS_MAX),
            tls: Latest::default(),
            silent: Mutex::default(),
        }
    }
}

/// Why a directory said nothing of a password.
#[derive(Debug)]
enum Failure {
    Unreachable(io::Error),
    /// TLS failed, on whichever side, or there is nobody to trust.
    Tls(String),
    Broken(io::Error),
    Malformed,
    Timeout,
    /// It did not do this.
    Refused(&'static str, Outcome),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Malformed> for Failure {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "no connection: {error}"),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Malformed => f.write_str("what it says is not LDAP"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Refused(what, outcome) => {
                write!(f, "it did not {what}: result {}", outcome.code)?;
                match &*outcome.text {
                    "" => Ok(()),
                    text => write!(f, ", {text}"),
                }
            }
        }
    }
}

impl Directories {
    /// What a directory says of a password; `None` if none of its hosts can be asked, which the log says.
    pub(super) async fn ask(
        &self,
        config: &Config,
        ldap: &Ldap,
        asked: Asked<'_>,
    ) -> Option<Judgement> {
        let wrong = Some(Judgement::Wrong(Duration::ZERO));
        // A name that means more than itself is nobody's, and an empty password would be right.
        if asked.password.is_empty() || asked.user.is_empty() {
            return wrong;
        }
        let around = match &ldap.naming {
            LdapNaming::Around { prefix, suffix } => match bind_name(prefix, asked.user, suffix) {
                None => return wrong,
                name => name,
            },
            LdapNaming::Search { .. } => None,
        };
        let _turn = self.turns.acquire().await.expect("it is never closed");
        for host in self.in_order(ldap)? {
            let place = (host.to_owned(), ldap.port);
            let asking = Box::pin(self.ask_host(config, ldap, host, asked, around.as_deref()));
            match timeout(HOST_MAX, asking).await {
                Ok(Ok(true)) => return Some(Judgement::Right),
                Ok(Ok(false)) => return wrong,
                Ok(Err(failure)) => self.is_silent(place, &failure),
                Err(_) => self.is_silent(place, &Failure::Timeout),
            }
        }
        None
    }

    /// The hosts, those last that could not be asked lately; `None` if that were all, a moment ago.
    fn in_order<'a>(&self, ldap: &'a Ldap) -> Option<Vec<&'a str>> {
        let (silent, now) = (
            self.silent.lock().expect("no panic under the lock"),
            Instant::now(),
        );
        let age = |host: &str| {
            let since = silent.get(&(host.to_owned(), ldap.port))?;
            Some(now - *since).filter(|age| *age < SILENCE)
        };
        let hosts = ldap.hosts.iter().map(|host| (age(host), &**host));
        let mut hosts: Vec<_> = hosts.collect();
        if hosts
            .iter()
            .all(|(age, _)| age.is_some_and(|age| age < RETRY_PAUSE))
        {
            return None;
        }
        // As they are written, but for those.
        hosts.sort_by_key(|(age, _)| age.is_some());
        Some(hosts.into_iter().map(|(_, host)| host).collect())
    }

    fn is_silent(&self, place: Place, failure: &Failure) {
        let mut silent = self.silent.lock().expect("no panic under the lock");
        let (now, (host, port)) = (Instant::now(), &place);
        let told = silent.get(&place);
        if told.is_none_or(|told| now - *told >= RETRY_PAUSE) {
            warn!("LDAP at {host}, port {port}, cannot be asked: {failure}");
        }
        if silent.len() >= SILENT_MAX {
            silent.clear();
        }
        silent.insert(place, now);
    }

    async fn ask_host(
        &self,
        config: &Config,
        ldap: &Ldap,
        host: &str,
        asked: Asked<'_>,
        around: Option<&str>,
    ) -> Result<bool, Failure> {
        let mut session = self.open(config, ldap, host).await?;
        let name = match (&ldap.naming, around) {
            (_, Some(name)) => name.as_bytes().to_vec(),
            (LdapNaming::Around { .. }, None) => return Ok(false),
            (
                LdapNaming::Search {
                    base,
                    scope,
                    filter,
                    bind,
                },
                None,
            ) => {
                if !bind.0.is_empty() {
                    let outcome = session.bind(bind.0.as_bytes(), bind.1.as_bytes()).await?;
                    if outcome.code != SUCCESS {
                        return Err(Failure::Refused("let ldapbinddn in", outcome));
                    }
                }
                match session.find(base, *scope, filter, asked.user).await? {
                    Some(name) => name,
                    None => return Ok(false),
                }
            }
        };
        // A password for nobody in particular proves nothing.
        if name.is_empty() {
            return Err(Failure::Malformed);
        }
        let outcome = session.bind(&name, asked.password).await?;
        session.leave().await;
        match outcome.code {
            SUCCESS => Ok(true),
            code if UNABLE.contains(&code) => Err(Failure::Refused("judge a password", outcome)),
            code => {
                let text = outcome.text;
                debug!(
                    user = asked.user,
                    code, "LDAP does not let the user in: {text}"
                );
                Ok(false)
            }
        }
    }

    async fn open(&self, config: &Config, ldap: &Ldap, host: &str) -> Result<Session, Failure> {
        let stream = timeout(CONNECT_MAX, TcpStream::connect((host, ldap.port)))
            .await
            .map_err(|_| Failure::Timeout)?;
        let stream = stream.map_err(Failure::Unreachable)?;
        let address = stream.peer_addr()?.ip();
        let mut session = Session {
            stream: MaybeTls::Clear(stream),
            inbound: Inbound::new(MESSAGE_MAX),
            last: 0,
        };
        match ldap.encryption {
            LdapEncryption::None => return Ok(session),
            LdapEncryption::StartTls => session.start_tls().await?,
            LdapEncryption::Tls => {}
        }
        let make = |tls: &Tls| plain_config(tls).ok().map(Arc::new);
        let tls = self.tls.of_equal(&config.ldap_tls, make);
        let tls = tls.ok_or_else(|| Failure::Tls("the system trusts nobody".to_owned()))?;
        let MaybeTls::Clear(stream) = session.stream else {
            unreachable!("it has just been made");
        };
        let encrypted = encrypt(tls, stream, host, address).await;
        session.stream = encrypted.map_err(|error| Failure::Tls(error.to_string()))?;
        Ok(session)
    }
}

/// A connection, between two requests.
struct Session {
    stream: MaybeTls<TcpStream>,
    inbound: Inbound,
    /// The number of the last request.
    last: u32,
}

impl Session {
    /// Asks to be `name`.
    async fn bind(&mut self, name: &[u8], password: &[u8]) -> Result<Outcome, Failure> {
        self.last += 1;
        let mut out = Vec::new();
        ldap::simple_bind(&mut out, self.last, name, password);
        send(&mut self.stream, &out).await?;
        match self.response().await? {
            Response::Bound(outcome) => Ok(outcome),
            _ => Err(Failure::Malformed),
        }
    }

    /// The name of the only entry that is found; `None` if there is none, or more than one.
    async fn find(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &Filter,
        user: &str,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.last += 1;
        let search = Search {
            base,
            scope,
            filter,
            user,
            seconds_max: u32::try_from(HOST_MAX.as_secs()).expect("some seconds"),
        };
        let mut out = Vec::new();
        ldap::search(&mut out, self.last, &search);
        send(&mut self.stream, &out).await?;
        let mut names = Vec::new();
        for _ in 0..RESPONSES_MAX {
            let outcome = match self.response().await? {
                Response::Entry(name) => {
                    names.push(name);
                    continue;
                }
                // What is elsewhere is not looked for.
                Response::Reference => continue,
                Response::Done(outcome) => outcome,
                Response::Bound(_) | Response::Extended(_) => return Err(Failure::Malformed),
            };
            return match (outcome.code, names.len()) {
                (SUCCESS, 0 | 1) => Ok(names.pop()),
                (SUCCESS | SIZE_LIMIT_EXCEEDED, 2..) => {
                    warn!(
                        user,
                        base, "LDAP has more than one entry for the user, who is refused"
                    );
                    Ok(None)
                }
                _ => Err(Failure::Refused("search for a user", outcome)),
            };
        }
        Err(Failure::Malformed)
    }

    /// Asks for TLS, which has to begin then.
    async fn start_tls(&mut self) -> Result<(), Failure> {
        self.last += 1;
        let mut out = Vec::new();
        ldap::start_tls(&mut out, self.last);
        send(&mut self.stream, &out).await?;
        match self.response().await? {
            Response::Extended(outcome) if outcome.code != SUCCESS => {
                Err(Failure::Refused("begin TLS", outcome))
            }
            // What was said in the clear behind the answer is not what TLS would have said.
            Response::Extended(_) if self.inbound.bytes().is_empty() => Ok(()),
            _ => Err(Failure::Malformed),
        }
    }

    /// Says farewell, if that is heard.
    async fn leave(&mut self) {
        let mut out = Vec::new();
        ldap::unbind(&mut out, self.last + 1);
        // It has said what it was asked, so that this is nothing but politeness.
        let _ = send(&mut self.stream, &out).await;
    }

    /// The next response to the last request.
    async fn response(&mut self) -> Result<Response, Failure> {
        let len = loop {
            match ldap::frame(self.inbound.bytes())? {
                Some(len) => break len,
                None => self.inbound.more(&mut self.stream).await?,
            }
        };
        let response = ldap::response(&self.inbound.bytes()[..len]);
        self.inbound.consume(len);
        match response? {
            (id, response) if id == self.last => Ok(response),
            // Nobody asked: it closes the connection.
            (0, Response::Extended(outcome)) => Err(Failure::Refused("stay", outcome)),
            _ => Err(Failure::Malformed),
        }
    }
}
