//! The client's side of logging in to a server, from the startup packet to the first
//! ReadyForQuery.
//!
//! A [`Handshake`] takes what the server sends, whole messages or bytes cut anywhere, and appends
//! what the client answers. It consumes itself at every step, so that no step can be repeated or
//! left out, and ends as an [`Opened`] session or a [`LoginError`]. The client's nonce is an
//! argument; TLS, timeouts and the socket are the caller's.
//!
//! It keeps no bytes of a message. Of a server it holds what [`Opened`] has, and of a SCRAM
//! exchange a few kilobytes ([`SERVER_MESSAGE_MAX`](scram::SERVER_MESSAGE_MAX)).
//!
//! Source: PostgreSQL documentation, "Message Flow / Start-up" and "SASL Authentication".

use std::fmt;

use crate::auth::md5;
use crate::auth::scram::client::{Binding, Credentials, Final, First, KeyCache};
use crate::auth::scram::{self, ClientKey};
use crate::backend::{self, AuthRequest, ErrorView, TxStatus};
use crate::encode;
use crate::frame::{self, HEADER_LEN};
use crate::startup::{self, MINOR_NEWEST};

mod error;

pub use error::{Breach, LoginError};

/// Longest message taken from a server before it is ready, with its header. An error with its
/// fields is the largest of them, and PostgreSQL bounds its own at less than this. Callers of
/// [`Handshake::on_bytes`] never have to hold more than this and what one read brought.
pub const MESSAGE_MAX: usize = 32 * 1024;

/// Most messages between the startup packet and ReadyForQuery. PostgreSQL sends about twenty.
pub const MESSAGES_MAX: usize = 1000;

/// Most bytes in names and values of reported settings. PostgreSQL's are below a kilobyte. With
/// [`MESSAGES_MAX`] pairs of `String` headers an [`Opened`] stays below 128 KiB.
pub const REPORTED_MAX: usize = 64 * 1024;

const _: () = assert!(REPORTED_MAX + MESSAGES_MAX * size_of::<(String, String)>() < 128 * 1024);
const _: () = assert!(scram::SERVER_MESSAGE_MAX < MESSAGE_MAX);

/// A method of authentication, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The password in clear text: an eavesdropper or an impostor gets it.
    Cleartext,
    /// The password, hashed with MD5.
    Md5,
    /// SCRAM-SHA-256, in which the server proves itself too.
    Scram,
}

impl Method {
    /// What the client needs to answer it.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Cleartext => "plain password",
            Self::Md5 => "plain or md5 password",
            Self::Scram => "plain password or key of a client's SCRAM login",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cleartext => "the password in clear text",
            Self::Md5 => "an MD5 digest of the password",
            Self::Scram => scram::MECHANISM,
        })
    }
}

/// Who logs in where, and what proves it. Many logins can share one.
#[derive(Debug, Clone)]
pub struct Identity {
    /// User to log in as.
    pub user: String,
    /// Database to use.
    pub database: String,
    /// Startup parameters beside the two above. Names are not empty.
    pub parameters: Vec<(String, String)>,
    /// What proves the user's identity.
    pub secrets: Secrets,
    /// The weakest method that is answered. A server that asks for no proof at all is accepted.
    pub weakest: Method,
    /// What a proof can be bound to on this connection (see [`scram`]); `None` in the clear.
    pub binding: Option<Vec<u8>>,
    /// Nothing is answered that is not bound to the connection.
    pub requires_binding: bool,
    /// The minor version of protocol 3 that is asked for, at most [`MINOR_NEWEST`]. A server since
    /// PostgreSQL 11 may answer with an older one; a server before that refuses all but 3.0.
    pub minor: u16,
}

impl Identity {
    /// Gives `method` back if it is strong enough.
    fn permits(&self, method: Method) -> Result<Method, LoginError> {
        if method < self.weakest {
            return Err(LoginError::TooWeak {
                asked: method,
                weakest: self.weakest,
            });
        }
        if self.requires_binding && method != Method::Scram {
            return Err(LoginError::Unbound);
        }
        Ok(method)
    }

