//! Tags in a comment before or after a statement, by the specification of sqlcommenter:
//! `/*action='%2Forders',traceparent='00-...'*/`.
//!
//! Object-relational mappers add them so that a statement can be traced to the code that sent it.

use crate::lexer::{Lexer, Token, TokenKind};

/// More tags than this are not read.
pub const TAGS_MAX: usize = 16;
/// Longest key, in bytes after decoding; a tag with a longer one is left out.
pub const KEY_LEN_MAX: usize = 64;
/// Longest value, in bytes after decoding; what is longer is cut after a character.
pub const VALUE_LEN_MAX: usize = 256;

/// One tag, decoded. What is not UTF-8 or a control character is U+FFFD in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value. It came from the client: it may be anything.
    pub value: String,
}

/// Tags of a text, in the order in which they stand; empty where there are none. If there is a
/// comment at the end, it is that one that counts, else the one at the beginning.
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

/// Reads `key='value',...` up to the first thing that is none.
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

/// The first tag, unless its key is too long, and what follows it.
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

/// Undoes the encoding as in addresses and the backslashes before quotes; cuts after `len_max`.
fn decode(encoded: &[u8], len_max: usize) -> String {
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        // Room for a character that is cut: it is dropped below.
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
