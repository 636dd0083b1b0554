//! With which password a login is tried, and for how long.

use std::time::Duration;

use pgweir_config::{Secret, ServerAuth, ServerPassword};
use pgweir_wire::startup::MINOR_NEWEST;

use super::{ConnectError, LoggedIn, Login, connect, enter};
use crate::dial::{Dialled, Reached, Safety, Way};
use crate::pool_handle::Keys;
use crate::socket::Socket;
use crate::vault::{Place, Vault};

/// How a server is opened.
pub(crate) struct Opening<'a> {
    pub(crate) way: Way<'a>,
    pub(crate) place: Place<'a>,
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) connect_query: Option<&'a str>,
    pub(crate) auth: ServerAuth,
    /// Time for each attempt.
    pub(crate) limit: Option<Duration>,
}

impl Opening<'_> {
    /// Logs in with the password there is, in protocol 3.0. If PostgreSQL refuses the password, it is
    /// fetched anew for the next time, which comes after a pause.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, does not let us in, or breaks the protocol; or there is no password.
    pub(crate) async fn once(
        &self,
        (password, vault): (&ServerPassword, &Vault),
        keys: &mut Keys,
    ) -> Result<(Dialled, Reached, LoggedIn), ConnectError> {
        let fetched = vault.fetch(password, self.place).await;
        let fetched = fetched.map_err(ConnectError::Password)?;
        let mut login = self.login(fetched.secret.as_ref(), 0, keys);
        let outcome = self.in_time(enter(self.way, &mut login)).await;
        if matches!(&outcome, Err(error) if error.is_about_password()) {
            let _ = vault.refused(password, self.place, &fetched).await;
        }
        outcome
    }

    /// Logs in with the password there is, and once more with a newer one if PostgreSQL refuses that and
    /// there is one.
    pub(super) async fn run(
        &self,
        (password, vault): (&ServerPassword, &Vault),
        keys: &mut Keys,
    ) -> Result<(Socket, Reached, LoggedIn), ConnectError> {
        let fetched = vault.fetch(password, self.place).await;
        let fetched = fetched.map_err(ConnectError::Password)?;
        let outcome = self.attempt(fetched.secret.as_ref(), keys).await;
        if !matches!(&outcome, Err(error) if error.is_about_password()) {
            return outcome;
        }
        let renewed = match vault.refused(password, self.place, &fetched).await {
            None => return outcome,
            Some(renewed) => renewed.map_err(ConnectError::Password)?,
        };
        let outcome = self.attempt(renewed.secret.as_ref(), keys).await;
        if matches!(&outcome, Err(error) if error.is_about_password()) {
            vault.gives_no_better(password, self.place, &renewed).await;
        }
        outcome
    }

    async fn attempt(
        &self,
        secret: Option<&Secret>,
        keys: &mut Keys,
    ) -> Result<(Socket, Reached, LoggedIn), ConnectError> {
        let minor = if keys.refuse_newer { 0 } else { MINOR_NEWEST };
        let login = self.login(secret, minor, keys);
        self.in_time(connect(self.way, login)).await
    }

    fn login<'a>(
        &'a self,
        secret: Option<&'a Secret>,
        minor: u16,
        keys: &'a mut Keys,
    ) -> Login<'a> {
        Login {
            user: self.place.user.to_owned(),
            database: self.place.database.to_owned(),
            secret,
            minor,
            keys,
            parameters: self.parameters,
            connect_query: self.connect_query,
            auth: self.auth,
            safety: Safety::default(),
        }
    }

    async fn in_time<T>(
        &self,
        attempt: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        match self.limit {
            None => attempt.await,
            Some(limit) => tokio::time::timeout(limit, attempt)
                .await
                .unwrap_or(Err(ConnectError::Timeout(limit))),
        }
    }
}
