//! What keeps a server in transaction mode, for how long, and what ends that.

use super::*;
use crate::session::{PIN_PAUSE, Pinned};

const SECOND: Duration = Duration::from_secs(1);

/// A row of the answer to what the pooler asks behind a transaction.
pub(super) fn held(kind: u8) -> Vec<u8> {
    let columns = [
        &[0, 3, 0, 0, 0, 1, kind][..],
        &[0, 0, 0, 0],
        &[255, 255, 255, 255],
    ];
    message(b'D', &columns.concat())
}

/// Completes a command with this tag.
pub(super) fn completed(tag: &str, status: TxStatus) -> Vec<u8> {
    let mut bytes = message(b'C', &[tag.as_bytes(), b"\0"].concat());
    encode::ready_for_query(&mut bytes, status);
    bytes
}

/// A client in transaction mode that keeps its server since `NOW`, as `row` says.
fn keeping(sql: &str, tag: &str, kind: u8, scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(false);
    session.thresholds = Some(Thresholds {
        slow: Duration::MAX,
        very_slow: Duration::MAX,
    });
    session.client.input = query(sql).into();
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let answers = [completed(tag, TxStatus::Idle)];
    server_says(&mut session, &answers.concat(), false);
    assert!(matches!(session.pump(NOW, scratch), Need::Nothing));
    assert_eq!(session.hold(), Some(Hold::Asking));
    let answers = [held(kind), completed("SELECT 1", TxStatus::Idle)];
    server_says(&mut session, &answers.concat(), false);
    assert!(matches!(session.pump(NOW, scratch), Need::Nothing));
    session
}

fn pinned(session: &Session<Stream, Stream>, now: Time) -> Option<Pinned> {
    session.holding(now).and_then(|holding| holding.pinned)
}

#[test]
fn a_pin_says_since_when_and_by_which_statement() {
    let mut scratch = vec![0; 32 * 1024];
    for (sql, tag, kind, pin) in [
        ("listen a", "LISTEN", b'l', Pin::Listen),
        (
            "create temp table t ()",
            "CREATE TABLE",
            b't',
            Pin::TemporaryObject,
        ),
        (
            "select pg_advisory_lock(7)",
            "SELECT 1",
            b'a',
            Pin::AdvisoryLock,
        ),
    ] {
        let mut session = keeping(sql, tag, kind, &mut scratch);
        let first = pinned(&session, NOW).expect(sql);
        assert_eq!((first.pin, first.since), (pin, NOW));
        assert_ne!(first.statement, Fingerprint::NONE);
        // It goes on; what keeps the server is what did so before.
        client_says(&mut session, &query("select 1"));
        let later = NOW + 3 * SECOND;
        assert!(matches!(session.pump(later, &mut scratch), Need::Nothing));
        server_says(&mut session, &completed("SELECT 1", TxStatus::Idle), false);
        assert!(matches!(session.pump(later, &mut scratch), Need::Nothing));
        let now = pinned(&session, later).expect(sql);
        let same = (now.pin, now.since, now.statement);
        assert_eq!(same, (first.pin, first.since, first.statement));
    }
}

#[test]
fn pins_and_their_time_are_counted_by_reason() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = keeping("listen a", "LISTEN", b'l', &mut scratch);
    session.count_pin(NOW + SECOND);
    session.count_pin(NOW + 2 * SECOND);
    client_says(&mut session, &query("unlisten *"));
    let end = NOW + 3 * SECOND;
    assert!(matches!(session.pump(end, &mut scratch), Need::Nothing));
    server_says(&mut session, &completed("UNLISTEN", TxStatus::Idle), false);
    assert!(matches!(session.pump(end, &mut scratch), Need::Nothing));
    server_says(&mut session, &completed("SELECT 0", TxStatus::Idle), false);
    let need = session.pump(end, &mut scratch);
    let Need::Checkin(mut server) = need else {
        panic!("{need:?}");
    };
    let mut totals = Totals::default();
    totals.take(&mut server.upstream.observer.work);
    let counted: Vec<_> = totals
        .pins
        .iter()
        .filter(|(_, pins)| pins.count > 0)
        .map(|(pin, pins)| (pin, pins.count, pins.us))
        .collect();
    assert_eq!(counted, [(Pin::Listen, 1, 3_000_000)]);
}

#[test]
fn a_pin_ends_by_its_limit_when_the_client_pauses() {
    let mut scratch = vec![0; 32 * 1024];
    let limits = Limits {
        pin: 10 * SECOND,
        ..NO_LIMITS
    };
    let mut session = keeping("listen a", "LISTEN", b'l', &mut scratch);
    let due = NOW + limits.pin;
    assert_eq!(session.overdue(NOW + (limits.pin - ms(1)), &limits), None);
    let overdue = Some(Overdue::Pin(Pin::Listen));
    assert_eq!(session.overdue(due, &limits), overdue);
    assert_eq!(session.overdue(due, &NO_LIMITS), None);
    // What the server says by itself is nothing that the client does.
    let message = message(b'A', b"\0\0\0\x07a\0\0");
    server_says(&mut session, &message, false);
    assert!(matches!(session.pump(due, &mut scratch), Need::Nothing));
    assert_eq!(session.overdue(due, &limits), overdue);
    // It is not ended while it works, nor between two statements.
    client_says(&mut session, &query("begin"));
    assert!(matches!(session.pump(due, &mut scratch), Need::Nothing));
    assert_eq!(session.overdue(due + 60 * SECOND, &limits), None);
    let begun = completed("BEGIN", TxStatus::InTransaction);
    server_says(&mut session, &begun, false);
    assert!(matches!(session.pump(due, &mut scratch), Need::Nothing));
    assert_eq!(session.overdue(due + 60 * SECOND, &limits), None);
    client_says(&mut session, &query("commit"));
    let done = due + 60 * SECOND;
    assert!(matches!(session.pump(done, &mut scratch), Need::Nothing));
    server_says(&mut session, &completed("COMMIT", TxStatus::Idle), false);
    assert!(matches!(session.pump(done, &mut scratch), Need::Nothing));
    assert_eq!(session.overdue(done + (PIN_PAUSE - ms(1)), &limits), None);
    assert_eq!(session.overdue(done + PIN_PAUSE, &limits), overdue);
}

#[test]
fn a_session_of_session_mode_is_no_pin() {
    let mut scratch = vec![0; 32 * 1024];
    let limits = Limits {
        pin: SECOND,
        ..NO_LIMITS
    };
    let (mut session, server) = pair(false);
    session.relay = Relay::new(Mode::Session, parameters(&[("timezone", "UTC")]));
    session.client.input = query("listen a").into();
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    server_says(&mut session, &completed("LISTEN", TxStatus::Idle), false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(session.hold(), Some(Hold::Pinned(Pin::Session)));
    assert_eq!(session.overdue(NOW + 60 * SECOND, &limits), None);
    assert_eq!(pinned(&session, NOW + 60 * SECOND), None);
    let mut session = streaming(&mut scratch);
    assert_eq!(session.overdue(NOW + 60 * SECOND, &limits), None);
    session.count_pin(NOW + 60 * SECOND);
    assert_eq!(pinned(&session, NOW + 60 * SECOND), None);
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
