//! Since when state of its session keeps a server with its client, and which.

use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;

use crate::observer::Observer;
use crate::pin::Pin;
use crate::relay::Hold;
use crate::time::Time;

/// How long a client has to have done nothing before a server that was kept for too long is taken from it. One
/// that works goes on from one statement to the next in less.
pub const PIN_PAUSE: Duration = Duration::from_secs(1);

/// State of the session keeps the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Which, as of the last look.
    pub pin: Pin,
    /// Since when, transactions in between included.
    pub since: Time,
    /// The statement that left it, as far as its text shows; else the last one before it was found.
    pub statement: Fingerprint,
    /// Since when the client does nothing outside a transaction; `None` while it does something.
    idle: Option<Time>,
    /// Until when its time is counted.
    counted: Time,
}

impl Pinned {
    /// Notes what holds a server at `now`, in `own` if that is state of the session.
    #[inline]
    pub(super) fn note(own: &mut Option<Self>, hold: Hold, observer: &mut Observer, now: Time) {
        match hold {
            Hold::Pinned(pin) if pin.of_state().is_some() => Self::keeps(own, pin, observer, now),
            Hold::Busy | Hold::InTransaction => {
                if let Some(pinned) = own {
                    pinned.idle = None;
                }
            }
            Hold::Pinned(_) | Hold::Asking | Hold::Free => {}
        }
    }

    fn keeps(own: &mut Option<Self>, pin: Pin, observer: &mut Observer, now: Time) {
        if let Some(pinned) = own
            && pinned.pin == pin
        {
            pinned.idle.get_or_insert(now);
            return;
        }
        if let Some(pinned) = own {
            pinned.count(observer, now);
        }
        let trace = &observer.trace;
        let is_told = match pin {
            Pin::PreparedStatement | Pin::Uncertain => false,
            _ => trace.holding != Fingerprint::NONE,
        };
        *own = Some(Self {
            pin,
            since: own.map_or(now, |before| before.since),
            statement: if is_told { trace.holding } else { trace.last },
            idle: Some(now),
            counted: now,
        });
        if let Some(pins) = observer.work.pins(pin) {
            pins.count += 1;
        }
    }

    /// Counts the time until `now` for which the server was kept.
    pub(super) fn count(&mut self, observer: &mut Observer, now: Time) {
        let us = now.us_since(self.counted);
        if us > 0
            && let Some(pins) = observer.work.pins(self.pin)
        {
            pins.us += us;
            self.counted = now;
        }
    }

    /// Whether it has kept the server for `bound`, and the client does nothing.
    pub(super) fn is_overdue(&self, now: Time, bound: Duration) -> bool {
        let pause = bound.min(PIN_PAUSE);
        let rests = self.idle.is_some_and(|since| now - since >= pause);
        rests && now - self.since >= bound
    }
}
