//! A server that is returned to its pool owes nothing, and nothing of its client is under way.

use pgweir_wire::frame;
use pgweir_wire::{backend, frontend};

use crate::path::postgres::{Backend, Tx};

/// A server was returned as clean; `unread` is what the pooler has not read of it, and `unseen`
/// what the backend has not read.
pub(in crate::path) fn returned(backend: &Backend, unread: &[u8], unseen: &[u8]) {
    let name = &backend.name;
    if backend.end.is_none() {
        // It died, and whoever is given it will see that.
        return;
    }
    assert!(backend.task.is_none(), "rest: {name} is at work");
    assert!(!backend.skips, "rest: {name} waits for a Sync");
    assert_eq!(backend.tx, Tx::Idle, "rest: {name} is in a transaction");
    let foreign = backend.clients_statements().next();
    assert_eq!(foreign, None, "rest: {name} has a client's statement");
    let count = backend.statements.len();
    assert!(count <= 201, "rest: {name} has {count} statements");
    assert!(
        backend.held.is_empty(),
        "rest: {name} holds {}",
        backend.held
    );
    let input: Vec<u8> = backend.input.iter().chain(unseen).copied().collect();
    only(
        name,
        &input,
        &[
            frontend::COPY_DATA,
            frontend::COPY_DONE,
            frontend::COPY_FAIL,
            frontend::FLUSH,
        ],
    );
    let mut output = unread.to_vec();
    output.extend(backend.unsent());
    only(
        name,
        &output,
        &[
            backend::NOTICE_RESPONSE,
            backend::NOTIFICATION_RESPONSE,
            backend::PARAMETER_STATUS,
            backend::ERROR_RESPONSE,
        ],
    );
}

/// Panics unless `bytes` are whole messages of these types.
fn only(name: &str, mut bytes: &[u8], kinds: &[u8]) {
    while !bytes.is_empty() {
        let header = frame::header(bytes).ok().flatten();
        let message =
            header.and_then(|header| Some((header.kind, bytes.get(header.message_len()..)?)));
        let Some((kind, rest)) = message else {
            panic!("rest: {name} has half a message under way");
        };
        assert!(
            kinds.contains(&kind),
            "rest: {name} has a message {:?} under way",
            char::from(kind)
        );
        bytes = rest;
    }
}
