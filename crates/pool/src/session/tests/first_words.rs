//! Logins that wait for a server's verdict on the client's settings.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use std::sync::Arc;

use super::{NOW, Stream, parameters, place, query, server_says, wording};
use crate::id::ServerId;
use crate::relay::{Mode, Relay};
use crate::server::Server;
use crate::session::{Accepted, End, FirstWords, Need, Session};
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
        after: b"Z".to_vec(),
    };
    let session = Session::new(client, relay, wording, NOW).greeted_later(first_words);
    let upstream = Upstream::new(parameters(&[("timezone", "UTC")]));
    let server = Server::new(ServerId(1), Stream::default(), upstream);
    (session, Box::new(server))
}

fn greeting(zone: &str) -> Vec<u8> {
    let mut out = b"R".to_vec();
    encode::parameter_status(&mut out, "server_version", "17");
    encode::parameter_status(&mut out, "TimeZone", zone);
    out.push(b'Z');
    out
}

#[test]
fn who_has_settings_that_are_not_known_is_greeted_when_a_server_has_accepted_them() {
    let mut scratch = vec![0; 32 * 1024];
    for mode in [Mode::Transaction, Mode::Session] {
        let (mut session, server) = login(mode, "asia/tokyo");
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
        let need = session.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        assert!(session.client.output.is_empty());
        let mut accepted = b"D\0\0\0\x04C\0\0\0\x0dSELECT 1\0".to_vec();
        encode::parameter_status(&mut accepted, "TimeZone", "Asia/Tokyo");
        encode::ready_for_query(&mut accepted, TxStatus::Idle);
        server_says(&mut session, &accepted, false);
        let Need::Accepted(settings) = session.pump(NOW, &mut scratch) else {
            panic!("{mode:?}: accepted");
        };
        let tokyo = Accepted {
            name: "timezone".into(),
            written: "asia/tokyo".into(),
            value: "Asia/Tokyo".into(),
        };
        assert_eq!(settings, [tokyo]);
        assert_eq!(session.client.output, greeting("Asia/Tokyo"));
        let need = session.pump(NOW, &mut scratch);
        assert!(matches!(need, Need::Checkin(_)), "{mode:?}: {need:?}");
        assert!(session.is_idle());
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    }
}

#[test]
fn what_came_with_the_login_is_served_after_the_greeting() {
    let mut scratch = vec![0; 32 * 1024];
    let (session, server) = login(Mode::Session, "UTC");
    let mut session = session.with_input(query("select 1"));
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, &mut scratch);
    assert!(matches!(need, Need::Accepted(ref none) if none.is_empty()));
    assert_eq!(session.client.output, greeting("UTC"));
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    let server = session.server().expect("its query runs");
    assert_eq!(server.stream.output, query("select 1"));
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
    // Cancelled by an administrator, it asks again: there is no query to refuse.
    session.cancel_wait(NOW);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let place = place();
    let need = session.attach(NOW, server, place, None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    assert!(session.is_stuck(Time(NOW.0 + 10_000_000)));
    let need = session.give_server_up();
    assert!(matches!(need, Need::Lost(_, Some(again)) if again == place));
    assert!(session.client.output.is_empty());
}
