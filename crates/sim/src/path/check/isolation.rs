//! A client sees only what is meant for it.

use pgweir_wire::backend::{self, ErrorView};

use pgweir_pool::session::Greeting;

use crate::path::client::tag_of;
use crate::path::sql::Tag;

/// Of every client whose login ends with its first server.
pub(in crate::path) const GREETING: Greeting = Greeting {
    number: 1,
    secret: 7,
};

/// A client was sent a message.
pub(in crate::path) fn sees(client: u64, kind: u8, body: &[u8]) {
    if let Some(tag) = tag(kind, body) {
        assert_eq!(
            tag.client, client,
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

/// Whether a message to a client whose login has not ended is part of that: all are but settings, and the
/// error that ends the session.
pub(in crate::path) fn greets(client: u64, kind: u8, body: &[u8]) -> bool {
    match kind {
        backend::PARAMETER_STATUS | backend::NOTICE_RESPONSE | backend::ERROR_RESPONSE => false,
        backend::BACKEND_KEY_DATA => {
            let pid = backend::key_data(body).map(|(pid, _)| pid);
            let is_server = pid.is_some_and(|pid| pid != 0 && pid != GREETING.number);
            assert!(is_server, "isolation: c{client} is told the process {pid:?}");
            true
        }
        backend::AUTHENTICATION | backend::READY_FOR_QUERY => true,
        kind => panic!(
            "isolation: c{client} is answered with {:?} before it may begin",
            char::from(kind)
        ),
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
