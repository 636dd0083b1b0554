use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use pgweir_wire::backend::{ErrorView, TxStatus};
use pgweir_wire::encode;
use pgweir_wire::sqlstate::SqlState;

use super::{End, Limits, Need, Overdue, Session};
use crate::id::{ClientId, ServerId, WorkerId};
use crate::parameters::Parameters;
use crate::pool::{Config, Place, Pool};
use crate::relay::{Mode, Relay};
use crate::server::Server;
use crate::time::Time;
use crate::upstream::Upstream;
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

fn query(sql: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::query(&mut bytes, sql);
    bytes
}

fn place() -> Place {
    let config = Config {
        size_max: 1,
        size_min: 0,
        reserve_max: 0,
        reserve_after: Duration::MAX,
        waiters_max: 1,
        wait_max: Duration::MAX,
        idle_max: Duration::MAX,
        lifetime: Duration::MAX,
        login_retry: Duration::MAX,
    };
    Pool::new(config, 1, ServerId(0)).checkout(NOW, ClientId(0), WorkerId(0))
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
    let session = Session::new(client, relay, false, NOW);
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
        server.readable = true;
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
    server.readable = true;
    server.hung_up = true;
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Finish(End::ServerGone)), "{need:?}");
    assert_eq!(session.client.output, half_a_row);
}

/// Lets the server say `bytes`, and then hang up if `last`.
fn server_says(session: &mut Session<Stream, Stream>, bytes: &[u8], last: bool) {
    let server = session.server().expect("attached");
    server.stream.input.extend(bytes);
    server.stream.closed = last;
    server.readable = true;
    server.hung_up = last;
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
    session.cancel().expect("a query runs").cancels += 1;
    let mut begun = b"C\0\0\0\x0aBEGIN\0".to_vec();
    encode::ready_for_query(&mut begun, TxStatus::InTransaction);
    server_says(&mut session, &begun, false);
    session.client.input.extend(query("select 2"));
    session.readable = true;
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let server = session.server().expect("in a transaction");
    assert!(!server.stream.output.ends_with(&query("select 2")));
    server.cancels -= 1;
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let server = session.server().expect("in a transaction");
    assert!(server.stream.output.ends_with(&query("select 2")));
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
    };
    let mut session = asked(&mut scratch);
    let mut now = NOW;
    for _ in 0..5 {
        session.client.input.extend(query("select 1"));
        session.readable = true;
        now = now + second / 2;
        server_says(&mut session, &answer(), false);
        // The next query is sent before the one before it is answered.
        session.server().expect("attached").readable = false;
        assert!(matches!(session.pump(now, &mut scratch), Need::Nothing));
        session.server().expect("attached").readable = true;
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
    session.readable = true;
    assert!(matches!(session.pump(at(13), &mut scratch), Need::Nothing));
    let answers = [reply(TxStatus::InTransaction), answer()].concat();
    server_says(&mut session, &answers, false);
    let need = session.pump(at(33), &mut scratch);
    let Need::Checkin(mut server) = need else {
        panic!("{need:?}");
    };
    let mut totals = Totals::default();
    totals.take(&mut server.upstream.work);
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
    let mut refusal = b"E\0\0\0\x18SERROR\0C22023\0Mno\0\0".to_vec();
    encode::ready_for_query(&mut refusal, TxStatus::Idle);
    refusal.extend(b"N\0\0\x99\x99half a notice");
    server_says(&mut session, &refusal, false);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    let error = ErrorView::parse(&session.client.output[5..]);
    assert_eq!(error.message(), "no");
}
