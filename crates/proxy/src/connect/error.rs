//! Why a server could not be opened, for the log and for clients.

use std::io;

use pgweir_pool::waits::Cause;
use pgweir_telemetry::remedies::remedy;
use pgweir_wire::login::LoginError;
use pgweir_wire::sqlstate::SqlState;

use crate::dial::DialError;
use crate::texts::{ClientError, seconds};
use crate::tls::servers::TlsError;
use crate::vault::FetchError;

/// Why a server could not be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The name of the host leads to no address.
    Unknown(io::Error),
    /// Nobody answers at the address.
    Unreachable(io::Error),
    /// It took longer than `server_connect_timeout`.
    Timeout(std::time::Duration),
    /// The connection cannot be encrypted, and has to be.
    Tls(TlsError),
    /// The connection broke during login.
    Broken(io::Error),
    /// There is no password to log in with.
    Password(FetchError),
    /// PostgreSQL asks for the password itself, over a network without encryption.
    Exposing,
    /// PostgreSQL refused the login or the connect query, or the login failed on its side or ours.
    Login(LoginError),
}

impl ConnectError {
    /// Whether it may be that the server knows no version of the protocol but 3.0: PostgreSQL before 11
    /// says so, and others find no startup packet in what they got.
    pub(super) fn is_about_version(&self) -> bool {
        match self {
            Self::Login(LoginError::Refused { sqlstate, .. }) => matches!(
                sqlstate,
                Some(SqlState::FEATURE_NOT_SUPPORTED | SqlState::PROTOCOL_VIOLATION)
            ),
            _ => false,
        }
    }

