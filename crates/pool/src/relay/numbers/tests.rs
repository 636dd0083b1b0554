use std::sync::Arc;

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::FIRST_LEASES;
use crate::id::ClientId;
use crate::parameters::Parameters;
use crate::relay::{FromClient, Mode, Relay, Violation};
use crate::upstream::sequences::Readers;
use crate::upstream::{FromServer, Upstream};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(name: &str) -> Vec<u8> {
    message(b'B', format!("\0{name}\0\0\0\0\0\0\0").as_bytes())
}

/// What the server says to a query of the pooler.
fn answer(server: &mut Upstream, tag: &str) {
    let mut bytes = message(b'C', format!("{tag}\0").as_bytes());
    encode::ready_for_query(&mut bytes, server.status);
    assert_eq!(
        server.receive(None, &mut bytes),
        FromServer::Swallow(bytes.len())
    );
}

/// One lease of a client; whether the numbers of others were discarded when it joined.
fn lease(relay: &mut Relay, server: &mut Upstream, client: u64, are_read: bool) -> bool {
    let mut out = Vec::new();
    server.sequences.given(ClientId(client), readers(are_read));
    relay.attach(server, &mut out);
    let discards = out == query("DISCARD SEQUENCES");
    assert!(discards || out.is_empty());
    if discards {
        answer(server, "DISCARD SEQUENCES");
    }
    discards
}

fn readers(are_read: bool) -> Readers {
    Readers::of(u64::from(are_read), 0)
}

fn relay() -> Relay {
    Relay::new(Mode::Transaction, Arc::new(Parameters::default()))
}

fn server() -> Upstream {
    Upstream::new(Arc::new(Parameters::default()))
}

/// A client whose first leases are over, and a server that another used since.
fn foreign() -> (Relay, Upstream) {
    let (mut relay, mut server) = (relay(), server());
    for _ in 0..FIRST_LEASES {
        lease(&mut relay, &mut server, 1, false);
    }
    lease(&mut self::relay(), &mut server, 2, false);
    assert!(!lease(&mut relay, &mut server, 1, false));
    (relay, server)
}

#[test]
fn numbers_are_discarded_unless_they_are_the_clients_latest() {
    // Client and server of each lease, and whether it begins with a discard.
    for (leases, expected) in [
        ("a0 a0 a0", "..."),
        ("a0 b0 b0 a0", ".!.!"),
        ("a0 b1 a0", "..."),
        ("a0 a1 a0", "..!"),
        ("a0 b0 a1 a0", ".!.!"),
    ] {
        let (mut relays, mut servers) = ([relay(), relay()], [server(), server()]);
        let mut discards = String::new();
        for lease_of in leases.split(' ').map(str::as_bytes) {
            let (client, at) = (
                usize::from(lease_of[0] - b'a'),
                usize::from(lease_of[1] - b'0'),
            );
            let (relay, server) = (&mut relays[client], &mut servers[at]);
            let is_discarded = lease(relay, server, client as u64, false);
            discards.push(if is_discarded { '!' } else { '.' });
        }
        assert_eq!(discards, expected, "{leases}");
    }
}

#[test]
fn only_who_may_read_numbers_pays_for_it() {
    let (mut relay, mut server) = foreign();
    lease(&mut self::relay(), &mut server, 2, false);
    assert!(
        !lease(&mut relay, &mut server, 1, false),
        "it never read one"
    );
    assert!(
        lease(&mut relay, &mut server, 1, true),
        "others of its pool do"
    );
    let (mut relay, mut server) = foreign();
    for _ in 0..2 {
        relay.receive(Some(&mut server), &parse("", "select lastval()"));
    }
    server = self::server();
    lease(&mut self::relay(), &mut server, 2, false);
    assert!(lease(&mut relay, &mut server, 1, false), "it did");
    let mut relay = Relay::new(Mode::Session, Arc::new(Parameters::default()));
    assert!(
        !lease(&mut relay, &mut server, 3, true),
        "its server is reset behind it"
    );
}

