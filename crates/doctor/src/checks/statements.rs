//! Slow statements and missing indexes, which keep connections busy.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::checks::server::SERVER;
use crate::question::{Answer, Missing, Question};
use crate::sample::Sample;
use crate::words::{bytes, flat, identifier, plural, span, statement};

/// Statements that are slow on average.
pub(super) struct SlowStatements;

impl Check for SlowStatements {
    fn about(&self) -> About {
        About {
            id: "slow-statements",
            title: "statements are fast",
            why: "how many connections are needed is rate times duration: a slow statement exhausts pools, and a longer \
                  wait for a connection or more of them do not make it faster",
            worst: Severity::Warning,
            source: "S1 problems 1 and 2, S2 issue 2; C33, C50",
            privilege: Privilege::Monitor,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SERVER, STATEMENTS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let extension = || {
            Missing(
                "the extension pg_stat_statements: shared_preload_libraries, a restart, and CREATE EXTENSION \
                 pg_stat_statements in this database"
                    .to_owned(),
            )
        };
        if sample.row(&SERVER)?.get("statements_schema").is_none() {
            return Err(extension());
        }
        let rows = match sample.answers.get(STATEMENTS.name) {
            // The extension was created, and its library is not loaded.
            Some(Answer::Refused { sqlstate, .. }) if sqlstate == "55000" => {
                return Err(extension());
            }
            _ => sample.rows(&STATEMENTS)?,
        };
        let hidden = rows
            .iter()
            .any(|row| row.text("query").starts_with("<insufficient"));
        let slow: Vec<_> = rows
            .iter()
            .filter(|row| row.number("mean_ms") >= Some(SLOW_MS))
            .collect();
        let judgement = Judgement::seen(format!(
            "the {} that cost most",
            plural(rows.values.len(), "statement")
        ))
        .without(hidden.then(|| {
            Missing("membership in pg_monitor, to see statements of other roles".to_owned())
        }));
        let Some(worst) = slow.first() else {
            return Ok(judgement);
        };
        let of = |row: &crate::question::Row<'_>, column| row.number(column).unwrap_or_default();
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!(
                "of the statements that cost most, {} a second or longer on average, the worst {} in {} calls",
                match slow.len() {
                    1 => "1 takes".to_owned(),
                    more => format!("{more} take"),
                },
                span(of(worst, "mean_ms") / 1e3),
                worst.text("calls"),
            ),
            numbers: vec![
                ("statements", slow.len() as f64),
                ("worst_mean_ms", of(worst, "mean_ms").round()),
            ],
            evidence: slow
                .iter()
                .take(5)
                .map(|row| {
                    format!(
                        "{} × {}: {}",
                        row.text("calls"),
                        span(of(row, "mean_ms") / 1e3),
                        statement(row.text("query"))
                    )
                })
                .collect(),
            conclusion: "each call keeps a connection for that long; pools fill behind them".to_owned(),
            recommendation: "look at their plans for sequential scans and sorts on disk; more connections, or a longer \
                             wait, do not help"
                .to_owned(),
            commands: vec!["EXPLAIN (ANALYZE, BUFFERS) …;".to_owned()],
        }]))
    }
}

/// The twenty that cost most time.
const STATEMENTS: Question = Question {
    name: "statements",
    sql: "\
SELECT left(query, 2000) AS query, calls, mean_exec_time AS mean_ms \
FROM {statements} WHERE calls >= 3 ORDER BY total_exec_time DESC LIMIT 20",
};

const SLOW_MS: f64 = 1000.0;

/// Tables that are read as a whole again and again.
pub(super) struct MissingIndexes;

impl Check for MissingIndexes {
    fn about(&self) -> About {
        About {
            id: "sequential-scans",
            title: "large tables are read by index",
            why: "a sequential scan of a large table keeps a connection and the disk busy for a few rows; it is the most \
                  common cause of latency that is taken for a lack of connections",
            worst: Severity::Warning,
            source: "S1 problem 2; PostgreSQL: pg_stat_user_tables",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[SCANS]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&SCANS)?;
        let judgement = Judgement::seen("the tables of this database");
        let Some(worst) = rows.first() else {
            return Ok(judgement);
        };
        let tables = rows.values.len();
        Ok(judgement.with([Finding {
            severity: Severity::Warning,
            observation: format!(
                "{} read as a whole again and again, {} the most: {} times, {} rows each",
                match tables {
                    1 => "1 table is".to_owned(),
                    more => format!("{more} tables are"),
                },
                flat(worst.text("name")),
                worst.text("scans"),
                worst.text("rows_each"),
            ),
            numbers: vec![("tables", tables as f64)],
            evidence: rows
                .iter()
                .take(5)
                .map(|row| {
                    format!(
                        "{}: {} sequential scans of {} rows, {} by index, {}",
                        flat(row.text("name")),
                        row.text("scans"),
                        row.text("rows_each"),
                        row.text("index_scans"),
                        bytes(row.number("size").unwrap_or_default())
                    )
                })
                .collect(),
            conclusion: "an index is missing, or the condition does not use the one there is".to_owned(),
            recommendation: "find the statements that read it, and look at their plans before you create an index"
                .to_owned(),
            commands: vec![format!(
                "SELECT query, calls, mean_exec_time FROM pg_stat_statements WHERE query ILIKE '%' || {} || '%' \
                 ORDER BY total_exec_time DESC LIMIT 5;",
                crate::words::literal(&identifier(worst.text("table")))
            )],
        }]))
    }
}

/// Tables with at least 10,000 rows that were scanned in order at least 100 times, and more often than by an
/// index.
const SCANS: Question = Question {
    name: "scans",
    sql: "\
SELECT format('%I.%I', schemaname, relname) AS name, relname AS table, seq_scan AS scans, \
       seq_tup_read / seq_scan AS rows_each, coalesce(idx_scan, 0) AS index_scans, \
       pg_relation_size(relid) AS size \
FROM pg_stat_user_tables \
WHERE seq_scan >= 100 AND n_live_tup >= 10000 AND seq_tup_read / seq_scan >= 10000 \
  AND seq_scan > coalesce(idx_scan, 0) \
ORDER BY seq_tup_read DESC LIMIT 20",
};
