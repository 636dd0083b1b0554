//! Words for what happens: those that clients read, and those under which a log counts it.

use pgweir_pool::driver::Farewell;
use pgweir_pool::session::{End as Ending, Fault, Overdue, Sentences};

use super::client::WAIT_CANCELED;
use crate::names::refusal_name;

/// What the client is told of a text that was rejected, whatever it would have taken.
pub(super) const REJECTED: &str = "rejected";

/// Faults in plain words. Clients know the one of a cancelled wait by its end.
pub(super) fn wording(fault: Fault<'_>) -> Sentences<'_> {
    let detail = match fault {
        Fault::WaitCanceled => Some(WAIT_CANCELED),
        Fault::Violation(_)
        | Fault::ServerGone
        | Fault::ServerBroken
        | Fault::Settings(_)
        | Fault::Transaction
        | Fault::Rejected(_)
        | Fault::Pinned(_) => None,
    };
    let message = match fault {
        Fault::Rejected(_) => REJECTED.into(),
        fault => format!("{fault:?}").into(),
    };
    Sentences {
        sqlstate: None,
        message,
        detail,
        hint: None,
    }
}

pub(super) fn farewell_name(why: Farewell) -> &'static str {
    match why {
        Farewell::Refused(refusal) => refusal_name(refusal),
        Farewell::Overdue(Overdue::Query) => "overdue: query",
        Farewell::Overdue(Overdue::IdleInTransaction) => "overdue: idle in transaction",
        Farewell::Overdue(Overdue::Transaction) => "overdue: transaction",
        Farewell::Overdue(Overdue::Idle) => "overdue: idle",
        Farewell::Overdue(Overdue::Pin(_)) => "overdue: pin",
        Farewell::Retired => "end: server retired",
        Farewell::Shutdown => "end: shutdown",
        Farewell::Administrator => "end: administrator",
        Farewell::Suspension => "end: suspension",
        Farewell::Unwatched => "end: server not heard",
    }
}

pub(super) fn ending_name(end: &Ending) -> &'static str {
    match end {
        Ending::Terminated => "end: terminated",
        Ending::ClientGone => "end: client gone",
        Ending::Violation(_) => "end: violation",
        Ending::ServerGone { .. } => "end: server gone",
        Ending::ServerBroken(_) => "end: server broken",
        Ending::Settings(_) => "end: settings",
        Ending::Transaction => "end: transaction",
        Ending::Pinned(_) => "end: pinned",
        Ending::Ended => "end: ended",
    }
}
