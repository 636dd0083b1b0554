//! The arguments of a call of `set_config`.

use super::Kinds;
use crate::lexer::{Lexer, TokenKind};

/// Tokens of a call that are looked at. A text may call it in its own arguments again and again,
/// and must not be read as often.
const TOKENS_MAX: usize = 64;

/// What a call does.
pub(super) struct Call {
    pub(super) kinds: Kinds,
    /// The custom setting that it sets, or any that it takes back.
    pub(super) name: Option<String>,
}

/// Reads a call whose name was read. Of what is no call, anything may be said.
pub(super) fn read(sql: &[u8], after: Lexer<'_>) -> Call {
    let mut tokens = after.filter(|token| token.kind.significant());
    let mut depth = 0_usize;
    let mut argument = 0;
    let mut name = Name::Untold;
    let mut kinds = Kinds::SETTINGS;
    // Whether the third argument is the word TRUE and nothing else.
    let (mut is_true, mut third_len) = (false, 0);
    let mut is_whole = false;
    for token in tokens.by_ref().take(TOKENS_MAX) {
        let text = token.text(sql);
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth <= 1 => {
                is_whole = depth == 1;
                break;
            }
            TokenKind::Close => depth -= 1,
            TokenKind::Comma if depth == 1 => {
                argument += 1;
                continue;
            }
            _ => {}
        }
        match (argument, token.kind) {
            (0, TokenKind::Open) if depth == 1 => {}
            (0, TokenKind::String) => name = name.literal(text),
            // A cast changes nothing: 'app.x'::text.
            (0, TokenKind::Cast | TokenKind::Word) if name != Name::Untold => {}
            (0, _) => name = Name::Unreadable,
            (1, TokenKind::Word) if text.eq_ignore_ascii_case(b"null") => kinds.add(Kinds::RESET),
            (2, _) => {
                third_len += 1;
                is_true = text.eq_ignore_ascii_case(b"true") && token.kind == TokenKind::Word;
            }
            _ => {}
        }
    }
    if is_whole && argument == 2 && is_true && third_len == 1 {
        return Call {
            kinds: Kinds::NONE,
            name: None,
        };
    }
    match name {
        Name::Literal(name) => Call {
            kinds,
            name: (name.contains('.') || kinds.any(Kinds::RESET)).then_some(name),
        },
        Name::Untold | Name::Unreadable => Call {
            kinds: kinds.with(Kinds::UNNAMED),
            name: None,
        },
    }
}

#[derive(PartialEq, Eq)]
enum Name {
    Untold,
    Literal(String),
    Unreadable,
}

impl Name {
    fn literal(self, text: &[u8]) -> Self {
        let inner = text
            .strip_prefix(b"'")
            .and_then(|text| text.strip_suffix(b"'"));
        match (self, inner) {
            (Self::Untold, Some(inner)) if !inner.iter().any(|b| matches!(b, b'\'' | b'\\')) => {
                Self::Literal(String::from_utf8_lossy(inner).to_ascii_lowercase())
            }
            _ => Self::Unreadable,
        }
    }
}
