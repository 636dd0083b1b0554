use std::sync::Arc;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::{Attach, FromClient, Hold, Mode, NAME_MAX, OwnAnswer, Relay, Violation};
use crate::parameters::Parameters;
use crate::pin::Pin;
use crate::prepared::{ClientState, SHARED_MAX};
use crate::text::Text;
use crate::upstream::{FromServer, Upstream};

fn parameters(pairs: &[(&str, &str)]) -> Arc<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        parameters.set(name, value);
    }
    Arc::new(parameters)
}

fn session(mode: Mode) -> (Relay, Upstream) {
    let shared = parameters(&[]);
    (Relay::new(mode, shared.clone()), Upstream::new(shared))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

fn batch() -> Vec<u8> {
    let mut out = message(b'P', b"\0select 1\0\0\0");
    out.extend(message(b'B', &[0; 8]));
    out.extend(message(b'D', b"P\0"));
    out.extend(message(b'E', &[0; 5]));
    out.extend(message(b'S', b""));
    out
}

#[test]
fn a_batch_is_forwarded_in_one_piece() {
    let (mut relay, mut server) = session(Mode::Transaction);
    let bytes = batch();
    assert_eq!(
        relay.receive(Some(&mut server), &bytes),
        FromClient::Forward(bytes.len())
    );
    assert_eq!(relay.hold(&server), Hold::Busy);
}

#[test]
fn every_split_forwards_the_same_and_expects_the_same() {
    let bytes = batch();
    for size in 1..bytes.len() {
        let (mut relay, mut server) = session(Mode::Transaction);
        let (mut held, mut sent) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            held.extend(piece);
            loop {
                match relay.receive(Some(&mut server), &held) {
                    FromClient::Forward(len) => sent.extend(held.drain(..len)),
                    FromClient::Incomplete => break,
                    end => panic!("{end:?}"),
                }
            }
        }
        assert_eq!(sent, bytes, "pieces of {size}");
        for kind in *b"12TDC" {
            server.replies.received(kind).unwrap();
        }
        assert!(server.replies.received(b'Z').is_ok() && server.is_at_rest());
    }
}

#[test]
fn what_a_client_without_server_sends_decides_whether_it_needs_one() {
    let cases: [(u8, &[u8], FromClient); 9] = [
        (b'Q', b"x\0", FromClient::Checkout),
        (b'P', b"\0x\0\0\0", FromClient::Checkout),
        (b'F', b"", FromClient::Checkout),
        (b'S', b"", FromClient::Answer(5, OwnAnswer::Ready)),
        (b'H', b"", FromClient::Drop(5)),
        (b'd', b"row", FromClient::Drop(8)),
        (b'c', b"", FromClient::Drop(5)),
        (b'X', b"", FromClient::Terminate),
        (
            b'p',
            b"x\0",
            FromClient::Violation(Violation::UnknownMessage { kind: b'p' }),
        ),
    ];
    for (kind, body, expected) in cases {
        let (mut relay, _) = session(Mode::Transaction);
        assert_eq!(
            relay.receive(None, &message(kind, body)),
            expected,
            "{}",
            char::from(kind)
        );
    }
}

#[test]
fn an_impossible_length_is_a_violation() {
    for length in [0u32, 3, 0x8000_0000, u32::MAX] {
        let (mut relay, mut server) = session(Mode::Transaction);
        let mut bytes = vec![b'Q'];
        bytes.extend(length.to_be_bytes());
        let expected = FromClient::Violation(Violation::BadLength { kind: b'Q', length });
        assert_eq!(relay.receive(None, &bytes), expected);
        assert_eq!(relay.receive(Some(&mut server), &bytes), expected);
    }
}

