//! What an administrator does to a client, on its way to the client's worker.

use pgweir_console::ShutdownMode;
use tokio::sync::oneshot;

pub(crate) use pgweir_http::{ActionOutcome as Outcome, Administrator, ClientAction as Action};

/// A request to a client's worker. Dropped without an answer, the client does not live there.
pub(crate) struct Request {
    pub(crate) action: Action,
    pub(crate) by: Administrator,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// What only the loop of the control plane can do.
pub(crate) enum Task {
    /// Reads the configuration again; the first problem is the answer.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Changes a setting until then; the answer is what the administrator should know of it.
    Set(
        String,
        String,
        oneshot::Sender<Result<Option<String>, String>>,
    ),
    /// Ends the process.
    Shutdown(ShutdownMode, oneshot::Sender<()>),
}
