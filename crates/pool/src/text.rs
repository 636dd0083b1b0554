//! A client's text on its way to a server, and what it is known by when it comes again.

use pgweir_sql::fingerprint::text_hash;
use pgweir_sql::skeleton::skeleton_hash;
use pgweir_wire::frontend;

/// A text, hashed once for all who want to know whether they have seen it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// What there is of it.
    pub(crate) sql: &'a [u8],
    /// Equal for texts that do the same. Those of queries may differ in plain literals.
    pub(crate) hash: u64,
}

impl<'a> Text<'a> {
    /// The text of a Query, whose body this is.
    #[inline]
    pub(crate) fn of_query(body: &'a [u8]) -> Self {
        let sql = body.strip_suffix(b"\0").unwrap_or(body);
        let hash = skeleton_hash(sql).unwrap_or_else(|| text_hash(sql));
        Self { sql, hash }
    }

    /// The text of a Parse, of which this is what follows the name. It has its values apart, and comes again as it
    /// is.
    #[inline]
    pub(crate) fn of_parse(parsed: &'a [u8]) -> Self {
        // All that is there of a text that is longer than the buffer.
        let sql = frontend::query_text(parsed).unwrap_or(parsed);
        let hash = text_hash(sql);
        Self { sql, hash }
    }
}