#[test]
fn what_postgresql_does_not_take_does_not_reach_it() {
    // Kind, and the longest body that PostgreSQL takes.
    for (kind, most) in [
        (b'H', 0),
        (b'S', 0),
        (b'c', 0),
        (b'f', 9_996),
        (b'E', 9_996),
        (b'D', 9_996),
        (b'C', 9_996),
        (b'd', 0x3fff_fffa),
        (b'Q', 0x3fff_fffa),
    ] {
        let (mut relay, mut server) = session(Mode::Transaction);
        let head = |len: u32| {
            let mut bytes = vec![kind];
            bytes.extend((len + 4).to_be_bytes());
            bytes
        };
        let length = most + 5;
        let wrong = FromClient::Violation(Violation::BadLength { kind, length });
        assert_eq!(relay.receive(None, &head(most + 1)), wrong);
        assert_eq!(relay.receive(Some(&mut server), &head(most + 1)), wrong);
        assert_eq!(relay.hold(&server), Hold::Free, "nothing was sent");
        let right = relay.receive(Some(&mut server), &head(most));
        let kind = kind as char;
        assert!(
            !matches!(right, FromClient::Violation(_)),
            "{kind} {right:?}"
        );
    }
}

#[test]
fn what_is_not_taken_is_a_violation_with_a_server_and_without() {
    let (mut relay, mut server) = session(Mode::Transaction);
    relay.take_only(false, 100);
    let query = message(b'Q', b"select 1\0");
    let long = message(b'P', &[b'x'; 96]);
    for (bytes, violation) in [
        (query, Violation::SimpleQuery),
        (long, Violation::TooLong { max: 100 }),
    ] {
        let wrong = FromClient::Violation(violation);
        assert_eq!(relay.receive(None, &bytes), wrong);
        assert_eq!(relay.receive(Some(&mut server), &bytes), wrong);
    }
    let longest = message(b'P', &[b'x'; 95]);
    let taken = relay.receive(Some(&mut server), &longest);
    assert!(!matches!(taken, FromClient::Violation(_)), "{taken:?}");
}

#[test]
fn a_name_without_end_is_a_violation_and_not_a_buffer() {
    for kind in *b"PC" {
        let (mut relay, mut server) = session(Mode::Transaction);
        let body = vec![b'S'; NAME_MAX + 3];
        let expected = FromClient::Violation(Violation::BadName { kind });
        assert_eq!(
            relay.receive(Some(&mut server), &message(kind, &body)),
            expected
        );
    }
}

#[test]
fn a_message_larger_than_what_is_there_is_forwarded_as_it_comes() {
    let (mut relay, mut server) = session(Mode::Transaction);
    let bytes = message(b'Q', &[b'x'; 1000]);
    // What a text does cannot be told before it is there, if it is short.
    assert_eq!(
        relay.receive(Some(&mut server), &bytes[..100]),
        FromClient::Incomplete
    );
    let bytes = message(b'Q', &[b'x'; SHARED_MAX + 1]);
    assert_eq!(
        relay.receive(Some(&mut server), &bytes[..100]),
        FromClient::Forward(100)
    );
    assert!(relay.is_torn());
    assert_eq!(
        relay.receive(Some(&mut server), &bytes[100..]),
        FromClient::Forward(bytes.len() - 100)
    );
    assert!(!relay.is_torn());
}

#[test]
fn a_server_is_free_only_between_transactions_in_transaction_mode() {
    let (relay, mut server) = session(Mode::Transaction);
    assert_eq!(relay.hold(&server), Hold::Free);
    server.status = TxStatus::Failed;
    assert_eq!(relay.hold(&server), Hold::InTransaction);
    let (relay, server) = session(Mode::Session);
    assert_eq!(relay.hold(&server), Hold::Pinned(Pin::Session));
}