#[test]
fn an_unforeseen_read_discards_what_others_left() {
    for (bytes, reads) in [
        (query("select lastval()"), true),
        (query("insert into t values (1); select CURRVAL('s')"), true),
        (parse("", "select pg_catalog.currval($1)"), true),
        (message(b'F', b"\0\0\x09\xff\0\0\0\0\0\0"), true),
        (message(b'F', b"\0\0\x09\xfe\0\0\0\0\0\0"), false),
        (query("select nextval('s')"), false),
        (query("select 'lastval()'"), false),
    ] {
        let (mut relay, mut server) = foreign();
        let first = relay.receive(Some(&mut server), &bytes);
        if reads {
            assert_eq!(first, FromClient::Spliced(0));
            assert_eq!(server.spliced, query("DISCARD SEQUENCES"));
            server.spliced.clear();
            let second = relay.receive(Some(&mut server), &bytes);
            assert_eq!(second, FromClient::Forward(bytes.len()));
        } else {
            assert_eq!(first, FromClient::Forward(bytes.len()));
        }
    }
}

#[test]
fn what_was_prepared_reads_when_it_is_bound_or_executed() {
    let (mut relay, mut server) = (relay(), server());
    lease(&mut relay, &mut server, 1, false);
    let mut bytes = parse("s", "select lastval()");
    bytes.extend(message(b'S', b""));
    relay.receive(Some(&mut server), &bytes);
    for bytes in [bind("s"), query("execute s")] {
        let mut server = self::server();
        lease(&mut self::relay(), &mut server, 2, false);
        // It joined unknown.
        server.sequences.given(ClientId(1), Readers::Possible);
        server.sequences.joined(9);
        let first = relay.receive(Some(&mut server), &bytes);
        assert_eq!(first, FromClient::Spliced(0));
        assert_eq!(server.spliced, query("DISCARD SEQUENCES"));
    }
}

#[test]
fn a_discard_waits_for_answers_and_breaks_no_batch() {
    let read = query("select lastval()");
    // Behind other messages it comes behind them.
    let (mut relay, mut server) = foreign();
    let begin = query("begin");
    let both = [&begin[..], &read].concat();
    let first = relay.receive(Some(&mut server), &both);
    assert_eq!(first, FromClient::Forward(begin.len()));
    assert_eq!(relay.receive(Some(&mut server), &read), FromClient::Full);
    let mut begun = message(b'C', b"BEGIN\0");
    encode::ready_for_query(&mut begun, TxStatus::InTransaction);
    server.receive(Some(&mut relay.client), &mut begun);
    assert_eq!(
        relay.receive(Some(&mut server), &read),
        FromClient::Spliced(0)
    );
    // A failed transaction refuses both.
    let (mut relay, mut server) = foreign();
    server.status = TxStatus::Failed;
    assert_eq!(
        relay.receive(Some(&mut server), &read),
        FromClient::Forward(read.len())
    );
    // A query of the pooler would end the batch.
    let (mut relay, mut server) = foreign();
    relay.receive(Some(&mut server), &parse("", "insert into t values (1)"));
    let late = parse("", "select lastval()");
    let expected = FromClient::Violation(Violation::UnknownNumber);
    assert_eq!(relay.receive(Some(&mut server), &late), expected);
}

#[test]
fn a_discard_of_the_client_is_as_good() {
    for tag in ["DISCARD SEQUENCES", "DISCARD ALL"] {
        let (mut relay, mut server) = foreign();
        relay.receive(Some(&mut server), &query(&tag.to_lowercase()));
        let mut bytes = message(b'C', format!("{tag}\0").as_bytes());
        encode::ready_for_query(&mut bytes, TxStatus::Idle);
        server.receive(Some(&mut relay.client), &mut bytes);
        let read = query("select lastval()");
        let sent = relay.receive(Some(&mut server), &read);
        assert_eq!(sent, FromClient::Forward(read.len()), "{tag}");
    }
}

#[test]
fn a_pool_whose_clients_have_never_read_a_number_is_spared_in_the_end() {
    for (reads, transactions, discards) in [
        (0, 0, true),
        (0, 9_999, true),
        (0, 10_000, false),
        (1, 10_000, true),
    ] {
        let (mut relay, mut server, mut out) = (relay(), server(), Vec::new());
        lease(
            &mut Relay::new(Mode::Transaction, Arc::default()),
            &mut server,
            1,
            false,
        );
        server
            .sequences
            .given(ClientId(2), Readers::of(reads, transactions));
        relay.attach(&mut server, &mut out);
        assert_eq!(
            !out.is_empty(),
            discards,
            "{reads} reads, {transactions} transactions"
        );
    }
}
