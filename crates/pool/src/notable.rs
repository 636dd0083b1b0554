//! What a text may do to its session that PostgreSQL does not report. A guess by its words, which errs towards yes.

use pgweir_sql::mentions;

/// Whether something is to be noted whenever a statement with this text runs.
pub(crate) fn is_notable(text: &[u8]) -> bool {
    !is_plain(text) && (may_set_limit(text) || may_drop_statements(text))
}

/// Whether a text may drop all prepared statements.
pub(crate) fn may_drop_statements(text: &[u8]) -> bool {
    mentions(text, b"discard") || mentions(text, b"deallocate")
}

/// Whether a text may limit the time of statements or transactions.
pub(crate) fn may_set_limit(text: &[u8]) -> bool {
    mentions(text, b"timeout") && mentions(text, b"set")
}

/// Whether a text is one query without literals, as nearly all are that come often: it names no setting. Cheap,
/// for it is asked of every text.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    const QUERIES: [u32; 4] = [
        u32::from_be_bytes(*b"sele"),
        u32::from_be_bytes(*b"inse"),
        u32::from_be_bytes(*b"upda"),
        u32::from_be_bytes(*b"dele"),
    ];
    let Some((first, rest)) = text.split_first_chunk() else {
        return false;
    };
    if !QUERIES.contains(&(u32::from_be_bytes(*first) | 0x2020_2020)) {
        return false;
    }
    let rest = rest.strip_suffix(b"\0").unwrap_or(rest);
    let rest = rest.strip_suffix(b";").unwrap_or(rest);
    !rest.contains(&b'\'') && !rest.contains(&b';')
}

#[cfg(test)]
mod tests {
    use super::{is_notable, is_plain};

    #[test]
    fn a_query_without_literals_is_plain() {
        for (text, expected) in [
            (
                "select abalance from pgbench_accounts where aid = 1;\0",
                true,
            ),
            ("SELECT $1", true),
            ("Update t set a = $1", true),
            ("delete from t", true),
            ("select set_config('role', 'bob', false)", false),
            ("select 1; set role bob", false),
            ("set role bob", false),
            ("/* */ select 1", false),
            ("sel", false),
            ("", false),
        ] {
            assert_eq!(is_plain(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_leaves_something_behind_is_notable() {
        for (text, expected) in [
            ("SET Statement_Timeout = 5", true),
            ("discard all", true),
            ("select 'a'; select 'b'", false),
            ("select role, offset_, timeout from t", false),
        ] {
            assert_eq!(is_notable(text.as_bytes()), expected, "{text}");
        }
    }
}
