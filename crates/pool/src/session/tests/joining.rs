//! What a client pays when the pooler's queries in front of its own fail, and what its server.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::{NOW, Stream, answer, pair, parameters, place, query, server_says};
use crate::recovery::Next;
use crate::session::{End, Need, Session};

/// PostgreSQL's answer to a setting that it refuses.
fn refusal() -> Vec<u8> {
    let mut bytes = b"E\0\0\0\x17SERROR\0C22023\0Mno\0\0".to_vec();
    encode::ready_for_query(&mut bytes, TxStatus::Idle);
    bytes
}

/// A client that has not been served yet, with a server that is given its settings, behind a check if there is one.
fn joining(check: Option<&str>, scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(true);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), check, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    session
}

#[test]
fn settings_that_are_refused_behind_a_check_are_the_clients_fault() {
    let mut scratch = vec![0; 32 * 1024];
    let both = [answer(), refusal()].concat();
    for split in [0, answer().len(), answer().len() + 9, both.len()] {
        let mut session = joining(Some("select 2"), &mut scratch);
        let mut ended = None;
        for part in [&both[..split], &both[split..]] {
            if ended.is_none() && !part.is_empty() {
                server_says(&mut session, part, false);
                ended =
                    Some(session.pump(NOW, &mut scratch)).filter(|n| !matches!(n, Need::Nothing));
            }
        }
        assert!(matches!(ended, Some(Need::Return(_))), "{split}: {ended:?}");
        let end = session.pump(NOW, &mut scratch);
        assert!(matches!(end, Need::Finish(End::Settings(_))), "{end:?}");
    }
}

#[test]
fn a_check_that_fails_is_the_servers_fault_whatever_follows() {
    let mut scratch = vec![0; 32 * 1024];
    for behind in [Vec::new(), answer(), refusal()] {
        let mut session = joining(Some("select 2"), &mut scratch);
        server_says(&mut session, &[refusal(), behind].concat(), false);
        let need = session.pump(NOW, &mut scratch);
        assert!(matches!(need, Need::Lost(_, Some(_))), "{need:?}");
        assert!(session.client.output.is_empty(), "it waits for another");
    }
}

#[test]
fn a_server_that_refused_settings_has_the_former_ones_and_serves_others() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = joining(None, &mut scratch);
    let sent = session.server().expect("attached").stream.output.clone();
    assert!(
        !sent.ends_with(&query("select 1")),
        "nothing of the client's"
    );
    server_says(&mut session, &refusal(), false);
    let need = session.pump(NOW, &mut scratch);
    let Need::Return(mut returning) = need else {
        panic!("{need:?}");
    };
    assert_eq!(returning.pump("", &mut scratch), Next::Clean);
    let upstream = &returning.server.upstream;
    assert_eq!(upstream.parameters, parameters(&[("timezone", "GMT")]));
    assert_eq!(upstream.own_error, None);
}

#[test]
fn a_limit_that_another_client_left_hits_no_client() {
    let mut scratch = vec![0; 32 * 1024];
    for (text, is_left) in [
        ("set statement_timeout = 1", true),
        ("select set_config('Statement_Timeout', '1', false)", true),
        ("set work_mem = '1MB'", false),
        ("set statement_timeout = 1; discard all", false),
    ] {
        let (mut first, server) = pair(false);
        first.client.input = query(text).into();
        assert!(matches!(first.pump(NOW, &mut scratch), Need::Checkout));
        let need = first.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        let mut done = Vec::new();
        if text.ends_with("discard all") {
            done.extend(b"C\0\0\0\x08SET\0C\0\0\0\x10DISCARD ALL\0");
        } else {
            done.extend(b"C\0\0\0\x08SET\0");
        }
        encode::ready_for_query(&mut done, TxStatus::Idle);
        server_says(&mut first, &done, false);
        let mut need = first.pump(NOW, &mut scratch);
        if matches!(need, Need::Nothing) {
            // It is asked.
            server_says(&mut first, &answer(), false);
            need = first.pump(NOW, &mut scratch);
        }
        let Need::Checkin(mut server) = need else {
            panic!("{text}: the server is free");
        };

        let (mut second, _) = pair(false);
        second.relay.prelude_accepted();
        server.upstream.parameters = parameters(&[("timezone", "GMT")]);
        assert!(matches!(second.pump(NOW, &mut scratch), Need::Checkout));
        let need = second.attach(NOW, server, place(), None, &mut scratch);
        assert!(matches!(need, Need::Nothing), "{need:?}");
        let output = &second.server().expect("attached").stream.output;
        assert_eq!(!output.ends_with(&query("select 1")), is_left, "{text}");
        if is_left {
            let mut hit = b"E\0\0\0\x18SERROR\0C57014\0Mhit\0\0".to_vec();
            encode::ready_for_query(&mut hit, TxStatus::Idle);
            server_says(&mut second, &hit, false);
            let need = second.pump(NOW, &mut scratch);
            assert!(matches!(need, Need::Lost(_, Some(_))), "{need:?}");
            assert!(second.client.output.is_empty(), "it waits for another");
        }
    }
}
