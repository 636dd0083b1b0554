mod again;
mod databases;
mod first_words;
mod joining;
mod pinned;
mod reject;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::{ErrorView, TxStatus};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;

use super::{End, Fault, JOIN_MAX, Limits, Need, Overdue, PARTING_MAX, Sentences, Session};
use crate::id::{ClientId, ServerId, WorkerId};
use crate::parameters::Parameters;
use crate::pin::Pin;
use crate::pool::{Bounds, Checkout, Place, Pool};
use crate::relay::{Hold, Mode, Relay, Violation};
use crate::server::{Delivery, Server};
use crate::time::Time;
use crate::trace::{Finding, Sample, Slowness, Thresholds};
use crate::upstream::{Broken, OwnError, Upstream};
use crate::work::Totals;

/// A stream whose peer has said `input` and hears `output`.
#[derive(Debug, Default)]
struct Stream {
    input: VecDeque<u8>,
    output: Vec<u8>,
    closed: bool,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 if !self.closed => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl crate::stream::Stream for Stream {}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOW: Time = Time(1_000_000);

fn parameters(pairs: &[(&str, &str)]) -> Arc<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in pairs {
        parameters.set(name, value);
    }
    Arc::new(parameters)
}

/// PostgreSQL's words, where there are any.
fn wording(fault: Fault<'_>) -> Sentences<'_> {
    Sentences {
        sqlstate: None,
        message: match fault {
            Fault::Settings(error) => (&*error.message).into(),
            fault => format!("{fault:?}").into(),
        },
        detail: None,
        hint: None,
    }
}

fn query(sql: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::query(&mut bytes, sql);
    bytes
}

fn place() -> Place {
    let bounds = Bounds {
        size_max: 1,
        size_min: 0,
        keeps_min_unused: false,
        reserve_max: 0,
        reserve_after: Duration::MAX,
        waiters_max: 1,
        wait_max: Duration::MAX,
        idle_max: Duration::MAX,
        lifetime: Duration::MAX,
        login_retry: Duration::MAX,
        round_robin: false,
    };
    match Pool::new(bounds, 1, ServerId(0)).checkout(NOW, ClientId(0), WorkerId(0)) {
        Checkout::Waits(place) => place,
        other => unreachable!("an empty pool has no server, but answers {other:?}"),
    }
}

/// A client that streams from a server that was opened for it alone.
fn streaming(scratch: &mut [u8]) -> Session<Stream, Stream> {
    let start = query("START_REPLICATION PHYSICAL 0/0");
    let client = Stream {
        input: start.clone().into(),
        ..Stream::default()
    };
    let relay = Relay::new(Mode::Replication, parameters(&[("timezone", "UTC")]));
    // As a reload of its reset query would have it.
    let mut session = Session::new(client, relay, wording, NOW);
    session.reset_always = true;
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    // It was opened anew, with another default.
    let upstream = Upstream::new(parameters(&[("timezone", "GMT")]));
    let server = Box::new(Server::new(ServerId(1), Stream::default(), upstream));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let server = session.server().expect("attached");
    assert_eq!(server.stream.output, start, "and nothing of the pooler's");
    server.stream.output.clear();
    server_says(&mut session, &message(b'W', &[0, 0, 0]), false);
    assert!(matches!(session.pump(NOW, scratch), Need::Nothing));
    session
}

#[test]
fn a_stream_rests_and_can_be_cancelled() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = streaming(&mut scratch);
    assert_eq!(session.hold(), Some(Hold::Pinned(Pin::Replication)));
    assert!(session.cancel().is_some());
    client_says(&mut session, b"d\0\0\0\x22r");
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(session.hold(), Some(Hold::Busy), "a message is half sent");
    server_says(&mut session, &message(b'd', b"w"), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert!(session.client.output.ends_with(&message(b'd', b"w")));
}

#[test]
fn a_server_of_replication_serves_nobody_else() {
    let mut goodbye = Vec::new();
    encode::terminate(&mut goodbye);
    for (last, sent) in [
        (&goodbye[..], &goodbye[..]),
        (b"d\0\0\0\x22r", b"d\0\0\0\x22r"),
    ] {
        let mut scratch = vec![0; 32 * 1024];
        let mut session = streaming(&mut scratch);
        client_says(&mut session, last);
        session.client.closed = true;
        session.ready(true, true);
        let Need::Lost(server, None) = session.pump(NOW, &mut scratch) else {
            panic!("the server is not lost");
        };
        assert_eq!(server.stream.output, sent, "no goodbye within a message");
        let need = session.pump(NOW, &mut scratch);
        assert!(matches!(need, Need::Finish(_)), "{need:?}");
    }
}

/// A client that asked `select 1`, and a server with other settings if `strange`.
fn pair(strange: bool) -> (Session<Stream, Stream>, Box<Server<Stream>>) {
    let own = parameters(&[("timezone", "UTC")]);
    let theirs = parameters(&[("timezone", "GMT")]);
    let client = Stream {
        input: query("select 1").into(),
        ..Stream::default()
    };
    let relay = Relay::new(Mode::Transaction, own.clone());
    let session = Session::new(client, relay, wording, NOW);
    let upstream = Upstream::new(if strange { theirs } else { own });
    let server = Server::new(ServerId(1), Stream::default(), upstream);
    (session, Box::new(server))
}

#[test]
fn half_a_notice_does_not_keep_an_idle_server_from_a_client() {
    let mut scratch = vec![0; 32 * 1024];
    let mut notice = Vec::new();
    encode::parameter_status(&mut notice, "in_hot_standby", "off");
    for len in 1..notice.len() {
        let (mut session, mut server) = pair(false);
        server.stream.input.extend(&notice[..len]);
        server.look_again();
        assert!(server.drain(&mut scratch));
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{len} bytes: {need:?}");
        let server = session.server().expect("attached");
        assert_eq!(server.stream.output, query("select 1"));
    }
}

#[test]
fn an_error_of_the_pooler_does_not_end_up_inside_a_row() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = pair(false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing));
    let server = session.server().expect("attached");
    let half_a_row = b"D\0\0\0\x63\0\x01\0\0\0\x59abc";
    server.stream.input.extend(half_a_row);
    server.stream.closed = true;
    server.ready(true, true);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    let need = session.pump(NOW, &mut scratch);
    assert!(
        matches!(need, Need::Finish(End::ServerGone { told: false })),
        "{need:?}"
    );
    assert_eq!(session.client.output, half_a_row);
}

