//! The tables of statements: those that cost most, slow ones, and those in loops.

use pgweir_telemetry::Live;
use pgweir_telemetry::live::{NPlusOne, SlowLevel, TopStatement};
use pgweir_telemetry::words::{count, duration, flat, time_of_day, who};

use super::{falling, nothing};
use crate::top::grid::{Grid, Tone, left, rest, right};
use crate::top::look::Look;

/// The statements that cost most.
pub(super) fn statements(look: &Look, live: &Live) -> Grid {
    let mut statements: Vec<&TopStatement> = live.statements.iter().flatten().collect();
    statements.retain(|one| look.fits(&[&one.database, &one.user, &one.text]));
    let measure = |one: &TopStatement| match look.order() {
        "calls" => one.calls as f64,
        "mean" => one.mean_ms,
        "p99" => one.p99_ms.unwrap_or_default(),
        "rows" => one.rows as f64,
        "errors" => one.errors as f64,
        _ => one.total_ms,
    };
    statements.sort_by(|a, b| falling(measure(a), measure(b)));
    let rows = statements.into_iter().map(|one| {
        let tone = if one.errors > 0 {
            Tone::Warning
        } else {
            Tone::Plain
        };
        let cells = vec![
            duration(Some(one.total_ms)),
            count(one.calls),
            duration(Some(one.mean_ms)),
            duration(one.p99_ms),
            count(one.rows),
            count(one.errors),
            who(&one.database, &one.user, ""),
            flat(&one.text),
        ];
        (tone, cells)
    });
    let none = "No statement has run yet.";
    Grid {
        columns: vec![
            right(0, "total", 12),
            right(1, "calls", 10),
            right(1, "mean", 8),
            right(2, "p99", 8),
            right(4, "rows", 10),
            right(3, "errors", 6),
            left(5, "pool", 18),
            rest(0, "statement", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: nothing(live.statements.as_ref(), none, "statements"),
    }
}

/// Slow queries.
pub(super) fn slow(look: &Look, live: &Live) -> Grid {
    let mut slow: Vec<_> = live.slow.iter().flatten().collect();
    slow.retain(|one| {
        look.fits(&[
            &one.database,
            &one.user,
            &one.application_name,
            &one.text,
            one.level.words(),
        ])
    });
    if look.order() == "time" {
        slow.sort_by(|a, b| falling(a.worst_ms, b.worst_ms));
    }
    let rows = slow.into_iter().map(|one| {
        let tone = match one.level {
            SlowLevel::VerySlow => Tone::Error,
            SlowLevel::Slow | SlowLevel::Unknown => Tone::Warning,
        };
        let cells = vec![
            flat(time_of_day(&one.at)),
            count(one.times.max(1)),
            duration(Some(one.worst_ms.max(one.server_ms))),
            duration(Some(one.server_ms)),
            duration(Some(one.wait_ms)),
            who(&one.database, &one.user, &one.application_name),
            flat(&one.text),
        ];
        (tone, cells)
    });
    let none = "No query was slow since pgweir started.";
    Grid {
        columns: vec![
            left(1, "last (UTC)", 10),
            right(3, "times", 8),
            right(0, "worst", 12),
            right(1, "last took", 12),
            right(2, "waited", 12),
            left(4, "client", 26),
            rest(0, "statement", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: nothing(live.slow.as_ref(), none, "slow queries"),
    }
}

/// Statements that a client ran over and over.
pub(super) fn loops(look: &Look, live: &Live) -> Grid {
    let fitting = live
        .n_plus_one
        .iter()
        .flatten()
        .filter(|one| look.fits(&[&one.database, &one.user, &one.application_name, &one.text]));
    // One row for a loop of an application, however many of its clients went through it: the newest
    // finding, the most times, and how often it was found.
    let mut loops: Vec<(&NPlusOne, u32, u64)> = Vec::new();
    for one in fitting {
        let is_same = |known: &NPlusOne| {
            known.fingerprint == one.fingerprint
                && known.database == one.database
                && known.user == one.user
                && known.application_name == one.application_name
        };
        match loops.iter_mut().find(|(known, ..)| is_same(known)) {
            Some((_, times, found)) => {
                *times = one.times.max(*times);
                *found += one.found.max(1);
            }
            None => loops.push((one, one.times, one.found.max(1))),
        }
    }
    if look.order() == "times" {
        loops.sort_by_key(|(_, times, _)| std::cmp::Reverse(*times));
    }
    let rows = loops.into_iter().map(|(one, times, found)| {
        let tags: Vec<String> = one
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cells = vec![
            flat(time_of_day(&one.at)),
            format!("{}x", count(times)),
            count(found),
            who(&one.database, &one.user, &one.application_name),
            flat(&tags.join(" ")),
            flat(&one.text),
        ];
        (Tone::Plain, cells)
    });
    let none = "No client has run a statement in a loop.";
    Grid {
        columns: vec![
            left(2, "at (UTC)", 8),
            right(0, "times", 7),
            right(2, "found", 6),
            left(1, "client", 26),
            left(3, "tags", 24),
            rest(0, "statement", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: nothing(live.n_plus_one.as_ref(), none, "queries in loops"),
    }
}
