//! What a client's texts may leave behind in the session, and what is done about it when their
//! transaction is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use pgweir_sql::databases::databases_wanted;
use pgweir_sql::effects::{Effects, Kinds, Plain};
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::frontend;

use super::Relay;
use super::numbers::calls_reader;
use crate::parameters::Values;
use crate::text::Text;
use crate::upstream::Upstream;

/// Prepared statements of a client whose effects are remembered, at most. Of a client with more, all
/// have all of these.
const STATEMENTS_MAX: usize = 64;

/// Effects that nothing is done about.
const UNFOLLOWED: Kinds = Kinds::SEQUENCE;

/// Effects on settings.
const CHANGING: Kinds = Kinds::SETTINGS.with(Kinds::RESET).with(Kinds::ANYTHING);

/// Statements of a client that may leave something behind when they run.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    unnamed: Effects,
    named: BTreeMap<Box<[u8]>, Effects>,
    /// Of those that are not told apart: prepared by SQL, or too many.
    others: Effects,
    overflowed: bool,
}

impl Lasting {
    fn parsed(&mut self, name: &[u8], effects: Effects) {
        if name.is_empty() {
            self.unnamed = effects;
        } else if effects.kinds.is_empty() {
            // As below.
        } else if self.named.len() < STATEMENTS_MAX || self.named.contains_key(name) {
            // A Parse of a name in use fails, and what had it stays.
            self.named.entry(name.into()).or_default().add(&effects);
        } else {
            self.overflowed = true;
            self.others.add(&effects);
        }
    }

    fn is_empty(&self) -> bool {
        let is_none = |effects: &Effects| effects.kinds.is_empty();
        is_none(&self.unnamed) && self.named.is_empty() && is_none(&self.others)
    }

    /// What the statement of this name leaves behind.
    pub(super) fn of(&self, name: &[u8]) -> Option<&Effects> {
        if name.is_empty() {
            return Some(&self.unnamed);
        }
        let known = self.named.get(name);
        known.or_else(|| self.overflowed.then_some(&self.others))
    }

    /// What any statement that SQL can execute leaves behind.
    pub(super) fn any(&self) -> Effects {
        let mut all = self.others.clone();
        for effects in self.named.values() {
            all.add(effects);
        }
        all
    }
}

impl Relay {
    /// Looks at a message without a text that goes to the server for what it may leave behind there.
    #[inline]
    pub(super) fn look(&mut self, server: &mut Upstream, kind: u8, body: &[u8]) {
        match kind {
            frontend::BIND if self.lasting.is_some() => self.look_at_bind(server, body),
            frontend::FUNCTION_CALL => {
                let mut kinds = Kinds::ANYTHING;
                if calls_reader(body) {
                    kinds.add(Kinds::SEQUENCE_READ);
                }
                let names = Vec::new();
                self.note(server, &Effects { kinds, names });
            }
            _ => {}
        }
    }

    /// A query that is not known goes to the server. `whole` says that this is all of it.
    pub(super) fn look_at_query(&mut self, server: &mut Upstream, text: Text<'_>, whole: bool) {
        let effects = self.effects(server, text, whole);
        let is_alone = whole && self.moves() && server.is_at_rest() && server.state.is_clear();
        self.note(server, &effects);
        note_cause(server, &effects, true);
        if is_alone && !server.state.is_clear() {
            let tells_all = |what: &Plain| match what {
                // What it reports, PostgreSQL tells itself.
                Plain::Set { name, value } => {
                    value.is_some() || server.defaults.value(name).is_some()
                }
                Plain::DiscardAll => true,
            };
            if let Some(what) = Plain::of(text.sql).filter(tells_all) {
                server.state.note_told(what);
            }
        }
        if effects.kinds.any(Kinds::PREPARED) {
            self.look_at_prepared(server, effects);
        }
    }

    /// A text that may prepare or execute statements by SQL.
    fn look_at_prepared(&mut self, server: &mut Upstream, effects: Effects) {
        if let Some(lasting) = &self.lasting {
            let any = lasting.any();
            self.note(server, &any);
        }
        if !effects.kinds.without(Kinds::PREPARED).is_empty() {
            self.lasting.get_or_insert_default().others.add(&effects);
        }
    }

    /// A statement is prepared. `whole` says that this is all of its text.
    #[inline]
    pub(super) fn look_at_parse(
        &mut self,
        server: &mut Upstream,
        name: &[u8],
        text: Text<'_>,
        whole: bool,
    ) {
        let is_harmless = whole && server.state.is_harmless(text.hash);
        if !is_harmless || self.lasting.is_some() {
            self.note_parse(server, name, text, whole);
        }
    }

