//! What each PostgreSQL says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::postgres::{Origin, PostgresSnapshot, Privilege, Seen, SessionState, Sight};

/// A PostgreSQL of the configuration. All but its name, how much is seen of it and its cores is
/// absent where it says nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LivePostgres {
    /// Host and port, or a path.
    pub server: String,
    /// How much is seen of it. reduced: what other users' sessions do is hidden, for want of
    /// pg_monitor. away: it does not answer. no_user: nobody to ask as. off: it is not asked.
    pub sight: SightWord,
    /// Cores of its machine, where the configuration says.
    pub cores: Option<u32>,
    /// What it says.
    #[serde(flatten)]
    pub sessions: Option<ServerSessions>,
}

/// What a PostgreSQL says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerSessions {
    /// Its limit. Without it nothing else is known.
    pub max_connections: u32,
    /// Connections that ordinary users cannot have.
    #[serde(default)]
    pub reserved: u32,
    /// Sessions that are servers of our pools.
    #[serde(default)]
    pub ours: u32,
    /// The others.
    #[serde(default)]
    pub elsewhere: u32,
    /// Null where what other users' sessions do is hidden from the probe.
    #[serde(default)]
    pub active_sessions: Option<u32>,
    /// Averages of the last minute, the greatest first.
    #[serde(default)]
    pub wait_events: Vec<WaitEvent>,
}

/// What active sessions wait for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WaitEvent {
    /// Its kind and name, as PostgreSQL has them.
    pub event: String,
    /// How many at once.
    pub sessions: f64,
}

/// How much is seen of a PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SightWord {
    /// Everything.
    Full,
    /// Not what other users' sessions do.
    Reduced,
    /// It was not asked yet, or does not answer.
    Away,
    /// There is nobody to ask it as.
    NoUser,
    /// It is not asked.
    Off,
    /// Of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl SightWord {
    /// Those that are said.
    pub const ALL: [Self; 5] = [
        Self::Full,
        Self::Reduced,
        Self::Away,
        Self::NoUser,
        Self::Off,
    ];

    /// How much that is.
    pub fn of(sight: &Sight) -> Self {
        match sight {
            Sight::Off => Self::Off,
            Sight::NoUser => Self::NoUser,
            Sight::Away => Self::Away,
            Sight::Seen(seen) => match seen.activity.privilege {
                Privilege::Full => Self::Full,
                Privilege::Reduced => Self::Reduced,
            },
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
            Self::Away => "away",
            Self::NoUser => "no_user",
            Self::Off => "off",
            Self::Unknown => "unknown",
        }
    }
}

impl LivePostgres {
    pub(crate) fn of(postgres: &PostgresSnapshot) -> Self {
        Self {
            server: postgres.server.to_string(),
            sight: SightWord::of(&postgres.sight),
            cores: postgres.cores,
            sessions: match &postgres.sight {
                Sight::Seen(seen) => Some(ServerSessions::of(seen)),
                Sight::Off | Sight::NoUser | Sight::Away => None,
            },
        }
    }
}

impl ServerSessions {
    fn of(seen: &Seen) -> Self {
        let Seen { activity, averages } = seen;
        let wait_events = averages.iter().map(|(wait, sessions)| WaitEvent {
            event: format!("{}: {}", wait.kind, wait.event),
            sessions: *sessions,
        });
        Self {
            max_connections: activity.max_connections,
            reserved: activity.superuser_reserved + activity.reserved,
            ours: activity.count(|origin, _| origin == Origin::Pools),
            elsewhere: activity.count(|origin, _| origin == Origin::Elsewhere),
            active_sessions: match activity.privilege {
                Privilege::Full => Some(activity.count(|_, state| state == SessionState::Active)),
                Privilege::Reduced => None,
            },
            wait_events: wait_events.collect(),
        }
    }
}
