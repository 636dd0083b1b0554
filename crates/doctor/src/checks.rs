//! The checks, one file for each subject, in the order of a doctor's round.

mod connections;
pub(crate) mod consoles;
mod keepalives;
mod locks;
mod memory;
mod poolers;
mod pools;
mod replication;
pub(crate) mod server;
mod sessions;
mod settings;
mod statements;
mod timeouts;
mod transactions;
mod wraparound;

use crate::check::Check;
use crate::question::Question;

/// All checks.
pub fn all() -> &'static [&'static dyn Check] {
    &[
        &connections::Connections,
        &connections::Limits,
        &connections::Superusers,
        &transactions::IdleInTransaction,
        &transactions::LongTransactions,
        &transactions::LongQueries,
        &transactions::Prepared,
        &locks::Blocking,
        &replication::Slots,
        &replication::Standbys,
        &replication::Replay,
        &wraparound::Wraparound,
        &settings::PendingRestart,
        &settings::FileErrors,
        &settings::Masked,
        &timeouts::Guards,
        &timeouts::Races,
        &timeouts::PooledSessions,
        &keepalives::DeadClients,
        &memory::Memory,
        &statements::SlowStatements,
        &statements::MissingIndexes,
        &pools::Reachable,
        &pools::Waits,
        &pools::Clients,
        &pools::Leases,
        &poolers::Sum,
        &poolers::Paused,
        &poolers::Timeouts,
        &poolers::PreparedStatements,
        &poolers::Chains,
    ]
}

/// The check with this id.
pub fn named(id: &str) -> Option<&'static dyn Check> {
    all().iter().copied().find(|check| check.about().id == id)
}

/// What these checks ask, each question once. Who the server is comes first: the answer decides whether
/// to stay.
pub fn questions(checks: &[&dyn Check]) -> Vec<Question> {
    let mut all = vec![server::SERVER];
    for question in checks.iter().flat_map(|check| check.questions()) {
        if !all.contains(question) {
            all.push(*question);
        }
    }
    all
}