    #[cold]
    fn note_parse(&mut self, server: &mut Upstream, name: &[u8], text: Text<'_>, whole: bool) {
        let effects = if whole && server.state.is_harmless(text.hash) {
            Effects::default()
        } else {
            self.effects(server, text, whole)
        };
        if effects.kinds.is_empty() && self.lasting.is_none() {
            return;
        }
        self.note_read(server, effects.kinds);
        let lasting = self.lasting.get_or_insert_default();
        lasting.parsed(name, effects);
        if lasting.is_empty() {
            self.lasting = None;
        }
    }

    #[cold]
    fn look_at_bind(&mut self, server: &mut Upstream, body: &[u8]) {
        let name = frontend::bind_statement(body).unwrap_or_default();
        let lasting = self.lasting.as_ref();
        let Some(effects) = lasting.and_then(|lasting| lasting.of(name)).cloned() else {
            return;
        };
        self.note(server, &effects);
        note_cause(server, &effects, false);
        if effects.kinds.any(Kinds::PREPARED) {
            self.look_at_prepared(server, effects);
        }
    }

    /// What a text may leave behind. Of one that is not there as a whole that is anything that can be
    /// asked about. One that leaves nothing, however strings are read, is known again.
    pub(super) fn effects(&self, server: &mut Upstream, text: Text<'_>, whole: bool) -> Effects {
        let strings = server.parameters.value("standard_conforming_strings") != Some("off");
        let of = |strings| {
            let mut effects = Effects::of(text.sql, strings);
            effects.kinds = effects.kinds.without(UNFOLLOWED);
            effects
        };
        let mut effects = of(strings);
        if effects.kinds.any(Kinds::DATABASE) {
            server.wanted_databases = databases_wanted(text.sql, strings);
        }
        if !whole {
            effects.kinds.add(Kinds::ANYTHING);
            effects.kinds.add(Kinds::SEQUENCE_READ);
        }
        if server.audit.has_suspects() && server.audit.suspects(text.hash) {
            effects.kinds.add(Kinds::ANYTHING);
        }
        if effects.kinds.is_empty() && (!text.sql.contains(&b'\\') || of(!strings).kinds.is_empty())
        {
            server.state.learn_harmless(text.hash);
            return effects;
        }
        let path = self.client.parameters.value("search_path");
        if effects.kinds.any(Kinds::CREATE) && path.is_some_and(|path| path.contains("pg_temp")) {
            effects.kinds.add(Kinds::TEMPORARY);
        }
        effects
    }

    fn note(&mut self, server: &mut Upstream, effects: &Effects) {
        self.note_read(server, effects.kinds);
        let takes_back = effects.kinds.any(Kinds::RESET.with(Kinds::ANYTHING));
        if takes_back && self.has_nothing_to_take_back(server, effects.kinds) {
            let kinds = effects.kinds.without(Kinds::RESET.with(Kinds::RESET_ALL));
            let names = Vec::new();
            return server.state.note(&Effects { kinds, names });
        }
        let blocks = takes_back && self.began.differing(&server.defaults).next().is_some();
        if !self.moves() {
            // All that is left belongs to the client, and is discarded behind it. It may only not be
            // taken back to another's beginning.
            let kinds = effects.kinds;
            server.role_is_foreign |= kinds.any(CHANGING);
            if !blocks {
                return;
            }
        }
        server.state.note(effects);
        if blocks && effects.kinds.any(Kinds::RESET) {
            server.state.block();
        }
    }

    /// Whether a text that does no more to settings than to take them back finds none that the client, or the
    /// server, has of its own.
    fn has_nothing_to_take_back(&self, server: &Upstream, kinds: Kinds) -> bool {
        let own = &*self.client.parameters;
        !kinds.any(Kinds::SETTINGS.with(Kinds::ANYTHING))
            && self.moves()
            && server.state.is_clear()
            && !server.state.has_unnamed()
            && [&self.began, &server.parameters, &server.defaults]
                .iter()
                .all(|others| own == &***others)
    }

    /// Whether the client's next message waits until it is known what a text took back.
    #[inline]
    pub fn awaits_reset(&self, server: &Upstream) -> bool {
        server.state.blocks() && self.awaits_answer(server)
    }

    #[cold]
    fn awaits_answer(&self, server: &Upstream) -> bool {
        let is_failed = server.replies.is_settled() && server.status == TxStatus::Failed;
        !(is_failed
            || self.is_torn()
            || server.replies.is_unsynced()
            || server.replies.is_copying()
            // What that owes may never be known; it serves nobody else.
            || !server.replies.is_certain())
    }

    /// Does what is due when everything was answered: asks what texts have left behind, and sets
    /// again what they took back of what the client connected with. Appends to `out`.
    #[inline]
    pub fn inquire(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        if !server.state.is_quiet() {
            self.inquire_now(server, out);
        }
    }

