//! Passwords that others judge: PAM and directories.

use std::sync::Arc;

use pgweir_config::access::{Demand, Judge, Peer};
use pgweir_config::{Config, Secret};
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::Exchange;
use super::{Authentication, Claim, Proven, texts};
use crate::judges::Asked;
use crate::login_end::LoginEnd;

impl Authentication {
    /// Has the client send its password, and the judge judge it. Who it lets in need not be listed: it says who
    /// there is. Servers may be logged in with the same password, where there is no other.
    pub(super) async fn by_judge<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        exchange: &mut Exchange<'_, S>,
        config: &Arc<Config>,
        claim: &Claim<'_>,
        (demand, judge): (&Demand<'_>, Judge<'_>),
    ) -> Result<Proven, LoginEnd> {
        let name = &*claim.startup.user;
        let password = exchange.by_password_bytes().await?;
        let asked = Asked {
            user: name,
            password: &password,
            address: match claim.channel.peer {
                Peer::Tcp(address) => Some(address),
                Peer::Unix(_) => None,
            },
        };
        let asking = self.judges.ask(config, judge, asked, exchange.stranger);
        if !asking.await? {
            return Err(texts::failed(demand.method, name).into());
        }
        let listed = config.users.get(name).cloned();
        let has_secret = listed.as_ref().is_some_and(|user| user.secret.is_some());
        let forced = claim
            .database
            .and_then(|database| database.forced_user.as_ref());
        let is_of_use = !has_secret && forced.is_none();
        Ok(Proven {
            user: listed.unwrap_or_else(|| Arc::new(config.unlisted_user(name))),
            reply: std::mem::take(&mut exchange.out),
            passed: None,
            found: String::from_utf8(password)
                .ok()
                .filter(|_| is_of_use)
                .map(Secret::Plain),
        })
    }
}
