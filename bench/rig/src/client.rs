//! A client connection: it logs in by itself and reports what the server said, summed up.

use std::io;
use std::net::SocketAddr;

use mio::{Registry, Token};
use pgweir_wire::backend;
use pgweir_wire::encode;
use pgweir_wire::login::{Handshake, Turn};
use pgweir_wire::sqlstate::SqlState;

use crate::connection::Connection;
use crate::login::Account;
use crate::message::{Stop, walk};

/// What the server told a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// Login is over; the client may send.
    LoggedIn,
    /// ReadyForQuery.
    Ready {
        /// Rows since the one before.
        rows: u32,
        /// The first error since the one before.
        error: Option<SqlState>,
    },
    /// Nothing more will come.
    Closed {
        /// The error that announced it, if one did.
        error: Option<SqlState>,
    },
}

/// A client and what it has heard since its last report.
pub(crate) struct Client {
    connection: Connection,
    /// `None` once logged in.
    login: Option<Handshake>,
    rows: u32,
    error: Option<SqlState>,
}

impl Client {
    /// Starts to connect and to log in.
    pub(crate) fn dial(
        addr: SocketAddr,
        account: &mut Account,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut connection = Connection::dial(addr, registry, token)?;
        let login = account.start(connection.output());
        Ok(Self {
            connection,
            login: Some(login),
            rows: 0,
            error: None,
        })
    }

    /// Where messages are appended; [`Self::flush`] sends them.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        self.connection.output()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }

    /// Reads what is there, answers requests of the login, and appends what else there is to know.
    pub(crate) fn on_event(
        &mut self,
        scratch: &mut [u8],
        half_closed: bool,
        account: &mut Account,
        reports: &mut Vec<Report>,
    ) {
        let Self {
            connection,
            login,
            rows,
            error,
        } = self;
        if login.is_some() {
            // A refused connection shows in the read below.
            let _ = connection.set_nodelay();
        }
        let mut stopped = false;
        let received = connection.receive(scratch, half_closed, |bytes, out| {
            let mut inbox = Inbox {
                login,
                rows,
                error,
                account,
                out,
                reports,
            };
            walk(bytes, |kind, body| inbox.on_message(kind, body)).unwrap_or_else(|Stop| {
                stopped = true;
                bytes.len()
            })
        });
        let sent = connection.flush();
        if stopped || sent.is_err() || !received.unwrap_or(false) {
            reports.push(Report::Closed { error: *error });
        }
    }

    /// Says goodbye, as far as the socket takes it, and leaves the poll.
    pub(crate) fn close(mut self, registry: &Registry) {
        encode::terminate(self.connection.output());
        // The peer may be gone already, and a closed socket leaves the epoll set anyway.
        let _ = self.connection.flush();
        let _ = self.connection.deregister(registry);
    }
}

/// The parts of a client that messages change, apart from the connection they come from.
struct Inbox<'a> {
    login: &'a mut Option<Handshake>,
    rows: &'a mut u32,
    error: &'a mut Option<SqlState>,
    account: &'a mut Account,
    out: &'a mut Vec<u8>,
    reports: &'a mut Vec<Report>,
}

impl Inbox<'_> {
    fn on_message(&mut self, kind: u8, body: &[u8]) -> Result<(), Stop> {
        if kind == backend::ERROR_RESPONSE {
            let code = backend::ErrorView::parse(body).sqlstate();
            self.error
                .get_or_insert(code.unwrap_or(SqlState::INTERNAL_ERROR));
        }
        if let Some(login) = self.login.take() {
            match self.account.on_message(login, kind, body, self.out)? {
                Turn::Wait(next) => *self.login = Some(next),
                Turn::Ready(_) => self.reports.push(Report::LoggedIn),
            }
            return Ok(());
        }
        match kind {
            backend::DATA_ROW => *self.rows += 1,
            backend::READY_FOR_QUERY => self.reports.push(Report::Ready {
                rows: std::mem::take(self.rows),
                error: self.error.take(),
            }),
            // After its login a client is never asked for anything.
            backend::AUTHENTICATION => return Err(Stop),
            // The parts of an answer that nobody counts.
            _ => {}
        }
        Ok(())
    }
}