/// Lets the server say `bytes`, and then hang up if `last`.
fn server_says(session: &mut Session<Stream, Stream>, bytes: &[u8], last: bool) {
    let server = session.server().expect("attached");
    server.stream.input.extend(bytes);
    server.stream.closed = last;
    server.ready(true, last);
}

/// A client that was served before, with a server that is just given the client's settings.
fn proven(scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(true);
    session.relay.prelude_accepted();
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing));
    let server = session.server().expect("attached");
    assert!(server.stream.output.ends_with(&query("select 1")));
    session
}

#[test]
fn a_cancel_request_does_not_hit_the_poolers_own_query() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = proven(&mut scratch);
    assert!(session.cancel().is_none(), "the settings are under way");
    let mut settled = b"C\0\0\0\x0dSELECT 1\0".to_vec();
    encode::ready_for_query(&mut settled, TxStatus::Idle);
    server_says(&mut session, &settled, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert!(session.due_cancel().is_some(), "the client's query runs");
    assert!(session.due_cancel().is_none(), "once is enough");
}

#[test]
fn a_goodbye_amid_the_poolers_own_query_reaches_the_client_as_an_error() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = proven(&mut scratch);
    let goodbye = b"E\0\0\0\x19SFATAL\0C57P01\0Mbye\0\0";
    server_says(&mut session, goodbye, true);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    let error = ErrorView::parse(&session.client.output[5..]);
    assert_eq!(error.sqlstate(), Some(SqlState::CONNECTION_FAILURE));
}

/// What answers `select 1`.
fn answer() -> Vec<u8> {
    let mut bytes = b"C\0\0\0\x0dSELECT 1\0".to_vec();
    encode::ready_for_query(&mut bytes, TxStatus::Idle);
    bytes
}

