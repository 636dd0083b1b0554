//! The client's side of a login: trust, clear text, MD5 or SCRAM, whatever is asked for.
//!
//! Hashing a password for SCRAM takes milliseconds, far more than the pooler spends on the login.
//! So the keys of one login are kept for all later ones, as [`Account::derivations`] shows.

use pgweir_wire::auth::scram::client::{Credentials, Final, First, KeyCache};
use pgweir_wire::auth::{md5, scram};
use pgweir_wire::backend::{self, AuthRequest};
use pgweir_wire::encode;
use pgweir_wire::startup::encode_startup;

use crate::message::Stop;

/// Who logs in where; shared by all clients.
pub(crate) struct Account {
    user: String,
    password: String,
    database: String,
    keys: Option<KeyCache>,
    /// How often keys were derived of the password.
    derivations: u64,
    logins: u64,
}

impl Account {
    pub(crate) fn new(user: String, password: String, database: String) -> Self {
        Self {
            user,
            password,
            database,
            keys: None,
            derivations: 0,
            logins: 0,
        }
    }

    /// Appends the startup packet.
    pub(crate) fn push_startup(&self, out: &mut Vec<u8>) {
        let parameters = [
            ("user", self.user.as_str()),
            ("database", self.database.as_str()),
            ("application_name", "pgweir-bench-rig"),
            ("client_encoding", "UTF8"),
        ];
        encode_startup(out, &parameters);
    }

    /// How often a password had to be hashed. With many logins a number near one shows that the
    /// client was no bottleneck; a peer that draws a new salt for each login makes it large.
    pub(crate) fn derivations(&self) -> u64 {
        self.derivations
    }

    fn credentials(&self) -> Credentials {
        let password = self.password.clone();
        match self.keys.clone() {
            Some(cache) => Credentials::Cached { password, cache },
            None => Credentials::Password(password),
        }
    }

    /// Unique in this process, which is all that a measurement needs of a nonce.
    fn nonce(&mut self) -> String {
        self.logins += 1;
        let mut random = [0; 18];
        random[..8].copy_from_slice(&self.logins.to_be_bytes());
        random[8..12].copy_from_slice(&std::process::id().to_be_bytes());
        scram::nonce(&random)
    }
}

/// Where a login stands.
pub(crate) enum Login {
    /// Nothing but the startup packet was sent, or an answer that ends the exchange.
    Asked,
    /// The first SCRAM message was sent.
    First(First),
    /// The last SCRAM message was sent.
    Final(Final),
}

impl Login {
    /// Answers the body of an Authentication message.
    ///
    /// # Errors
    /// When the peer asks for what is not known here, or is not who it should be.
    pub(crate) fn on_request(
        self,
        body: &[u8],
        account: &mut Account,
        out: &mut Vec<u8>,
    ) -> Result<Self, Stop> {
        match (self, AuthRequest::parse(body).ok_or(Stop)?) {
            (Self::Asked, AuthRequest::Ok) => Ok(Self::Asked),
            (Self::Asked, AuthRequest::CleartextPassword) => {
                encode::password(out, account.password.as_bytes());
                Ok(Self::Asked)
            }
            (Self::Asked, AuthRequest::Md5 { salt }) => {
                let verifier = md5::verifier(&account.user, &account.password);
                encode::password(out, md5::response(&verifier, salt).as_bytes());
                Ok(Self::Asked)
            }
            (Self::Asked, AuthRequest::Sasl { mechanisms })
                if mechanisms.contains(&scram::MECHANISM) =>
            {
                let (data, first) = First::new(account.credentials(), &account.nonce());
                encode::sasl_initial_response(out, scram::MECHANISM, &data);
                Ok(Self::First(first))
            }
            (Self::First(first), AuthRequest::SaslContinue(data)) => {
                let (data, last) = first.on_server_first(data).map_err(|_| Stop)?;
                encode::sasl_response(out, &data);
                let keys = last.derived();
                if account.keys.as_ref() != Some(&keys) {
                    account.derivations += 1;
                    account.keys = Some(keys);
                }
                Ok(Self::Final(last))
            }
            (Self::Final(last), AuthRequest::SaslFinal(data)) => {
                last.on_server_final(data).map_err(|_| Stop)?;
                Ok(Self::Asked)
            }
            _ => Err(Stop),
        }
    }
}

/// Whether a message before the first ReadyForQuery is one that asks for nothing.
pub(crate) fn is_report(kind: u8) -> bool {
    matches!(
        kind,
        backend::PARAMETER_STATUS
            | backend::BACKEND_KEY_DATA
            | backend::NOTICE_RESPONSE
            | backend::NEGOTIATE_PROTOCOL_VERSION
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::walk;
    use pgweir_wire::auth::scram::{Verifier, server};
    use pgweir_wire::frontend;
    use std::sync::Arc;

    fn account() -> Account {
        Account::new("bench".into(), "secret".into(), "bench".into())
    }

    /// The bodies of what `request` is answered with.
    fn step(login: Login, account: &mut Account, request: &[u8]) -> (Result<Login, Stop>, Vec<u8>) {
        let mut out = Vec::new();
        let next = login.on_request(&request[5..], account, &mut out);
        let mut body = Vec::new();
        walk(&out, |_, message| {
            body = message.to_vec();
            Ok(())
        })
        .unwrap();
        (next, body)
    }

    fn request(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        build(&mut out);
        out
    }

    #[test]
    fn scram_hashes_the_password_once() {
        let mut account = account();
        let verifier = Arc::new(Verifier::from_password("secret", b"salt".to_vec(), 4096));
        for _ in 0..3 {
            let sasl = request(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
            let (login, body) = step(Login::Asked, &mut account, &sasl);
            let (_, data) = frontend::sasl_initial(&body).unwrap();
            let server = server::First::new(Arc::clone(&verifier));
            let (challenge, server) = server.on_client_first(data.unwrap(), "server").unwrap();
            let request_1 = request(|out| encode::authentication_sasl_continue(out, &challenge));
            let (login, body) = step(login.unwrap(), &mut account, &request_1);
            let (proof, _) = server.on_client_final(&body).unwrap();
            let request_2 = request(|out| encode::authentication_sasl_final(out, &proof));
            let (login, _) = step(login.unwrap(), &mut account, &request_2);
            let (login, _) = step(
                login.unwrap(),
                &mut account,
                &request(encode::authentication_ok),
            );
            assert!(matches!(login, Ok(Login::Asked)));
        }
        assert_eq!(account.derivations(), 1);
    }

    #[test]
    fn md5_is_answered_and_an_unknown_mechanism_is_not() {
        let asked = request(|out| encode::authentication_md5(out, *b"salt"));
        let (login, body) = step(Login::Asked, &mut account(), &asked);
        let verifier = md5::verifier("bench", "secret");
        assert!(md5::check(
            &verifier,
            *b"salt",
            frontend::password(&body).unwrap()
        ));
        assert!(login.is_ok());
        let asked = request(|out| encode::authentication_sasl(out, &["OTHER"]));
        assert!(step(Login::Asked, &mut account(), &asked).0.is_err());
    }
}
