//! What the consoles of PgBouncer and pgweir show, which have the same tables.

use std::collections::BTreeMap;

use crate::question::{Answer, Missing, Question, Row, Rows};
use crate::sample::{Console, Sample};

/// Version of the pooler.
pub(crate) const VERSION: Question = Question {
    name: "version",
    sql: "SHOW VERSION",
};
/// Its settings.
pub(crate) const CONFIG: Question = Question {
    name: "config",
    sql: "SHOW CONFIG",
};
/// Its databases, with where they lead.
pub(crate) const DATABASES: Question = Question {
    name: "databases",
    sql: "SHOW DATABASES",
};
/// Its pools: a database and a user each.
pub(crate) const POOLS: Question = Question {
    name: "pools",
    sql: "SHOW POOLS",
};
/// How many clients there are.
pub(crate) const LISTS: Question = Question {
    name: "lists",
    sql: "SHOW LISTS",
};
/// Its connections with PostgreSQL.
pub(crate) const SERVERS: Question = Question {
    name: "servers",
    sql: "SHOW SERVERS",
};

/// What every console is asked. They know no transactions, so each is sent as it is.
pub fn console_questions() -> &'static [Question] {
    &[VERSION, CONFIG, DATABASES, POOLS, LISTS, SERVERS]
}

impl Console {
    /// The rows that answer a question.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn rows(&self, question: &Question) -> Result<&Rows, Missing> {
        let shown = &self.shown;
        match self.answers.get(question.name) {
            Some(Answer::Rows(rows)) => Ok(rows),
            Some(Answer::Refused { message, .. }) => Err(Missing(format!(
                "{} of console {shown}, which was refused: {}",
                question.sql,
                crate::words::flat(message)
            ))),
            Some(Answer::Late) | None => Err(Missing(format!(
                "{} of console {shown}, which did not answer",
                question.sql
            ))),
        }
    }

    /// A setting as a number: `None` if the pooler does not show it.
    pub(crate) fn setting(&self, key: &str) -> Result<Option<f64>, Missing> {
        let rows = self.rows(&CONFIG)?;
        let row = rows.iter().find(|row| row.get("key") == Some(key));
        // pgweir shows times with their unit where they are no whole seconds.
        Ok(row.and_then(|row| row.text("value").trim_end_matches('s').parse().ok()))
    }

    /// The databases that lead to PostgreSQL, not to the console itself.
    pub(crate) fn databases(&self) -> Result<impl Iterator<Item = Row<'_>>, Missing> {
        let rows = self.rows(&DATABASES)?;
        Ok(rows.iter().filter(|row| !is_console(row.text("name"))))
    }

    /// The pools that lead to PostgreSQL.
    pub(crate) fn pools(&self) -> Result<impl Iterator<Item = Row<'_>>, Missing> {
        let rows = self.rows(&POOLS)?;
        Ok(rows.iter().filter(|row| !is_console(row.text("database"))))
    }

    /// How many servers the pooler may open at most: of each database, its pools together, within its own
    /// limit.
    pub(crate) fn servers_max(&self) -> Result<usize, Missing> {
        let mut users: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.pools()? {
            *users.entry(row.text("database")).or_default() += 1;
        }
        let databases = self.databases()?.map(|row| {
            let whole = |column| usize::try_from(row.whole(column).unwrap_or(0)).unwrap_or(0);
            let pools = match row.get("force_user") {
                Some(user) if !user.is_empty() => 1,
                _ => users.get(row.text("name")).copied().unwrap_or(0).max(1),
            };
            let all = (whole("pool_size") + whole("reserve_pool_size")) * pools;
            match whole("max_connections") {
                0 => all,
                limit => all.min(limit),
            }
        });
        Ok(databases.sum())
    }
}

impl Sample {
    /// The consoles that were asked.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn consoles(&self) -> Result<&[Console], Missing> {
        match self.consoles.as_slice() {
            [] => Err(Missing(
                "the console of a pooler: --console postgres://USER:PASSWORD@HOST:6432/pgbouncer"
                    .to_owned(),
            )),
            consoles => Ok(consoles),
        }
    }
}

fn is_console(database: &str) -> bool {
    matches!(database, "pgbouncer" | "pgweir")
}