#[test]
fn a_named_statement_pins_until_it_is_closed() {
    let (mut relay, mut server) = session(Mode::Transaction);
    let mut bytes = message(b'P', b"name\0select 1\0\0\0");
    bytes.extend(message(b'S', b""));
    relay.receive(Some(&mut server), &bytes);
    let mut answers = message(b'1', b"");
    encode::ready_for_query(&mut answers, TxStatus::Idle);
    server.receive(Some(&mut relay.client), &mut answers);
    assert_eq!(relay.hold(&server), Hold::Pinned(Pin::PreparedStatement));
    let mut bytes = message(b'C', b"Sname\0");
    bytes.extend(message(b'S', b""));
    relay.receive(Some(&mut server), &bytes);
    let mut answers = message(b'3', b"");
    encode::ready_for_query(&mut answers, TxStatus::Idle);
    server.receive(Some(&mut relay.client), &mut answers);
    assert_eq!(relay.hold(&server), Hold::Free);
}

#[test]
fn a_statement_that_sql_deallocates_pins_no_longer() {
    let run = |text: &str| {
        let mut bytes = message(b'P', format!("\0{text}\0\0\0").as_bytes());
        bytes.extend(message(b'B', &[0; 8]));
        bytes.extend(message(b'E', &[0; 5]));
        bytes.extend(message(b'S', b""));
        bytes
    };
    let query = |text: &str| message(b'Q', format!("{text}\0").as_bytes());
    let ready = message(b'Z', b"I");
    let tag = |tag: &str| message(b'C', format!("{tag}\0").as_bytes());
    let error = message(b'E', b"SERROR\0VERROR\0C26000\0Mno\0\0");
    let done = [tag("DEALLOCATE"), ready.clone()].concat();
    let bound = [message(b'1', b""), message(b'2', b"")].concat();
    let some = [tag("SELECT 1"), tag("DEALLOCATE"), ready.clone()].concat();
    let executed = [&*bound, &*done].concat();
    for (sent, answered, is_free) in [
        (query("deallocate n"), done.clone(), true),
        (query("select 1; deallocate n"), some, true),
        (run("DEALLOCATE PREPARE n"), executed.clone(), true),
        (
            query("deallocate all"),
            [tag("DEALLOCATE ALL"), ready.clone()].concat(),
            true,
        ),
        // The statement is still there, or it is not known.
        (query("deallocate other"), done.clone(), false),
        (
            query("deallocate n"),
            [error.clone(), ready.clone()].concat(),
            false,
        ),
        (run("deallocate n"), [error, ready].concat(), false),
        (query("execute m; deallocate n"), done, false),
        (run("select 1"), executed, false),
    ] {
        let name = String::from_utf8_lossy(&sent).into_owned();
        let (mut relay, mut server) = session(Mode::Transaction);
        let parse = [message(b'P', b"n\0select 1\0\0\0"), message(b'S', b"")].concat();
        let mut client = ClientState {
            parameters: relay.client.parameters.clone(),
            ..ClientState::default()
        };
        for (sent, answered) in [
            (parse, [message(b'1', b""), message(b'Z', b"I")].concat()),
            (sent, answered),
        ] {
            assert_eq!(
                relay.receive(Some(&mut server), &sent),
                FromClient::Forward(sent.len())
            );
            let len = answered.len();
            let received = server.receive(Some(&mut client), &mut answered.clone());
            assert_eq!(received, FromServer::Forward(len));
        }
        assert_eq!(relay.hold(&server) == Hold::Free, is_free, "{name}");
    }
}

#[test]
fn settings_are_applied_once_and_trusted_after_the_first_time() {
    let wanted = parameters(&[("timezone", "Asia/Tokyo")]);
    let mut relay = Relay::new(Mode::Transaction, wanted);
    let mut out = Vec::new();
    let mut first = Upstream::new(parameters(&[("timezone", "UTC")]));
    assert_eq!(relay.attach(&mut first, &mut out), Attach::AwaitPrelude);
    assert!(!out.is_empty());
    relay.prelude_accepted();
    out.clear();
    assert_eq!(relay.attach(&mut first, &mut out), Attach::Ready);
    assert!(out.is_empty(), "the server has them already");
    let mut second = Upstream::new(parameters(&[("timezone", "UTC")]));
    assert_eq!(relay.attach(&mut second, &mut out), Attach::Ready);
    assert!(!out.is_empty());
}

