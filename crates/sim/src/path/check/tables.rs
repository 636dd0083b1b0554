//! A client is refused a statement that has another result than when it prepared it, and no other.
//!
//! When its messages were carried out is known as well as it can be, so nothing is said where both may be.

use crate::path::sql::Tag;
use crate::path::tables::Span;

/// A client bound a statement with a name, or was told that it has another result now.
pub(in crate::path) fn bound(bind: Tag, is_refused: bool, parsed: Span, at: Span) {
    let changed = at.last.is_none_or(|last| last > parsed.first);
    assert!(
        changed || !is_refused,
        "tables: {bind} is refused, but no table has changed since its statement was prepared"
    );
    let unchanged = parsed.last.is_none_or(|last| at.first <= last);
    assert!(
        unchanged || is_refused,
        "tables: {bind} gets another result than its statement was prepared with"
    );
}
