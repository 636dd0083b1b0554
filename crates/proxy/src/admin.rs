//! What an administrator does to a client, on its way to the client's worker.

use tokio::sync::oneshot;

pub(crate) use pgweir_http::{ActionOutcome as Outcome, Administrator, ClientAction as Action};

/// A request to a client's worker. Dropped without an answer, the client does not live there.
pub(crate) struct Request {
    pub(crate) action: Action,
    pub(crate) by: Administrator,
    pub(crate) answer: oneshot::Sender<Outcome>,
}