    /// The mechanism to answer, of those that the server knows, and what it is bound to.
    fn mechanism(&self, known: &[&str]) -> Result<(&'static str, Binding<'_>), LoginError> {
        let is_known = |mechanism| known.contains(&mechanism);
        match &self.binding {
            Some(binding) if is_known(scram::MECHANISM_PLUS) => {
                Ok((scram::MECHANISM_PLUS, Binding::Bound(binding)))
            }
            _ if self.requires_binding => Err(LoginError::Unbound),
            _ if !is_known(scram::MECHANISM) => Err(Breach::UnknownMechanisms.into()),
            Some(_) => Ok((scram::MECHANISM, Binding::NotOffered)),
            None => Ok((scram::MECHANISM, Binding::None)),
        }
    }
}

/// What proves a user's identity. The server's method decides which of it is used.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The password, for every method.
    pub password: Option<String>,
    /// What an earlier SCRAM login made of `password`. [`Handshake`] keeps it up to date: hashing
    /// takes milliseconds, and is saved while the server's salt stays the same.
    pub cache: Option<KeyCache>,
    /// The verifier of an MD5 password, for MD5 without `password`.
    pub md5_verifier: Option<String>,
    /// A client key and the server key of the same verifier, for SCRAM without `password`.
    pub scram_keys: Option<(ClientKey, [u8; 32])>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    fn md5_verifier(&self, user: &str) -> Option<String> {
        match &self.password {
            Some(password) => Some(md5::verifier(user, password)),
            None => self.md5_verifier.clone(),
        }
    }

    fn scram_credentials(&self) -> Option<Credentials> {
        match (self.password.clone(), self.cache.clone(), &self.scram_keys) {
            (Some(password), Some(cache), _) => Some(Credentials::Cached { password, cache }),
            (Some(password), None, _) => Some(Credentials::Password(password)),
            (None, _, Some((client_key, server_key))) => Some(Credentials::Keys {
                client_key: client_key.clone(),
                server_key: *server_key,
            }),
            (None, _, None) => None,
        }
    }
}

/// What the server reported about a session that is ready.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Opened {
    /// Settings in the order they were reported, at most [`REPORTED_MAX`] bytes. Values are in the
    /// `client_encoding` that is among them. Of a name, what is not UTF-8 has replacement characters.
    pub reported: Vec<(String, Vec<u8>)>,
    /// Process number and secret for cancelling, when the server sent them.
    pub cancel_key: Option<(u32, Vec<u8>)>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}

/// What a step of a [`Handshake`] leads to.
#[derive(Debug)]
pub enum Turn {
    /// The server has more to say, perhaps after it has got the answer.
    Wait(Handshake),
    /// The first query may be sent.
    Ready(Opened),
}

/// A login in progress.
#[derive(Debug)]
pub struct Handshake {
    awaits: Awaits,
    /// Messages that came so far.
    messages: usize,
}

#[derive(Debug)]
enum Awaits {
    /// The startup packet was sent for this minor version; what the server asks for has not come.
    Request { nonce: String, minor: u16 },
    /// The first SCRAM message was sent.
    Challenge(First),
    /// The last SCRAM message was sent; the server has to prove itself.
    Proof(Final),
    /// Everything that was asked for is answered.
    Success,
    /// The server reports settings until it is ready.
    Ready { opened: Opened, reported_len: usize },
}

impl Awaits {
    fn settling() -> Self {
        Self::Ready {
            opened: Opened::default(),
            reported_len: 0,
        }
    }
}

impl Handshake {
    /// Appends the startup packet. `nonce` must be random and used once:
    /// [`nonce`](scram::nonce).
    ///
    /// # Panics
    /// On a minor version above [`MINOR_NEWEST`].
    pub fn start(identity: &Identity, nonce: String, out: &mut Vec<u8>) -> Self {
        let own = [
            ("user", identity.user.as_str()),
            ("database", identity.database.as_str()),
        ];
        let others = identity.parameters.iter();
        let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
        let parameters: Vec<_> = own.into_iter().chain(others).collect();
        let minor = identity.minor;
        assert!(minor <= MINOR_NEWEST, "a version that is spoken here");
        startup::encode_startup(out, minor, &parameters);
        Self {
            awaits: Awaits::Request { nonce, minor },
            messages: 0,
        }
    }

    /// Appends a query that sets up a session which is already logged in. What it changes is in
    /// [`Opened::reported`]; its rows are dropped.
    pub fn set_up(sql: &str, out: &mut Vec<u8>) -> Self {
        encode::query(out, sql);
        Self {
            awaits: Awaits::settling(),
            messages: 0,
        }
    }

