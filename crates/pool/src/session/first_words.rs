//! What ends a client's login, told when the client has a server that accepted its settings.
//!
//! PostgreSQL refuses a wrong setting at login. Whether one is wrong only a server knows, so a client with settings
//! that its pool has not seen yet is handed over without a greeting: the session takes a server, gives it the
//! settings, and tells the client what came of them.
//!
//! So is a client that keeps its server from its login on: it is told the number of its server's process, by which
//! others know its session (`pg_terminate_backend`, notifications, views).

use std::sync::Arc;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::lease::leased;
use super::{Need, Session};
use crate::parameters::Parameters;
use crate::relay::Relay;
use crate::reported;
use crate::stream::Stream;
use crate::upstream::Upstream;

/// The messages that end a login.
#[derive(Debug)]
pub struct FirstWords {
    /// In front of the settings: the rest of the authentication.
    pub before: Vec<u8>,
    /// Settings of a fresh server that clients are told, in order; where the client has another value it is told
    /// that. Values are as [`reported::kept`] keeps them.
    pub reported: Arc<Vec<(String, String)>>,
    /// The number that the client is told for cancel requests.
    pub pid: u32,
    /// It is told that number even if it keeps its server: whose client it is has to be seen by it.
    pub keeps_number: bool,
    /// The secret that it is told with it.
    pub secret: Vec<u8>,
}

impl FirstWords {
    /// Its bytes, for a client with these settings.
    pub fn encode(&self, parameters: &Parameters) -> Vec<u8> {
        let mut out = self.before.clone();
        for (name, value) in &*self.reported {
            let value = parameters.value(name).unwrap_or(value);
            encode::parameter_status(&mut out, name, reported::bytes(value));
        }
        encode::backend_key_data(&mut out, self.pid, &self.secret);
        encode::ready_for_query(&mut out, TxStatus::Idle);
        out
    }
}

/// A client is about to read its [`FirstWords`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    /// What a server has accepted.
    pub accepted: Vec<Accepted>,
    /// The number of its server's process that the client is told.
    pub process: Option<u32>,
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

impl<C: Stream, S: Stream> Session<C, S> {
    /// For a client that is greeted when it has a server that accepted its settings.
    pub fn greeted_later(mut self, first_words: FirstWords) -> Self {
        self.first_words = Some(Box::new(first_words));
        self
    }

    /// Whether the client was told that it may begin.
    pub fn is_greeted(&self) -> bool {
        self.first_words.is_none()
    }

    /// Greets the client if it is due: its settings were accepted. The words leave with the next `pump`.
    pub(super) fn greet(&mut self) -> Option<Need<S>> {
        if leased(&mut self.stage).is_joining() {
            return None;
        }
        let mut first_words = self.first_words.take()?;
        let upstream = &leased(&mut self.stage).server.upstream;
        let accepted = accepted(&mut self.relay, upstream);
        let keeps_server = self.relay.mode().keeps_server();
        let process = upstream
            .pid
            .filter(|_| keeps_server && !first_words.keeps_number);
        if let Some(process) = process {
            first_words.pid = process;
            self.relay.told = None;
            leased(&mut self.stage).server.upstream.told = None;
        }
        assert!(
            self.unsent.is_empty(),
            "nothing is said before the greeting"
        );
        self.unsent = first_words.encode(&self.relay.client.parameters);
        Some(Need::Greeted(Greeted { accepted, process }))
    }
}

/// The settings that the client connected with, now that a server has accepted them.
fn accepted(relay: &mut Relay, upstream: &Upstream) -> Vec<Accepted> {
    let written = relay.greeted(upstream);
    let own = &relay.client.parameters;
    let differing = written.differing(&upstream.defaults);
    let accepted = differing.map(|name| Accepted {
        written: written.value(&name).unwrap_or_default().to_owned(),
        value: own.value(&name).unwrap_or_default().to_owned(),
        name,
    });
    accepted.collect()
}
