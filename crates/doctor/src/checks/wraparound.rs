//! Numbers of transactions, which come to an end.

use crate::check::{About, Check, Finding, Judgement, Privilege, Severity};
use crate::question::{Missing, Question, Row};
use crate::sample::Sample;
use crate::words::{flat, identifier};

/// The age of the oldest transaction number that a database still holds.
pub(super) struct Wraparound;

impl Check for Wraparound {
    fn about(&self) -> About {
        About {
            id: "wraparound",
            title: "transaction numbers do not run out",
            why: "when a database holds a transaction number that is 2.1 billion old, PostgreSQL accepts no more \
                  writes; the usual cause is a session, a slot or a prepared transaction that holds vacuum back",
            worst: Severity::Critical,
            source: "PostgreSQL: preventing transaction ID wraparound failures",
            privilege: Privilege::Any,
        }
    }

    fn questions(&self) -> &'static [Question] {
        &[AGES]
    }

    fn judge(&self, sample: &Sample) -> Result<Judgement, Missing> {
        let rows = sample.rows(&AGES)?;
        let oldest = rows
            .iter()
            .filter_map(|row| row.number("age"))
            .fold(0.0, f64::max);
        let mut judgement = Judgement::seen(format!(
            "the oldest transaction number is {:.0} million old",
            oldest / 1e6
        ));
        judgement
            .findings
            .extend(rows.iter().filter_map(|row| database(&row)));
        Ok(judgement)
    }
}

fn database(row: &Row<'_>) -> Option<Finding> {
    let age = row.number("age").unwrap_or_default();
    let multi = row.number("multi_age").unwrap_or_default();
    let worst = age.max(multi);
    // Autovacuum is forced at autovacuum_freeze_max_age; far beyond it, it does not get through.
    let forced = row.number("freeze_max_age").unwrap_or(2e8);
    let severity = match worst {
        _ if worst >= CRITICAL => Severity::Critical,
        _ if worst >= WARNING.max(forced * 1.5) => Severity::Warning,
        _ => return None,
    };
    let name = row.text("name");
    Some(Finding {
        severity,
        observation: format!(
            "database {} holds transaction numbers {:.0} million old (multixacts {:.0} million), of at most 2,147",
            flat(name),
            age / 1e6,
            multi / 1e6
        ),
        numbers: vec![("age_transactions", age), ("multi_age", multi)],
        evidence: Vec::new(),
        conclusion: format!(
            "autovacuum should have frozen them at {:.0} million and did not get through; {:.0} million are left before \
             writes stop",
            forced / 1e6,
            (LIMIT - worst) / 1e6
        ),
        recommendation: "remove what holds vacuum back (long and prepared transactions, replication slots), then \
                         vacuum with freeze, the oldest tables first"
            .to_owned(),
        commands: vec![
            "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') \
             ORDER BY 2 DESC LIMIT 10;"
                .to_owned(),
            format!("vacuumdb --freeze --jobs 2 --dbname {}", identifier(name)),
        ],
    })
}

const AGES: Question = Question {
    name: "ages",
    sql: "\
SELECT datname AS name, age(datfrozenxid) AS age, mxid_age(datminmxid) AS multi_age, \
       current_setting('autovacuum_freeze_max_age') AS freeze_max_age \
FROM pg_database ORDER BY 2 DESC LIMIT 1000",
};

const WARNING: f64 = 4e8;
const CRITICAL: f64 = 1.2e9;
const LIMIT: f64 = 2_147_483_647.0;
