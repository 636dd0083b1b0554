//! What a pool with `session_state = "reject"` does with what would keep a server.

use super::pinned::{completed, held};
use super::*;

/// As PostgreSQL refuses what stands in place of a text.
fn refusal(name: &str) -> Vec<u8> {
    let text = format!(
        "SERROR\0VERROR\0C0A000\0Mcross-database references are not implemented: \
         \"pgweir rejects.session_state.{name}\"\0P13\0RRangeVarGetRelidExtended\0\0"
    );
    message(b'E', text.as_bytes())
}

fn ready(status: TxStatus) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::ready_for_query(&mut bytes, status);
    bytes
}

/// A client of such a pool that has sent `bytes`, and has a server.
fn rejecting(bytes: &[u8], scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(false);
    session.relay.reject(true);
    session.client.input = bytes.to_vec().into();
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    session
}

pub(super) fn sent(session: &mut Session<Stream, Stream>) -> Vec<u8> {
    let server = session.server().expect("attached");
    std::mem::take(&mut server.stream.output)
}

/// Kinds and SQLSTATEs of what the client was told.
pub(super) fn told(session: &mut Session<Stream, Stream>) -> Vec<String> {
    let output = std::mem::take(&mut session.client.output);
    let mut rest = &output[..];
    let mut told = Vec::new();
    while let Some((&kind, after)) = rest.split_first() {
        let len = u32::from_be_bytes(after[..4].try_into().unwrap()) as usize;
        let body = &after[4..len];
        told.push(match kind {
            b'E' => {
                let error = ErrorView::parse(body);
                let code = error.sqlstate().expect("a code");
                format!("{code} {}", error.message())
            }
            kind => char::from(kind).to_string(),
        });
        rest = &after[len..];
    }
    told
}

fn listen() -> Vec<u8> {
    query("SELECT FROM \"pgweir rejects\".\"session_state\".\"listen\"")
}

#[test]
fn a_query_is_refused_in_place_and_the_session_goes_on() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = rejecting(&query("listen a"), &mut scratch);
    assert_eq!(sent(&mut session), listen(), "and nothing of the client's");
    let answer = [refusal("listen"), ready(TxStatus::Idle)].concat();
    for (at, &byte) in answer.iter().enumerate() {
        server_says(&mut session, &[byte], false);
        let need = session.pump(NOW, &mut scratch);
        if at + 1 < answer.len() {
            assert!(matches!(need, Need::Nothing), "{need:?}");
            continue;
        }
        let Need::Checkin(mut server) = need else {
            panic!("{need:?}");
        };
        let mut totals = Totals::default();
        totals.take(&mut server.upstream.observer.work);
        let rejected: Vec<_> = totals
            .pins
            .iter()
            .filter(|(_, pins)| pins.rejected > 0)
            .map(|(pin, pins)| (pin, pins.rejected, pins.count))
            .collect();
        assert_eq!(rejected, [(Pin::Listen, 1, 0)]);
    }
    assert_eq!(told(&mut session), ["0A000 Rejected(Listen)", "Z"]);
}

#[test]
fn nothing_of_a_text_that_comes_in_pieces_is_sent_before_it_is_known() {
    let mut scratch = vec![0; 32 * 1024];
    let text = query("select 1; listen a");
    let mut session = rejecting(&query("begin"), &mut scratch);
    assert_eq!(sent(&mut session), query("begin"));
    let begun = completed("BEGIN", TxStatus::InTransaction);
    server_says(&mut session, &begun, false);
    client_says(&mut session, &text[..text.len() - 1]);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(sent(&mut session), b"");
    client_says(&mut session, &text[text.len() - 1..]);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(sent(&mut session), listen());
}

