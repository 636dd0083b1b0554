//! Computes a cheap key that is equal for texts that differ only in plain literals.
//!
//! Applications that write literals into the text never send the same text twice. The texts have
//! the same fingerprint, but computing it needs the lexer. This module recognises the plainest
//! literals, whole numbers and strings without special characters, by the bytes next to them, at a
//! tenth of the cost. A text with anything ambiguous has no key.

use crate::fingerprint::{SEED, mix, words};

/// Meaning of a byte for the search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Hashed as it is.
    Plain,
    Digit,
    Quote,
    /// Begins a comment if doubled or followed by a star.
    Comment,
    /// Begins a quoted name, a dollar quote or an escape, which may contain anything.
    Deceptive,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        classes[digit as usize] = Class::Digit;
        digit += 1;
    }
    classes[b'\'' as usize] = Class::Quote;
    classes[b'-' as usize] = Class::Comment;
    classes[b'/' as usize] = Class::Comment;
    classes[b'"' as usize] = Class::Deceptive;
    classes[b'\\' as usize] = Class::Deceptive;
    classes[b'$' as usize] = Class::Deceptive;
    classes
};

/// Replacements for literals. A sign is part of a number but not of a string.
const NUMBER: u64 = 0x4e55_4d42_4552_2121;
const STRING: u64 = 0x5354_5249_4e47_2121;

