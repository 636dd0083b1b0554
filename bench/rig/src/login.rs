//! Who logs in, shared by all clients: trust, clear text, MD5 or SCRAM, whatever is asked for.
//!
//! Hashing a password for SCRAM takes milliseconds, far more than the pooler spends on the login.
//! So the keys of one login are kept for all later ones, as [`Account::derivations`] shows.

use pgweir_wire::auth::scram;
use pgweir_wire::backend;
use pgweir_wire::login::{Handshake, Identity, Method, Secrets, Turn};

use crate::message::Stop;

/// Who logs in where; shared by all clients.
pub(crate) struct Account {
    identity: Identity,
    /// How often keys were derived from the password.
    derivations: u64,
    logins: u64,
}

impl Account {
    pub(crate) fn new(user: String, password: String, database: String) -> Self {
        let parameters = [
            ("application_name", "pgweir-bench-rig"),
            ("client_encoding", "UTF8"),
        ];
        Self {
            identity: Identity {
                user,
                database,
                parameters: parameters
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                secrets: Secrets {
                    password: Some(password),
                    ..Secrets::default()
                },
                weakest: Method::Cleartext,
                binding: None,
                requires_binding: false,
                minor: 0,
            },
            derivations: 0,
            logins: 0,
        }
    }

    /// Starts a login: appends the startup packet.
    pub(crate) fn start(&mut self, out: &mut Vec<u8>) -> Handshake {
        let nonce = self.nonce();
        Handshake::start(&self.identity, nonce, out)
    }

    /// Answers a message of the peer.
    ///
    /// # Errors
    /// When the peer refuses the login, asks for what is not known here, or is not who it should
    /// be.
    pub(crate) fn on_message(
        &mut self,
        login: Handshake,
        kind: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Turn, Stop> {
        // Only an authentication request can change the keys, and each client gets few of them.
        let before = match kind {
            backend::AUTHENTICATION => self.identity.secrets.cache.clone(),
            _ => {
                return login
                    .on_message(kind, body, &mut self.identity, out)
                    .map_err(|_| Stop);
            }
        };
        let turn = login.on_message(kind, body, &mut self.identity, out);
        self.derivations += u64::from(self.identity.secrets.cache != before);
        turn.map_err(|_| Stop)
    }

    /// How often a password had to be hashed. With many logins a number near one shows that the
    /// client was no bottleneck; a peer that draws a new salt for each login makes it large.
    pub(crate) fn derivations(&self) -> u64 {
        self.derivations
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::walk;
    use pgweir_wire::auth::scram::{Verifier, server};
    use pgweir_wire::encode;
    use pgweir_wire::frontend;
    use std::sync::Arc;

    /// The next step of `login`, and the body of what `said` is answered with.
    fn step(account: &mut Account, login: Handshake, said: &[u8]) -> (Handshake, Vec<u8>) {
        let mut out = Vec::new();
        let Ok(Turn::Wait(next)) = account.on_message(login, said[0], &said[5..], &mut out) else {
            panic!("the login goes on");
        };
        let mut body = Vec::new();
        walk(&out, |_, message| {
            body = message.to_vec();
            Ok(())
        })
        .unwrap();
        (next, body)
    }

    fn said(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        build(&mut out);
        out
    }

    #[test]
    fn scram_hashes_the_password_once() {
        let mut account = Account::new("bench".into(), "secret".into(), "bench".into());
        let verifier = Arc::new(Verifier::from_password("secret", b"salt".to_vec(), 4096));
        for _ in 0..3 {
            let login = account.start(&mut Vec::new());
            let sasl = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
            let (login, body) = step(&mut account, login, &sasl);
            let (_, data) = frontend::sasl_initial(&body).unwrap();
            let server = server::First::new(Arc::clone(&verifier));
            let (challenge, server) = server.on_client_first(data.unwrap(), "server").unwrap();
            let challenge = said(|out| encode::authentication_sasl_continue(out, &challenge));
            let (login, body) = step(&mut account, login, &challenge);
            let (proof, _) = server.on_client_final(&body).unwrap();
            let proof = said(|out| encode::authentication_sasl_final(out, &proof));
            step(&mut account, login, &proof);
        }
        assert_eq!(account.derivations(), 1);
    }
}
