//! The result of the demo, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::load::Refusals;

/// The result of the demo.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) postgres_version: String,
    pub(crate) postgres_connections_max: u32,
    pub(crate) pool_size: u32,
    pub(crate) seconds: u32,
    pub(crate) runs: Vec<Run>,
    /// Whether the sum of the accounts matches their history.
    pub(crate) balanced: bool,
}

/// One run of the load.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// `straight` or `through pgweir`.
    pub(crate) way: &'static str,
    pub(crate) clients: u32,
    pub(crate) clients_served: usize,
    /// Clients that were refused, by SQLSTATE.
    pub(crate) refused: Refusals,
    pub(crate) transactions: u64,
    pub(crate) transactions_per_second: f64,
    pub(crate) latency_p50_ms: f64,
    pub(crate) latency_p95_ms: f64,
    pub(crate) latency_p99_ms: f64,
    /// Transactions that failed, by SQLSTATE.
    pub(crate) errors: Refusals,
    /// Answers to another client's query.
    pub(crate) mixed_answers: u64,
    pub(crate) server_connections_max: u32,
    /// Absent without pgweir, and if the system does not report it.
    pub(crate) pgweir: Option<PoolerUse>,
}

/// What pgweir used.
#[derive(Debug, Serialize)]
pub(crate) struct PoolerUse {
    pub(crate) cpu_us_per_transaction: f64,
    pub(crate) memory_kib: u64,
}

impl Report {
    /// Whether every answer was right. Refusals are expected; wrong answers are bugs.
    pub(crate) fn sound(&self) -> bool {
        self.balanced && self.runs.iter().all(|run| run.mixed_answers == 0)
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn text(&self, colours: bool) -> String {
        let mut text = format!(
            "\nPostgreSQL {} with {} connections; pgweir with {} of them; {} s per run\n\n",
            self.postgres_version, self.postgres_connections_max, self.pool_size, self.seconds
        );
        text += &table(&self.rows(), colours);
        text.push('\n');
        let answers: u64 = self.runs.iter().map(|run| run.transactions).sum();
        let verdict = if self.sound() {
            format!(
                "Every answer of {} transactions was right, and no money was lost.",
                thousands(answers)
            )
        } else {
            "Some answers were wrong or money was lost: this is a bug, please report it.".to_owned()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{verdict}");
        text +=
            "Clients send without a pause, so latency is mostly time spent waiting for a turn.\n";
        text
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, cell: &dyn Fn(&Run) -> String| {
            std::iter::once(name.to_owned())
                .chain(self.runs.iter().map(cell))
                .collect()
        };
        let of_pgweir = |run: &Run, cell: &dyn Fn(&PoolerUse) -> String| {
            run.pgweir.as_ref().map_or_else(|| "-".to_owned(), cell)
        };
        vec![
            row("", &|run| {
                format!("{} {}", thousands(run.clients.into()), run.way)
            }),
            row("clients served", &|run| {
                thousands(run.clients_served as u64)
            }),
            row("clients refused", &|run| counts(&run.refused)),
            row("transactions failed", &|run| counts(&run.errors)),
            row("transactions per second", &|run| {
                thousands(run.transactions_per_second.round() as u64)
            }),
            row("latency p50", &|run| latency(run.latency_p50_ms)),
            row("latency p95", &|run| latency(run.latency_p95_ms)),
            row("latency p99", &|run| latency(run.latency_p99_ms)),
            row("server connections used", &|run| {
                run.server_connections_max.to_string()
            }),
            row("pgweir: CPU per transaction", &|run| {
                of_pgweir(run, &|used| {
                    format!("{:.1} µs", used.cpu_us_per_transaction)
                })
            }),
            row("pgweir: memory", &|run| {
                of_pgweir(run, &|used| {
                    format!("{:.1} MiB", used.memory_kib as f64 / 1_024.0)
                })
            }),
        ]
    }
}

/// Aligns rows of equal length: names to the left, values to the right, the first row above a
/// rule. Widths are in characters; nothing here is wider than one column.
fn table(rows: &[Vec<String>], colours: bool) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        })
        .collect();
    let (bold, plain) = if colours {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut text = String::new();
    for (n, row) in rows.iter().enumerate() {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            // Writing to a String cannot fail.
            let _ = write!(line, "   {cell:>width$}");
        }
        if n == 0 {
            let length = line.chars().count();
            let _ = writeln!(text, "{bold}{line}{plain}\n{}", "-".repeat(length));
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// `904 (53300)`, or the codes with their counts where there are several.
fn counts(refusals: &Refusals) -> String {
    let all: u64 = refusals.values().sum();
    let mut codes = refusals.iter();
    match (codes.next(), codes.next()) {
        (None, _) => "0".to_owned(),
        (Some((code, _)), None) => format!("{} ({code})", thousands(all)),
        (Some(_), Some(_)) => {
            let each: Vec<String> = refusals
                .iter()
                .map(|(code, count)| format!("{code}: {count}"))
                .collect();
            format!("{} ({})", thousands(all), each.join(", "))
        }
    }
}

fn latency(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{ms:.1} ms")
    }
}

/// `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
