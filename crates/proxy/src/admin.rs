//! What an administrator does to a client.

use std::fmt;

use tokio::sync::oneshot;

/// Characters of an administrator's name that are kept.
const NAME_MAX: usize = 64;

/// What is done to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// What it runs, or waits for, is cancelled, as the client itself could.
    Cancel,
    /// Its session ends with 57P01; a transaction that is open is rolled back.
    End,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A cancel request is on its way to PostgreSQL, which promises nothing.
    CancelSent,
    /// It waited for a server, and does so no more.
    WaitEnded,
    /// It runs nothing.
    NothingRuns,
    /// The session is over.
    Ended,
}

/// Who does it: the subject of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Administrator(String);

/// A request to a client's worker. Dropped without an answer, the client does not live there.
pub(crate) struct Request {
    pub(crate) action: Action,
    pub(crate) by: Administrator,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Administrator {
    /// By the `sub` of a token, which may have none.
    pub(crate) fn new(subject: Option<&str>) -> Self {
        let subject = subject.filter(|subject| !subject.is_empty());
        Self(subject.map_or_else(
            || "(no subject)".to_owned(),
            |subject| subject.chars().take(NAME_MAX).collect(),
        ))
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Outcome {
    /// As it is told over HTTP.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CancelSent => "cancel_sent",
            Self::WaitEnded => "wait_ended",
            Self::NothingRuns => "nothing_runs",
            Self::Ended => "ended",
        }
    }
}
