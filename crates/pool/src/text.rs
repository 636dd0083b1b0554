//! A client's text on its way to a server, and what it is known by when it comes again.

use pgweir_sql::fingerprint::text_hash;
use pgweir_sql::kind::Kind;
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
        Self::of_prepared(sql)
    }

    /// The text of a prepared statement.
    pub(crate) fn of_prepared(sql: &'a [u8]) -> Self {
        let hash = text_hash(sql);
        Self { sql, hash }
    }

    /// Whether it begins or ends a transaction or a part of one, and no more: it calls no function.
    pub(crate) fn is_control(&self) -> bool {
        let sql = self.sql.trim_ascii_end();
        let sql = sql.strip_suffix(b";").unwrap_or(sql);
        let is_one = !sql.contains(&b';');
        is_one
            && matches!(
                Kind::of(sql, true),
                Kind::Empty
                    | Kind::Begin
                    | Kind::Commit
                    | Kind::Rollback
                    | Kind::Savepoint
                    | Kind::Release
                    | Kind::RollbackTo
            )
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn what_begins_or_ends_a_transaction_calls_no_function() {
        for (sql, expected) in [
            ("BEGIN", true),
            ("start transaction isolation level serializable; ", true),
            ("commit;", true),
            ("rollback to savepoint a", true),
            ("", true),
            ("begin; select f()", false),
            ("select f()", false),
            ("call f()", false),
        ] {
            let text = Text::of_query(sql.as_bytes());
            assert_eq!(text.is_control(), expected, "{sql}");
        }
    }
}
