use std::sync::Arc;

use pgweir_sql::effects::{Effects, Kinds};
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::note::SETTINGS_MAX;
use super::{Broken, FromServer, Transactions, UNDERSTOOD_MAX, Upstream};
use crate::parameters::Parameters;
use crate::prepared::ClientState;
use crate::replies::{OutOfStep, Reply};

fn parameters(pairs: &[(&str, &str)]) -> Arc<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        parameters.set(name, value);
    }
    Arc::new(parameters)
}

fn client(pairs: &[(&str, &str)]) -> ClientState {
    ClientState {
        parameters: parameters(pairs),
        ..ClientState::default()
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

fn ready(status: TxStatus) -> Vec<u8> {
    let mut out = Vec::new();
    encode::ready_for_query(&mut out, status);
    out
}

/// Feeds `bytes` in pieces of `size` as a driver does, and returns what the client gets.
fn forwarded(
    server: &mut Upstream,
    client: &mut ClientState,
    bytes: &[u8],
    size: usize,
) -> Vec<u8> {
    let (mut seen, mut held) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        held.extend(piece);
        loop {
            match server.receive(Some(client), &mut held) {
                FromServer::Forward(len) => seen.extend(held.drain(..len)),
                FromServer::Swallow(len) => drop(held.drain(..len)),
                FromServer::Incomplete => break,
                end => panic!("{end:?}"),
            }
        }
    }
    assert!(held.is_empty());
    seen
}

#[test]
fn a_reply_is_forwarded_whatever_the_pieces() {
    let mut reply = message(b'T', &[7; 30]);
    reply.extend(message(b'D', &[1; 100]));
    reply.extend(message(b'C', b"SELECT 1\0"));
    reply.extend(ready(TxStatus::Idle));
    for size in 1..reply.len() + 1 {
        let mut client = client(&[]);
        let mut server = Upstream::new(client.parameters.clone());
        server.replies.sent(Reply::Query(Fingerprint::NONE));
        assert!(!server.is_at_rest());
        assert_eq!(
            forwarded(&mut server, &mut client, &reply, size),
            reply,
            "pieces of {size}"
        );
        assert!(server.is_at_rest());
        assert_eq!(
            (
                server.observer.work.queries,
                server.observer.work.transactions
            ),
            (1, 1)
        );
    }
}

#[test]
fn answers_to_the_poolers_own_queries_are_swallowed() {
    let mut reply = message(b'T', &[7; 30]);
    reply.extend(message(b'D', &[1; 100]));
    reply.extend(message(b'C', b"SELECT 1\0"));
    reply.extend(ready(TxStatus::Idle));
    let own = reply.clone();
    reply.extend(message(b'C', b"SELECT 2\0"));
    reply.extend(ready(TxStatus::Idle));
    for size in 1..reply.len() + 1 {
        let mut client = client(&[]);
        let mut server = Upstream::new(client.parameters.clone());
        server.send_own("x", &mut Vec::new());
        server.replies.sent(Reply::Query(Fingerprint::NONE));
        let seen = forwarded(&mut server, &mut client, &reply, size);
        assert_eq!(seen, reply[own.len()..], "pieces of {size}");
    }
}

#[test]
fn a_setting_that_the_server_spells_otherwise_reaches_the_client() {
    let mut client = client(&[("datestyle", "iso")]);
    let mut server = Upstream::new(parameters(&[("datestyle", "German")]));
    server.send_own("x", &mut Vec::new());
    server.parameters = client.parameters.clone();
    let report = message(b'S', b"DateStyle\0ISO, MDY\0");
    assert_eq!(
        server.receive(Some(&mut client), &mut report.clone()),
        FromServer::Forward(report.len())
    );
    assert_eq!(client.parameters.value("datestyle"), Some("ISO, MDY"));
    assert!(Arc::ptr_eq(&client.parameters, &server.parameters));
}

#[test]
fn a_setting_changed_by_the_client_is_the_clients_and_the_servers() {
    let mut client = client(&[("timezone", "UTC")]);
    let mut server = Upstream::new(client.parameters.clone());
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    let report = message(b'S', b"TimeZone\0Asia/Tokyo\0");
    assert_eq!(
        server.receive(Some(&mut client), &mut report.clone()),
        FromServer::Forward(report.len())
    );
    assert_eq!(client.parameters.value("timezone"), Some("Asia/Tokyo"));
    assert_eq!(server.parameters.value("timezone"), Some("Asia/Tokyo"));
    assert_eq!(server.defaults.value("timezone"), Some("UTC"));
}

#[test]
fn a_report_in_the_clients_encoding_is_passed_and_set_again_as_it_is() {
    let own = [("client_encoding", "LATIN1"), ("search_path", "public")];
    let mut client = client(&own);
    let mut server = Upstream::new(client.parameters.clone());
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    let report = message(b'S', b"search_path\0caf\xe9\0");
    assert_eq!(forwarded(&mut server, &mut client, &report, 3), report);
    let sql = parameters(&own)
        .sql_to_become(&client.parameters)
        .expect("it differs");
    assert!(
        sql.contains("decode('636166e9', 'hex'), 'LATIN1')"),
        "{sql}"
    );
    assert!(Arc::ptr_eq(&client.parameters, &server.parameters));
    // Said by another server that was given it, it is no news.
    let mut other = Upstream::new(client.parameters.clone());
    other.send_own("x", &mut Vec::new());
    assert_eq!(forwarded(&mut other, &mut client, &report, 3), b"");
}

#[test]
fn a_report_whose_name_is_no_text_is_only_passed() {
    let mut client = client(&[]);
    let mut server = Upstream::new(client.parameters.clone());
    let report = message(b'S', b"caf\xe9.x\0y\0");
    assert_eq!(forwarded(&mut server, &mut client, &report, 3), report);
    assert_eq!(client.parameters, parameters(&[]));
}

#[test]
fn a_setting_changed_while_nobody_holds_the_server_is_its_default() {
    let mut server = Upstream::new(parameters(&[("timezone", "UTC")]));
    let report = message(b'S', b"TimeZone\0Asia/Tokyo\0");
    assert_eq!(
        server.receive(None, &mut report.clone()),
        FromServer::Swallow(report.len())
    );
    assert_eq!(server.defaults.value("timezone"), Some("Asia/Tokyo"));
}

#[test]
fn a_server_that_invents_settings_is_broken() {
    let mut server = Upstream::new(parameters(&[]));
    let report = |at: usize| message(b'S', format!("x{at}\0y\0").as_bytes());
    for at in 0..SETTINGS_MAX {
        let bytes = report(at);
        assert_eq!(
            server.receive(None, &mut bytes.clone()),
            FromServer::Swallow(bytes.len())
        );
    }
    let known = report(0);
    assert_eq!(
        server.receive(None, &mut known.clone()),
        FromServer::Swallow(known.len())
    );
    let broken = FromServer::Broken(Broken::Malformed { kind: b'S' });
    assert_eq!(server.receive(None, &mut report(SETTINGS_MAX)), broken);
}

#[test]
fn nothing_of_an_answer_that_nobody_asked_for_is_forwarded() {
    let mut client = client(&[]);
    let mut server = Upstream::new(client.parameters.clone());
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    let mut bytes = message(b'C', b"SELECT 1\0");
    bytes.extend(ready(TxStatus::Idle));
    let asked = bytes.len();
    bytes.extend(message(b'D', &[1; 10]));
    assert_eq!(
        server.receive(Some(&mut client), &mut bytes.clone()),
        FromServer::Forward(asked)
    );
    assert_eq!(
        server.receive(Some(&mut client), &mut bytes[asked..]),
        FromServer::Broken(Broken::OutOfStep(OutOfStep { kind: b'D' }))
    );
}

#[test]
fn a_message_to_be_understood_that_is_too_long_breaks_the_server() {
    let mut server = Upstream::new(parameters(&[]));
    let mut bytes = vec![b'S'];
    bytes.extend((UNDERSTOOD_MAX + 5).to_be_bytes());
    assert_eq!(
        server.receive(None, &mut bytes.clone()),
        FromServer::Broken(Broken::Malformed { kind: b'S' })
    );
}

#[test]
fn statement_mode_stops_before_the_client_learns_of_a_transaction() {
    let mut client = client(&[]);
    let mut server = Upstream::new(client.parameters.clone());
    server.transactions = Transactions::SingleStatement;
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    let mut bytes = message(b'C', b"BEGIN\0");
    let tag = bytes.len();
    bytes.extend(ready(TxStatus::InTransaction));
    assert_eq!(
        server.receive(Some(&mut client), &mut bytes.clone()),
        FromServer::Forward(tag)
    );
    assert_eq!(
        server.receive(Some(&mut client), &mut bytes[tag..]),
        FromServer::Transaction
    );
}

#[test]
fn statements_are_known_from_confirmation_to_close() {
    let mut server = Upstream::new(parameters(&[]));
    server
        .replies
        .sent(Reply::Parse(Some((b"a"[..].into(), Fingerprint::NONE))));
    server.replies.sent(Reply::Sync);
    assert!(!server.has_statements(), "not confirmed");
    server.receive(None, &mut message(b'1', b""));
    assert!(server.has_statements());
    server.receive(None, &mut ready(TxStatus::Idle));
    server.replies.sent(Reply::Close(Some(b"a"[..].into())));
    server.replies.sent(Reply::Sync);
    server.receive(None, &mut message(b'3', b""));
    assert!(!server.has_statements());
}

#[test]
fn discard_all_forgets_statements_and_settings() {
    let mut server = Upstream::new(parameters(&[("timezone", "UTC")]));
    server.parameters = parameters(&[("timezone", "Asia/Tokyo")]);
    server
        .replies
        .sent(Reply::Parse(Some((b"a"[..].into(), Fingerprint::NONE))));
    server.receive(None, &mut message(b'1', b""));
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    server.receive(None, &mut message(b'C', b"DISCARD ALL\0"));
    assert!(!server.has_statements());
    assert!(Arc::ptr_eq(&server.parameters, &server.defaults));
}

#[test]
fn a_server_that_says_goodbye_is_dying_whatever_the_pieces() {
    let goodbye = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgoodbye\0\0");
    for size in 1..goodbye.len() + 1 {
        let mut client = client(&[]);
        let mut server = Upstream::new(client.parameters.clone());
        assert_eq!(
            forwarded(&mut server, &mut client, &goodbye, size),
            goodbye,
            "pieces of {size}"
        );
        assert!(server.dying, "pieces of {size}");
    }
}

#[test]
fn a_notice_of_any_length_passes_amid_the_poolers_own_query() {
    let mut client = client(&[]);
    let mut server = Upstream::new(client.parameters.clone());
    server.send_own("select 1", &mut Vec::new());
    let notice = message(b'N', &vec![b'x'; UNDERSTOOD_MAX as usize + 1]);
    assert!(forwarded(&mut server, &mut client, &notice, 1000).is_empty());
    let answer = ready(TxStatus::Idle);
    assert!(forwarded(&mut server, &mut client, &answer, 1000).is_empty());
    assert!(server.is_at_rest());
}

#[test]
fn settings_that_are_not_reported_are_forgotten_when_any_is_set() {
    let wanted = parameters(&[("timezone", "UTC"), ("statement_timeout", "5s")]);
    for (tag, is_known) in [
        (&b"SET\0"[..], false),
        (b"RESET\0", false),
        (b"SELECT 1\0", true),
    ] {
        let mut server = Upstream::new(parameters(&[("timezone", "UTC")]));
        server.parameters = wanted.clone();
        server.replies.sent(Reply::Query(Fingerprint::NONE));
        server.receive(None, &mut message(b'C', tag));
        server.receive(None, &mut ready(TxStatus::Idle));
        let sql = server.parameters.sql_to_become(&wanted);
        let again = "SELECT pg_catalog.set_config('statement_timeout', '5s', false)";
        assert_eq!(sql.as_deref(), (!is_known).then_some(again), "{tag:?}");
        let sql = server.parameters.sql_to_take_back(&server.defaults);
        assert_eq!(
            sql.as_deref(),
            Some("RESET \"statement_timeout\""),
            "{tag:?}"
        );
    }
}

#[test]
fn a_notification_reaches_the_client_whatever_the_pooler_asks_meanwhile() {
    let mut notification = vec![0, 0, 0, 7];
    notification.extend(b"channel\0payload\0");
    let notification = message(b'A', &notification);
    let mut answers = notification.clone();
    answers.extend(message(b'T', &[0, 0]));
    answers.extend(&notification);
    answers.extend(message(b'C', b"SELECT 0\0"));
    answers.extend(ready(TxStatus::Idle));
    for (listens, size) in [true, false]
        .into_iter()
        .flat_map(|listens| (1..answers.len() + 1).map(move |size| (listens, size)))
    {
        let mut client = client(&[]);
        let mut server = Upstream::new(client.parameters.clone());
        server.state.client_changed(true);
        if listens {
            server.state.note(&Effects {
                kinds: Kinds::LISTEN,
                names: Vec::new(),
            });
        }
        server.send_own("SELECT", &mut Vec::new());
        let seen = forwarded(&mut server, &mut client, &answers, size);
        let expected = notification.repeat(if listens { 2 } else { 0 });
        assert_eq!(seen, expected, "pieces of {size}");
    }
}

#[test]
fn a_notification_is_by_the_number_that_the_client_was_told() {
    let of = |sender: u32| {
        message(
            b'A',
            &[&sender.to_be_bytes(), &b"channel\0text\0"[..]].concat(),
        )
    };
    for (told, sender, seen) in [(Some(8), 7, 8), (Some(8), 9, 9), (None, 7, 7)] {
        let whole = of(sender);
        for size in 1..=whole.len() {
            let mut server = Upstream::new(parameters(&[]));
            (server.pid, server.told) = (Some(7), told);
            let passed = forwarded(&mut server, &mut client(&[]), &whole, size);
            assert_eq!(passed, of(seen), "{told:?}, pieces of {size}");
        }
    }
    // One without a sender is not waited for.
    let mut server = Upstream::new(parameters(&[]));
    (server.pid, server.told) = (Some(7), Some(8));
    let short = message(b'A', b"ab");
    assert_eq!(forwarded(&mut server, &mut client(&[]), &short, 1), short);
}
