//! Whose numbers of sequences a session remembers, for `currval` and `lastval` to answer with.
//!
//! A number comes from `nextval` or `setval`, which an `INSERT` calls for a serial column without any sign
//! in its text. So it is not followed who took one: whoever had the server may have. `DISCARD SEQUENCES`
//! forgets them all, also amid a transaction, and a ROLLBACK does not bring them back.

use crate::id::ClientId;

/// The query that has the session forget its numbers.
pub(super) const DISCARD: &str = "DISCARD SEQUENCES";

/// Transactions of a pool after which clients that never read a number are taken for clients that never will.
const PROVEN: u64 = 10_000;

/// What is known of the clients of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Readers {
    /// None has read a number so far.
    #[default]
    Possible,
    /// None has, in [`PROVEN`] transactions.
    Unlikely,
    /// One has.
    Known,
}

impl Readers {
    /// Of a pool that has counted so many texts that read numbers, and so many transactions.
    pub(crate) fn of(reads: u64, transactions: u64) -> Self {
        match (reads, transactions) {
            (1.., _) => Self::Known,
            (0, PROVEN..) => Self::Unlikely,
            (0, _) => Self::Possible,
        }
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    /// Who has the server, and whether clients of its pool read numbers.
    given: (ClientId, Readers),
    /// Who had it last, and which of that client's leases that was.
    last: Option<(ClientId, u64)>,
    /// There may be numbers that are not the client's, or not its latest.
    foreign: bool,
}

impl Sequences {
    /// The server is given to this client of a pool with such clients.
    pub(crate) fn given(&mut self, client: ClientId, readers: Readers) {
        self.given = (client, readers);
    }

    /// The client joins the server, in the lease of this number of its. What it left there is its latest
    /// only if it had no other server since.
    pub(crate) fn joined(&mut self, lease: u64) {
        let (client, _) = self.given;
        self.foreign |= self
            .last
            .is_some_and(|(owner, last)| owner != client || lease != last + 1);
        self.last = Some((client, lease));
    }

    /// Whether there may be numbers that the client must not read.
    #[inline]
    pub(crate) fn are_foreign(&self) -> bool {
        self.foreign
    }

    /// Whether clients of the pool read numbers.
    pub(crate) fn readers(&self) -> Readers {
        self.given.1
    }

    /// The session is as if nobody had had it.
    pub(super) fn forgotten(&mut self) {
        self.last = None;
    }

    /// All numbers are forgotten before the next message runs.
    pub(crate) fn discarded(&mut self) {
        self.foreign = false;
    }
}