#[test]
fn equal_settings_are_shared_after_the_first_attach() {
    let mut relay = Relay::new(Mode::Transaction, parameters(&[("a", "1")]));
    let shared = relay.client.parameters.clone();
    for _ in 0..2 {
        let mut server = Upstream::new(parameters(&[("a", "1")]));
        assert_eq!(relay.attach(&mut server, &mut Vec::new()), Attach::Ready);
        assert!(Arc::ptr_eq(&shared, &server.parameters));
        assert!(Arc::ptr_eq(&shared, &relay.client.parameters));
    }
}

#[test]
fn a_cancelled_wait_is_answered_and_the_session_goes_on() {
    let (mut relay, _) = session(Mode::Transaction);
    let query = message(b'Q', b"select 1\0");
    relay.cancel_wait();
    assert_eq!(
        relay.receive(None, &query),
        FromClient::Answer(query.len(), OwnAnswer::CanceledReady)
    );
    assert_eq!(relay.receive(None, &query), FromClient::Checkout);
}

#[test]
fn a_cancelled_batch_is_skipped_up_to_its_sync() {
    let (mut relay, _) = session(Mode::Transaction);
    let (bytes, mut at, mut answers) = (batch(), 0, Vec::new());
    relay.cancel_wait();
    while at < bytes.len() {
        match relay.receive(None, &bytes[at..]) {
            FromClient::Answer(len, answer) => {
                at += len;
                answers.push(answer);
            }
            FromClient::Drop(len) => at += len,
            end => panic!("{end:?}"),
        }
    }
    assert_eq!(answers, [OwnAnswer::Canceled, OwnAnswer::Ready]);
}

#[test]
fn what_follows_a_cancelled_wait_decides_how_it_is_answered() {
    let dropped = |len| FromClient::Drop(len);
    let answered = FromClient::Answer;
    for (kind, first, after_batch) in [
        (b'Q', answered(5, OwnAnswer::CanceledReady), dropped(5)),
        (b'F', answered(5, OwnAnswer::CanceledReady), dropped(5)),
        (b'P', answered(5, OwnAnswer::Canceled), dropped(5)),
        (b'B', answered(5, OwnAnswer::Canceled), dropped(5)),
        (b'D', answered(5, OwnAnswer::Canceled), dropped(5)),
        (b'E', answered(5, OwnAnswer::Canceled), dropped(5)),
        (b'C', answered(5, OwnAnswer::Canceled), dropped(5)),
        (
            b'S',
            answered(5, OwnAnswer::CanceledReady),
            answered(5, OwnAnswer::Ready),
        ),
        (b'H', dropped(5), dropped(5)),
        (b'd', dropped(5), dropped(5)),
        (b'c', dropped(5), dropped(5)),
        (b'f', dropped(5), dropped(5)),
        (b'X', FromClient::Terminate, FromClient::Terminate),
    ] {
        let bytes = message(kind, b"");
        let (mut relay, _) = session(Mode::Transaction);
        relay.cancel_wait();
        assert_eq!(relay.receive(None, &bytes), first, "{kind:?}");
        let (mut relay, _) = session(Mode::Transaction);
        relay.cancel_wait();
        relay.receive(None, &message(b'P', b""));
        assert_eq!(relay.receive(None, &bytes), after_batch, "{kind:?}");
    }
}

#[test]
fn the_rest_of_a_message_that_was_answered_is_dropped_whoever_holds_a_server() {
    let query = message(b'Q', &[b'x'; 1000]);
    for attached in [false, true] {
        let (mut relay, mut server) = session(Mode::Transaction);
        relay.cancel_wait();
        assert_eq!(
            relay.receive(None, &query[..100]),
            FromClient::Answer(100, OwnAnswer::CanceledReady)
        );
        assert!(!relay.is_torn());
        let server = attached.then_some(&mut server);
        assert_eq!(
            relay.receive(server, &query[100..]),
            FromClient::Drop(query.len() - 100)
        );
    }
}