/// A client whose `select 1` runs.
fn asked(scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(false);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing));
    session
}

#[test]
fn a_server_that_hangs_up_behind_its_answer_is_lost_and_its_client_is_not() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = asked(&mut scratch);
    server_says(&mut session, &answer(), true);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    assert_eq!(session.client.output, answer());
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert!(session.is_idle());
}

#[test]
fn a_late_cancel_request_does_not_hit_the_next_query_of_a_transaction() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = asked(&mut scratch);
    session.cancel().expect("a query runs").cancels.began();
    let mut begun = b"C\0\0\0\x0aBEGIN\0".to_vec();
    encode::ready_for_query(&mut begun, TxStatus::InTransaction);
    server_says(&mut session, &begun, false);
    session.client.input.extend(query("select 2"));
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let server = session.server().expect("in a transaction");
    assert!(!server.stream.output.ends_with(&query("select 2")));
    server.cancels.ended(Delivery::Over);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let server = session.server().expect("in a transaction");
    assert!(server.stream.output.ends_with(&query("select 2")));
}

#[test]
fn a_server_with_a_cancel_request_in_doubt_serves_nobody_else() {
    let mut scratch = vec![0; 32 * 1024];
    for (delivery, is_lost) in [(Delivery::Over, false), (Delivery::InDoubt, true)] {
        let mut session = asked(&mut scratch);
        session.cancel().expect("a query runs").cancels.began();
        let mut done = b"C\0\0\0\x0dSELECT 1\0".to_vec();
        encode::ready_for_query(&mut done, TxStatus::Idle);
        server_says(&mut session, &done, false);
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
        let server = session.server().expect("until it is known");
        server.cancels.ended(delivery);
        let need = session.pump(NOW, &mut scratch);
        assert_eq!(matches!(need, Need::Lost(_, None)), is_lost, "{delivery:?}");
        assert_eq!(matches!(need, Need::Checkin(_)), !is_lost, "{delivery:?}");
        assert!(session.is_idle(), "the client goes on");
    }
}

#[test]
fn who_says_goodbye_behind_a_query_gets_its_answer_first() {
    let mut scratch = vec![0; 32 * 1024];
    let mut done = b"C\0\0\0\x0dSELECT 1\0".to_vec();
    encode::ready_for_query(&mut done, TxStatus::Idle);
    let parting = |scratch: &mut [u8]| {
        let mut session = asked(scratch);
        session.client.input.extend(b"X\0\0\0\x04");
        session.ready(true, false);
        assert!(matches!(session.pump(NOW, scratch), Need::Nothing));
        session
    };
    let mut session = parting(&mut scratch);
    server_says(&mut session, &done, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkin(_)));
    assert_eq!(session.client.output, done);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Finish(End::Terminated)), "{need:?}");
    // What takes long is not waited for.
    let session = parting(&mut scratch);
    assert!(!session.has_parted(NOW + (PARTING_MAX - Duration::from_micros(1))));
    assert!(session.has_parted(NOW + PARTING_MAX));
}

#[test]
fn who_says_goodbye_in_an_open_batch_is_owed_nothing() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = pair(false);
    session.client.input.clear();
    let mut bytes = Vec::new();
    encode::parse(&mut bytes, "", "select 1");
    encode::terminate(&mut bytes);
    session.client.input.extend(bytes);
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Return(_)), "{need:?}");
}

#[test]
fn a_pipeline_is_not_a_long_query() {
    let mut scratch = vec![0; 32 * 1024];
    let second = Duration::from_secs(1);
    let limits = Limits {
        query: second,
        idle_in_transaction: Duration::MAX,
        transaction: second,
        idle: Duration::MAX,
        pin: Duration::MAX,
    };
    let mut session = asked(&mut scratch);
    let mut now = NOW;
    for _ in 0..5 {
        session.client.input.extend(query("select 1"));
        session.ready(true, false);
        now = now + second / 2;
        let server = session.server().expect("attached");
        server.stream.input.extend(answer());
        // The next query is sent before the one before it is answered.
        assert!(matches!(session.pump(now, &mut scratch), Need::Nothing));
        session.server().expect("attached").look_again();
        assert!(matches!(session.pump(now, &mut scratch), Need::Nothing));
        assert_eq!(session.overdue(now, &limits), None);
    }
    assert_eq!(session.overdue(now + second, &limits), Some(Overdue::Query));
}

