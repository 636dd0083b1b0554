//! Requests that are sent, and responses that are taken.

use super::Filter;
use super::ber::{
    BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, expect, len, number, put, put_number, put_with,
    take,
};

/// Longest message taken. A response without attributes has the name of an entry, and some text.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Text of a directory that is kept, for a log.
const TEXT_MAX: usize = 300;

const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
/// A primitive value of the context class with the number 0.
const FIRST: u8 = 0x80;

/// The name of the request to encrypt the connection (RFC 4511, section 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The list of attributes that has none (RFC 4511, section 4.5.1.8).
const NO_ATTRIBUTES: &[u8] = b"1.1";
/// One more than there may be: it is enough to know that there are several.
const ENTRIES_MAX: u32 = 2;

/// How far below its base a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The base itself.
    Base,
    /// What is right below it.
    One,
    /// The base and all below it.
    Sub,
}

/// What is searched for. At most two entries are asked for, without their attributes.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Where the search begins.
    pub base: &'a str,
    /// How far it goes.
    pub scope: Scope,
    /// Which entries are found.
    pub filter: &'a Filter,
    /// Whom the filter is about.
    pub user: &'a str,
    /// Seconds that the directory may take.
    pub seconds_max: u32,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The code of the result (RFC 4511, section 4.1.9).
    pub code: u32,
    /// What the directory says of it, as it may be shown.
    pub text: String,
}

/// What a directory answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// A bind ended.
    Bound(Outcome),
    /// An entry was found, which has this name.
    Entry(Vec<u8>),
    /// More may be found elsewhere.
    Reference,
    /// The search is over.
    Done(Outcome),
    /// An extended request ended. With number 0 nobody asked: the directory goes.
    Extended(Outcome),
}

/// Bytes that are no response of LDAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<()> for Malformed {
    fn from((): ()) -> Self {
        Self
    }
}

/// Appends a request to be `name`, which this password proves.
///
/// # Panics
/// The password is empty and the name is not: that asks to be nobody, which is granted to everybody
/// (RFC 4513, section 5.1.2).
pub fn simple_bind(out: &mut Vec<u8>, id: u32, name: &[u8], password: &[u8]) {
    assert!(
        name.is_empty() || !password.is_empty(),
        "an empty password proves nothing"
    );
    request(out, id, BIND, |body| {
        put_number(body, INTEGER, 3);
        put(body, OCTETS, name);
        put(body, FIRST, password);
    });
}

/// Appends a search.
pub fn search(out: &mut Vec<u8>, id: u32, search: &Search<'_>) {
    request(out, id, SEARCH, |body| {
        put(body, OCTETS, search.base.as_bytes());
        let scope = match search.scope {
            Scope::Base => 0,
            Scope::One => 1,
            Scope::Sub => 2,
        };
        put_number(body, ENUMERATED, scope);
        // Aliases are followed nowhere, as libldap has it by itself.
        put_number(body, ENUMERATED, 0);
        put_number(body, INTEGER, ENTRIES_MAX);
        put_number(body, INTEGER, search.seconds_max);
        put(body, BOOLEAN, &[0xff]);
        search.filter.encode(body, search.user);
        put_with(body, SEQUENCE, |list| put(list, OCTETS, NO_ATTRIBUTES));
    });
}

/// Appends the request to encrypt the connection.
pub fn start_tls(out: &mut Vec<u8>, id: u32) {
    request(out, id, EXTENDED, |body| put(body, FIRST, START_TLS));
}

/// Appends the farewell.
pub fn unbind(out: &mut Vec<u8>, id: u32) {
    request(out, id, UNBIND, |_| {});
}

fn request(out: &mut Vec<u8>, id: u32, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    put_with(out, SEQUENCE, |message| {
        put_number(message, INTEGER, id);
        put_with(message, tag, fill);
    });
}

/// How many of these bytes are the first message; `None` if it is not there in full.
///
/// # Errors
/// They begin no message, or one that is longer than [`MESSAGE_MAX`].
pub fn frame(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed);
    }
    match len(bytes)? {
        Some(len) if len > MESSAGE_MAX => Err(Malformed),
        Some(len) => Ok((bytes.len() >= len).then_some(len)),
        None => Ok(None),
    }
}

/// Which request a whole message answers, and how.
///
/// # Errors
/// It is none of the responses that a login gets.
pub fn response(message: &[u8]) -> Result<(u32, Response), Malformed> {
    let (message, _) = expect(message, SEQUENCE)?;
    let (id, rest) = expect(message, INTEGER)?;
    // What may follow are controls; none was asked for.
    let ((tag, body), _) = take(rest)?;
    let response = match tag {
        BOUND => Response::Bound(outcome(body)?),
        ENTRY => Response::Entry(expect(body, OCTETS)?.0.to_vec()),
        REFERENCE => Response::Reference,
        DONE => Response::Done(outcome(body)?),
        EXTENDED_RESPONSE => Response::Extended(outcome(body)?),
        _ => return Err(Malformed),
    };
    Ok((number(id)?, response))
}

fn outcome(body: &[u8]) -> Result<Outcome, Malformed> {
    let (code, rest) = expect(body, ENUMERATED)?;
    let (_matched, rest) = expect(rest, OCTETS)?;
    let (text, _) = expect(rest, OCTETS)?;
    let text = &text[..text.len().min(TEXT_MAX)];
    Ok(Outcome {
        code: number(code)?,
        text: String::from_utf8_lossy(text).escape_debug().to_string(),
    })
}
