//! The sessions of clients, which many checks look at.

use std::collections::BTreeMap;

use crate::mend::{Mend, Place, Proof, Rung, Undo};
use crate::question::{Missing, Question, Row, Rows};
use crate::sample::Sample;
use crate::words::{flat, span, statement};

/// Every session but ours, with ages in seconds.
pub(crate) const SESSIONS: Question = Question {
    name: "sessions",
    sql: "\
SELECT a.pid, a.usename AS role, a.datname AS database, a.application_name AS application, \
       coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'unix socket' END) AS address, \
       a.backend_type AS kind, a.state, a.wait_event_type AS wait_type, a.wait_event AS wait, \
       extract(epoch FROM clock_timestamp() - a.backend_start) AS session_s, \
       extract(epoch FROM clock_timestamp() - a.xact_start) AS transaction_s, \
       extract(epoch FROM clock_timestamp() - a.query_start) AS query_s, \
       extract(epoch FROM clock_timestamp() - a.state_change) AS state_s, \
       greatest(age(a.backend_xmin), age(a.backend_xid)) AS horizon, \
       extract(epoch FROM a.backend_start) AS started, \
       left(a.query, 2000) AS query, r.rolsuper AS superuser, \
       a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL AS hidden \
FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid \
WHERE a.pid <> pg_backend_pid() ORDER BY a.pid LIMIT 20000",
};

/// The sessions that can be seen, and how many cannot.
pub(crate) struct Sessions<'a> {
    rows: &'a Rows,
}

impl<'a> Sessions<'a> {
    pub(crate) fn of(sample: &'a Sample) -> Result<Self, Missing> {
        let rows = sample.rows(&SESSIONS)?;
        Ok(Self { rows })
    }

    /// Sessions of clients, and those that are hidden: they are clients as far as one can tell.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Row<'a>> {
        let rows = self.rows.iter();
        rows.filter(|row| row.get("kind") == Some("client backend") || row.is("hidden"))
    }

    /// Clients whose state is known.
    pub(crate) fn visible(&self) -> impl Iterator<Item = Row<'a>> {
        self.clients().filter(|row| !row.is("hidden"))
    }

    /// The session with this process number.
    pub(crate) fn of_process(&self, pid: &str) -> Option<Row<'a>> {
        self.rows.iter().find(|row| row.get("pid") == Some(pid))
    }

    /// What is missing where sessions are hidden.
    pub(crate) fn unseen(&self) -> Option<Missing> {
        let hidden = self.rows.iter().filter(|row| row.is("hidden")).count();
        (hidden > 0).then(|| {
            Missing(format!(
                "membership in pg_monitor, to see {hidden} hidden session{} of other roles \
                 (GRANT pg_monitor TO …)",
                if hidden == 1 { "" } else { "s" }
            ))
        })
    }

    /// Clients by one column, most first, NULL as `(none)`.
    pub(crate) fn by(&self, column: &str) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.clients() {
            let name = match row.get(column) {
                None if row.is("hidden") && column != "application" => "(hidden)".to_owned(),
                None | Some("") => "(none)".to_owned(),
                Some(name) => flat(name),
            };
            *counts.entry(name).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }
}

/// A session in one line: who, from where, and what it does.
pub(crate) fn line(row: &Row<'_>) -> String {
    format!("{}{}", who(row), what(row))
}

/// Who a session is.
pub(crate) fn who(row: &Row<'_>) -> String {
    let mut text = format!(
        "pid {} {}@{}",
        row.text("pid"),
        flat(row.get("role").unwrap_or("?")),
        flat(row.get("database").unwrap_or("?")),
    );
    if let Some(application) = row.get("application").filter(|name| !name.is_empty()) {
        text += &format!(" \"{}\"", flat(application));
    }
    if let Some(address) = row.get("address") {
        text += &format!(" from {address}");
    }
    text
}

fn what(row: &Row<'_>) -> String {
    let Some(state) = row.get("state") else {
        return String::new();
    };
    let mut text = format!(": {state}");
    if let Some(seconds) = row.number("state_s") {
        text += &format!(" for {}", span(seconds));
    }
    if let (Some(kind), Some(wait)) = (row.get("wait_type"), row.get("wait"))
        && state == "active"
    {
        text += &format!(", waits for {kind}/{wait}");
    }
    let query = statement(row.text("query"));
    if !query.is_empty() {
        text += match state {
            "active" => ", ",
            _ => ", last ",
        };
        text += &query;
    }
    text
}

/// SQL that ends a session if it is still the one that was seen, and still in a state.
pub(crate) fn terminate(row: &Row<'_>, condition: &str) -> String {
    guarded("pg_terminate_backend(pid)", row, condition)
}

/// SQL that cancels what a session runs if it is still the one that was seen.
pub(crate) fn cancel(row: &Row<'_>, condition: &str) -> String {
    guarded("pg_cancel_backend(pid)", row, condition)
}

fn guarded(act: &str, row: &Row<'_>, condition: &str) -> String {
    // A process number is reused; the start of the session tells them apart.
    format!(
        "SELECT {act} FROM pg_stat_activity WHERE pid = {} \
         AND extract(epoch FROM backend_start) = {} AND backend_type = 'client backend' AND {condition};",
        row.text("pid"),
        row.text("started"),
    )
}

/// Ends a session that is idle in a transaction, if it still is and has been for `after_s`.
pub(crate) fn terminate_mend(check: &'static str, row: &Row<'_>, after_s: f64) -> Option<Mend> {
    // A parallel dump's leader holds its snapshot so.
    if PROGRAMS.contains(&row.text("application")) {
        return None;
    }
    let condition = format!(
        "state LIKE 'idle in transaction%' AND state_change < now() - interval '{after_s} s'"
    );
    Some(Mend {
        rung: Rung::Terminate,
        what: format!("end {}", line(row)),
        statements: vec![statement_of(&terminate(row, &condition))],
        proof: Some(gone(row, "true")),
        caution: "its transaction is rolled back; the application gets an error (57P01) at its next statement",
        ..acting(check)
    })
}

/// Cancels the statement that a session runs, if it still does.
pub(crate) fn cancel_mend(check: &'static str, row: &Row<'_>) -> Option<Mend> {
    if PROGRAMS.contains(&row.text("application")) {
        return None;
    }
    let began = format!(
        "state = 'active' AND query_start <= clock_timestamp() - interval '{} s'",
        row.number("query_s").unwrap_or_default()
    );
    Some(Mend {
        rung: Rung::Cancel,
        what: format!("cancel the statement of {}", line(row)),
        statements: vec![statement_of(&cancel(row, &began))],
        proof: Some(gone(row, &began)),
        caution: "the application gets an error (57014); its session goes on",
        ..acting(check)
    })
}

fn acting(check: &'static str) -> Mend {
    Mend {
        check,
        rung: Rung::Cancel,
        place: Place::Server,
        what: String::new(),
        statements: Vec::new(),
        undo: Undo::Never,
        proof: None,
        caution: "",
    }
}

/// No session is left that was seen and fits the condition.
fn gone(row: &Row<'_>, condition: &str) -> Proof {
    Proof {
        sql: format!(
            "SELECT count(*) AS remaining FROM pg_stat_activity WHERE pid = {} AND extract(epoch FROM backend_start) = {} \
             AND {condition}",
            row.text("pid"),
            row.text("started")
        ),
        row: None,
        column: "remaining",
        expected: "0".to_owned(),
    }
}

fn statement_of(command: &str) -> String {
    command.trim_end_matches(';').to_owned()
}

/// Maintenance, which takes its time.
const PROGRAMS: [&str; 4] = ["pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"];