#[test]
fn in_a_transaction_postgresql_says_what_becomes_of_it() {
    let mut scratch = vec![0; 32 * 1024];
    let begin = [query("begin"), query("create temp table t ()")].concat();
    let mut session = rejecting(&begin, &mut scratch);
    let refused = "SELECT FROM \"pgweir rejects\".\"session_state\".\"temporary_object\"";
    assert_eq!(
        sent(&mut session),
        [query("begin"), query(refused)].concat()
    );
    let answers = [
        completed("BEGIN", TxStatus::InTransaction),
        refusal("temporary_object"),
        ready(TxStatus::Failed),
    ];
    server_says(&mut session, &answers.concat(), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let expected = ["C", "Z", "0A000 Rejected(TemporaryObject)", "Z"];
    assert_eq!(told(&mut session), expected);
    // Whatever it is of, in a failed transaction PostgreSQL has something else to say.
    client_says(&mut session, &query("listen a"));
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(sent(&mut session), listen());
    let failed = message(b'E', b"SERROR\0VERROR\0C25P02\0Maborted\0\0");
    let answer = [failed, ready(TxStatus::Failed)].concat();
    server_says(&mut session, &answer, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(told(&mut session), ["25P02 aborted", "Z"]);
}

#[test]
fn a_parse_is_refused_and_the_rest_of_its_batch_is_skipped() {
    let mut scratch = vec![0; 32 * 1024];
    for name in ["", "a"] {
        let mut batch = Vec::new();
        encode::parse(&mut batch, name, "select pg_advisory_lock($1)");
        encode::bind(&mut batch, "", name);
        encode::execute(&mut batch, "");
        encode::sync(&mut batch);
        let mut session = rejecting(&batch, &mut scratch);
        let mut expected = Vec::new();
        let refused = "SELECT FROM \"pgweir rejects\".\"session_state\".\"advisory_lock\"";
        encode::parse(&mut expected, name, refused);
        let sent = sent(&mut session);
        assert!(sent.starts_with(&expected), "{name}: {sent:?}");
        let answer = [refusal("advisory_lock"), ready(TxStatus::Idle)].concat();
        server_says(&mut session, &answer, false);
        let need = session.pump(NOW, &mut scratch);
        assert!(matches!(need, Need::Checkin(_)), "{name}: {need:?}");
        let expected = ["0A000 Rejected(AdvisoryLock)", "Z"];
        assert_eq!(told(&mut session), expected, "{name}");
    }
}

#[test]
fn what_a_text_did_not_show_ends_the_session_behind_its_transaction() {
    let mut scratch = vec![0; 32 * 1024];
    let text = query("do $$ begin create temp table t (); end $$");
    let mut session = rejecting(&text, &mut scratch);
    assert_eq!(sent(&mut session), text);
    server_says(&mut session, &completed("DO", TxStatus::Idle), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let answer = [held(b't'), completed("SELECT 1", TxStatus::Idle)].concat();
    server_says(&mut session, &answer, false);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Return(_)), "{need:?}");
    let need = session.pump(NOW, &mut scratch);
    assert!(
        matches!(need, Need::Finish(End::Pinned(Pin::TemporaryObject))),
        "{need:?}"
    );
    let expected = ["C", "Z", "0A000 Pinned(TemporaryObject)"];
    assert_eq!(told(&mut session), expected);
}

#[test]
fn what_keeps_nothing_is_let_through_and_so_is_all_in_session_mode() {
    let mut scratch = vec![0; 32 * 1024];
    for text in [
        "set work_mem = '1MB'",
        "select pg_advisory_unlock_all(); unlisten *; reset all",
        "create temp table t () on commit drop",
    ] {
        let mut session = rejecting(&query(text), &mut scratch);
        assert_eq!(sent(&mut session), query(text));
    }
    let (mut session, server) = pair(false);
    session.relay = Relay::new(Mode::Session, parameters(&[("timezone", "UTC")]));
    session.relay.reject(true);
    session.client.input = query("listen a").into();
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    assert_eq!(sent(&mut session), query("listen a"));
    server_says(&mut session, &completed("LISTEN", TxStatus::Idle), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(session.hold(), Some(Hold::Pinned(Pin::Session)));
}
