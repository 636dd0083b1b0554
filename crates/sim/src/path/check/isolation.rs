//! A client sees only what is meant for it.

use pgweir_pool::id::ServerId;
use pgweir_wire::backend::{self, ErrorView};

use crate::path::client::tag_of;
use crate::path::sql::{SHARED, Tag};

/// A client was sent a message.
pub(in crate::path) fn sees(client: u64, kind: u8, body: &[u8]) {
    if let Some(tag) = tag(kind, body) {
        assert!(
            tag.client == client || tag.client == SHARED,
            "isolation: c{client} sees an answer to {tag}"
        );
    } else {
        let is_answer = matches!(kind, backend::DATA_ROW | backend::COPY_DATA);
        assert!(
            !is_answer,
            "isolation: c{client} sees a row that nobody asked for: {:?}",
            String::from_utf8_lossy(&body[..body.len().min(100)])
        );
    }
    if kind == backend::PARAMETER_STATUS {
        let (name, value) = backend::parameter_status(body).expect("a ParameterStatus");
        let value = String::from_utf8_lossy(value);
        if name == b"application_name" && !value.is_empty() {
            let own = format!("app-c{client}");
            let rest = value.strip_prefix(&own);
            let is_own = rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
            assert!(is_own, "isolation: c{client} is told the name {value:?}");
        }
    }
}

/// The number that a client has of its own: that of no process.
pub(in crate::path) fn own_number(client: u64) -> u32 {
    client as u32 * 2
}

/// PostgreSQL's number of a server's process: that of no client.
pub(in crate::path) fn process(server: ServerId) -> u32 {
    server.0 as u32 * 2 + 1
}

/// A client is notified of something; `told` is the number that it was told, if it was told one: by itself, or by somebody who has none here.
pub(in crate::path) fn notified(client: u64, told: Option<u32>, body: &[u8]) {
    let sender = body.first_chunk().map(|number| u32::from_be_bytes(*number));
    let own = told.unwrap_or(own_number(client));
    assert!(
        sender == Some(u32::MAX) || sender == Some(own),
        "isolation: c{client}, which knows itself as {own}, is notified by {sender:?}"
    );
}

/// A client whose login has not ended is sent a message: its number, if it is told that. Before the login ends,
/// nothing but settings and an error is for it.
pub(in crate::path) fn greets(client: u64, kind: u8, body: &[u8]) -> Option<u32> {
    match kind {
        backend::PARAMETER_STATUS
        | backend::NOTICE_RESPONSE
        | backend::ERROR_RESPONSE
        | backend::READY_FOR_QUERY => None,
        backend::BACKEND_KEY_DATA => backend::key_data(body).map(|(pid, _)| pid),
        kind => panic!(
            "isolation: c{client} is answered with {:?} before it may begin",
            char::from(kind)
        ),
    }
}

/// A client has a server, and was told a number or not; `noted` is what its cancel requests are found by beside
/// its own.
pub(in crate::path) fn is_numbered(
    client: u64,
    (told, noted): (Option<u32>, Option<u32>),
    kept: Option<ServerId>,
) {
    assert_eq!(
        noted,
        kept.map(process),
        "isolation: a cancel request by the number of a process finds c{client}, which keeps {kept:?}"
    );
    if let Some(told) = told {
        let own = own_number(client);
        assert_eq!(
            told,
            noted.unwrap_or(own),
            "isolation: c{client} is told another number than that of what it keeps, {kept:?}"
        );
    }
}

/// Somebody speaks of the client `meant`; whom the name that it uses leads to.
pub(in crate::path) fn means(meant: u64, found: Option<u64>) {
    if let Some(found) = found {
        assert_eq!(
            found, meant,
            "isolation: the name of c{meant} leads to c{found}"
        );
    }
}

/// A cancel request that `client` asked for goes to the server that this client holds.
pub(in crate::path) fn cancels(client: u64, holder: Option<u64>) {
    assert_eq!(
        holder,
        Some(client),
        "isolation: c{client} cancels a query that is not its own"
    );
}

/// A cancel request that was meant for what the client `meant` did arrives late, at a server that the client `guest`
/// has, or that runs a query of it.
pub(in crate::path) fn arrives_late(meant: Option<u64>, guest: Option<u64>) {
    assert!(
        guest.is_none() || guest == meant,
        "isolation: a cancel request meant for {meant:?} that was not confirmed arrives at what {guest:?} does"
    );
}

/// An event that was fetched before its stream left this place is of another stream now, or not.
pub(in crate::path) fn stale(is_taken: bool) {
    assert!(
        !is_taken,
        "isolation: a slot is used again within one round of events"
    );
}

/// Whose request a message answers.
pub(in crate::path) fn tag(kind: u8, body: &[u8]) -> Option<Tag> {
    match kind {
        backend::DATA_ROW => tag_of(body.get(6..)?),
        backend::COPY_DATA | backend::FUNCTION_CALL_RESPONSE => tag_of(body),
        backend::ERROR_RESPONSE => tag_of(ErrorView::parse(body).message().as_bytes()),
        _ => None,
    }
}
