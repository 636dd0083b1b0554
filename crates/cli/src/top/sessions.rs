//! What each PostgreSQL has of sessions, against what it can have.

use std::cmp::Ordering;

use super::document::{Live, Postgres};
use super::format::{count, flat};

/// Share of `max_connections` below which what is free is nearly nothing.
const FREE_SHARE: f64 = 0.1;

/// A PostgreSQL in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sessions {
    pub(crate) server: String,
    /// It has no room, or nearly none.
    pub(crate) is_tight: bool,
    pub(crate) text: String,
}

/// Every PostgreSQL that is known, the fullest first.
pub(crate) fn sessions(live: &Live) -> Vec<Sessions> {
    let mut all: Vec<&Postgres> = live.postgres.iter().flatten().collect();
    all.sort_by(|a, b| fullness(a, b));
    all.into_iter().map(of_server).collect()
}

fn fullness(a: &Postgres, b: &Postgres) -> Ordering {
    // One that is not seen is as good as empty.
    let free = |one: &Postgres| share_free(one).unwrap_or(1.0);
    free(a).total_cmp(&free(b))
}

fn share_free(one: &Postgres) -> Option<f64> {
    let max = one.max_connections.filter(|max| *max > 0)?;
    Some(free(one, max) as f64 / max as f64)
}

/// What ordinary users can still have.
fn free(one: &Postgres, max: u64) -> u64 {
    max.saturating_sub(one.reserved + one.ours + one.elsewhere)
}

fn of_server(one: &Postgres) -> Sessions {
    let server = flat(&one.server);
    let Some(max) = one.max_connections else {
        let why = match one.sight.as_str() {
            "off" => "not asked, probe_interval is 0",
            "no_user" => "not asked, no probe_user",
            _ => "no answer",
        };
        let (is_tight, text) = (false, why.to_owned());
        return Sessions {
            server,
            is_tight,
            text,
        };
    };
    let is_tight = share_free(one).is_some_and(|share| share < FREE_SHARE);
    let word = match (free(one, max), is_tight) {
        (0, _) => ", full",
        (_, true) => ", nearly full",
        (_, false) => "",
    };
    let work = one.active_sessions.map(|active| {
        let cores = one.cores.map(|cores| format!(" on {}", plural(cores)));
        format!(", {} at work{}", count(active), cores.unwrap_or_default())
    });
    let text = format!(
        "{} of {}{word} ({} ours, {} elsewhere, {} reserved{})",
        count(one.ours + one.elsewhere + one.reserved),
        count(max),
        count(one.ours),
        count(one.elsewhere),
        count(one.reserved),
        work.unwrap_or_default(),
    );
    Sessions {
        server,
        is_tight,
        text,
    }
}

fn plural(cores: u64) -> String {
    let noun = if cores == 1 { "core" } else { "cores" };
    format!("{} {noun}", count(cores))
}
