//! Text that sources have in common: words for yes and no, keys of settings, and what may be printed.

/// What words for yes and no mean, in any case; `None` for others. PgBouncer writes 0 and 1.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `section.name`, the name in quotes where TOML needs them.
pub fn key_of(section: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let dot = if section.is_empty() { "" } else { "." };
    if !name.is_empty() && name.chars().all(bare) {
        format!("{section}{dot}{name}")
    } else {
        format!("{section}{dot}{name:?}")
    }
}

/// What stands between two `quote`s at the start of `text`, where two quotes are one, and what follows.
/// `None` if it begins with none or has no end.
pub fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(quote)?;
    let mut field = String::new();
    loop {
        let (before, after) = rest.split_once(quote)?;
        field.push_str(before);
        match after.strip_prefix(quote) {
            Some(after) => {
                field.push(quote);
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

/// Text with everything escaped that ends a line, steers a terminal or cannot be seen, so that what a
/// file or a peer says cannot pass for something else.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Unicode's separators of lines and its format characters: bidirectional controls, marks of no width,
/// tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}
