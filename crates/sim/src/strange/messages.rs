//! What a strange client or server says: templates, changed ones, and rubbish.

use pgweir_wire::backend::{self, TxStatus};
use pgweir_wire::encode::{self, ErrorFields, Severity};
use pgweir_wire::frontend;
use pgweir_wire::sqlstate::SqlState;

use super::choices::Choices;
use crate::path::put;

/// Statements of a client. What the fake PostgreSQL does not know is an error.
const TEXTS: [&str; 28] = [
    "select a",
    "select a; select b",
    "begin",
    "commit",
    "rollback",
    "begin; select a",
    "broken",
    "select a; broken; select b",
    "copy in",
    "copy out",
    "select a; copy in; copy in; select b",
    "",
    ";",
    "set timezone to 'GMT'",
    "set application_name to 'aaa'",
    "set search_path to 'caf\u{e9}'",
    "set client_encoding to 'LATIN1'",
    "set client_encoding to 'UTF8'",
    "set role bob",
    "select pg_catalog.set_config('role', 'bob', false)",
    "set session authorization bob",
    "reset all",
    "reset role",
    "set timezone to default",
    "discard all",
    "deallocate all",
    "deallocate s",
    "begin; set timezone to 'GMT'; rollback",
];

const NAMES: [&str; 4] = ["", "", "s", "t"];

/// The next bytes of a client.
pub(super) fn of_client(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    match choices.below(20) {
        0..=4 => encode::query(out, choices.pick(&TEXTS)),
        5 | 6 => encode::parse(out, choices.pick(&NAMES), choices.pick(&TEXTS)),
        7 | 8 => encode::bind(out, choices.pick(&NAMES), choices.pick(&NAMES)),
        9 | 10 => encode::execute(out, choices.pick(&NAMES)),
        11 => encode::describe_statement(out, choices.pick(&NAMES)),
        12 => encode::close_statement(out, choices.pick(&NAMES)),
        13 | 14 => encode::sync(out),
        15 => put(out, frontend::FLUSH, &[]),
        16 => put(out, choices.pick(&COPIES), b"data"),
        17 => batch(choices, out),
        18 => many(choices, out),
        _ => return raw(choices, out),
    }
    spoil(choices, out, from);
}

const COPIES: [u8; 4] = [
    frontend::COPY_DATA,
    frontend::COPY_DONE,
    frontend::COPY_FAIL,
    frontend::FUNCTION_CALL,
];

/// A whole batch of the extended protocol.
fn batch(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let (name, text) = (choices.pick(&NAMES), choices.pick(&TEXTS));
    encode::parse(out, name, text);
    encode::bind(out, "", name);
    encode::execute(out, "");
    if choices.flag() {
        encode::close_statement(out, name);
    }
    encode::sync(out);
}

/// The same message many times.
fn many(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    const KINDS: [u8; 5] = [
        frontend::SYNC,
        frontend::COPY_DONE,
        frontend::FLUSH,
        frontend::COPY_DATA,
        frontend::QUERY,
    ];
    let kind = choices.pick(&KINDS);
    let body: &[u8] = if kind == frontend::QUERY { b"\0" } else { b"" };
    for _ in 0..16 * usize::from(choices.byte()) {
        put(out, kind, body);
    }
}

/// Bytes as they are.
fn raw(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let len = usize::from(choices.byte());
    out.extend(choices.take(len));
}

/// Changes what was written since `from`, one time in eight: a byte of it, its length, or it is cut.
pub(super) fn spoil(choices: &mut Choices<'_>, out: &mut Vec<u8>, from: usize) {
    let len = out.len() - from;
    if len == 0 || choices.below(8) != 7 {
        return;
    }
    let at = from + choices.below(len.min(256));
    match choices.below(4) {
        0 => out[at] = choices.byte(),
        1 => out.truncate(at),
        2 => out.insert(at, choices.byte()),
        // The last byte of the length.
        _ => out[from + 4] = choices.byte(),
    }
}

/// The next bytes of a server.
pub(super) fn of_server(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    match choices.below(20) {
        0..=3 => {
            let states = [
                TxStatus::Idle,
                TxStatus::Idle,
                TxStatus::InTransaction,
                TxStatus::Failed,
            ];
            encode::ready_for_query(out, choices.pick(&states));
        }
        4 | 5 => put(out, backend::COMMAND_COMPLETE, choices.pick(&TAGS)),
        6 => put(out, backend::ROW_DESCRIPTION, b"\0\0"),
        7 => put(out, backend::DATA_ROW, b"\0\x01\0\0\0\x01a"),
        8 => put(out, choices.pick(&BARE), b""),
        9 => put(out, choices.pick(&COPYING), b"\0\0\0"),
        10 => error(choices, out),
        11 => encode::parameter_status(out, choices.pick(&["TimeZone", "x"]), choices.take(3)),
        12 => long(choices, out),
        13 => answer(choices, out),
        14 | 15 => put(out, backend::COMMAND_COMPLETE, b"SELECT 1\0"),
        16 => put(out, backend::NOTICE_RESPONSE, b"SNOTICE\0Mhint\0\0"),
        17 => put(out, choices.byte(), b"what"),
        _ => return raw(choices, out),
    }
    spoil(choices, out, from);
}

const TAGS: [&[u8]; 5] = [
    b"SELECT 1\0",
    b"SET\0",
    b"DISCARD ALL\0",
    b"DEALLOCATE\0",
    b"",
];

const BARE: [u8; 6] = [
    backend::PARSE_COMPLETE,
    backend::BIND_COMPLETE,
    backend::CLOSE_COMPLETE,
    backend::NO_DATA,
    backend::EMPTY_QUERY_RESPONSE,
    backend::PORTAL_SUSPENDED,
];

const COPYING: [u8; 4] = [
    backend::COPY_IN_RESPONSE,
    backend::COPY_OUT_RESPONSE,
    backend::COPY_DATA,
    backend::COPY_DONE,
];

fn error(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let fields = ErrorFields {
        severity: choices.pick(&[Severity::Error, Severity::Fatal]),
        sqlstate: SqlState(*b"57014"),
        message: "no",
        detail: None,
        hint: None,
    };
    encode::error(out, &fields);
}

/// A message of some kilobytes.
fn long(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let kinds = [
        backend::DATA_ROW,
        backend::NOTICE_RESPONSE,
        backend::PARAMETER_STATUS,
    ];
    let kind = choices.pick(&kinds);
    put(out, kind, &vec![b'x'; 200 * usize::from(choices.byte())]);
}

/// All that a batch of one statement is answered with.
fn answer(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    put(out, backend::PARSE_COMPLETE, b"");
    put(out, backend::BIND_COMPLETE, b"");
    put(out, backend::COMMAND_COMPLETE, b"SELECT 0\0");
    if choices.flag() {
        encode::ready_for_query(out, TxStatus::Idle);
    }
}
