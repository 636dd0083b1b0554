//! Prepared statements of one server's session.

use std::collections::BTreeMap;

use pgweir_sql::deallocate::deallocated;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::frontend;

use crate::replies::StatementName;

/// Named statements tracked per server; a client that prepares more stays pinned until its session
/// ends. At 90 bytes each this is 360 KiB.
pub const STATEMENTS_MAX: usize = 4096;

/// The statements that the session has, as far as answers have confirmed them.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    named: BTreeMap<StatementName, Fingerprint>,
    /// There were more than are tracked, so it is not known when the last one is closed.
    overflowed: bool,
    unnamed: Unnamed,
    /// `None` while there are none, as nearly always.
    drops: Option<Box<Drops>>,
}

/// What a `DEALLOCATE` of the client drops, on its way from the text to the message that runs it. In the
/// extended protocol it is followed within one batch only: of a batch that failed nothing is parsed.
#[derive(Debug, Default)]
struct Drops {
    /// Of the unnamed statement.
    parsed: Vec<StatementName>,
    /// Of the unnamed portal.
    bound: Vec<StatementName>,
    /// Of the message that was sent last.
    run: Vec<StatementName>,
}

/// The unnamed statement, as far as the client that holds the server is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unnamed {
    /// If there is one, another client parsed it: this one must not use it.
    #[default]
    Foreign,
    /// There is none, or the client itself parsed it.
    Own,
    /// The client parsed it and has not bound it since. Drivers that ask for its description first
    /// send a Sync in between and bind it after that, so it keeps the server.
    Unbound,
}

impl Prepared {
    /// Another client gets the server.
    pub(crate) fn client_changed(&mut self) {
        self.unnamed = Unnamed::Foreign;
        self.batch_ended();
    }

    /// The client sent a simple query, which drops the unnamed statement; `body` is the
    /// message's, if all of it is there.
    #[inline]
    pub(crate) fn query_sent(&mut self, body: Option<&[u8]>) {
        self.unnamed = Unnamed::Own;
        self.batch_ended();
        let run = self.dropped_by(body, frontend::query_text);
        if !run.is_empty() {
            self.drops.get_or_insert_default().run = run;
        }
    }

    /// The client sent a Parse of the unnamed statement, with this body if all of it is there.
    #[inline]
    pub(crate) fn unnamed_text_sent(&mut self, body: Option<&[u8]>) {
        if self.drops.is_some() || !self.named.is_empty() {
            let parsed = self.dropped_by(body, frontend::parse_text);
            self.drops.get_or_insert_default().parsed = parsed;
        }
    }

    /// The client sent a Bind of the unnamed portal, to the unnamed statement or to another.
    #[inline]
    pub(crate) fn unnamed_bind_sent(&mut self, to_unnamed: bool) {
        if let Some(drops) = &mut self.drops {
            drops.bound.clear();
            if to_unnamed {
                drops.bound.clone_from(&drops.parsed);
            }
        }
    }

    /// The client sent an Execute of the unnamed portal.
    #[inline]
    pub(crate) fn unnamed_execute_sent(&mut self) {
        if let Some(drops) = &mut self.drops {
            drops.run = std::mem::take(&mut drops.bound);
        }
    }

    /// The client sent a Sync or a query.
    #[inline]
    pub(crate) fn batch_ended(&mut self) {
        self.drops = None;
    }

    /// What the message that was sent last drops.
    #[inline]
    pub(crate) fn take_drops(&mut self) -> Option<Vec<StatementName>> {
        let run = &mut self.drops.as_mut()?.run;
        (!run.is_empty()).then(|| std::mem::take(run))
    }

    /// What the text in `body` drops. Texts are looked into only while there is something to drop.
    fn dropped_by(
        &self,
        body: Option<&[u8]>,
        text: fn(&[u8]) -> Option<&[u8]>,
    ) -> Vec<StatementName> {
        let body = body.filter(|_| !self.named.is_empty());
        let names = body.and_then(text).map(deallocated);
        names
            .unwrap_or_default()
            .into_iter()
            .map(Vec::into_boxed_slice)
            .collect()
    }

    /// The pooler sent a simple query. An unnamed statement that waits for its Bind keeps the server
    /// until the query was answered.
    pub(super) fn own_query_sent(&mut self) {
        self.replace(Unnamed::Foreign, Unnamed::Own);
    }

