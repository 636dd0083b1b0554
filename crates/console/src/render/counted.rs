//! What was counted: totals, and averages of the last period.

use crate::averages::{Counted, FIGURES, by_database};
use crate::facts::Facts;
use crate::rows::{Cell, Row};

/// Figures of [`Counted`] as `SHOW TOTALS` names them.
const NAMES: [&str; FIGURES] = [
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
    "client_login_count",
];

pub(super) fn stats(facts: &Facts) -> Vec<Row> {
    each(facts, |database, counted| {
        let averages = facts.averages.of(database);
        counted.figures().into_iter().chain(averages).collect()
    })
}

pub(super) fn totals_by_database(facts: &Facts) -> Vec<Row> {
    each(facts, |_, counted| counted.figures().to_vec())
}

pub(super) fn averages_by_database(facts: &Facts) -> Vec<Row> {
    each(facts, |database, _| facts.averages.of(database).to_vec())
}

pub(super) fn totals(facts: &Facts) -> Vec<Row> {
    let mut sum = Counted::default();
    for counted in by_database(&facts.snapshot, facts.console.commands).values() {
        sum.add(*counted);
    }
    let row = |prefix: &str, at: usize, figure| {
        let name = format!("{prefix}_{}", NAMES[at]);
        vec![name.into(), Cell::number(figure)]
    };
    let totals = sum.figures().into_iter().enumerate();
    let averages = facts.averages.of_all().into_iter().enumerate();
    let totals = totals.map(|(at, figure)| row("total", at, figure));
    totals
        .chain(averages.map(|(at, figure)| row("avg", at, figure)))
        .collect()
}

/// A row for each database.
fn each(facts: &Facts, figures: impl Fn(&str, Counted) -> Vec<u64>) -> Vec<Row> {
    let counted = by_database(&facts.snapshot, facts.console.commands);
    let row = |(database, counted): (String, Counted)| {
        let figures = figures(&database, counted).into_iter();
        std::iter::once(Cell::from(database))
            .chain(figures.map(Cell::number))
            .collect()
    };
    counted.into_iter().map(row).collect()
}
