//! The tables: which columns, which rows, in which order.

use std::cmp::Ordering;

use ratatui::layout::Constraint;

use super::alarms::clients_wait;
use super::document::{Holder, Live, NPlusOne, Pool, Statement, WaitCause};
use super::format::{ABSENT, count, duration, flat, rate, time_of_day};
use super::view::{Tab, View};

/// Characters of the picture of a pool's servers.
const SERVERS_WIDTH: u64 = 20;

/// How a row is to be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Warning,
    Error,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Characters; with `grows` the least.
    width: u16,
    grows: bool,
    pub(crate) is_right: bool,
    /// Where there is no room for all, the columns of the highest rank go first; those of 0 stay.
    rank: u8,
}

/// Characters between columns.
pub(crate) const SPACING: u16 = 2;

/// A table to draw.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<(Tone, Vec<String>)>,
    /// The row that is chosen.
    pub(crate) chosen: Option<usize>,
    /// What is said if there is no row.
    pub(crate) nothing: String,
}

/// The table that is chosen.
pub(crate) fn grid(view: &View, live: &Live) -> Grid {
    let mut grid = match view.tab {
        Tab::Pools => pools(view, live),
        Tab::Holders => holders(view, live),
        Tab::Waits => waits(view, live),
        Tab::Statements => statements(view, live),
        Tab::Slow => slow(view, live),
        Tab::Loops => loops(view, live),
        Tab::Events => events(view, live),
    };
    if !view.filter.is_empty() && known(view.tab, live) {
        grid.nothing = "Nothing fits the filter.".to_owned();
    }
    grid
}

fn known(tab: Tab, live: &Live) -> bool {
    match tab {
        Tab::Pools => true,
        Tab::Holders => live.holders.is_some(),
        Tab::Waits => live.waits.is_some(),
        Tab::Statements => live.statements.is_some(),
        Tab::Slow => live.slow.is_some(),
        Tab::Loops => live.n_plus_one.is_some(),
        Tab::Events => live.events.is_some(),
    }
}

/// What to say of an empty table.
fn nothing<T>(section: Option<&Vec<T>>, none: &str, what: &str) -> String {
    match section {
        Some(_) => none.to_owned(),
        None => {
            format!("Not reported: this pgweir does not record {what}, or has it switched off.")
        }
    }
}

impl Column {
    pub(crate) fn constraint(&self) -> Constraint {
        if self.grows {
            Constraint::Fill(1)
        } else {
            Constraint::Length(self.width)
        }
    }
}

impl Grid {
    /// Leaves out the columns that have no room in this width.
    pub(crate) fn fit(&mut self, width: u16) {
        loop {
            let widths: u16 = self
                .columns
                .iter()
                .map(|column| column.width + SPACING)
                .sum();
            if widths <= width + SPACING {
                return;
            }
            let ranks = self.columns.iter().map(|column| column.rank).enumerate();
            let Some((index, 1..)) = ranks.max_by_key(|(_, rank)| *rank) else {
                return;
            };
            self.columns.remove(index);
            for (_, cells) in &mut self.rows {
                cells.remove(index);
            }
        }
    }
}

const fn left(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        name,
        width,
        grows: false,
        is_right: false,
        rank,
    }
}

const fn right(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        is_right: true,
        ..left(rank, name, width)
    }
}

/// Takes what is left of the width.
const fn rest(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        grows: true,
        ..left(rank, name, width)
    }
}