#[test]
fn times_of_queries_and_transactions_are_apart() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = asked(&mut scratch);
    let at = |ms: u64| Time(NOW.0 + ms * 1000);
    let reply = |status| {
        let mut bytes = b"C\0\0\0\x0dSELECT 1\0".to_vec();
        encode::ready_for_query(&mut bytes, status);
        bytes
    };
    server_says(&mut session, &reply(TxStatus::InTransaction), false);
    assert!(matches!(session.pump(at(3), &mut scratch), Need::Nothing));
    // The client thinks for 10 ms, then sends two queries at once.
    let two = [query("select 2"), query("commit")].concat();
    session.client.input.extend(&two);
    session.ready(true, false);
    assert!(matches!(session.pump(at(13), &mut scratch), Need::Nothing));
    let answers = [reply(TxStatus::InTransaction), answer()].concat();
    server_says(&mut session, &answers, false);
    let need = session.pump(at(33), &mut scratch);
    let Need::Checkin(mut server) = need else {
        panic!("{need:?}");
    };
    let mut totals = Totals::default();
    totals.take(&mut server.upstream.observer.work);
    assert_eq!((totals.queries, totals.transactions), (3, 1));
    let queries = &totals.query_times;
    assert_eq!((queries.count(), queries.sum_us()), (3, 23_000));
    let transactions = &totals.transaction_times;
    assert_eq!((transactions.count(), transactions.sum_us()), (1, 33_000));
    let sent = query("select 1").len() + two.len();
    assert_eq!(totals.received_bytes, sent as u64);
    let came = reply(TxStatus::InTransaction).len() + answers.len();
    assert_eq!(totals.sent_bytes, came as u64);
}

#[test]
fn nothing_follows_the_refusal_of_the_settings_but_an_error() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = proven(&mut scratch);
    let mut refusal = b"E\0\0\0\x17SERROR\0C22023\0Mno\0\0".to_vec();
    encode::ready_for_query(&mut refusal, TxStatus::Idle);
    refusal.extend(b"N\0\0\x99\x99half a notice");
    server_says(&mut session, &refusal, false);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    let error = ErrorView::parse(&session.client.output[5..]);
    assert_eq!(error.message(), "no");
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

/// The unnamed statement that lies on a server may be another client's.
#[test]
fn a_client_never_meets_the_unnamed_statement_of_another() {
    let mut scratch = vec![0; 32 * 1024];
    let parse = message(b'P', b"\0select 1\0\0\0");
    let bind = message(b'B', b"\0\0\0\0\0\0\0\0");
    let describe = message(b'D', b"S\0");
    let sync = message(b'S', b"");
    let dropped = message(b'C', b"S\0");
    for (asks, sent) in [
        (vec![&bind, &sync], vec![&dropped, &bind, &sync]),
        (vec![&describe, &sync], vec![&dropped, &describe, &sync]),
        (vec![&parse, &bind, &sync], vec![&parse, &bind, &sync]),
        (
            // It is not certain before its answer that it is there.
            vec![&parse, &sync, &describe, &bind, &sync],
            vec![&parse, &sync],
        ),
    ] {
        let (mut session, server) = pair(false);
        session.client.input = asks.iter().flat_map(|m| m.iter().copied()).collect();
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        let expected: Vec<u8> = sent.iter().flat_map(|m| m.iter().copied()).collect();
        let server = session.server().expect("attached");
        assert_eq!(server.stream.output, expected);
        // The answer to the Close is for nobody.
        if sent[0] == &dropped {
            server.stream.input.extend(message(b'3', b""));
            server.look_again();
            let need = session.pump(NOW, &mut scratch);
            assert!(matches!(need, Need::Nothing), "{need:?}");
            assert_eq!(session.client.output, b"");
        }
    }
}