#[test]
fn an_unnamed_statement_that_is_too_long_to_be_kept_pins_until_it_is_bound() {
    let (mut relay, mut server) = session(Mode::Transaction);
    let text = format!("\0select $1{}\0\0\0", " ".repeat(SHARED_MAX));
    let mut bytes = message(b'P', text.as_bytes());
    bytes.extend(message(b'D', b"S\0"));
    bytes.extend(message(b'S', b""));
    relay.receive(Some(&mut server), &bytes);
    let mut answers = message(b'1', b"");
    answers.extend(message(b't', &[0, 0]));
    answers.extend(message(b'n', b""));
    encode::ready_for_query(&mut answers, TxStatus::Idle);
    server.receive(Some(&mut relay.client), &mut answers);
    assert_eq!(
        relay.hold(&server),
        Hold::Pinned(Pin::PreparedStatement),
        "another server has another client's unnamed statement"
    );
    let mut bytes = message(b'B', &[0; 8]);
    bytes.extend(message(b'E', &[0; 5]));
    bytes.extend(message(b'S', b""));
    relay.receive(Some(&mut server), &bytes);
    let mut answers = message(b'2', b"");
    answers.extend(message(b'C', b"SELECT 0\0"));
    encode::ready_for_query(&mut answers, TxStatus::Idle);
    server.receive(Some(&mut relay.client), &mut answers);
    assert_eq!(relay.hold(&server), Hold::Free);
}

#[test]
fn a_text_is_known_only_if_it_leaves_nothing_however_strings_are_read() {
    for (text, is_known) in [
        (&br"select 'a', 7"[..], true),
        (br"select E'\d', '\'", true),
        (br"select 'a\'; set work_mem to 7; --'", false),
        (b"set work_mem to 7", false),
    ] {
        let off = parameters(&[("standard_conforming_strings", "off")]);
        let mut relay = Relay::new(Mode::Transaction, off.clone());
        let mut server = Upstream::new(off);
        let query = message(b'Q', &[text, b"\0"].concat());
        assert_eq!(
            relay.receive(Some(&mut server), &query),
            FromClient::Forward(query.len())
        );
        let hash = Text::of_query(text).hash;
        let text = String::from_utf8_lossy(text);
        assert_eq!(server.state.is_harmless(hash), is_known, "{text}");
    }
}

/// What the pooler sends when a client's query was answered with this.
fn asked_after(text: &str, tag: &str, own: &[(&str, &str)]) -> (String, Relay, Upstream) {
    let defaults = parameters(&[("TimeZone", "UTC")]);
    let mut wanted = (*defaults).clone();
    for (name, value) in own {
        wanted.set(name, value);
    }
    let mut relay = Relay::new(Mode::Transaction, Arc::new(wanted));
    let mut server = Upstream::new(defaults);
    server.parameters = relay.client.parameters.clone();
    server.state.client_changed(true);
    let query = message(b'Q', format!("{text}\0").as_bytes());
    assert_eq!(
        relay.receive(Some(&mut server), &query),
        FromClient::Forward(query.len())
    );
    let mut answer = match tag {
        "" => message(b'E', b"SERROR\0VERROR\0C22023\0\0"),
        tag => message(b'C', format!("{tag}\0").as_bytes()),
    };
    encode::ready_for_query(&mut answer, TxStatus::Idle);
    let len = answer.len();
    let told = server.receive(Some(&mut relay.client), &mut answer);
    assert_eq!(told, FromServer::Forward(len));
    let mut out = Vec::new();
    relay.inquire(&mut server, &mut out);
    let asked = String::from_utf8_lossy(&out).into_owned();
    (asked, relay, server)
}

