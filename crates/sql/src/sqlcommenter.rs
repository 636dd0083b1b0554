//! Reads tags in a comment before or after a statement, as specified by sqlcommenter:
//! `/*action='%2Forders',traceparent='00-...'*/`.
//!
//! Object-relational mappers add them so that a statement can be traced to the code that sent it.

use crate::lexer::{Lexer, Token, TokenKind};

/// Maximum number of tags; further ones are ignored.
pub const TAGS_MAX: usize = 16;
/// Maximum length of a key, in bytes after decoding. A tag with a longer key is ignored.
pub const KEY_LEN_MAX: usize = 64;
/// Maximum length of a value, in bytes after decoding. A longer one is cut after a character.
pub const VALUE_LEN_MAX: usize = 256;

/// A decoded tag. Bytes that are not UTF-8 and control characters become U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value. It comes from the client and may be anything.
    pub value: String,
}

/// The tags of a text in their order; empty if there are none. They are read from the comment at
/// the end or, if there is none, from the one at the beginning.
pub fn tags(sql: &[u8], standard_conforming_strings: bool) -> Vec<Tag> {
    let mut first: Option<Token> = None;
    let mut last: Option<Token> = None;
    let mut statement = false;
    for token in Lexer::new(sql, standard_conforming_strings) {
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::Semicolon => {}
            TokenKind::BlockComment if token.terminated => {
                last = Some(token);
                if !statement && first.is_none() {
                    first = last;
                }
            }
            _ => {
                statement = true;
                last = None;
            }
        }
    }
    [last, first]
        .into_iter()
        .flatten()
        .map(|comment| parse(&sql[comment.start + 2..comment.end - 2]))
        .find(|tags| !tags.is_empty())
        .unwrap_or_default()
}

/// Reads `key='value',...` up to the first text that does not match.
fn parse(mut comment: &[u8]) -> Vec<Tag> {
    let mut tags = Vec::new();
    while tags.len() < TAGS_MAX {
        let Some((tag, rest)) = parse_one(comment) else {
            break;
        };
        tags.extend(tag);
        match rest.trim_ascii_start().split_first() {
            Some((b',', rest)) => comment = rest,
            _ => break,
        }
    }
    tags
}

/// The first tag, unless its key is too long, and the text after it.
fn parse_one(comment: &[u8]) -> Option<(Option<Tag>, &[u8])> {
    let equals = comment.iter().position(|&byte| byte == b'=')?;
    let key = comment[..equals].trim_ascii();
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.~%".contains(byte);
    if key.is_empty() || !key.iter().all(letters) {
        return None;
    }
    let quoted = comment[equals + 1..]
        .trim_ascii_start()
        .strip_prefix(b"'")?;
    let mut end = 0;
    loop {
        match quoted.get(end)? {
            b'\'' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let key = decode(key, KEY_LEN_MAX + 1);
    let tag = (key.len() <= KEY_LEN_MAX).then(|| Tag {
        key,
        value: decode(&quoted[..end], VALUE_LEN_MAX),
    });
    Some((tag, &quoted[end + 1..]))
}

/// Decodes URL encoding and backslashes before quotes, and cuts the result after `len_max`.
fn decode(encoded: &[u8], len_max: usize) -> String {
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        // Leaves room for a cut character, which is dropped below.
        if bytes.len() > len_max {
            break;
        }
        let hex = |index: usize| {
            after
                .get(index)
                .and_then(|&byte| char::from(byte).to_digit(16))
        };
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'\\', _, _) if after.first() == Some(&b'\'') => rest = after,
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    let mut text = String::new();
    crate::normalise::printable(&bytes, |letter| text.push(letter));
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests;