#[test]
fn executions_are_counted_with_their_rows_bytes_and_times() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = pair(false);
    let second = Duration::from_secs(1);
    session.thresholds = Some(Thresholds {
        slow: second,
        very_slow: 3 * second,
    });
    let execute = [
        message(b'B', b"\0s\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    let parse = message(b'P', b"s\0select x from t where y = 7\0\0\0");
    session.client.input = [parse, execute.clone()].concat().into();
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let waited = Duration::from_millis(40);
    let need = session.attach(NOW + waited, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let row = message(b'D', b"\0\0");
    let answer = [
        message(b'2', b""),
        row.clone(),
        row,
        message(b'C', b"SELECT 2\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let mut now = NOW + waited;
    for first in [message(b'1', b""), Vec::new()] {
        if first.is_empty() {
            session.client.input = execute.clone().into();
            session.ready(true, false);
            assert!(matches!(session.pump(now, &mut scratch), Need::Nothing));
        }
        now = now + second;
        let server = session.server().expect("attached");
        server.stream.input.extend([first, answer.clone()].concat());
        server.look_again();
        assert!(matches!(session.pump(now, &mut scratch), Need::Nothing));
    }
    let trace = &mut session.server().expect("pinned").upstream.observer.trace;
    let statement = Fingerprint::of(b"select x from t where y = $1", true);
    let sum = Sample {
        statement,
        calls: 2,
        errors: 0,
        rows: 4,
        bytes: 2 * (5 + 7 + 7) + 5 + (14 + 6),
        us: 2_000_000,
    };
    assert_eq!(*trace.samples(), [sum]);
    let slow = |waited| Finding::Slow {
        statement,
        slowness: Slowness::Slow,
        waited,
        took: second,
    };
    assert_eq!(trace.take_findings(), [slow(waited), slow(Duration::ZERO)]);
}

#[test]
fn a_loop_of_round_trips_is_found_over_several_servers() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, mut server) = pair(false);
    let never = Duration::MAX;
    session.thresholds = Some(Thresholds {
        slow: never,
        very_slow: never,
    });
    let mut found = Vec::new();
    for n in 0..12 {
        session.client.input = query(&format!("select {n} /*route='r'*/")).into();
        session.ready(true, false);
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        let held = session.server().expect("attached");
        held.stream.input.extend(message(b'C', b"SELECT 1\0"));
        held.stream.input.extend(message(b'Z', b"I"));
        held.look_again();
        let Need::Checkin(mut free) = session.pump(NOW, &mut scratch) else {
            panic!("the query is over");
        };
        found.extend(free.upstream.observer.trace.take_findings());
        server = free;
    }
    let [
        Finding::Repeated {
            times: 10, tags, ..
        },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((&*tags[0].key, &*tags[0].value), ("route", "r"));
}

/// What a session says itself: whether it ends with that, and the code.
#[test]
fn faults_are_told_with_their_codes() {
    let refused = |sqlstate| OwnError {
        sqlstate,
        message: "no".to_owned(),
        is_last: true,
    };
    let (coded, uncoded) = (
        refused(Some(SqlState::INVALID_PARAMETER_VALUE)),
        refused(None),
    );
    let unknown = Violation::UnknownMessage { kind: b'?' };
    for (fault, severity, code) in [
        (Fault::Violation(unknown), "FATAL", "08P01"),
        (
            Fault::Violation(Violation::TooManyStatements),
            "FATAL",
            "54000",
        ),
        (Fault::ServerGone, "FATAL", "08006"),
        (Fault::ServerBroken, "FATAL", "08P01"),
        (Fault::Settings(&coded), "FATAL", "22023"),
        (Fault::Settings(&uncoded), "FATAL", "XX000"),
        (Fault::Transaction, "FATAL", "0A000"),
        (Fault::WaitCanceled, "ERROR", "57014"),
    ] {
        let mut out = Vec::new();
        fault.encode(wording, &mut out);
        let expected = format!("S{severity}\0V{severity}\0C{code}\0");
        assert!(out[5..].starts_with(expected.as_bytes()), "{fault:?}");
        assert_eq!(
            ErrorView::parse(&out[5..]).message(),
            wording(fault).message
        );
    }
}

#[test]
fn an_end_knows_whether_the_session_told_the_client() {
    let violation = Violation::TooManyStatements;
    let broken = Broken::Malformed { kind: b'Z' };
    for (end, fault) in [
        (End::Violation(violation), Some(Fault::Violation(violation))),
        (End::ServerGone { told: true }, Some(Fault::ServerGone)),
        (End::ServerGone { told: false }, None),
        (End::ServerBroken(broken), Some(Fault::ServerBroken)),
        (End::Transaction, Some(Fault::Transaction)),
        (End::Terminated, None),
        (End::ClientGone, None),
        (End::Ended, None),
    ] {
        assert_eq!(end.fault(), fault, "{end:?}");
    }
}

#[test]
fn a_cancelled_wait_ends_in_an_error_and_the_session_goes_on() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, _) = pair(false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    session.wait(place());
    session.cancel_wait(NOW);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert!(session.is_idle());
    let error = ErrorView::parse(&session.client.output[5..]);
    assert_eq!(error.sqlstate(), Some(SqlState::QUERY_CANCELED));
    assert!(session.client.output.ends_with(b"Z\0\0\0\x05I"));
    session.client.input.extend(query("select 2"));
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
}

#[test]
fn statement_mode_ends_a_session_that_opens_a_transaction() {
    let mut scratch = vec![0; 32 * 1024];
    let (_, server) = pair(false);
    let relay = Relay::new(Mode::Statement, parameters(&[("timezone", "UTC")]));
    let client = Stream {
        input: query("begin").into(),
        ..Stream::default()
    };
    let mut session = Session::new(client, relay, wording, NOW);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let begun = message(b'C', b"BEGIN\0");
    server_says(
        &mut session,
        &[begun.clone(), message(b'Z', b"T")].concat(),
        false,
    );
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Return(_)), "{need:?}");
    let told = &session.client.output[begun.len()..];
    let error = ErrorView::parse(&told[5..]);
    assert_eq!(error.sqlstate(), Some(SqlState::FEATURE_NOT_SUPPORTED));
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Finish(End::Transaction)), "{need:?}");
}

