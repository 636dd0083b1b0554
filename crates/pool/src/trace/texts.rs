//! Recognising statements by their texts.
//!
//! Most texts come again, if only with other literals. A text is looked up by a hash that leaves
//! plain literals out, which costs a tenth of the fingerprint; and only where the fingerprint is
//! new here too is its normalised form made.

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_sql::kind::Kind;
use pgweir_sql::normalise::normalise;
use pgweir_sql::skeleton::skeleton_hash;

use crate::parameters::Parameters;
use crate::text::Text;

/// Texts remembered: 1.5 KiB per server that was used.
const RECENT: usize = 64;

/// Texts of new statements kept until they are taken. Of more, those that come again are kept then.
const FRESH_MAX: usize = 16;

/// Statements remembered that nobody repeats in vain; an application has a handful of them.
const APART: usize = 8;

/// Bytes of a text that are looked at. Statements that differ only behind them are one.
const LOOKED_AT_MAX: usize = 8 * 1024;

/// Bytes of a normalised text.
pub const TEXT_MAX: usize = 1024;

/// Texts of a server's statements. See the module's description.
#[derive(Debug, Default)]
pub struct Texts {
    /// Texts of statements that are new here, without literals, to be taken.
    pub fresh: Vec<(Fingerprint, String)>,
    /// Generation of the table that took them.
    epoch: u32,
    /// Hash of a text, and its fingerprint, at a place told by the hash.
    recent: Vec<(u64, Fingerprint)>,
    /// Fingerprints whose texts were taken, at places told by the fingerprint.
    taken: Vec<Fingerprint>,
    apart: [u64; APART],
    apart_next: usize,
}

impl Texts {
    /// The table that takes texts has forgotten some when it came to `epoch`: they are new again.
    pub fn in_epoch(&mut self, epoch: u32) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.recent.clear();
            self.taken.clear();
        }
    }

    /// The fingerprint of the text of a query.
    pub(super) fn recognise(&mut self, text: Text<'_>, settings: &Parameters) -> Fingerprint {
        self.known(text.hash)
            .unwrap_or_else(|| self.learn(text, settings))
    }

    /// The fingerprint of the text of a Parse: those come again as they are, and as queries do.
    pub(super) fn recognise_prepared(
        &mut self,
        text: Text<'_>,
        settings: &Parameters,
    ) -> Fingerprint {
        if let Some(statement) = self.known(text.hash) {
            return statement;
        }
        let hash = skeleton_hash(text.sql).unwrap_or(text.hash);
        let statement = self.recognise(Text { hash, ..text }, settings);
        self.remember(text.hash, statement);
        statement
    }

    /// Remembers what a hash stands for; not while there is no room for the texts of new statements, so
    /// that theirs are kept when they come again.
    fn remember(&mut self, hash: u64, statement: Fingerprint) {
        if self.fresh.len() < FRESH_MAX {
            self.recent[hash as usize % RECENT] = (hash, statement);
        }
    }

    fn known(&self, hash: u64) -> Option<Fingerprint> {
        let (recent, statement) = *self.recent.get(hash as usize % RECENT)?;
        (recent == hash).then_some(statement)
    }

    /// A text that is new here.
    fn learn(&mut self, text: Text<'_>, settings: &Parameters) -> Fingerprint {
        let Text { sql, hash } = text;
        let sql = &sql[..sql.len().min(LOOKED_AT_MAX)];
        if self.recent.is_empty() {
            self.recent.resize(RECENT, (0, Fingerprint::NONE));
            self.taken.resize(RECENT, Fingerprint::NONE);
        }
        let standard_strings = settings.value("standard_conforming_strings") != Some("off");
        let statement = Fingerprint::of(sql, standard_strings);
        let taken = &mut self.taken[statement.0 as usize % RECENT];
        if *taken != statement {
            if self.fresh.len() == FRESH_MAX {
                return statement;
            }
            *taken = statement;
            let text = normalise(sql, standard_strings, TEXT_MAX);
            self.fresh.push((statement, text));
            if !is_work(&Kind::of(sql, standard_strings)) && self.may_be_one_of_many(statement) {
                self.apart[self.apart_next % APART] = statement.0;
                self.apart_next += 1;
            }
        }
        self.remember(hash, statement);
        statement
    }

    /// Whether one statement could have done what many of this do.
    pub(super) fn may_be_one_of_many(&self, statement: Fingerprint) -> bool {
        statement != Fingerprint::NONE && !self.apart.contains(&statement.0)
    }
}

/// Whether a statement reads or writes rows. A transaction's own BEGIN and COMMIT do not.
fn is_work(kind: &Kind<'_>) -> bool {
    matches!(
        kind,
        Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge
    )
}
