//! Many clients on one thread and one epoll.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use pgweir_wire::sqlstate::SqlState;

use crate::client::{Client, Report};
use crate::connection::SCRATCH_LEN;
use crate::login::Account;
use crate::slab::Slab;

/// Logins in flight at a time: enough to keep a pooler busy, too few to overflow its backlog.
const LOGINS_MAX: usize = 32;

/// How long the login of all clients may take.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(120);

/// The clients, what they connect to, and what went wrong with them.
pub(crate) struct Fleet {
    addr: SocketAddr,
    account: Account,
    poll: Poll,
    events: Events,
    /// Clients that have an event which was not looked at, the next one last, and whether it says
    /// that the server closed the connection.
    ready: Vec<(usize, bool)>,
    clients: Slab<Client>,
    scratch: Vec<u8>,
    errors: BTreeMap<String, u64>,
}

impl Fleet {
    pub(crate) fn new(addr: SocketAddr, account: Account) -> io::Result<Self> {
        Ok(Self {
            addr,
            account,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            ready: Vec::new(),
            clients: Slab::new(),
            scratch: vec![0; SCRATCH_LEN],
            errors: BTreeMap::new(),
        })
    }

    /// Starts a client and returns its number; numbers of closed clients are used again.
    pub(crate) fn dial(&mut self) -> io::Result<usize> {
        let token = Token(self.clients.next_id());
        let client = Client::dial(self.addr, &mut self.account, self.poll.registry(), token)?;
        Ok(self.clients.insert(client))
    }

    /// Waits until a client has an event, at most until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.ready.extend(
            self.events
                .iter()
                .map(|event| (event.token().0, event.is_read_closed())),
        );
        self.ready.reverse();
        Ok(())
    }

    /// The next client that has an event, with what it has to report; `None` when it is time to
    /// [`wait`](Self::wait) again. A client that reports `Closed` is gone.
    pub(crate) fn next_event(&mut self, reports: &mut Vec<Report>) -> Option<usize> {
        reports.clear();
        loop {
            let (id, half_closed) = self.ready.pop()?;
            let Some(client) = self.clients.get_mut(id) else {
                continue;
            };
            client.on_event(&mut self.scratch, half_closed, &mut self.account, reports);
            if let Some(Report::Closed { .. }) = reports.last() {
                self.close(id);
            }
            return Some(id);
        }
    }

    /// Sends what `push` appends; a connection that fails reports that at its next event.
    pub(crate) fn send(&mut self, id: usize, push: impl FnOnce(&mut Vec<u8>)) {
        if let Some(client) = self.clients.get_mut(id) {
            push(client.output());
            let _ = client.flush();
        }
    }

    /// Ends a client.
    pub(crate) fn close(&mut self, id: usize) {
        if let Some(client) = self.clients.remove(id) {
            client.close(self.poll.registry());
        }
    }

    /// Logs in `count` clients and returns the numbers of those that succeeded.
    pub(crate) fn log_in(&mut self, count: usize) -> io::Result<Vec<usize>> {
        let deadline = Instant::now() + LOGIN_TIMEOUT;
        let mut logged_in = Vec::with_capacity(count);
        let mut reports = Vec::new();
        let (mut dialled, mut pending) = (0, 0);
        while dialled < count || pending > 0 {
            while dialled < count && pending < LOGINS_MAX {
                self.dial()?;
                dialled += 1;
                pending += 1;
            }
            self.wait(deadline)?;
            while let Some(id) = self.next_event(&mut reports) {
                for report in &reports {
                    match *report {
                        Report::LoggedIn => {
                            logged_in.push(id);
                            pending -= 1;
                        }
                        Report::Ready { error, .. } => self.count_error("", error),
                        Report::Closed { error } => {
                            let before = logged_in.len();
                            logged_in.retain(|&other| other != id);
                            pending -= usize::from(before == logged_in.len());
                            self.count_error("login ", Some(error.unwrap_or(CLOSED)));
                        }
                    }
                }
            }
            if Instant::now() >= deadline {
                *self.errors.entry("login timeout".into()).or_default() += pending as u64;
                break;
            }
        }
        Ok(logged_in)
    }

    /// Counts an error, if there was one.
    pub(crate) fn count_error(&mut self, stage: &str, error: Option<SqlState>) {
        let Some(error) = error else { return };
        let name = if error == CLOSED {
            "closed"
        } else {
            error.as_str()
        };
        *self.errors.entry(format!("{stage}{name}")).or_default() += 1;
    }

    /// Errors by what was going on and SQLSTATE.
    pub(crate) fn errors(&self) -> &BTreeMap<String, u64> {
        &self.errors
    }

    /// How often a password had to be hashed.
    pub(crate) fn derivations(&self) -> u64 {
        self.account.derivations()
    }
}

/// Stands for a connection that was closed without an error; no code has this form.
pub(crate) const CLOSED: SqlState = SqlState(*b"-----");
