//! The checks, one file for each subject, in the order of a doctor's round.

mod connections;
mod keepalives;
mod locks;
mod memory;
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