/// A hash that is equal for texts that differ only in plain literals. If two hashes are equal, so
/// are the fingerprints, within the precision of 64 bits. `None` if the plain literals cannot be
/// recognised with certainty.
pub fn skeleton_hash(sql: &[u8]) -> Option<u64> {
    let mut state = SEED;
    let (mut from, mut at) = (0, 0);
    loop {
        at += plain_len(&sql[at..]);
        let Some(&byte) = sql.get(at) else {
            return Some(text(state, &sql[from..]));
        };
        let end = match CLASSES[usize::from(byte)] {
            Class::Plain => {
                at += 1;
                continue;
            }
            Class::Digit => {
                let len = sql[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                at + len
            }
            Class::Quote => string_end(sql, at)?,
            Class::Comment if matches!(sql.get(at + 1), Some(b'-' | b'*')) => return None,
            Class::Comment => {
                at += 1;
                continue;
            }
            // Parameters are not literals here and are hashed unchanged.
            Class::Deceptive if byte == b'$' && is_parameter(sql, at) => {
                at += 1;
                while sql.get(at).is_some_and(u8::is_ascii_digit) {
                    at += 1;
                }
                continue;
            }
            Class::Deceptive => return None,
        };
        let stands_alone = at
            .checked_sub(1)
            .is_none_or(|before| is_border(sql[before]))
            && sql.get(end).is_none_or(|&after| is_border(after));
        if stands_alone {
            let literal = if byte == b'\'' { STRING } else { NUMBER };
            state = mix(text(state, &sql[from..at]), literal);
            from = end;
        } else if byte == b'\'' {
            return None;
        }
        at = end;
    }
}

/// Number of bytes at the beginning that are certainly plain, checked eight at a time. Most of any
/// text is letters, blanks and the like.
fn plain_len(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let doubtful = doubtful(u64::from_le_bytes(*word));
        if doubtful != 0 {
            return index * 8 + doubtful.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| CLASSES[usize::from(**byte)] == Class::Plain;
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// Sets the highest bit of each byte that may not be plain: `\`, and those from `"` to `9`, which
/// include all others of another class.
///
/// Because the highest bits are cleared first, no sum or difference below carries into the next
/// byte.
fn doubtful(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    const HIGH: u64 = EACH * 0x80;
    let low = word & !HIGH;
    let from_quote = low + EACH * (0x80 - b'"' as u64);
    let to_nine = EACH * (0x80 + b'9' as u64) - low;
    let not_backslash = (low ^ (EACH * b'\\' as u64)) + EACH * 0x7f;
    ((from_quote & to_nine) | !not_backslash) & !word & HIGH
}

/// The end of a string without special characters.
fn string_end(sql: &[u8], start: usize) -> Option<usize> {
    let body = &sql[start + 1..];
    let len = body.iter().position(|&b| b == b'\'' || b == b'\\')?;
    (body[len] == b'\'').then_some(start + len + 2)
}

/// Whether a `$` begins a parameter, as opposed to a dollar quote or part of a name.
fn is_parameter(sql: &[u8], at: usize) -> bool {
    let begins = at
        .checked_sub(1)
        .is_none_or(|before| is_border(sql[before]));
    begins && sql.get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// Whether a byte is not part of a word, number or string and does not change the meaning of its
/// neighbours.
fn is_border(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b'('
            | b')'
            | b','
            | b';'
            | b'='
            | b'<'
            | b'>'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'|'
            | b'['
            | b']'
    )
}

fn text(state: u64, text: &[u8]) -> u64 {
    mix(words(state, text), text.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::skeleton_hash;
    use crate::fingerprint::Fingerprint;
    use std::collections::HashMap;

    #[test]
    fn texts_that_differ_in_plain_literals_have_one_key() {
        for (a, b, same) in [
            (
                "select * from a where b = 7",
                "select * from a where b = 12345",
                true,
            ),
            (
                "insert into a values (1, 'x')",
                "insert into a values (22, 'it is')",
                true,
            ),
            ("update a set b = b + -5", "update a set b = b + -6", true),
            ("select a1 from b", "select a2 from b", false),
            ("select $1, 7", "select $1, 8", true),
            ("select $1, 7", "select $2, 7", false),
            ("select 1 from a", "select 1  from a", false),
            ("select ''", "select 'a'", true),
        ] {
            let (a_hash, b_hash) = (skeleton_hash(a.as_bytes()), skeleton_hash(b.as_bytes()));
            assert!(a_hash.is_some() && b_hash.is_some(), "{a} {b}");
            assert_eq!(a_hash == b_hash, same, "{a} {b}");
        }
    }

    #[test]
    fn ambiguous_text_has_no_key() {
        for sql in [
            "select \"a 1\"",
            "select 'it''s'",
            "select e'a\\'b'",
            "select U&'a'",
            "select 'a",
            "select 1 -- it's",
            "select /* 1 */ 2",
            "select $$ 1 $$",
            "select $a$ 1 $a$",
        ] {
            assert_eq!(skeleton_hash(sql.as_bytes()), None, "{sql}");
        }
    }

    #[test]
    fn no_significant_byte_counts_as_plain() {
        let classes = super::CLASSES;
        for byte in 0..=255u8 {
            for place in 0..8 {
                for other in [0, b'a', b'!', b':', 0x7f, 0x80, 0xff] {
                    let mut word = [other; 8];
                    word[place] = byte;
                    let found = super::doubtful(u64::from_le_bytes(word)).trailing_zeros() / 8;
                    let is_doubtful = matches!(byte, b'"'..=b'9' | b'\\');
                    let expected = if is_doubtful { place } else { 8 };
                    assert_eq!(found as usize, expected, "{byte} at {place} in {other}");
                    let matters = classes[usize::from(byte)] != super::Class::Plain;
                    assert!(is_doubtful || !matters, "{byte}");
                }
            }
        }
    }

    #[test]
    fn the_key_does_not_depend_on_the_position_of_a_literal() {
        for blanks in 0..20 {
            let text = |literal: &str| format!("select {}{literal}", " ".repeat(blanks));
            let key = |literal: &str| skeleton_hash(text(literal).as_bytes()).unwrap();
            assert_eq!(key("7"), key("123456789"), "{blanks}");
            assert_eq!(key("'a'"), key("'b c'"), "{blanks}");
            assert_ne!(key("a1"), key("a2"), "{blanks}");
            assert_eq!(skeleton_hash(text("\"a\"").as_bytes()), None, "{blanks}");
            assert_eq!(skeleton_hash(text("'\\''").as_bytes()), None, "{blanks}");
        }
    }

    /// For all texts of up to five significant bytes: equal keys mean equal fingerprints.
    #[test]
    fn equal_keys_mean_equal_fingerprints() {
        let alphabet = *b"12'a -.$(e:,/*\n";
        let mut known: HashMap<u64, (Vec<u8>, [Fingerprint; 2])> = HashMap::new();
        for len in 0..=5 {
            for number in 0..alphabet.len().pow(len) {
                let mut number = number;
                let text: Vec<u8> = (0..len)
                    .map(|_| {
                        let byte = alphabet[number % alphabet.len()];
                        number /= alphabet.len();
                        byte
                    })
                    .collect();
                let Some(key) = skeleton_hash(&text) else {
                    continue;
                };
                let fingerprints = [true, false].map(|on| Fingerprint::of(&text, on));
                let (first, expected) = known
                    .entry(key)
                    .or_insert_with(|| (text.clone(), fingerprints));
                assert_eq!(
                    fingerprints,
                    *expected,
                    "{:?} and {:?}",
                    String::from_utf8_lossy(first),
                    String::from_utf8_lossy(&text)
                );
            }
        }
    }
}