    /// Answers the whole messages at the front of `bytes`, up to ReadyForQuery, and says how many
    /// bytes they took. The rest has to come again, with more behind it.
    ///
    /// # Errors
    /// As [`on_message`](Self::on_message), and as soon as a header shows that the message will be
    /// longer than [`MESSAGE_MAX`].
    pub fn on_bytes(
        self,
        bytes: &[u8],
        identity: &mut Identity,
        out: &mut Vec<u8>,
    ) -> Result<(usize, Turn), LoginError> {
        let mut login = self;
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let header = frame::header(rest).map_err(|bad| Breach::Length {
                kind: bad.kind,
                length: bad.length,
            })?;
            let Some(header) = header else {
                return Ok((at, Turn::Wait(login)));
            };
            if header.message_len() > MESSAGE_MAX {
                let (kind, length) = (header.kind, header.body_len + 4);
                return Err(Breach::Length { kind, length }.into());
            }
            let Some(body) = rest.get(HEADER_LEN..header.message_len()) else {
                return Ok((at, Turn::Wait(login)));
            };
            at += header.message_len();
            match login.on_message(header.kind, body, identity, out)? {
                Turn::Wait(next) => login = next,
                Turn::Ready(opened) => return Ok((at, Turn::Ready(opened))),
            }
        }
    }

    /// Answers one message. Where SCRAM has to hash the password this takes CPU time in proportion
    /// to the server's iteration count, at most [`ITERATIONS_MAX`](scram::ITERATIONS_MAX).
    ///
    /// # Errors
    /// When the server refuses the login or breaks the protocol, or `identity` has nothing to
    /// answer it with.
    pub fn on_message(
        mut self,
        kind: u8,
        body: &[u8],
        identity: &mut Identity,
        out: &mut Vec<u8>,
    ) -> Result<Turn, LoginError> {
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            return Err(Breach::TooManyMessages.into());
        }
        if kind == backend::ERROR_RESPONSE {
            let error = ErrorView::parse(body);
            return Err(LoginError::Refused {
                sqlstate: error.sqlstate(),
                message: error.message().into_owned(),
            });
        }
        let awaits = match (self.awaits, kind) {
            (Awaits::Ready { opened, .. }, backend::READY_FOR_QUERY) => return ready(body, opened),
            (
                Awaits::Ready {
                    mut opened,
                    reported_len,
                },
                _,
            ) => Awaits::Ready {
                reported_len: settle(&mut opened, reported_len, kind, body)?,
                opened,
            },
            (awaits, backend::AUTHENTICATION) => awaits.on_request(body, identity, out)?,
            (Awaits::Request { nonce, minor }, backend::NEGOTIATE_PROTOCOL_VERSION) => {
                // What differs between the versions shows in the messages themselves.
                let minor = accept(minor, identity, body)?;
                Awaits::Request { nonce, minor }
            }
            (awaits, backend::NOTICE_RESPONSE) => awaits,
            (_, kind) => return Err(Breach::Unexpected { kind }.into()),
        };
        Ok(Turn::Wait(Self {
            awaits,
            messages: self.messages,
        }))
    }
}

impl Awaits {
    /// Answers the body of an Authentication message.
    fn on_request(
        self,
        body: &[u8],
        identity: &mut Identity,
        out: &mut Vec<u8>,
    ) -> Result<Self, LoginError> {
        let kind = backend::AUTHENTICATION;
        let request = AuthRequest::parse(body).ok_or(Breach::Malformed { kind })?;
        match (self, request) {
            // Who lets us in without a proof has not shown that it is at the other end of the connection.
            (Self::Request { .. }, AuthRequest::Ok) if identity.requires_binding => {
                Err(LoginError::Unbound)
            }
            (Self::Request { .. } | Self::Success, AuthRequest::Ok) => Ok(Self::settling()),
            (Self::Request { nonce, .. }, request) => answer_first(nonce, &request, identity, out),
            (Self::Challenge(first), AuthRequest::SaslContinue(data)) => {
                let (data, last) = first.on_server_first(data)?;
                encode::sasl_response(out, &data);
                if identity.secrets.password.is_some() {
                    identity.secrets.cache = Some(last.derived());
                }
                Ok(Self::Proof(last))
            }
            (Self::Proof(last), AuthRequest::SaslFinal(data)) => {
                last.on_server_final(data)?;
                Ok(Self::Success)
            }
            (Self::Challenge(_) | Self::Proof(_) | Self::Success | Self::Ready { .. }, _) => {
                Err(Breach::OutOfOrder.into())
            }
        }
    }
}