    #[cold]
    fn inquire_now(&mut self, server: &mut Upstream, out: &mut Vec<u8>) {
        if server.replies.is_settled()
            && server.status == TxStatus::Idle
            && let Some(told) = server.state.take_told()
        {
            self.learn(server, told);
        }
        if let Some(sourced) = server.state.take_sourced() {
            self.restore(server, &|name| sourced.contains(name), out);
        }
        if !server.replies.is_settled() || self.is_torn() || !server.replies.is_certain() {
            return;
        }
        let names = self.custom_names(server);
        let question = match server.status {
            TxStatus::Idle if !self.moves() => {
                let is_due = server.state.may_have_reset();
                let question = is_due.then(|| server.state.ask_early(&names)).flatten();
                server.state.forget_due();
                question
            }
            TxStatus::Idle => server.state.ask(&names),
            TxStatus::InTransaction if server.state.blocks() => server.state.ask_early(&names),
            TxStatus::InTransaction | TxStatus::Failed => None,
        };
        if let Some(sql) = question {
            server.send_own(&sql, out);
        }
    }

    /// A text said all of what it did.
    fn learn(&mut self, server: &mut Upstream, told: Plain) {
        match told {
            Plain::Set { name, value } => {
                let is_reported = server.defaults.value(&name).is_some();
                if let Some(value) = value.filter(|_| !is_reported) {
                    Arc::make_mut(&mut server.parameters).set(&name, &value);
                    Arc::make_mut(&mut self.client.parameters).set(&name, &value);
                }
            }
            Plain::DiscardAll => {
                let own = Arc::make_mut(&mut self.client.parameters);
                let custom: Vec<_> = own.custom().collect();
                own.learn(&Values::new(), &custom, &server.defaults);
                server.role_is_foreign = false;
                server.state.all_taken_back();
            }
        }
    }

    /// Asks what the lease that is about to end has left that no text told of. Appends to `out`.
    #[cold]
    pub fn audit(&self, server: &mut Upstream, out: &mut Vec<u8>) {
        let names = self.custom_names(server);
        if let Some(sql) = server.state.ask_all(&names) {
            server.send_own(&sql, out);
        }
    }

    /// A statement runs that was parsed before.
    #[inline]
    pub(super) fn look_at_known<'a>(
        &mut self,
        server: &mut Upstream,
        known: impl FnOnce() -> (Text<'a>, Fingerprint),
    ) {
        if server.audit.is_noting() || server.audit.has_suspects() {
            self.note_known(server, known());
        }
    }

    #[cold]
    fn note_known(&mut self, server: &mut Upstream, (text, statement): (Text<'_>, Fingerprint)) {
        server.audit.ran(text, statement);
        if server.audit.suspects(text.hash) {
            let (kinds, names) = (Kinds::ANYTHING, Vec::new());
            self.note(server, &Effects { kinds, names });
        }
    }

    /// Custom settings that are known already.
    fn custom_names(&self, server: &Upstream) -> Vec<Arc<str>> {
        let all = [&self.began, &self.client.parameters, &server.parameters];
        let names = all.into_iter().flat_map(|parameters| parameters.custom());
        names.collect()
    }

    /// Sets again what the client connected with and the session has not, by what `is_set` says.
    fn restore(&mut self, server: &mut Upstream, is_set: &dyn Fn(&str) -> bool, out: &mut Vec<u8>) {
        server.state.unblock();
        let own = Arc::make_mut(&mut self.client.parameters);
        for name in self.began.differing(&server.defaults) {
            // What the client has set to the server's default was not sent to this server.
            let value = own.value(&name);
            let is_default = value == server.defaults.value(&name);
            let is_reset = value.is_none() || !is_default || server.state.took_back(&name);
            if !is_set(&name)
                && is_reset
                && let Some(value) = self.began.value(&name)
            {
                own.set(&name, value);
                if server.defaults.value(&name).is_none() {
                    // Amid a transaction nothing was learned yet.
                    Arc::make_mut(&mut server.parameters).forget(&name);
                }
            }
        }
        if *own == *self.began {
            self.client.parameters = self.began.clone();
        }
        if !server.replies.is_settled() || server.status == TxStatus::Failed {
            // The client went on meanwhile, and what it has is set when it gets its next server.
            return;
        }
        if let Some(sql) = server.parameters.sql_to_become(&self.client.parameters) {
            server.send_restoring(&sql, out);
            server.parameters = self.client.parameters.clone();
        }
    }
}

/// Notes which statement it is that may keep the server: the simple query that is sent, or the one that was bound.
fn note_cause(server: &mut Upstream, effects: &Effects, is_query: bool) {
    if effects.kinds.any(Kinds::HELD.with(Kinds::ANYTHING)) {
        server.observer.may_hold(is_query);
    }
}
