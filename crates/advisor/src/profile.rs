//! Sources of sizing rules: the planner's own model, and the two documents it started from. A plan uses
//! one of them and never mixes them.

use std::time::Duration;

use serde::Serialize;

/// The rules that fill in what the operator left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Queueing decides, the documents' numbers are ceilings.
    #[default]
    Model,
    /// The Prisma connection pool guide (S1).
    PrismaGuide,
    /// The connection pooling strategy for SQLx and Laravel (S2).
    SqlxStrategy,
}

impl Profile {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 3] = [Self::Model, Self::PrismaGuide, Self::SqlxStrategy];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::PrismaGuide => "prisma-guide",
            Self::SqlxStrategy => "sqlx-strategy",
        }
    }

    /// The profile of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Default time that a request may wait for a connection; `deadline` is that of the whole request.
    /// S1 has 20 s for production, S2 3 to 5 s, the model half the deadline and at most 5 s.
    pub fn acquire_timeout(self, deadline: Duration) -> Duration {
        match self {
            Self::Model => (deadline / 2).min(Duration::from_secs(5)),
            Self::PrismaGuide => Duration::from_secs(20),
            Self::SqlxStrategy => Duration::from_secs(5),
        }
    }

    /// Time a client waits for its query. S1 has 30 s, which races with a server's
    /// `statement_timeout` of 30 s; the model leaves the server 5 s to answer first.
    pub fn socket_timeout(self, statement_timeout: Duration) -> Duration {
        match self {
            Self::Model => statement_timeout + Duration::from_secs(5),
            Self::PrismaGuide | Self::SqlxStrategy => Duration::from_secs(30),
        }
    }
}
