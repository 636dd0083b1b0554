use std::sync::Arc;

use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::{Next, Recovery};
use crate::parameters::Parameters;
use crate::replies::Reply;
use crate::upstream::{FromServer, Upstream};

fn server() -> Upstream {
    Upstream::new(Arc::new(Parameters::default()))
}

fn answer(server: &mut Upstream, bytes: &[u8]) {
    assert_eq!(
        server.receive(None, &mut bytes.to_vec()),
        FromServer::Swallow(bytes.len())
    );
}

fn ready(status: TxStatus) -> Vec<u8> {
    let mut out = Vec::new();
    encode::ready_for_query(&mut out, status);
    out
}

/// The letters of the messages in `bytes`.
fn kinds(mut bytes: &[u8]) -> String {
    let mut kinds = String::new();
    while let Ok(Some(header)) = pgweir_wire::frame::header(bytes) {
        kinds.push(char::from(header.kind));
        bytes = &bytes[header.message_len()..];
    }
    kinds
}

/// Advances and compares the step and the letters of what was sent.
fn step(recovery: &mut Recovery, server: &mut Upstream, next: Next, sent: &str) {
    let mut out = Vec::new();
    assert_eq!(recovery.advance(server, "DISCARD ALL", &mut out), next);
    assert_eq!(kinds(&out), sent);
}

#[test]
fn a_server_at_rest_is_clean_at_once() {
    step(
        &mut Recovery::new(false, false),
        &mut server(),
        Next::Clean,
        "",
    );
}

#[test]
fn a_running_query_is_cancelled_once_then_rolled_back() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, false));
    server.replies.sent(Reply::Query(Fingerprint::NONE));
    step(&mut recovery, &mut server, Next::Cancel, "");
    step(&mut recovery, &mut server, Next::Wait, "");
    answer(&mut server, &ready(TxStatus::Failed));
    step(&mut recovery, &mut server, Next::Wait, "Q");
    answer(&mut server, &ready(TxStatus::Idle));
    step(&mut recovery, &mut server, Next::Clean, "");
}

#[test]
fn an_open_batch_is_rolled_back() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, false));
    server.replies.sent(Reply::Bind);
    step(&mut recovery, &mut server, Next::Cancel, "Q");
    answer(&mut server, b"2\0\0\0\x04");
    step(&mut recovery, &mut server, Next::Wait, "");
    answer(&mut server, &ready(TxStatus::Idle));
    step(&mut recovery, &mut server, Next::Clean, "");
}

#[test]
fn a_batch_that_failed_is_synced_whenever_that_comes_out() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, false));
    server.replies.sent(Reply::Bind);
    step(&mut recovery, &mut server, Next::Cancel, "Q");
    answer(&mut server, b"E\0\0\0\x0eC57014\0M\0\0");
    step(&mut recovery, &mut server, Next::Wait, "S");
    answer(&mut server, &ready(TxStatus::Idle));
    step(&mut recovery, &mut server, Next::Clean, "");

    let (mut server, mut recovery) = (self::server(), Recovery::new(false, false));
    server.replies.sent(Reply::Bind);
    answer(&mut server, b"E\0\0\0\x0eC57014\0M\0\0");
    step(&mut recovery, &mut server, Next::Cancel, "S");
}

#[test]
fn a_copy_is_failed_and_its_batch_synced() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, false));
    server.replies.sent(Reply::Execute(Fingerprint::NONE));
    server.replies.sent(Reply::Sync);
    answer(&mut server, b"G\0\0\0\x07\0\0\0");
    step(&mut recovery, &mut server, Next::Cancel, "fS");
}

#[test]
fn a_session_is_reset_and_a_failed_reset_is_hopeless() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, true));
    step(&mut recovery, &mut server, Next::Wait, "Q");
    answer(&mut server, b"E\0\0\0\x0eC57014\0M\0\0");
    answer(&mut server, &ready(TxStatus::Idle));
    step(&mut recovery, &mut server, Next::Hopeless, "");
}

#[test]
fn a_torn_message_is_hopeless() {
    step(
        &mut Recovery::new(true, false),
        &mut server(),
        Next::Hopeless,
        "",
    );
}

#[test]
fn a_rollback_that_does_not_end_the_transaction_is_hopeless() {
    let (mut server, mut recovery) = (server(), Recovery::new(false, false));
    server.status = TxStatus::InTransaction;
    step(&mut recovery, &mut server, Next::Wait, "Q");
    answer(&mut server, &ready(TxStatus::InTransaction));
    step(&mut recovery, &mut server, Next::Hopeless, "");
}
