//! What a function leaves in its session without a sign of it in the text that calls it.
//!
//! Now and then a lease is audited: when the server is about to go back, PostgreSQL is asked about all that can be
//! asked about. What nobody told of is the client's if the session was known before the lease; otherwise it may be
//! anybody's: the server is given up, and for a while every lease of the pool is audited, to learn whose it is. The
//! texts of a lease that left something are suspects from then on, of the whole pool: behind each of them PostgreSQL
//! is asked, so that what it leaves becomes its client's.

use std::sync::Arc;

use pgweir_sql::effects::Kinds;
use pgweir_sql::fingerprint::Fingerprint;

use super::Upstream;
use crate::question::Answer;
use crate::text::Text;
use crate::trace::Unseen;

/// Texts of one lease that are noted, at most. Of a lease with more, none becomes a suspect.
const TEXTS_MAX: usize = 16;

/// How often a question is asked again that was not answered.
const RETRIES_MAX: u32 = 3;

/// Texts of one pool that are asked about, at most: half a KiB. Of more, the first are forgotten.
pub(crate) const SUSPECTS_MAX: usize = 64;

/// Leases of a pool that are audited after something was found that may be anybody's.
pub(crate) const HUNT: u32 = 1000;

/// Hashes of texts that left something behind unseen.
pub(crate) type Suspects = Arc<Vec<u64>>;

/// What the pool is to know of what was found on a server.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Texts that may have left it.
    pub(crate) suspects: Vec<u64>,
    /// It may have been left in any lease.
    pub(crate) hunts: bool,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Audit {
    suspects: Suspects,
    /// Leases since the last one that was audited.
    unaudited: u32,
    /// The next lease is to be audited in any case.
    is_wanted: bool,
    /// The server was given to a client that has not joined it yet.
    is_new: bool,
    /// All that the session has is known: that of its last client, and nothing else.
    is_known: bool,
    /// The texts of the lease, if that is audited, and whether the session was known before it.
    lease: Option<Box<Lease>>,
    /// The session has what may be anybody's.
    is_tainted: bool,
    news: Option<Box<News>>,
}

#[derive(Debug, Default)]
struct Lease {
    texts: Vec<(u64, Fingerprint)>,
    has_more: bool,
    was_known: bool,
    /// Questions that were not answered.
    failures: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            suspects: Suspects::default(),
            unaudited: 0,
            is_wanted: false,
            is_new: false,
            // Of a session that has just begun.
            is_known: true,
            lease: None,
            is_tainted: false,
            news: None,
        }
    }
}

impl Audit {
    /// The server is given to a client. These texts are suspects; with `is_wanted` the lease is audited. Whether there
    /// are other suspects than before.
    pub(crate) fn given(&mut self, suspects: &Suspects, is_wanted: bool) -> bool {
        self.is_new = true;
        self.is_wanted = is_wanted;
        let is_same = Arc::ptr_eq(&self.suspects, suspects);
        if !is_same {
            self.suspects = suspects.clone();
        }
        !is_same
    }

    /// The client joins it. One lease in `interval` is audited, none with 0.
    pub(crate) fn joined(&mut self, interval: u32) {
        if !std::mem::take(&mut self.is_new) {
            return;
        }
        let is_unused = |lease: &Lease| lease.was_known && lease.texts.is_empty();
        let was_known =
            std::mem::take(&mut self.is_known) || self.lease.as_deref().is_some_and(is_unused);
        self.unaudited = self.unaudited.saturating_add(1);
        self.lease = None;
        if interval > 0 && (self.is_wanted || self.unaudited >= interval) {
            self.unaudited = 0;
            self.lease = Some(Box::new(Lease {
                was_known,
                ..Lease::default()
            }));
        }
    }

    /// A text goes to the server.
    #[inline]
    pub(crate) fn ran(&mut self, text: Text<'_>, statement: Fingerprint) {
        if let Some(lease) = &mut self.lease
            && !text.is_control()
        {
            lease.ran(text.hash, statement);
        }
    }

