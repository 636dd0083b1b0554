//! Settings of what a client may do before it has logged in.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Networks;
use super::level::{Chain, ReadAs};
use super::value::Parsed;

/// What one address, or a /64 of IPv6, may do before it has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLimits {
    /// Logins under way at once (`max_logins_per_address`); `None` is no limit.
    pub max_per_address: Option<NonZeroU32>,
    /// Failed logins within a minute before the next are delayed (`login_failures_per_minute`);
    /// `None` delays none.
    pub failures_per_minute: Option<NonZeroU32>,
    /// The longest of those pauses (`login_failure_delay_max`).
    pub delay_max: Duration,
    /// Who may do all of it (`login_limits_exempt`).
    pub exempt: Networks,
}

impl LoginLimits {
    pub(super) fn read(globals: &Chain<'_>) -> Self {
        Self {
            max_per_address: globals.get("max_logins_per_address"),
            failures_per_minute: globals.get("login_failures_per_minute"),
            delay_max: globals.get("login_failure_delay_max"),
            exempt: globals.get("login_limits_exempt"),
        }
    }
}

impl ReadAs for Networks {
    fn from_parsed(parsed: Parsed) -> Option<Self> {
        match parsed {
            Parsed::Networks(networks) => Some(networks),
            _ => None,
        }
    }
}
