//! What each PostgreSQL has of sessions, against what it can have.

use std::cmp::Ordering;

use pgweir_telemetry::Live;
use pgweir_telemetry::live::{LivePostgres, ServerSessions, SightWord};
use pgweir_telemetry::words::{count, flat, plural};

/// Share of `max_connections` below which what is free is nearly nothing.
const FREE_SHARE: f64 = 0.1;

/// A PostgreSQL in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionsText {
    pub(crate) server: String,
    /// It has no room, or nearly none.
    pub(crate) is_tight: bool,
    pub(crate) text: String,
}

/// Every PostgreSQL that is known, the fullest first.
pub(crate) fn sessions(live: &Live) -> Vec<SessionsText> {
    let mut all: Vec<&LivePostgres> = live.postgres.iter().flatten().collect();
    all.sort_by(|a, b| fullness(a, b));
    all.into_iter().map(of_server).collect()
}

fn fullness(a: &LivePostgres, b: &LivePostgres) -> Ordering {
    // One that is not seen is as good as empty.
    let free = |one: &LivePostgres| one.sessions.as_ref().and_then(share_free).unwrap_or(1.0);
    free(a).total_cmp(&free(b))
}

fn share_free(seen: &ServerSessions) -> Option<f64> {
    let max = Some(seen.max_connections).filter(|max| *max > 0)?;
    Some(f64::from(free(seen)) / f64::from(max))
}

/// What ordinary users can still have.
fn free(seen: &ServerSessions) -> u32 {
    seen.max_connections
        .saturating_sub(seen.reserved + seen.ours + seen.elsewhere)
}

fn of_server(one: &LivePostgres) -> SessionsText {
    let server = flat(&one.server);
    let Some(seen) = &one.sessions else {
        let why = match one.sight {
            SightWord::Off => "not asked, probe_interval is 0",
            SightWord::NoUser => "not asked, no probe_user",
            SightWord::Full | SightWord::Reduced | SightWord::Away | SightWord::Unknown => {
                "no answer"
            }
        };
        let (is_tight, text) = (false, why.to_owned());
        return SessionsText {
            server,
            is_tight,
            text,
        };
    };
    let is_tight = share_free(seen).is_some_and(|share| share < FREE_SHARE);
    let word = match (free(seen), is_tight) {
        (0, _) => ", full",
        (_, true) => ", nearly full",
        (_, false) => "",
    };
    let work = seen.active_sessions.map(|active| {
        let cores = one
            .cores
            .map(|cores| format!(" on {}", plural(cores, "core")));
        format!(", {} at work{}", count(active), cores.unwrap_or_default())
    });
    let text = format!(
        "{} of {}{word} ({} ours, {} elsewhere, {} reserved{})",
        count(seen.ours + seen.elsewhere + seen.reserved),
        count(seen.max_connections),
        count(seen.ours),
        count(seen.elsewhere),
        count(seen.reserved),
        work.unwrap_or_default(),
    );
    SessionsText {
        server,
        is_tight,
        text,
    }
}
