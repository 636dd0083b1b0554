//! The rows of each table.

mod connections;
mod counted;
mod findings;
mod pools;

use std::time::{Duration, SystemTime};

use pgweir_telemetry::timestamp::rfc3339;

use crate::facts::{Facts, Setting};
use crate::query::Query;
use crate::rows::{Cell, Row, Rows};
use crate::table::Table;

/// The rows of a table that a query wants. They are made as they are sent.
pub fn rows(facts: Facts, query: &Query) -> Rows {
    let snapshot = &facts.snapshot;
    let rows: Vec<Row> = match query.table {
        Table::Clients | Table::Servers => {
            let connections = facts.connections.into_iter();
            return Rows::new(connections.map(|one| connections::row(&one)), query);
        }
        Table::Sockets | Table::ActiveSockets => {
            let is_wanted = query.table == Table::Sockets;
            let connections = facts.connections.into_iter();
            let connections = connections.filter(move |one| is_wanted || one.state == "active");
            return Rows::new(connections.map(|one| connections::socket(&one)), query);
        }
        Table::Fds => {
            let connections = facts.connections.into_iter();
            return Rows::new(connections.filter_map(|one| connections::fd(&one)), query);
        }
        Table::Version => vec![vec![format!("pgweir {}", snapshot.version).into()]],
        Table::State => state(&facts),
        Table::Config => facts.settings.iter().map(setting).collect(),
        Table::Databases => pools::databases(&facts),
        Table::Users => pools::users(&facts),
        Table::Pools => pools::pools(&facts),
        Table::Lists => pools::lists(&facts),
        Table::Mem => pools::memory(&facts),
        Table::Peers => pools::peers(&facts),
        Table::PeerPools => pools::peer_pools(&facts),
        // There are none: names are looked up when a server is opened.
        Table::DnsHosts | Table::DnsZones => Vec::new(),
        Table::Stats => counted::stats(&facts),
        Table::StatsTotals => counted::totals_by_database(&facts),
        Table::StatsAverages => counted::averages_by_database(&facts),
        Table::Totals => counted::totals(&facts),
        Table::Waits => findings::waits(&facts),
        Table::Pins => findings::pins(&facts),
        Table::Leases => findings::leases(&facts),
        Table::Statements => findings::statements(&facts),
        Table::Findings => findings::findings(&facts),
    };
    Rows::new(rows.into_iter(), query)
}

fn state(facts: &Facts) -> Vec<Row> {
    let snapshot = &facts.snapshot;
    let yes = |is_so| if is_so { "yes" } else { "no" };
    let suspended = snapshot.suspended;
    let states = [
        ("active", !snapshot.paused && !suspended),
        ("paused", snapshot.paused),
        ("suspended", suspended),
    ];
    let row = |(key, is_so): (&'static str, bool)| vec![key.into(), yes(is_so).into()];
    states.into_iter().map(row).collect()
}

fn setting(setting: &Setting) -> Row {
    vec![
        setting.name.into(),
        setting.value.clone().into(),
        setting.default.clone().into(),
        if setting.changeable { "yes" } else { "no" }.into(),
    ]
}

/// A moment as PgBouncer writes it: to the second, in UTC.
fn moment(at: SystemTime) -> String {
    // 2026-11-27T11:43:49.000Z
    let text = rfc3339(at);
    format!("{} {} UTC", &text[..10], &text[11..19])
}

/// A moment that was so long before a snapshot was taken.
fn before(facts: &Facts, ms: f64) -> String {
    let since = Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
    let at = facts.snapshot.taken_at.checked_sub(since);
    moment(at.unwrap_or(SystemTime::UNIX_EPOCH))
}

/// Microseconds of a time in milliseconds.
fn micros(ms: f64) -> Cell {
    Cell::number((ms * 1e3).round() as i64)
}

#[cfg(test)]
mod tests;
