//! What the pooler makes of all this.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::terms::Severity;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Alarm {
    /// Stays the same while the alarm goes on.
    pub key: String,
    /// How bad it is: `warning` or `error`.
    pub severity: Severity,
    /// What is the matter.
    pub what: String,
    /// What to look at, or do.
    pub next: String,
    /// The section of this document that shows more of it.
    pub section: Option<String>,
    /// All of it in one line, for where there is no room for sentences.
    pub line: String,
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Headline {
    /// The state of things, or what is most wrong.
    pub text: String,
    /// For one line: the worst alarm; where there is none, who waits, for whose locks, and who has
    /// forgotten a server.
    pub line: String,
    /// There is no alarm, nobody waits for a lock, and nobody has forgotten a server. A short queue
    /// is what a pooler is for.
    pub is_well: bool,
}