/// Lets the client send `bytes`.
fn client_says(session: &mut Session<Stream, Stream>, bytes: &[u8]) {
    session.client.input.extend(bytes);
    session.ready(true, false);
}

const NO_LIMITS: Limits = Limits {
    query: Duration::MAX,
    idle_in_transaction: Duration::MAX,
    transaction: Duration::MAX,
    idle: Duration::MAX,
    pin: Duration::MAX,
};

#[test]
fn a_server_that_does_not_answer_the_check_is_given_up() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = pair(false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let place = place();
    let need = session.attach(NOW, server, place, Some("select 2"), &mut scratch);
    assert!(matches!(need, Need::Nothing));
    assert!(!session.is_stuck(NOW + (JOIN_MAX - Duration::from_micros(1))));
    assert!(session.is_stuck(NOW + JOIN_MAX));
    let need = session.give_server_up();
    assert!(
        matches!(need, Need::Lost(_, Some(again)) if again == place),
        "{need:?}"
    );
    assert_eq!(session.place(), Some(place), "it waits for another");
    assert!(!session.is_stuck(NOW + 2 * JOIN_MAX));
}

#[test]
fn a_server_that_answers_is_not_given_up() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = proven(&mut scratch);
    let late = NOW + JOIN_MAX;
    assert!(session.is_stuck(late), "the settings are not answered");
    server_says(&mut session, &answer(), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert!(!session.is_stuck(late), "the query may take its time");
}