#[test]
fn a_text_that_tells_all_is_not_asked_about() {
    for (text, tag) in [
        ("set work_mem to '7MB'", "SET"),
        ("set work_mem to '7MB'", ""),
        ("set timezone to 'Asia/Tokyo'", "SET"),
        ("set time zone 'Asia/Tokyo'", "SET"),
        ("reset all", "RESET"),
        ("discard all", "DISCARD ALL"),
        ("unlisten *", "UNLISTEN"),
        ("select pg_advisory_unlock_all()", "SELECT 1"),
    ] {
        let (asked, relay, server) = asked_after(text, tag, &[]);
        assert_eq!(asked, "", "{text}");
        assert_eq!(relay.hold(&server), Hold::Free, "{text}");
        let is_set = text.contains("work_mem") && tag == "SET";
        let expected = is_set.then_some("7MB");
        assert_eq!(relay.client.parameters.value("work_mem"), expected);
        assert_eq!(server.parameters.value("work_mem"), expected);
    }
    for text in [
        "set search_path to a, b",
        "set work_mem to '7MB'; set jit to off",
        "set role bob",
        "select set_config('work_mem', '7MB', false)",
    ] {
        let (asked, _, _) = asked_after(text, "SET", &[]);
        assert!(asked.contains("pg_settings"), "{text}: {asked}");
    }
}

/// The pooler's question is answered: nothing but the role.
fn nothing_was_left(relay: &mut Relay, server: &mut Upstream) {
    let mut row = vec![0, 3, 0, 0, 0, 1, b's', 0, 0, 0, 4];
    row.extend(b"role");
    row.extend([0, 0, 0, 8]);
    row.extend(b"6e6f6e65");
    let mut answer = message(b'T', &[0, 0]);
    answer.extend(message(b'D', &row));
    answer.extend(message(b'C', b"SELECT 1\0"));
    encode::ready_for_query(&mut answer, TxStatus::Idle);
    let mut at = 0;
    while at < answer.len() {
        match server.receive(Some(&mut relay.client), &mut answer[at..]) {
            FromServer::Swallow(len) => at += len,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_that_goes_on_at_once_is_asked_about_once() {
    let (asked, mut relay, mut server) =
        asked_after("select set_config('a.b', '', false)", "S", &[]);
    assert!(asked.contains("pg_settings"), "{asked}");
    assert!(!relay.is_held_back(&server));
    let query = message(b'Q', b"select 1\0");
    relay.receive(Some(&mut server), &query);
    nothing_was_left(&mut relay, &mut server);
    let mut out = Vec::new();
    relay.inquire(&mut server, &mut out);
    assert!(out.is_empty() && server.state.is_clear(), "{out:?}");

    let (_, mut relay, mut server) = asked_after("select 1", "SELECT 1", &[]);
    relay.audit(&mut server, &mut Vec::new());
    assert!(relay.is_held_back(&server), "else it is asked about again");
    nothing_was_left(&mut relay, &mut server);
    relay.inquire(&mut server, &mut out);
    assert!(out.is_empty() && server.state.is_clear(), "{out:?}");
    assert!(!relay.is_held_back(&server));
}

#[test]
fn what_a_client_connected_with_is_set_again_without_a_question_after_discard_all() {
    let own = [
        ("TimeZone", "Asia/Tokyo"),
        ("work_mem", "7MB"),
        ("a.b", "c"),
    ];
    let (sent, relay, _) = asked_after("discard all", "DISCARD ALL", &own);
    for (name, value) in own {
        let name = name.to_ascii_lowercase();
        let set = format!("set_config('{name}', '{value}', false)");
        assert!(sent.contains(&set), "{set} in {sent}");
        assert_eq!(relay.client.parameters.value(&name), Some(value));
    }
    assert!(!sent.contains("pg_settings"), "{sent}");
    let (sent, _, _) = asked_after("reset all", "RESET", &own);
    assert!(sent.contains("pg_settings"), "{sent}");
}
