//! The end of a login that waits for the client's first server.
//!
//! A session that keeps its server from its login on tells its client PostgreSQL's own number of the
//! process, by which others know the session: `pg_terminate_backend`, notifications, views.

use std::io::{Read, Write};

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::lease::leased;
use super::{Need, Session, Stage};
use crate::server;

/// What a client is told when it has its first server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The client's own number, for a server that did not tell its process's.
    pub number: u32,
    /// The secret of the client's cancel requests.
    pub secret: u32,
}

impl<C: Read + Write, S: Read + Write> Session<C, S> {
    /// With a login that ends when the client has a server. `told` is what it is told before that; it
    /// is sent with the rest.
    pub fn with_greeting(mut self, greeting: Greeting, told: Vec<u8>) -> Self {
        assert!(matches!(self.stage, Stage::Idle), "it has not begun");
        self.greeting = Some(greeting);
        self.unsent = told;
        self
    }

    /// Whether the client was told that it may begin.
    pub fn is_greeted(&self) -> bool {
        self.greeting.is_none()
    }

    /// Tells the client that it may begin, once its server has its settings.
    pub(super) fn greet(&mut self) -> Result<(), Need<S>> {
        let lease = leased(&mut self.stage);
        if lease.is_joining() {
            return Ok(());
        }
        let Some(greeting) = self.greeting.take() else {
            return Ok(());
        };
        let mut out = Vec::new();
        let pid = match lease.server.upstream.pid {
            0 => greeting.number,
            pid => pid,
        };
        encode::backend_key_data(&mut out, pid, &greeting.secret.to_be_bytes());
        encode::ready_for_query(&mut out, TxStatus::Idle);
        let sent = server::send(&mut self.client, &mut self.unsent, &out);
        sent.map_err(|_| self.end(super::End::ClientGone, None))
    }
}
