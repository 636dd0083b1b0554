//! Prepared statements of one server's session: those that clients share, those that have a client's own name, and
//! the unnamed one.

use std::collections::BTreeMap;

use pgweir_sql::fingerprint::Fingerprint;

use super::check::Check;
use crate::prepared::{ServerStatements, StatementName, significant};
use crate::replies::BySql;

/// Statements under clients' own names that are tracked per server; a client that prepares more stays pinned until
/// its session ends. At 90 bytes each this is 360 KiB.
pub const STATEMENTS_MAX: usize = 4096;

/// The statements that the session has.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Those that any client may use, as far as they were sent.
    pub(crate) shared: ServerStatements,
    /// Those under a client's own name, as far as answers have confirmed them: in session mode, by SQL, or longer than
    /// what is shared.
    named: BTreeMap<StatementName, Named>,
    /// Those of `named` that are there for their name alone.
    stands: usize,
    /// There were more than are tracked, or some of which the name is not known.
    overflowed: bool,
    unnamed: Unnamed,
    /// The unnamed statement was parsed in the batch that is sent.
    unnamed_is_of_batch: bool,
    /// `None` while there is nothing to follow, as nearly always.
    by_sql: Option<Box<Follow>>,
    /// A text was sent that may drop all statements, and its end is not known.
    pub(crate) in_doubt: bool,
    /// Whether a Parse was rightly answered by what the server has.
    pub(crate) check: Check,
    /// The types of the parameters of the statement that is described.
    pub(super) types: Option<Box<[u8]>>,
}

/// A statement under a client's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// It is the client's.
    Clients(Fingerprint),
    /// It stands where SQL looks for a statement that the client has under this name.
    Stand,
}

/// What SQL of the client does to statements, on its way from the text to the message that runs it. In the
/// extended protocol it is followed within one batch only: of a batch that failed nothing is parsed.
#[derive(Debug, Default)]
struct Follow {
    /// The unnamed statement.
    parsed: Vec<BySql>,
    /// The unnamed portal.
    bound: Vec<BySql>,
    /// The message that was sent last.
    run: Vec<BySql>,
}

/// The unnamed statement, as far as the client that holds the server is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unnamed {
    /// If there is one, another client parsed it: this one must not use it.
    #[default]
    Foreign,
    /// It is what the client believes, be it none.
    Own,
    /// The client parsed it and has not bound it since, and it is too long to be kept with the client.
    /// Drivers that ask for its description first send a Sync in between and bind it after that, so it
    /// keeps the server.
    Unbound,
}

impl Prepared {
    /// Another client gets the server.
    pub(crate) fn client_changed(&mut self) {
        self.unnamed = Unnamed::Foreign;
        self.in_doubt = false;
        self.check = Check::Nothing;
        self.batch_ended();
    }

    /// The client sent a simple query, which drops the unnamed statement and does this by SQL.
    #[inline]
    pub(crate) fn query_sent(&mut self, by_sql: Option<Vec<BySql>>) {
        self.unnamed = Unnamed::Own;
        self.batch_ended();
        if let Some(run) = by_sql {
            self.by_sql.get_or_insert_default().run = run;
        }
    }

    /// The client sent a Parse of the unnamed statement, which does this by SQL. `keeps_server` says that no
    /// other server would find it.
    #[inline]
    pub(crate) fn unnamed_sent(&mut self, keeps_server: bool, by_sql: Option<Vec<BySql>>) {
        self.unnamed = if keeps_server {
            Unnamed::Unbound
        } else {
            Unnamed::Own
        };
        self.unnamed_is_of_batch = true;
        if self.by_sql.is_some() || by_sql.is_some() {
            self.by_sql.get_or_insert_default().parsed = by_sql.unwrap_or_default();
        }
    }

    /// The client sent a Bind of the unnamed portal, to the unnamed statement or to another.
    #[inline]
    pub(crate) fn unnamed_bind_sent(&mut self, to_unnamed: bool) {
        if to_unnamed && self.unnamed == Unnamed::Unbound {
            self.unnamed = Unnamed::Own;
        }
        if let Some(follow) = &mut self.by_sql {
            follow.bound.clear();
            if to_unnamed {
                follow.bound.clone_from(&follow.parsed);
            }
        }
    }

    /// The client sent an Execute of the unnamed portal.
    #[inline]
    pub(crate) fn unnamed_execute_sent(&mut self) {
        if let Some(follow) = &mut self.by_sql {
            follow.run = std::mem::take(&mut follow.bound);
        }
    }