    /// Whether the other way, with TLS or without, may be let in.
    pub(super) fn is_about_encryption(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Login(LoginError::Refused { sqlstate, .. }) => {
                *sqlstate == Some(SqlState::INVALID_AUTHORIZATION)
            }
            _ => false,
        }
    }

    /// Whether PostgreSQL, the role or the database has as many connections as it may have.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Login(LoginError::Refused { sqlstate, .. }) => {
                *sqlstate == Some(SqlState::TOO_MANY_CONNECTIONS)
            }
            _ => false,
        }
    }

    /// Whether PostgreSQL does not let this user in, with what proves it.
    pub(crate) fn is_about_the_user(&self) -> bool {
        match self {
            Self::Login(LoginError::Refused { sqlstate, .. }) => matches!(
                sqlstate,
                Some(SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION)
            ),
            _ => false,
        }
    }

    /// Whether another host of the same database may be better.
    pub(super) fn is_about_the_host(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Unreachable(_) | Self::Timeout(_) | Self::Broken(_) => true,
            Self::Tls(_) | Self::Password(_) | Self::Exposing | Self::Login(_) => false,
        }
    }

    /// Whether PostgreSQL may let us in soon although nothing is changed: it did not answer, or said that it is
    /// starting or stopping.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Login(LoginError::Refused { sqlstate, .. }) => {
                *sqlstate == Some(SqlState::CANNOT_CONNECT_NOW)
            }
            _ => self.is_about_the_host(),
        }
    }

    /// Whether another password may help.
    pub(crate) fn is_about_password(&self) -> bool {
        self.is_about_the_user() || matches!(self, Self::Login(LoginError::NoSecret { .. }))
    }

    /// In a few words, as PgBouncer's log has it.
    pub(crate) fn brief(&self) -> &str {
        match self {
            Self::Unknown(_) => "server DNS lookup failed",
            Self::Unreachable(_) => "connect failed",
            Self::Timeout(_) => "connect timeout",
            Self::Tls(_) => "TLS startup failed",
            Self::Broken(_) => "server conn crashed?",
            Self::Login(LoginError::Refused { message, .. }) => message,
            Self::Password(_) | Self::Exposing | Self::Login(_) => "login failed",
        }
    }

    /// As [`Self::client_error`], for the client for which alone the server was to be opened: what
    /// PostgreSQL says is said to it.
    pub(crate) fn to_its_client(&self) -> ClientError {
        match self {
            Self::Login(LoginError::Refused { sqlstate, message }) => {
                let sqlstate = sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE);
                ClientError::new(sqlstate, message.clone())
            }
            _ => self.client_error(),
        }
    }

    /// What a client may know: no address, no secret.
    pub(crate) fn client_error(&self) -> ClientError {
        match self {
            Self::Unknown(error) | Self::Unreachable(error) => {
                ClientError::new(SqlState::CANNOT_CONNECT_NOW, "PostgreSQL cannot be reached")
                    .detail(format!("Connecting failed: {error}."))
                    .hint("Retry later; if it lasts, see the pooler's log.")
            }
            Self::Timeout(limit) => ClientError::new(
                SqlState::CANNOT_CONNECT_NOW,
                format!(
                    "PostgreSQL did not log us in within server_connect_timeout ({})",
                    seconds(*limit)
                ),
            )
            .hint("Retry later; if it lasts, see the pooler's log."),
            Self::Login(LoginError::Refused { sqlstate, message }) => ClientError::new(
                sqlstate.unwrap_or(SqlState::CONNECTION_FAILURE),
                message.clone(),
            )
            .detail("This is PostgreSQL's answer to the pooler's login, which is not tried again before server_login_retry.")
            .hint(match sqlstate {
                Some(SqlState::TOO_MANY_CONNECTIONS) => remedy(Cause::PostgresFull),
                _ => remedy(Cause::LoginFailing),
            }),
            Self::Tls(error) => ClientError::new(
                SqlState::CONNECTION_FAILURE,
                "the connection to PostgreSQL cannot be encrypted",
            )
            .hint(error.remedy()),
            Self::Login(LoginError::NoSecret { method }) => ClientError::new(
                SqlState::INVALID_AUTHORIZATION,
                format!(
                    "the pooler has no {} to log in to PostgreSQL with",
                    method.needs()
                ),
            )
            .detail("PostgreSQL asks for it; what there is has the wrong password type.")
            .hint("Give the user a password in the pooler's configuration that fits PostgreSQL's."),
            Self::Password(_) => ClientError::new(
                SqlState::CONNECTION_FAILURE,
                "the pooler cannot get its password for PostgreSQL",
            )
            .hint("See the pooler's log for the reason."),
            Self::Exposing
            | Self::Broken(_)
            | Self::Login(
                LoginError::NotAccepted { .. }
                | LoginError::Unbound
                | LoginError::Scram(_)
                | LoginError::Protocol(_),
            ) => ClientError::new(
                SqlState::CONNECTION_FAILURE,
                "the login to PostgreSQL broke off",
            )
            .hint("See the pooler's log for the reason."),
        }
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(error) => write!(f, "the host's name cannot be looked up: {error}"),
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::Timeout(limit) => {
                write!(
                    f,
                    "no login within server_connect_timeout ({})",
                    seconds(*limit)
                )
            }
            Self::Tls(error) => write!(f, "{error}. {}", error.remedy()),
            Self::Broken(error) => write!(f, "connection broke during login: {error}"),
            Self::Password(error) => error.fmt(f),
            Self::Exposing => f.write_str(
                "the server asks for the password in clear text over a connection without TLS; use \
                 scram-sha-256 in its pg_hba.conf, or set server_allow_plaintext_password = true",
            ),
            // As PgBouncer's log has it: PostgreSQL refuses logins with this severity.
            Self::Login(error @ LoginError::Refused { .. }) => write!(f, "FATAL {error}"),
            Self::Login(error) => error.fmt(f),
        }
    }
}

impl From<DialError> for ConnectError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unknown(error) => Self::Unknown(error),
            DialError::Unreachable(error) => Self::Unreachable(error),
            DialError::Broken(error) => Self::Broken(error),
            DialError::Tls(TlsError::Broken(error)) => Self::Broken(error),
            DialError::Tls(error) => Self::Tls(error),
        }
    }
}

impl From<LoginError> for ConnectError {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}