fn pools(view: &View, live: &Live) -> Grid {
    let mut pools: Vec<&Pool> = live.pools.iter().collect();
    pools.retain(|pool| view.fits(&[&pool.database, &pool.user]));
    match view.order() {
        "transactions" => {
            pools.sort_by(|a, b| falling(a.transactions_per_second, b.transactions_per_second))
        }
        "waiting" => pools.sort_by_key(|pool| std::cmp::Reverse(pool.waiting)),
        "clients" => pools.sort_by_key(|pool| std::cmp::Reverse(pool.clients)),
        "name" => pools.sort_by_key(|pool| pool.name()),
        _ => pools.sort_by_key(|pool| std::cmp::Reverse((pool.login_failing, pool.waiting))),
    }
    let rows = pools.into_iter().map(|pool| {
        let tone = match (pool.login_failing, pool.waiting) {
            (true, _) => Tone::Error,
            (false, 0) => Tone::Plain,
            (false, _) => Tone::Warning,
        };
        let limit = pool.limit.map_or_else(|| "none".to_owned(), count);
        let name = if pool.login_failing {
            format!("! {}", pool.name())
        } else {
            pool.name()
        };
        let wait = pool
            .oldest_wait_ms
            .map_or_else(String::new, |ms| duration(Some(ms)));
        let cells = vec![
            flat(&name),
            picture(pool),
            count(pool.active),
            count(pool.idle),
            limit,
            count(pool.waiting),
            wait,
            count(pool.clients),
            rate(pool.transactions_per_second),
            duration(pool.wait_ms.p99),
            duration(pool.query_ms.p99),
            count(pool.refused),
        ];
        (tone, cells)
    });
    Grid {
        columns: vec![
            rest(0, "pool", 14),
            left(
                3,
                "servers",
                u16::try_from(SERVERS_WIDTH).expect("it is 20"),
            ),
            right(0, "active", 6),
            right(1, "idle", 5),
            right(0, "limit", 5),
            right(0, "wait", 5),
            right(2, "first", 8),
            right(5, "clients", 7),
            right(0, "tx/s", 7),
            right(2, "wait p99", 8),
            right(4, "query p99", 9),
            right(6, "refused", 7),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: "A pool appears with its first client.".to_owned(),
    }
}

/// The servers of a pool as a bar: `█` held, `▒` free, `░` logging in, `·` not open.
fn picture(pool: &Pool) -> String {
    let open = pool.active + pool.idle + pool.opening;
    let whole = open.max(pool.limit.unwrap_or(open)).max(1);
    let width = whole.min(SERVERS_WIDTH);
    let mut text = String::new();
    let (mut upto, mut drawn) = (0, 0);
    for (sign, many) in [
        ('█', pool.active),
        ('▒', pool.idle),
        ('░', pool.opening),
        ('·', whole - open),
    ] {
        upto += many;
        // Rounded up at every border, so that a single held server is seen.
        let end = (upto * width).div_ceil(whole);
        text.extend(std::iter::repeat_n(sign, (end - drawn) as usize));
        drawn = end;
    }
    text
}

/// The holders in the order of the table.
pub(crate) fn sorted_holders<'a>(view: &View, live: &'a Live) -> Vec<&'a Holder> {
    let mut holders: Vec<&Holder> = live.holders.iter().flatten().collect();
    holders.retain(|holder| {
        let application = holder.application_name.as_deref().unwrap_or_default();
        let text = holder.last_text.as_deref().unwrap_or_default();
        view.fits(&[
            &holder.database,
            &holder.user,
            application,
            &holder.state,
            text,
        ])
    });
    holders.sort_by(|a, b| falling(a.since_ms, b.since_ms));
    if view.order() == "behind" {
        // Who holds locks holds up the others, in whichever pool they are waited for.
        let behind = |holder: &&Holder| (holder.lock_waiters, holder.waiters_behind);
        holders.sort_by_key(|holder| std::cmp::Reverse(behind(holder)));
    }
    holders
}

fn holders(view: &View, live: &Live) -> Grid {
    let holders = sorted_holders(view, live);
    let chosen = view.choice.position(&holders);
    let rows = holders.into_iter().map(|holder| {
        let tone = match () {
            () if holder.leak => Tone::Error,
            () if holder.waiters_behind + holder.lock_waiters > 0 => Tone::Warning,
            () => Tone::Plain,
        };
        let who = who(
            &holder.database,
            &holder.user,
            holder.application_name.as_deref(),
        );
        let pin = holder.pin.as_ref().map(|pin| format!("[pinned: {pin}] "));
        let text = holder.last_text.as_deref().unwrap_or("no statement yet");
        let cells = vec![
            who,
            flat(holder.address.as_deref().unwrap_or(ABSENT)),
            flat(&holder.state),
            duration(Some(holder.since_ms)),
            count(holder.waiters_behind),
            count(holder.lock_waiters),
            holder
                .server_pid
                .map_or_else(|| ABSENT.to_owned(), |pid| pid.to_string()),
            flat(&format!("{}{text}", pin.unwrap_or_default())),
        ];
        (tone, cells)
    });
    let none = "No client holds a server for long.";
    Grid {
        columns: vec![
            left(0, "client", 26),
            left(5, "address", 21),
            left(0, "state", 19),
            right(0, "for", 12),
            right(1, "behind", 6),
            right(1, "locks", 5),
            right(4, "server", 7),
            rest(2, "last statement", 22),
        ],
        rows: rows.collect(),
        chosen,
        nothing: nothing(live.holders.as_ref(), none, "who holds servers"),
    }
}

