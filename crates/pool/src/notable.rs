//! What a text may do to its session that PostgreSQL does not report. A guess by its words, which errs towards yes.

use pgweir_sql::mentions;

/// Whether something is to be noted whenever a statement with this text runs.
pub(crate) fn is_notable(text: &[u8]) -> bool {
    may_set_limit(text) || may_drop_statements(text)
}

/// Whether a text may drop all prepared statements.
pub(crate) fn may_drop_statements(text: &[u8]) -> bool {
    mentions(text, b"discard") || mentions(text, b"deallocate")
}

/// Whether a text may limit the time of statements or transactions.
pub(crate) fn may_set_limit(text: &[u8]) -> bool {
    mentions(text, b"timeout") && mentions(text, b"set")
}

#[cfg(test)]
mod tests {
    use super::is_notable;

    #[test]
    fn what_leaves_something_behind_is_notable() {
        for (text, expected) in [
            ("SET Statement_Timeout = 5", true),
            ("discard all", true),
            ("select 'a'; select 'b'", false),
            ("select role, timeout from t", false),
        ] {
            assert_eq!(is_notable(text.as_bytes()), expected, "{text}");
        }
    }
}
