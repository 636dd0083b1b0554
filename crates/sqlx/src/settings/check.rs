//! What settings have to be together: contradictions, and what is allowed but unwise.

use super::problem::{Origin, Problem, SettingsError};
use super::setting::CONNECTIONS_MAX;
use super::{CONNECT_TIMEOUT, PoolSettings, Pooler};

/// The largest [`PoolSettings::lifetime_jitter`]; beyond it a lifetime means little.
pub(super) const JITTER_MAX: f64 = 0.5;

impl PoolSettings {
    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let problems: Vec<Problem> = self.problems().into_iter().map(|found| found.1).collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SettingsError { problems })
        }
    }

    /// Contradictions, each with the variable of the setting that it is about.
    pub(super) fn problems(&self) -> Vec<(&'static str, Problem)> {
        let mut problems = Vec::new();
        let mut problem = |variable, method, message| {
            let origin = Origin::Method(method);
            problems.push((variable, Problem { origin, message }));
        };
        let (min, max) = (self.min_connections, self.max_connections);
        if !(1..=CONNECTIONS_MAX).contains(&max) {
            let message = format!("must be a whole number from 1 to {CONNECTIONS_MAX}, not {max}");
            problem("DB_MAX_CONNECTIONS", "max_connections", message);
        } else if min > max {
            let message =
                format!("must not be more than max_connections, but {min} is more than {max}");
            problem("DB_MIN_CONNECTIONS", "min_connections", message);
        }
        if self.acquire_timeout.is_zero() {
            let message = "must be more than 0".to_owned();
            problem("DB_ACQUIRE_TIMEOUT", "acquire_timeout", message);
        }
        if !(0.0..=JITTER_MAX).contains(&self.lifetime_jitter) {
            let message = format!("must be a number from 0 to {JITTER_MAX}");
            problem("DB_LIFETIME_JITTER", "lifetime_jitter", message);
        }
        for (slow, variable, method) in [
            (self.slow_acquire, "DB_VERY_SLOW_ACQUIRE", "slow_acquire"),
            (self.slow_query, "DB_VERY_SLOW_QUERY", "slow_query"),
        ] {
            if slow.very_slow < slow.slow {
                let message = "is very slow sooner than slow; the second bound must be the larger";
                problem(variable, method, message.to_owned());
            }
        }
        problems
    }

    /// What works but is not what was meant, for the log.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.left_out.clone();
        let mut warn = |text: String| warnings.push(text);
        if let (Some(statement), Some(socket)) = (self.statement_timeout, self.socket_timeout)
            && statement >= socket
        {
            warn(format!(
                "statement_timeout ({statement:?}) should be shorter than socket_timeout \
                 ({socket:?}): after the latter the connection is lost and the server goes on"
            ));
        }
        let statement = self.statement_timeout.or(self.socket_timeout);
        if let (Some(lock), Some(statement)) = (self.lock_timeout, statement)
            && lock >= statement
        {
            warn(format!(
                "lock_timeout ({lock:?}) has no effect: statement_timeout ({statement:?}) is not \
                 longer"
            ));
        }
        let (connect, acquire) = (self.connect_timeout, self.acquire_timeout);
        // Whoever wants a longer acquire_timeout has not asked for a shorter connect_timeout.
        if connect < acquire && connect != CONNECT_TIMEOUT {
            warn(format!(
                "connect_timeout ({connect:?}) bounds the start only: a connection that is opened \
                 later may take acquire_timeout ({acquire:?})"
            ));
        }
        if self
            .leak_after
            .is_some_and(|bound| bound <= self.acquire_timeout)
        {
            warn(
                "leak_after is not longer than acquire_timeout: slow work will look like a leak"
                    .into(),
            );
        }
        if self.pooler == Pooler::PgBouncer && !self.session_settings().is_empty() {
            let settings: Vec<String> = self
                .session_settings()
                .iter()
                .map(|(name, value)| format!("ALTER ROLE ... SET {name} = {value}"))
                .collect();
            warn(format!(
                "PgBouncer does not take settings of a session; they hold in the transactions of \
                 Pool::begin only. For all queries: {}",
                settings.join("; ")
            ));
        }
        warnings
    }
}