fn waits(view: &View, live: &Live) -> Grid {
    let causes = live.waits.iter().flatten();
    let mut causes: Vec<_> = causes
        .filter(|cause| cause.total > 0 || cause.waiting > 0)
        .filter(|cause| view.fits(&[&cause.cause, &hint(cause)]))
        .collect();
    causes.sort_by(|a, b| falling(a.total_ms, b.total_ms));
    if view.order() == "now" {
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.waiting));
    }
    let rows = causes.into_iter().map(|cause| {
        let waits_now = cause.waiting > 0;
        let tone = if waits_now {
            Tone::Warning
        } else {
            Tone::Plain
        };
        let cells = vec![
            flat(&cause.cause).replace('_', " "),
            count(cause.waiting),
            count(cause.total),
            duration(Some(cause.total_ms)),
            flat(&hint(cause)),
        ];
        (tone, cells)
    });
    let mut said = nothing(
        live.waits.as_ref(),
        "No client has waited since pgweir started.",
        "the causes of waits",
    );
    let waiting: u64 = live.pools.iter().map(|pool| pool.waiting).sum();
    if live.waits.is_none() && waiting > 0 {
        said = format!("{} now. {said}", clients_wait(waiting));
    }
    Grid {
        columns: vec![
            left(0, "cause", 28),
            right(0, "now", 6),
            right(1, "waits", 10),
            right(0, "time", 12),
            rest(2, "hint", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: said,
    }
}

/// Who is to blame, and what to do.
fn hint(cause: &WaitCause) -> String {
    let parts = [&cause.who, &cause.hint];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" ")
}

fn statements(view: &View, live: &Live) -> Grid {
    let mut statements: Vec<&Statement> = live.statements.iter().flatten().collect();
    statements.retain(|one| view.fits(&[&one.database, &one.user, &one.text]));
    let measure = |one: &Statement| match view.order() {
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
            who(&one.database, &one.user, None),
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

fn slow(view: &View, live: &Live) -> Grid {
    let mut slow: Vec<_> = live.slow.iter().flatten().collect();
    slow.retain(|one| {
        let application = one.application_name.as_deref().unwrap_or_default();
        view.fits(&[&one.database, &one.user, application, &one.text, &one.level])
    });
    if view.order() == "time" {
        slow.sort_by(|a, b| falling(a.server_ms, b.server_ms));
    }
    let rows = slow.into_iter().map(|one| {
        let is_very = one.level == "very slow";
        let tone = if is_very { Tone::Error } else { Tone::Warning };
        let cells = vec![
            flat(time_of_day(&one.at)),
            duration(Some(one.server_ms)),
            duration(Some(one.wait_ms)),
            who(&one.database, &one.user, one.application_name.as_deref()),
            flat(&one.text),
        ];
        (tone, cells)
    });
    let none = "No query was slow since pgweir started.";
    Grid {
        columns: vec![
            left(1, "at (UTC)", 8),
            right(0, "took", 12),
            right(2, "waited", 12),
            left(3, "client", 26),
            rest(0, "statement", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: nothing(live.slow.as_ref(), none, "slow queries"),
    }
}

fn loops(view: &View, live: &Live) -> Grid {
    let fitting = live.n_plus_one.iter().flatten().filter(|one| {
        let application = one.application_name.as_deref().unwrap_or_default();
        view.fits(&[&one.database, &one.user, application, &one.text])
    });
    // One row for a loop of an application, however many of its clients went through it: the newest
    // finding, the most times, and how often it was found.
    let mut loops: Vec<(&NPlusOne, u64, u64)> = Vec::new();
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
    if view.order() == "times" {
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
            who(&one.database, &one.user, one.application_name.as_deref()),
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

fn events(view: &View, live: &Live) -> Grid {
    let events = live.events.iter().flatten();
    let events = events.filter(|event| view.fits(&[&event.severity, &event.text]));
    let rows = events.map(|event| {
        let tone = match event.severity.as_str() {
            "error" => Tone::Error,
            "warning" => Tone::Warning,
            _ => Tone::Plain,
        };
        let cells = vec![
            flat(time_of_day(&event.at)),
            flat(&event.severity),
            flat(&event.text),
        ];
        (tone, cells)
    });
    let none = "Nothing has happened since pgweir started.";
    Grid {
        columns: vec![
            left(1, "at (UTC)", 8),
            left(0, "", 7),
            rest(0, "what happened", 24),
        ],
        rows: rows.collect(),
        chosen: None,
        nothing: nothing(live.events.as_ref(), none, "events"),
    }
}

/// Database and user, and the application where it says.
pub(crate) fn who(database: &str, user: &str, application: Option<&str>) -> String {
    let application = application
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    flat(&format!("{database}/{user}{application}"))
}

fn falling(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