    /// Whether the texts of the lease are noted.
    #[inline]
    pub(crate) fn is_noting(&self) -> bool {
        self.lease.is_some()
    }

    /// Whether there are suspects.
    #[inline]
    pub(crate) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether a text with this hash is one.
    pub(crate) fn suspects(&self, hash: u64) -> bool {
        self.suspects.contains(&hash)
    }

    /// Whether PostgreSQL is to be asked before the server goes back.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let lease = self.lease.as_ref();
        lease.is_some_and(|lease| !lease.texts.is_empty())
    }

    /// The pooler discarded everything.
    pub(super) fn discarded(&mut self) {
        self.lease = None;
        self.is_known = true;
    }

    /// It did not answer, as after a cancel request that came late. It is asked again, and given up if it never does.
    pub(super) fn failed(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        lease.failures += 1;
        if lease.failures > RETRIES_MAX {
            self.lease = None;
            self.is_tainted = true;
        }
    }

    /// Whether the session has what may be anybody's.
    #[inline]
    pub(crate) fn is_tainted(&self) -> bool {
        self.is_tainted
    }

    /// What the pool is to know, once.
    pub(crate) fn take_news(&mut self) -> Option<Box<News>> {
        self.news.take()
    }
}

impl Lease {
    #[cold]
    fn ran(&mut self, hash: u64, statement: Fingerprint) {
        if self.texts.iter().any(|(known, _)| *known == hash) {
            return;
        }
        if self.texts.len() < TEXTS_MAX {
            self.texts.push((hash, statement));
        } else {
            self.has_more = true;
        }
    }
}

impl Upstream {
    /// An audit was answered. Whether what it found is the client's.
    pub(super) fn audited(&mut self, answer: &Answer) -> bool {
        let Some(lease) = self.audit.lease.take() else {
            return true;
        };
        let (settings, differs) = self.untold(answer);
        let is_found = !settings.is_empty() || !answer.held.is_empty();
        if is_found {
            self.report(&lease, settings, answer.held);
        }
        if !lease.was_known && (is_found || differs) {
            self.audit.is_tainted = true;
            return false;
        }
        let is_settled = self.replies.is_settled();
        if is_settled && answer.held.is_empty() {
            self.audit.is_known = true;
            return true;
        }
        // The lease goes on. What the client sent behind the question has to be asked about yet.
        let mut lease = Lease {
            was_known: true,
            ..*lease
        };
        if is_settled {
            lease.texts.clear();
            lease.has_more = false;
        }
        self.audit.lease = Some(Box::new(lease));
        true
    }

    /// Settings that nobody told of, and whether others have another value than was told. PostgreSQL may only spell
    /// that otherwise.
    fn untold(&self, answer: &Answer) -> (Vec<Arc<str>>, bool) {
        let mut untold = Vec::new();
        let mut differs = false;
        for (name, value) in &answer.settings {
            let is_custom = answer.names.contains(name);
            let is_none = &**name == "role" && &**value == "none" || is_custom && value.is_empty();
            match self.parameters.value(name) {
                None if is_none => {}
                None => untold.push(name.clone()),
                Some(known) => differs |= known != &**value && !is_none,
            }
        }
        (untold, differs)
    }

    fn report(&mut self, lease: &Lease, settings: Vec<Arc<str>>, held: Kinds) {
        let texts = &lease.texts;
        let news = News {
            suspects: if lease.has_more || !lease.was_known {
                Vec::new()
            } else {
                texts.iter().map(|(hash, _)| *hash).collect()
            },
            hunts: !lease.was_known,
        };
        self.audit.news = Some(Box::new(news));
        self.observer.trace.unseen(Unseen {
            statements: texts.iter().map(|(_, statement)| *statement).collect(),
            settings,
            held,
            is_clients: lease.was_known,
        });
    }
}

#[cfg(test)]
mod tests;
