//! What clients are told that are not let in, in PostgreSQL's words where it has some.

use pgweir_config::access::{Method, Refused};
use pgweir_wire::sqlstate::SqlState;

use super::Claim;
use crate::texts::ClientError;

/// The proof is wrong, or there is no such user.
pub(super) fn failed(method: Method, user: &str) -> ClientError {
    let (sqlstate, what) = match method {
        Method::Peer => (SqlState::INVALID_AUTHORIZATION, "Peer"),
        Method::Cert => (SqlState::INVALID_AUTHORIZATION, "certificate"),
        Method::Any | Method::Trust => (SqlState::INVALID_AUTHORIZATION, "\"trust\""),
        Method::Password | Method::Md5 | Method::ScramSha256 => {
            (SqlState::INVALID_PASSWORD, "password")
        }
    };
    let message = format!("{what} authentication failed for user \"{user}\"");
    ClientError::new(sqlstate, message)
}

/// Nobody is asked for a proof, and there is no such user.
pub(super) fn no_such_user(user: &str) -> ClientError {
    ClientError::new(
        SqlState::INVALID_AUTHORIZATION,
        format!("no such user: {user}"),
    )
}

/// Nothing that it could show would let this client in.
pub(super) fn refused(refused: Refused, claim: &Claim<'_>) -> ClientError {
    match refused {
        Refused::NotLocal => {
            let user = &claim.startup.user;
            let message = format!("Peer authentication failed for user \"{user}\"");
            ClientError::new(SqlState::INVALID_AUTHORIZATION, message)
                .detail("Users of the operating system are known over unix sockets only.")
        }
        Refused::NoCertificate => ClientError::new(
            SqlState::INVALID_AUTHORIZATION,
            "connection requires a valid client certificate",
        ),
    }
}
