//! Puts spaces in the place of comments and of what is between quotes, so that every byte stays where it
//! is.

/// A language, as far as its comments and strings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// `#` begins a comment, and there are strings of three quotes.
    Python,
    /// `#` begins a comment.
    Ruby,
    /// `#` begins a comment; a `?"` is a letter.
    Elixir,
    /// `//` and `/* */`; backticks.
    Script,
    /// `//`, `#` and `/* */`.
    Php,
    /// `//` and `/* */`; backticks without escapes.
    Go,
    /// `//` and `/* */`; a single quote begins a lifetime as a rule.
    Rust,
}

impl Language {
    fn line_comments(self) -> &'static [&'static str] {
        match self {
            Self::Python | Self::Ruby | Self::Elixir => &["#"],
            Self::Script | Self::Go | Self::Rust => &["//"],
            Self::Php => &["//", "#"],
        }
    }

    fn has_block_comments(self) -> bool {
        match self {
            Self::Python | Self::Ruby | Self::Elixir => false,
            Self::Script | Self::Go | Self::Php | Self::Rust => true,
        }
    }

    fn has_triple_quotes(self) -> bool {
        match self {
            Self::Python | Self::Elixir => true,
            Self::Ruby | Self::Script | Self::Php | Self::Go | Self::Rust => false,
        }
    }

    fn has_single_quotes(self) -> bool {
        self != Self::Rust
    }

    fn has_backticks(self) -> bool {
        match self {
            Self::Script | Self::Go | Self::Ruby => true,
            Self::Python | Self::Elixir | Self::Php | Self::Rust => false,
        }
    }
}

/// The text with spaces for comments, and the same with spaces for the insides of strings too.
pub(super) fn blanked(text: &str, language: Language) -> (String, String) {
    let mut plain = text.as_bytes().to_vec();
    let mut mask = plain.clone();
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let starts = |sign: &str| rest.starts_with(sign.as_bytes());
        let comment = language.line_comments().iter().any(|sign| starts(sign))
            // An attribute of PHP.
            && !(language == Language::Php && starts("#["));
        if comment {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = at + end.unwrap_or(rest.len());
            blank(&mut plain, at, end);
            blank(&mut mask, at, end);
            at = end;
        } else if language.has_block_comments() && starts("/*") {
            let end = find(rest, b"*/", 2).map_or(text.len(), |end| at + end + 2);
            blank(&mut plain, at, end);
            blank(&mut mask, at, end);
            at = end;
        } else if language.has_triple_quotes() && (starts("\"\"\"") || starts("'''")) {
            let end = find(rest, &rest[..3], 3).map_or(text.len(), |end| at + end);
            blank(&mut mask, at + 3, end);
            at = (end + 3).min(text.len());
        } else if rest[0] == b'"'
            || (language.has_single_quotes() && rest[0] == b'\'')
            || (language.has_backticks() && rest[0] == b'`')
        {
            let end = at + string_end(rest, language);
            blank(&mut mask, at + 1, end);
            at = (end + 1).min(text.len());
        } else {
            at += 1;
        }
    }
    // Letters beyond ASCII are part of names. So every byte of the mask is a letter.
    for byte in &mut mask {
        if !byte.is_ascii() {
            *byte = b'x';
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(plain), text(mask))
}

/// Where the quote that opens at the start is closed. What is not closed in its line is none.
fn string_end(rest: &[u8], language: Language) -> usize {
    let quote = rest[0];
    let raw = quote == b'`' && language == Language::Go;
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if !raw => at += 1,
            b'\n' if quote != b'`' && language != Language::Php => return 0,
            byte if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    0
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let place = bytes
        .get(from..)?
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(from + place)
}

fn blank(bytes: &mut [u8], from: usize, to: usize) {
    for byte in bytes.iter_mut().take(to).skip(from) {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}
