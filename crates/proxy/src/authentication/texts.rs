//! What clients are told that are not let in, in PostgreSQL's words where it has some.

use pgweir_config::access::{Attempt, Method, Peer, Refused, Replication};
use pgweir_wire::sqlstate::SqlState;
use tracing::warn;

use crate::console::is_console;
use crate::texts::ClientError;

/// The proof is wrong, or there is no such user.
pub(super) fn failed(method: Method, user: &str) -> ClientError {
    let (sqlstate, what) = match method {
        Method::Peer => (SqlState::INVALID_AUTHORIZATION, "Peer"),
        Method::Cert => (SqlState::INVALID_AUTHORIZATION, "certificate"),
        Method::Any | Method::Trust => (SqlState::INVALID_AUTHORIZATION, "\"trust\""),
        Method::Jwt => (SqlState::INVALID_PASSWORD, "token"),
        Method::Oauth => (SqlState::INVALID_AUTHORIZATION, "OAuth bearer"),
        Method::Pam => (SqlState::INVALID_AUTHORIZATION, "PAM"),
        Method::Ldap => (SqlState::INVALID_AUTHORIZATION, "LDAP"),
        Method::Password | Method::Md5 | Method::ScramSha256 => {
            (SqlState::INVALID_PASSWORD, "password")
        }
    };
    let message = format!("{what} authentication failed for user \"{user}\"");
    let failed = ClientError::new(sqlstate, message);
    match method {
        // In libpq's words for the exchange, which scripts look for.
        Method::ScramSha256 => failed
            .detail("SASL authentication failed.")
            .logged_as("SASL authentication failed"),
        _ => failed,
    }
}

/// The password is wrong.
pub(crate) fn wrong_password(user: &str) -> ClientError {
    failed(Method::ScramSha256, user)
}

/// Nobody is asked for a password, and there is no such user.
pub(super) fn unknown(method: Method, user: &str) -> ClientError {
    let failed = failed(method, user);
    match method {
        Method::Any | Method::Trust => failed.detail("There is no such user."),
        Method::Password
        | Method::Md5
        | Method::ScramSha256
        | Method::Peer
        | Method::Cert
        | Method::Jwt
        | Method::Oauth
        | Method::Pam
        | Method::Ldap => failed,
    }
}

/// Its user would have to be looked up in a database that there is not. The log says in which.
pub(super) fn misplaced(section: &str) -> ClientError {
    if is_console(section) {
        warn!("cannot use the reserved \"{section}\" database as an auth_dbname");
    } else {
        warn!("authentication database \"{section}\" is not configured");
    }
    ClientError::new(SqlState::CANNOT_CONNECT_NOW, "bouncer config error")
        .detail("There is no database to look this user up in (auth_dbname).")
        .hint("See the pooler's log.")
}

/// Nothing that it could show would let this client in.
pub(super) fn refused(refused: Refused<'_>, attempt: &Attempt<'_>) -> ClientError {
    match refused {
        Refused::UnknownMember(_) => ClientError::new(
            SqlState::CANNOT_CONNECT_NOW,
            "PostgreSQL cannot be asked for this user",
        ),
        Refused::NotLocal => failed(Method::Peer, attempt.user)
            .detail("Users of the operating system are known over unix sockets only."),
        Refused::NotEncrypted => failed(Method::Oauth, attempt.user)
            .detail("A token is taken only where nobody can read it on its way.")
            .hint("Connect with TLS (sslmode=verify-full)."),
        Refused::NoCertificate => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            "connection requires a valid client certificate",
        ),
        Refused::Rejected if attempt.replication == Replication::Physical => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            format!(
                "pg_hba.conf rejects replication connection for {}",
                who(attempt)
            ),
        ),
        Refused::Rejected => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            format!("pg_hba.conf rejects connection for {}", who(attempt)),
        ),
        Refused::NoEntry if attempt.replication == Replication::Physical => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            format!(
                "no pg_hba.conf entry for replication connection from {}",
                who(attempt)
            ),
        ),
        Refused::NoEntry => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            format!("no pg_hba.conf entry for {}", who(attempt)),
        ),
    }
}

/// Who a rule was looked for, as PostgreSQL says it. Its own file has that name; ours is `auth_hba_file`.
fn who(attempt: &Attempt<'_>) -> String {
    let host = match attempt.channel.peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix(_) => "[local]".to_owned(),
    };
    let encryption = match attempt.channel.tls {
        Some(_) => "SSL encryption",
        None => "no encryption",
    };
    let (user, database) = (attempt.user, attempt.database);
    match attempt.replication {
        Replication::Physical => format!("host \"{host}\", user \"{user}\", {encryption}"),
        Replication::No | Replication::Logical => {
            format!("host \"{host}\", user \"{user}\", database \"{database}\", {encryption}")
        }
    }
}
