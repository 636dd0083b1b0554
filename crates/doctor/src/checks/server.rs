//! Who is asked, and how many clients it lets in.

use std::time::Duration;

use crate::question::{Missing, Question};
use crate::sample::Sample;

/// Version, role, slots and clients.
pub(crate) const SERVER: Question = Question {
    name: "server",
    sql: "\
SELECT current_setting('server_version') AS version, \
       current_setting('server_version_num')::int / 10000 AS major, \
       current_user AS role, current_database() AS database, \
       current_setting('is_superuser') = 'on' AS superuser, \
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, \
       pg_is_in_recovery() AS standby, \
       (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace \
        WHERE extname = 'pg_stat_statements') AS statements_schema, \
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS uptime, \
       current_setting('max_connections')::int AS max_connections, \
       current_setting('superuser_reserved_connections')::int \
         + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved, \
       (SELECT count(*) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' \
           OR backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) AS clients",
};

/// How many clients a server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    /// Clients that are connected, this one included.
    pub(crate) used: usize,
    /// Slots that ordinary roles may use.
    pub(crate) usable: usize,
    /// `max_connections`.
    pub(crate) max: usize,
    /// `superuser_reserved_connections` and `reserved_connections`.
    pub(crate) reserved: usize,
}

impl Sample {
    /// How many clients the server lets in and how many there are.
    pub(crate) fn slots(&self) -> Result<Slots, Missing> {
        let row = self.row(&SERVER)?;
        let whole = |column| {
            let number = row
                .whole(column)
                .and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| Missing(format!("the number {column} of the server")))
        };
        let (max, reserved) = (whole("max_connections")?, whole("reserved")?);
        Ok(Slots {
            used: whole("clients")?,
            usable: max.saturating_sub(reserved),
            max,
            reserved,
        })
    }

    /// Its major version.
    pub(crate) fn major(&self) -> Result<i64, Missing> {
        let major = self.row(&SERVER)?.whole("major");
        major.ok_or_else(|| Missing("the version of the server".to_owned()))
    }

    /// Why an examination should end at once: clients need the slot more than it does.
    ///
    /// Returns the clients, this one included, and the slots of ordinary roles.
    pub fn takes_the_last_slot(&self) -> Option<(usize, usize)> {
        let slots = self.slots().ok()?;
        (slots.used > slots.usable).then_some((slots.used, slots.usable))
    }

    /// A question as it is sent: in a transaction that only reads, with a time limit of its own, and with
    /// nothing but the catalog in its search path, so that nobody's functions run. `None` if it needs an
    /// extension that is not there, which is known once the server has been asked who it is.
    pub fn batch(&self, question: &Question, limit: Duration) -> Option<String> {
        let ms = limit.as_millis();
        let sql = if question.sql.contains(STATEMENTS) {
            let schema = self.row(&SERVER).ok()?.get("statements_schema")?;
            let view = format!("{}.pg_stat_statements", crate::words::identifier(schema));
            question.sql.replace(STATEMENTS, &view)
        } else {
            question.sql.to_owned()
        };
        Some(format!(
            "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = {ms}; \
             SET LOCAL lock_timeout = {ms}; {sql}; COMMIT"
        ))
    }
}

/// Where a question names the view of an extension.
const STATEMENTS: &str = "{statements}";
