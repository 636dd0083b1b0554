//! Since when state of its session keeps a server with its client, and which.

use std::io::{Read, Write};
use std::time::Duration;

use pgweir_sql::fingerprint::Fingerprint;

use super::lease::Lease;
use super::{Session, Stage};
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

impl<S> Lease<S> {
    /// Notes what holds the server at `now`, when that is known.
    #[inline]
    pub(super) fn note_hold(&mut self, hold: Hold, now: Time) {
        match hold {
            Hold::Pinned(pin) if pin.of_state().is_some() => self.keeps(pin, now),
            Hold::Busy | Hold::InTransaction => {
                if let Some(pinned) = &mut self.pinned {
                    pinned.idle = None;
                }
            }
            Hold::Pinned(_) | Hold::Asking | Hold::Free => {}
        }
    }

    fn keeps(&mut self, pin: Pin, now: Time) {
        let is_new = self.pinned.is_none_or(|pinned| pinned.pin != pin);
        self.count_pin(now);
        if !is_new {
            if let Some(pinned) = &mut self.pinned {
                pinned.idle.get_or_insert(now);
            }
            return;
        }
        let observer = &mut self.server.upstream.observer;
        let trace = &observer.trace;
        let is_told = match pin {
            Pin::PreparedStatement | Pin::Uncertain => false,
            _ => trace.holding != Fingerprint::NONE,
        };
        self.pinned = Some(Pinned {
            pin,
            since: self.pinned.map_or(now, |before| before.since),
            statement: if is_told { trace.holding } else { trace.last },
            idle: Some(now),
            counted: now,
        });
        if let Some(pins) = observer.work.pins(pin) {
            pins.count += 1;
        }
    }

    /// Counts the time until `now` for which the server was kept.
    #[inline]
    pub(super) fn count_pin(&mut self, now: Time) {
        let Some(pinned) = &mut self.pinned else {
            return;
        };
        let us = now.us_since(pinned.counted);
        if us > 0
            && let Some(pins) = self.server.upstream.observer.work.pins(pinned.pin)
        {
            pins.us += us;
            pinned.counted = now;
        }
    }

    /// Whether state of the session has kept the server for `bound`, and the client does nothing.
    pub(super) fn is_pinned_for(&self, now: Time, bound: Duration) -> bool {
        self.pinned.is_some_and(|pinned| {
            let pause = bound.min(PIN_PAUSE);
            let rests = pinned.idle.is_some_and(|since| now - since >= pause);
            rests && now - pinned.since >= bound
        })
    }
}

impl<C: Read + Write, S: Read + Write> Session<C, S> {
    /// Counts the time until `now` for which state of the session kept the server: for those who look at counters
    /// while it lasts.
    pub fn count_pin(&mut self, now: Time) {
        if let Stage::Leased(lease) = &mut self.stage {
            lease.count_pin(now);
        }
    }
}
