//! Values as PostgreSQL reports them: bytes in the encoding that the session's client has.
//!
//! Settings are kept as text. A value that is none in UTF-8, or that its encoding makes another one of, is kept with
//! the encoding and its bytes, so that it can be told and set again as it is. No other value looks like that: the
//! values of PostgreSQL and of clients end with a zero byte.

use std::borrow::Cow;
use std::fmt::Write;

/// In front of the encoding, and between that and the bytes in hexadecimal.
const MARK: char = '\0';

/// `value` as settings keep it, reported to a session whose `client_encoding` is `encoding`.
pub fn kept<'a>(value: &'a [u8], encoding: Option<&str>) -> Cow<'a, str> {
    let encoding = encoding.unwrap_or("UTF8");
    match str::from_utf8(value) {
        Ok(text) if text.is_ascii() || encoding == "UTF8" => text.into(),
        _ => {
            let mut text = format!("{MARK}{encoding}{MARK}");
            for byte in value {
                write!(text, "{byte:02x}").expect("writing to a string does not fail");
            }
            text.into()
        }
    }
}

/// The bytes of a value that was kept.
pub fn bytes(kept: &str) -> Cow<'_, [u8]> {
    let Some((_, hex)) = parts(kept) else {
        return kept.as_bytes().into();
    };
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits.filter_map(byte).collect::<Vec<_>>().into()
}

/// Encoding and bytes, in hexadecimal, of a value that is kept with them.
pub(crate) fn parts(kept: &str) -> Option<(&str, &str)> {
    kept.strip_prefix(MARK)?.split_once(MARK)
}

#[cfg(test)]
mod tests {
    use super::{bytes, kept};

    #[test]
    fn every_report_comes_back_as_it_was() {
        for (value, encoding, text) in [
            (&b"UTC"[..], Some("LATIN1"), "UTC"),
            ("caf\u{e9}".as_bytes(), Some("UTF8"), "caf\u{e9}"),
            ("caf\u{e9}".as_bytes(), None, "caf\u{e9}"),
            ("\u{e9}".as_bytes(), Some("LATIN1"), "\0LATIN1\0c3a9"),
            (b"caf\xe9", Some("LATIN1"), "\u{0}LATIN1\u{0}636166e9"),
            (b"\xe9", Some("UTF8"), "\0UTF8\0e9"),
            (b"", Some("LATIN1"), ""),
        ] {
            assert_eq!(kept(value, encoding), text);
            assert_eq!(&*bytes(text), value, "{text}");
        }
    }
}
