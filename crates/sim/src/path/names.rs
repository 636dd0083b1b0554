//! Words for what happens: those that clients read, and those under which a log counts it.

use pgweir_pool::driver::Farewell;
use pgweir_pool::pool::{CloseReason, Refusal};
use pgweir_pool::session::{End as Ending, Fault, Overdue, Sentences};

use super::client::WAIT_CANCELED;

/// Faults in plain words. Clients know the one of a cancelled wait by its end.
pub(super) fn wording(fault: Fault<'_>) -> Sentences<'_> {
    let detail = match fault {
        Fault::WaitCanceled => Some(WAIT_CANCELED),
        Fault::Violation(_)
        | Fault::ServerGone
        | Fault::ServerBroken
        | Fault::Settings(_)
        | Fault::Transaction => None,
    };
    Sentences {
        message: format!("{fault:?}").into(),
        detail,
        hint: None,
    }
}

pub(super) fn farewell_name(why: Farewell) -> &'static str {
    match why {
        Farewell::Refused(Refusal::QueueFull) => "refuse: queue full",
        Farewell::Refused(Refusal::Timeout) => "refuse: timeout",
        Farewell::Refused(Refusal::LoginFailing) => "refuse: login failing",
        Farewell::Overdue(Overdue::Query) => "overdue: query",
        Farewell::Overdue(Overdue::IdleInTransaction) => "overdue: idle in transaction",
        Farewell::Overdue(Overdue::Transaction) => "overdue: transaction",
        Farewell::Overdue(Overdue::Idle) => "overdue: idle",
        Farewell::Shutdown => "end: shutdown",
        Farewell::Administrator => "end: administrator",
        Farewell::Unwatched => "end: server not heard",
    }
}

pub(super) fn close_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Idle => "close: idle",
        CloseReason::Lifetime => "close: lifetime",
        CloseReason::OverLimit => "close: over limit",
        CloseReason::Dirty => "close: dirty",
        CloseReason::Retired => "close: retired",
        CloseReason::Evicted => "close: evicted",
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
        Ending::Ended => "end: ended",
    }
}
