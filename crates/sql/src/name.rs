//! Names in a text, as PostgreSQL reads them.

use crate::lexer::{Token, TokenKind};

/// The name that a token is; `None` where that depends on more than the text.
pub(crate) fn name(token: &Token, statement: &[u8]) -> Option<Vec<u8>> {
    let text = token.text(statement);
    let name = match token.kind {
        TokenKind::Word => text.to_ascii_lowercase(),
        TokenKind::QuotedIdentifier if token.terminated && text.starts_with(b"\"") => {
            unquoted(&text[1..text.len() - 1])
        }
        _ => return None,
    };
    // In some encodings letters beyond ASCII are folded too, and a long name may be cut elsewhere.
    name.is_ascii().then_some(name)
}

/// What stands between the quotes, where two stand for one.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut is_second = false;
    for &byte in text {
        is_second = byte == b'"' && !is_second;
        if !is_second {
            name.push(byte);
        }
    }
    name
}
