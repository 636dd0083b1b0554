//! Names under which both levels count what pools do.

use pgweir_pool::pool::{CloseReason, Refusal};

pub(crate) fn close_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Idle => "close: idle",
        CloseReason::Lifetime => "close: lifetime",
        CloseReason::OverLimit => "close: over limit",
        CloseReason::Dirty => "close: dirty",
        CloseReason::Retired => "close: retired",
        CloseReason::Evicted => "close: evicted",
        CloseReason::Paused => "close: paused",
    }
}

pub(crate) fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::QueueFull => "refuse: queue full",
        Refusal::Timeout => "refuse: timeout",
        Refusal::LoginFailing => "refuse: login failing",
    }
}
