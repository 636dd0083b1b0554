//! Logins that wait for a server, and its verdict on the client's settings.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use std::sync::Arc;

use super::{NOW, Stream, parameters, place, query, server_says, wording};
use crate::id::ServerId;
use crate::relay::{Mode, Relay};
use crate::server::Server;
use crate::session::{Accepted, End, FirstWords, Greeted, Need, Session};
use crate::time::Time;
use crate::upstream::Upstream;

/// A client that connects with this zone and has sent a query already, and a server in UTC.
fn login(mode: Mode, zone: &str) -> (Session<Stream, Stream>, Box<Server<Stream>>) {
    let relay = Relay::new(mode, parameters(&[("timezone", zone)]));
    let client = Stream::default();
    let first_words = FirstWords {
        before: b"R".to_vec(),
        reported: Arc::new(vec![
            ("server_version".into(), "17".into()),
            ("TimeZone".into(), "UTC".into()),
        ]),
        pid: 7,
        keeps_number: false,
        secret: vec![1; 32],
    };
    let session = Session::new(client, relay, wording, NOW).greeted_later(first_words);
    let mut upstream = Upstream::new(parameters(&[("timezone", "UTC")]));
    upstream.pid = Some(99);
    let server = Server::new(ServerId(1), Stream::default(), upstream);
    (session, Box::new(server))
}

fn greeting(zone: &str, pid: u32) -> Vec<u8> {
    let mut out = b"R".to_vec();
    encode::parameter_status(&mut out, "server_version", "17");
    encode::parameter_status(&mut out, "TimeZone", zone);
    encode::backend_key_data(&mut out, pid, &[1; 32]);
    encode::ready_for_query(&mut out, TxStatus::Idle);
    out
}

#[test]
fn who_has_settings_that_are_not_known_is_greeted_when_a_server_has_accepted_them() {
    let mut scratch = vec![0; 32 * 1024];
    for (mode, process) in [(Mode::Transaction, None), (Mode::Session, Some(99))] {
        let (mut session, server) = login(mode, "asia/tokyo");
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        assert!(!session.is_greeted() && session.client.output.is_empty());
        let mut accepted = b"D\0\0\0\x04C\0\0\0\x0dSELECT 1\0".to_vec();
        encode::parameter_status(&mut accepted, "TimeZone", "Asia/Tokyo");
        encode::ready_for_query(&mut accepted, TxStatus::Idle);
        server_says(&mut session, &accepted, false);
        let Need::Greeted(greeted) = session.pump(NOW, &mut scratch) else {
            panic!("{mode:?}: accepted");
        };
        let tokyo = Accepted {
            name: "timezone".into(),
            written: "asia/tokyo".into(),
            value: "Asia/Tokyo".into(),
        };
        let accepted = vec![tokyo];
        assert_eq!(greeted, Greeted { accepted, process });
        assert!(session.client.output.is_empty(), "it is noted before");
        let need = session.pump(NOW, &mut scratch);
        let told = process.unwrap_or(7);
        assert_eq!(session.client.output, greeting("Asia/Tokyo", told));
        // The number is that of its server, which therefore stays.
        let is_returned = matches!(need, Need::Checkin(_));
        assert_eq!(is_returned, process.is_none(), "{mode:?}: {need:?}");
        assert_eq!(session.is_idle(), is_returned);
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    }
}

#[test]
fn a_server_without_a_number_leaves_its_client_its_own() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, mut server) = login(Mode::Session, "UTC");
    server.upstream.pid = None;
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    let Need::Greeted(greeted) = need else {
        panic!("{need:?}");
    };
    assert_eq!(greeted.process, None);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(session.client.output, greeting("UTC", 7));
}

#[test]
fn what_came_with_the_login_is_served_after_the_greeting() {
    let mut scratch = vec![0; 32 * 1024];
    let (session, server) = login(Mode::Session, "UTC");
    let mut session = session.with_input(query("select 1"));
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Greeted(ref greeted) if greeted.accepted.is_empty()));
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    assert_eq!(session.client.output, greeting("UTC", 99));
    let server = session.server().expect("its query runs");
    assert_eq!(server.stream.output, query("select 1"));
}

#[test]
fn a_session_that_has_asked_nothing_ends_with_the_server_whose_number_it_was_told() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = login(Mode::Session, "UTC");
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Greeted(_)), "{need:?}");
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    session.client.output.clear();
    let terminated = b"E\0\0\0\x1eSFATAL\0VFATAL\0C57P01\0Mno\0\0";
    server_says(&mut session, terminated, true);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Lost(_, None)), "{need:?}");
    assert_eq!(session.client.output, terminated);
}

#[test]
fn settings_that_are_refused_end_the_login_and_cost_no_server() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = login(Mode::Transaction, "Nowhere");
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    let mut refused = b"E\0\0\0\x17SERROR\0C22023\0Mno\0\0".to_vec();
    encode::ready_for_query(&mut refused, TxStatus::Idle);
    server_says(&mut session, &refused, false);
    let need = session.pump(NOW, &mut scratch);
    assert!(matches!(need, Need::Return(_)), "{need:?}");
    assert_eq!(session.client.output[0], b'E', "and nothing before");
    let end = session.pump(NOW, &mut scratch);
    assert!(matches!(end, Need::Finish(End::Settings(_))), "{end:?}");
}

#[test]
fn a_login_waits_for_a_server_as_a_query_does() {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = login(Mode::Transaction, "Asia/Tokyo");
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    session.wait(place());
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let place = place();
    let need = session.attach(NOW, server, place, None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    assert!(session.is_stuck(Time(NOW.0 + 10_000_000)));
    let need = session.give_server_up();
    assert!(matches!(need, Need::Lost(_, Some(again)) if again == place));
    assert!(session.client.output.is_empty());
}