#[test]
fn bytes_that_complete_no_message_keep_nothing_alive() {
    let second = Duration::from_secs(1);
    let limits = Limits {
        query: 10 * second,
        idle: 10 * second,
        idle_in_transaction: 10 * second,
        ..NO_LIMITS
    };
    let long_parse = [&b"P\0\0\x10\0"[..], &[b'a'; 100]].concat();
    let long_copy_data = [&b"d\0\0\x10\0"[..], &[b'a'; 100]].concat();
    for (mode, status, message, overdue) in [
        (
            Mode::Transaction,
            TxStatus::Idle,
            &long_parse,
            Overdue::Idle,
        ),
        (
            Mode::Transaction,
            TxStatus::Idle,
            &long_copy_data,
            Overdue::Idle,
        ),
        (Mode::Session, TxStatus::Idle, &long_parse, Overdue::Idle),
        (
            Mode::Session,
            TxStatus::Idle,
            &long_copy_data,
            Overdue::Query,
        ),
        (
            Mode::Transaction,
            TxStatus::InTransaction,
            &long_parse,
            Overdue::IdleInTransaction,
        ),
        (
            Mode::Transaction,
            TxStatus::InTransaction,
            &long_copy_data,
            Overdue::Query,
        ),
    ] {
        let what = format!("{mode:?}, {status:?}, {}", char::from(message[0]));
        let mut scratch = vec![0; 32 * 1024];
        let own = parameters(&[]);
        let client = Stream {
            input: query("select 1").into(),
            ..Stream::default()
        };
        let relay = Relay::new(mode, own.clone());
        let mut session = Session::new(client, relay, wording, NOW);
        let server = Server::new(ServerId(1), Stream::default(), Upstream::new(own));
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let mut spare = None;
        let need = session.attach(NOW, Box::new(server), place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{what}: {need:?}");
        let mut answer = b"C\0\0\0\x0dSELECT 1\0".to_vec();
        encode::ready_for_query(&mut answer, status);
        server_says(&mut session, &answer, false);
        let mut need = session.pump(NOW, &mut scratch);
        let mut now = NOW;
        let mut bytes = message.iter();
        let found = loop {
            need = match need {
                Need::Checkin(server) => {
                    spare = Some(server);
                    session.pump(now, &mut scratch)
                }
                Need::Checkout => {
                    let server = spare.take().unwrap();
                    session.attach(now, server, place(), None, &mut scratch)
                }
                Need::Nothing => {
                    if let Some(overdue) = session.overdue(now, &limits) {
                        break overdue;
                    }
                    now = now + second;
                    client_says(&mut session, &[*bytes.next().expect("it ends before")]);
                    session.pump(now, &mut scratch)
                }
                need => panic!("{what}: {need:?}"),
            };
        };
        assert_eq!(found, overdue, "{what}");
        assert!(now - NOW <= 16 * second, "{what}: after {:?}", now - NOW);
    }
}

#[test]
fn a_client_that_waits_keeps_little_of_a_long_message() {
    let mut scratch = vec![0; 128 * 1024];
    let (mut session, server) = pair(false);
    let long = query(&"x".repeat(100_000));
    session.client.input = long.clone().into();
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let place = place();
    session.wait(place);
    let (kept, _) = session.buffered();
    assert!((1..=16 * 1024).contains(&kept), "{kept}");
    let mut need = session.attach(NOW, server, place, None, &mut scratch);
    while matches!(need, Need::Turn) {
        need = session.pump(NOW, &mut scratch);
    }
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let server = session.server().expect("attached");
    assert!(server.stream.output == long, "all of it is sent");
}

#[test]
fn a_setting_that_cannot_be_taken_back_costs_the_server_and_not_the_next_client() {
    let mut scratch = vec![0; 32 * 1024];
    for fails in [true, false] {
        let (mut session, mut server) = pair(false);
        let theirs = [("timezone", "UTC"), ("my.flag", "no flag")];
        server.upstream.parameters = parameters(&theirs);
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        let server = session.server().expect("attached");
        assert_eq!(server.stream.output, query(r#"RESET "my"."flag""#));
        let mut answer = Vec::new();
        if fails {
            answer.extend(b"E\0\0\0\x1aSERROR\0C22023\0Mwrong\0\0");
        } else {
            answer.extend(b"C\0\0\0\x0aRESET\0");
        }
        encode::ready_for_query(&mut answer, TxStatus::Idle);
        server.stream.input.extend(answer);
        server.ready(true, false);
        let need = session.pump(NOW, &mut scratch);
        if fails {
            assert!(matches!(need, Need::Lost(_, Some(_))), "{need:?}");
            assert!(session.client.output.is_empty());
        } else {
            assert!(matches!(need, Need::Nothing), "{need:?}");
            let output = &session.server().expect("attached").stream.output;
            assert!(output.ends_with(&query("select 1")));
        }
    }
}
