//! Writing into a `String`, which cannot fail.

use std::fmt::{Arguments, Write};

/// Appends `format_args!(...)`.
pub(crate) fn push(text: &mut String, arguments: Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a String cannot fail");
}