    /// The pooler's simple query was answered.
    pub(super) fn own_query_answered(&mut self) {
        self.replace(Unnamed::Unbound, Unnamed::Own);
    }

    /// The client sent a Parse of the unnamed statement.
    pub(crate) fn unnamed_sent(&mut self) {
        self.replace(Unnamed::Foreign, Unnamed::Own);
    }

    /// The Parse of the unnamed statement succeeded.
    pub(super) fn unnamed_parsed(&mut self) {
        self.unnamed = Unnamed::Unbound;
    }

    /// A Bind succeeded.
    pub(super) fn bound(&mut self) {
        self.replace(Unnamed::Unbound, Unnamed::Own);
    }

    /// The Parse of a named statement succeeded.
    pub(super) fn named_parsed(&mut self, name: StatementName, statement: Fingerprint) {
        if self.named.len() < STATEMENTS_MAX {
            self.named.insert(name, statement);
        } else {
            self.overflowed = true;
        }
    }

    /// A named statement was closed.
    pub(super) fn closed(&mut self, name: &[u8]) {
        self.named.remove(name);
    }

    /// All named statements were dropped.
    pub(super) fn all_closed(&mut self) {
        self.named.clear();
        self.overflowed = false;
    }

    /// What was prepared under this name.
    pub(crate) fn statement(&self, name: &[u8]) -> Option<Fingerprint> {
        self.named.get(name).copied()
    }

    /// Whether the client must not use the unnamed statement.
    pub(crate) fn unnamed_is_foreign(&self) -> bool {
        self.unnamed == Unnamed::Foreign
    }

    /// Whether statements bind the server to the client that prepared them: named ones until they
    /// are closed, the unnamed one until it is bound.
    pub(super) fn bind_server(&self) -> bool {
        self.unnamed == Unnamed::Unbound || self.overflowed || !self.named.is_empty()
    }

    fn replace(&mut self, from: Unnamed, to: Unnamed) {
        if self.unnamed == from {
            self.unnamed = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use pgweir_sql::fingerprint::Fingerprint;

    use super::{Prepared, STATEMENTS_MAX};

    /// Whether the unnamed statement is another client's and whether statements bind the server,
    /// after each event.
    fn after(events: &str) -> Vec<(bool, bool)> {
        let mut prepared = Prepared::default();
        let step = |event| {
            match event {
                "client" => prepared.client_changed(),
                "query" => prepared.query_sent(None),
                "own" => prepared.own_query_sent(),
                "own-answered" => prepared.own_query_answered(),
                "parse" => prepared.unnamed_sent(),
                "parsed" => prepared.unnamed_parsed(),
                "bound" => prepared.bound(),
                other => panic!("unknown event {other:?}"),
            }
            (prepared.unnamed_is_foreign(), prepared.bind_server())
        };
        events.split("; ").map(step).collect()
    }

    #[test]
    fn the_unnamed_statement_binds_the_server_from_its_parse_to_its_bind() {
        let (foreign, own, unbound) = ((true, false), (false, false), (false, true));
        assert_eq!(after("client; bound"), [foreign, foreign]);
        let bound = after("parse; parsed; parse; bound; client");
        assert_eq!(bound, [own, unbound, unbound, own, foreign]);
        // A query of the client drops it at once, one of the pooler when it was answered.
        assert_eq!(after("parse; parsed; query"), [own, unbound, own]);
        let own_query = after("parse; parsed; own; own-answered");
        assert_eq!(own_query, [own, unbound, unbound, own]);
        assert_eq!(after("client; own; bound"), [foreign, own, own]);
    }

    #[test]
    fn more_named_statements_than_are_tracked_bind_the_server_until_all_are_dropped() {
        let mut prepared = Prepared::default();
        let name = |at: usize| at.to_be_bytes();
        for at in 0..=STATEMENTS_MAX {
            prepared.named_parsed(name(at)[..].into(), Fingerprint(at as u64));
        }
        assert_eq!(prepared.statement(&name(7)), Some(Fingerprint(7)));
        assert_eq!(prepared.statement(&name(STATEMENTS_MAX)), None);
        for at in 0..=STATEMENTS_MAX {
            prepared.closed(&name(at));
        }
        assert!(prepared.bind_server());
        prepared.all_closed();
        assert!(!prepared.bind_server());
    }
}
