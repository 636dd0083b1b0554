//! References to variables.

/// Whether a text has no reference to a variable.
pub(crate) fn plain(text: &str) -> bool {
    !text.is_empty() && !text.contains('$')
}
