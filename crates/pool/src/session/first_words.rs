//! What ends a client's login, told when a server has accepted the client's settings.
//!
//! PostgreSQL refuses a wrong setting at login. Whether one is wrong only a server knows, so a client with settings
//! that its pool has not seen yet is handed over without a greeting: the session takes a server, gives it the
//! settings, and tells the client what came of them.

use std::io::{Read, Write};
use std::sync::Arc;

use pgweir_wire::encode;

use super::lease::leased;
use super::{End, Need, Session};
use crate::parameters::Parameters;
use crate::reported;
use crate::server;

/// The messages that end a login.
#[derive(Debug)]
pub struct FirstWords {
    /// In front of the settings: the rest of the authentication.
    pub before: Vec<u8>,
    /// Settings of a fresh server that clients are told, in order; where the client has another value it is told
    /// that. Values are as [`reported::kept`] keeps them.
    pub reported: Arc<Vec<(String, String)>>,
    /// Behind them: the key, and that the client may begin.
    pub after: Vec<u8>,
}

impl FirstWords {
    /// Its bytes, for a client with these settings.
    pub fn encode(&self, parameters: &Parameters) -> Vec<u8> {
        let mut out = self.before.clone();
        for (name, value) in &*self.reported {
            let value = parameters.value(name).unwrap_or(value);
            encode::parameter_status(&mut out, name, reported::bytes(value));
        }
        out.extend(&self.after);
        out
    }
}

/// A setting that a server has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its name in lower case.
    pub name: Arc<str>,
    /// The value as the client wrote it.
    pub written: String,
    /// The value as PostgreSQL reported it, or as written where it does not report.
    pub value: String,
}

impl<C: Read + Write, S: Read + Write> Session<C, S> {
    /// For a client that is greeted when a server has accepted its settings.
    pub fn greeted_later(mut self, first_words: FirstWords) -> Self {
        self.first_words = Some(Box::new(first_words));
        self
    }

    /// Greets the client if it is due: its settings were accepted.
    pub(super) fn greet(&mut self) -> Option<Need<S>> {
        if leased(&mut self.stage).is_joining() {
            return None;
        }
        let first_words = self.first_words.take()?;
        let upstream = &leased(&mut self.stage).server.upstream;
        let written = self.relay.greeted(upstream);
        let own = &self.relay.client.parameters;
        let accepted = written.differing(&upstream.defaults);
        let accepted = accepted.map(|name| Accepted {
            written: written.value(&name).unwrap_or_default().to_owned(),
            value: own.value(&name).unwrap_or_default().to_owned(),
            name,
        });
        let accepted = accepted.collect();
        let out = first_words.encode(own);
        if server::send(&mut self.client, &mut self.unsent, &out).is_err() {
            return Some(self.end(End::ClientGone, None));
        }
        Some(Need::Accepted(accepted))
    }
}