/// The minor version that a server has in mind which was asked for `asked`.
fn accept(asked: u16, identity: &Identity, body: &[u8]) -> Result<u16, Breach> {
    let kind = backend::NEGOTIATE_PROTOCOL_VERSION;
    let (minor, options) = backend::negotiated(body).ok_or(Breach::Malformed { kind })?;
    let names = identity.parameters.iter().map(|(name, _)| name);
    let options_asked = names.filter(|name| startup::is_protocol_option(name));
    if minor > asked || options as usize > options_asked.count() {
        return Err(Breach::Negotiation { asked, minor });
    }
    Ok(minor)
}

/// Answers the request that says which method the server wants.
fn answer_first(
    nonce: String,
    request: &AuthRequest<'_>,
    identity: &Identity,
    out: &mut Vec<u8>,
) -> Result<Awaits, LoginError> {
    let secrets = &identity.secrets;
    match request {
        AuthRequest::CleartextPassword => {
            let method = identity.permits(Method::Cleartext)?;
            let password = secrets.password.as_ref();
            let password = password.ok_or(LoginError::NoSecret { method })?;
            encode::password(out, password.as_bytes());
            Ok(Awaits::Success)
        }
        AuthRequest::Md5 { salt } => {
            let method = identity.permits(Method::Md5)?;
            let verifier = secrets.md5_verifier(&identity.user);
            let verifier = verifier.ok_or(LoginError::NoSecret { method })?;
            encode::password(out, md5::response(&verifier, *salt).as_bytes());
            Ok(Awaits::Success)
        }
        AuthRequest::Sasl { mechanisms } => {
            let (mechanism, binding) = identity.mechanism(mechanisms)?;
            let method = identity.permits(Method::Scram)?;
            let credentials = secrets.scram_credentials();
            let credentials = credentials.ok_or(LoginError::NoSecret { method })?;
            let (data, first) = First::new(credentials, &nonce, binding);
            encode::sasl_initial_response(out, mechanism, &data);
            Ok(Awaits::Challenge(first))
        }
        AuthRequest::Unsupported(number) => Err(Breach::UnknownMethod(*number).into()),
        AuthRequest::Ok | AuthRequest::SaslContinue(_) | AuthRequest::SaslFinal(_) => {
            Err(Breach::OutOfOrder.into())
        }
    }
}

/// Notes what a message between success and ReadyForQuery reports; gives the bytes of settings so
/// far. What asks nothing of the client passes: an answer to a query has such messages too.
fn settle(
    opened: &mut Opened,
    reported_len: usize,
    kind: u8,
    body: &[u8],
) -> Result<usize, Breach> {
    match kind {
        backend::PARAMETER_STATUS => {
            let (name, value) =
                backend::parameter_status(body).ok_or(Breach::Malformed { kind })?;
            let name = String::from_utf8_lossy(name).into_owned();
            let reported_len = reported_len + name.len() + value.len();
            if reported_len > REPORTED_MAX {
                return Err(Breach::TooManySettings);
            }
            opened.reported.push((name, value.to_vec()));
            Ok(reported_len)
        }
        backend::BACKEND_KEY_DATA => {
            // A key that cannot be used only means that nothing can be cancelled.
            opened.cancel_key = backend::key_data(body).map(|(pid, key)| (pid, key.to_vec()));
            Ok(reported_len)
        }
        backend::AUTHENTICATION => Err(Breach::OutOfOrder),
        _ => Ok(reported_len),
    }
}

fn ready(body: &[u8], opened: Opened) -> Result<Turn, LoginError> {
    let kind = backend::READY_FOR_QUERY;
    match backend::ready_status(body).ok_or(Breach::Malformed { kind })? {
        TxStatus::Idle => Ok(Turn::Ready(opened)),
        status @ (TxStatus::InTransaction | TxStatus::Failed) => {
            Err(Breach::OpenTransaction { status }.into())
        }
    }
}

#[cfg(test)]
mod tests;