    /// The client sent a Sync or a query.
    #[inline]
    pub(crate) fn batch_ended(&mut self) {
        self.unnamed_is_of_batch = false;
        self.by_sql = None;
    }

    /// What the message that was sent last does by SQL.
    #[inline]
    pub(crate) fn take_by_sql(&mut self) -> Option<Vec<BySql>> {
        let run = &mut self.by_sql.as_mut()?.run;
        (!run.is_empty()).then(|| std::mem::take(run))
    }

    /// The unnamed statement is what the client believes: the pooler parsed or closed it.
    pub(crate) fn unnamed_is_clients_now(&mut self) {
        self.unnamed = Unnamed::Own;
        self.unnamed_is_of_batch = true;
    }

    /// Whether the client, or the pooler for it, parsed the unnamed statement in the batch that is sent.
    #[inline]
    pub(crate) fn unnamed_is_of_batch(&self) -> bool {
        self.unnamed_is_of_batch
    }

    /// What became of the unnamed statement is not known.
    pub(crate) fn unnamed_lost(&mut self) {
        self.unnamed = Unnamed::Foreign;
        self.unnamed_is_of_batch = false;
    }

    /// Whether the client must not use the unnamed statement.
    #[inline]
    pub(crate) fn unnamed_is_foreign(&self) -> bool {
        self.unnamed == Unnamed::Foreign
    }

    /// The Parse of a statement under the client's own name succeeded.
    pub(super) fn named_parsed(&mut self, name: &[u8], statement: Fingerprint) {
        if self.named.len() < STATEMENTS_MAX {
            self.stood_down(name);
            let name = significant(name).into();
            self.named.insert(name, Named::Clients(statement));
        } else {
            self.overflowed = true;
        }
    }

    /// A statement was prepared by SQL under a name that is not known.
    pub(super) fn prepared_unseen(&mut self) {
        self.overflowed = true;
    }

    /// A Close of a statement under the client's own name was answered. Nothing stood there when it was sent, but it
    /// may now.
    pub(super) fn closed(&mut self, name: &[u8]) {
        let name = significant(name);
        if matches!(self.named.get(name), Some(Named::Clients(_))) {
            self.named.remove(name);
        }
    }

    /// SQL dropped a statement under the client's own name.
    pub(super) fn deallocated(&mut self, name: &[u8]) {
        self.stood_down(name);
        self.closed(name);
    }

    /// A statement is sent to stand where SQL looks for this name.
    pub(crate) fn stand_sent(&mut self, name: &[u8]) {
        self.named.insert(significant(name).into(), Named::Stand);
        self.stands += 1;
    }

    /// Nothing stands there any more.
    pub(crate) fn stood_down(&mut self, name: &[u8]) {
        let name = significant(name);
        if self.named.get(name) == Some(&Named::Stand) {
            self.named.remove(name);
            self.stands -= 1;
        }
    }

    /// Whether something stands under this name that is not the client's.
    pub(crate) fn has_stand(&self, name: &[u8]) -> bool {
        self.stands > 0 && self.named.get(significant(name)) == Some(&Named::Stand)
    }

    /// Names under which something stands that is not the client's.
    pub(crate) fn stands(&self) -> Vec<StatementName> {
        let stands = |(_, named): &(_, &Named)| **named == Named::Stand;
        let names = self.named.iter().filter(stands);
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Whether there are such names.
    #[inline]
    pub(crate) fn has_stands(&self) -> bool {
        self.stands > 0
    }

    /// All statements with names were dropped but those of these numbers.
    pub(super) fn all_closed(&mut self, stays: impl Fn(u32) -> bool) {
        self.shared.retain(stays);
        self.named.clear();
        self.stands = 0;
        self.overflowed = false;
    }

    /// What the client prepared under this name, where it is not shared.
    pub(crate) fn statement(&self, name: &[u8]) -> Option<Fingerprint> {
        match self.named.get(significant(name)) {
            Some(Named::Clients(statement)) => Some(*statement),
            Some(Named::Stand) | None => None,
        }
    }

    /// Whether statements bind the server to the client that prepared them: those under its own names until they
    /// are closed, a long unnamed one until it is bound.
    pub(super) fn bind_server(&self) -> bool {
        self.unnamed == Unnamed::Unbound || self.overflowed || self.named.len() > self.stands
    }
}
