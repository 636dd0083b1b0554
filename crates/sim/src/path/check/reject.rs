//! Where the pool rejects what would keep a server, nothing of it comes to PostgreSQL, and no session keeps a server.

use pgweir_pool::pin::Pin;
use pgweir_pool::relay::Hold;

/// A text came to a backend that would take something for its session.
pub(in crate::path) fn came(backend: &str, is_direct: bool) {
    assert!(
        is_direct,
        "reject: {backend} is asked for what would keep it"
    );
}

/// What holds the server of a client whose pool rejects.
pub(in crate::path) fn holds(client: u64, hold: Option<Hold>) {
    let Some(Hold::Pinned(pin)) = hold else {
        return;
    };
    let is_allowed = matches!(
        pin,
        Pin::Session | Pin::Replication | Pin::PreparedStatement | Pin::Uncertain
    );
    assert!(is_allowed, "reject: c{client} keeps a server: {pin:?}");
}
