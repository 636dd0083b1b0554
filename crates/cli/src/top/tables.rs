//! The tables: which columns, which rows, in which order.

mod statements;

use std::cmp::Ordering;

use pgweir_telemetry::Live;
use pgweir_telemetry::live::{LiveHolder, LivePool, Severity, WaitCause};
use pgweir_telemetry::words::{ABSENT, clients_wait, count, duration, flat, time_of_day, who};

use super::act::Choice;
use super::grid::{Grid, Tone, figure, left, rest, right};
use super::look::Look;
use super::tab::Tab;

/// Characters of the picture of a pool's servers.
const SERVERS_WIDTH: u32 = 20;

/// The table that is chosen.
pub(crate) fn grid(look: &Look, choice: &Choice, live: &Live) -> Grid {
    let mut grid = match look.tab {
        Tab::Pools => pools(look, live),
        Tab::Holders => holders(look, choice, live),
        Tab::Waits => waits(look, live),
        Tab::Statements => statements::statements(look, live),
        Tab::Slow => statements::slow(look, live),
        Tab::Loops => statements::loops(look, live),
        Tab::Events => events(look, live),
    };
    if !look.filter.is_empty() && known(look.tab, live) {
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

fn pools(look: &Look, live: &Live) -> Grid {
    let mut pools: Vec<&LivePool> = live.pools.iter().collect();
    pools.retain(|pool| look.fits(&[&pool.stats.database, &pool.stats.user]));
    match look.order() {
        "transactions" => {
            pools.sort_by(|a, b| falling(a.transactions_per_second, b.transactions_per_second))
        }
        "waiting" => pools.sort_by_key(|pool| std::cmp::Reverse(pool.stats.waiting)),
        "clients" => pools.sort_by_key(|pool| std::cmp::Reverse(pool.stats.clients)),
        "name" => pools.sort_by_key(|pool| pool.stats.name()),
        _ => pools
            .sort_by_key(|pool| std::cmp::Reverse((pool.stats.login_failing, pool.stats.waiting))),
    }
    let rows = pools.into_iter().map(|pool| {
        let tone = match (pool.stats.login_failing, pool.stats.waiting) {
            (true, _) => Tone::Error,
            (false, 0) => Tone::Plain,
            (false, _) => Tone::Warning,
        };
        let limit = pool.stats.limit.map_or_else(|| "none".to_owned(), count);
        let name = if pool.stats.login_failing {
            format!("! {}", pool.stats.name())
        } else {
            pool.stats.name()
        };
        let wait = pool
            .stats
            .oldest_wait_ms
            .map_or_else(String::new, |ms| duration(Some(ms)));
        let mut cells = vec![
            flat(&name),
            picture(pool),
            count(pool.stats.active),
            count(pool.stats.idle),
            limit,
            count(pool.stats.waiting),
            wait,
            count(pool.stats.clients),
        ];
        let figures = live.columns.iter().zip(pool.figures(&live.columns));
        cells.extend(figures.map(|(column, value)| column.unit.write(value)));
        (tone, cells)
    });
    let servers = u16::try_from(SERVERS_WIDTH).expect("it is 20");
    let mut columns = vec![
        rest(0, "pool", 14),
        left(3, "servers", servers),
        right(0, "active", 6),
        right(1, "idle", 5),
        right(0, "limit", 5),
        right(0, "wait", 5),
        right(2, "first", 8),
        right(5, "clients", 7),
    ];
    columns.extend(live.columns.iter().map(figure));
    Grid {
        columns,
        rows: rows.collect(),
        chosen: None,
        nothing: "A pool appears with its first client.".to_owned(),
    }
}

/// The servers of a pool as a bar: `█` held, `▒` free, `░` logging in, `·` not open.
fn picture(pool: &LivePool) -> String {
    let open = pool.stats.active + pool.stats.idle + pool.stats.opening;
    let whole = open.max(pool.stats.limit.unwrap_or(open)).max(1);
    let width = whole.min(SERVERS_WIDTH);
    let mut text = String::new();
    let (mut upto, mut drawn) = (0, 0);
    for (sign, many) in [
        ('█', pool.stats.active),
        ('▒', pool.stats.idle),
        ('░', pool.stats.opening),
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
pub(crate) fn sorted_holders<'a>(look: &Look, live: &'a Live) -> Vec<&'a LiveHolder> {
    let mut holders: Vec<&LiveHolder> = live.holders.iter().flatten().collect();
    holders.retain(|holder| {
        let text = holder.last_text.as_deref().unwrap_or_default();
        look.fits(&[
            &holder.database,
            &holder.user,
            &holder.application_name,
            holder.state.words(),
            leak(holder),
            holder.pin.as_deref().unwrap_or_default(),
            text,
        ])
    });
    holders.sort_by(|a, b| falling(a.since_ms, b.since_ms));
    if look.order() == "behind" {
        // Who holds locks holds up the others, in whichever pool they are waited for.
        let behind = |holder: &&LiveHolder| (holder.lock_waiters, holder.waiters_behind);
        holders.sort_by_key(|holder| std::cmp::Reverse(behind(holder)));
    }
    holders
}

fn holders(look: &Look, choice: &Choice, live: &Live) -> Grid {
    let holders = sorted_holders(look, live);
    let chosen = choice.position(&holders);
    let rows = holders.into_iter().map(|holder| {
        let tone = match () {
            () if holder.leak => Tone::Error,
            () if holder.waiters_behind + holder.lock_waiters > 0 => Tone::Warning,
            () => Tone::Plain,
        };
        let who = who(&holder.database, &holder.user, &holder.application_name);
        let pin = pin(holder);
        let text = holder.last_text.as_deref().unwrap_or("no statement yet");
        let cells = vec![
            who,
            flat(holder.address.as_deref().unwrap_or(ABSENT)),
            leak(holder).to_owned(),
            holder.state.words().to_owned(),
            duration(Some(holder.since_ms)),
            count(holder.waiters_behind),
            count(holder.lock_waiters),
            holder
                .server_pid
                .map_or_else(|| ABSENT.to_owned(), |pid| pid.to_string()),
            flat(&format!("{pin}{text}")),
        ];
        (tone, cells)
    });
    let none = "No client holds a server for long.";
    Grid {
        columns: vec![
            left(0, "client", 24),
            left(5, "address", 21),
            left(0, "", 4),
            left(0, "state", 19),
            right(0, "for", 12),
            right(1, "behind", 6),
            right(1, "locks", 5),
            right(4, "server", 7),
            rest(2, "last statement", 18),
        ],
        rows: rows.collect(),
        chosen,
        nothing: nothing(live.holders.as_ref(), none, "who holds servers"),
    }
}

/// What keeps the server with a holder, for how long, and which statement did that if it was not the last one.
fn pin(holder: &LiveHolder) -> String {
    let Some(pin) = &holder.pin else {
        return String::new();
    };
    let since = holder.pin_ms.map(|ms| format!(", {}", duration(Some(ms))));
    let other = holder
        .pin_text
        .as_ref()
        .filter(|text| holder.last_text.as_ref() != Some(text));
    let by = other.map(|text| format!(", by {text}"));
    let (since, by) = (since.unwrap_or_default(), by.unwrap_or_default());
    format!("[pinned: {pin}{since}{by}] ")
}

/// The word for a holder that has probably forgotten its server, for colour alone is not seen by
/// everybody.
fn leak(holder: &LiveHolder) -> &'static str {
    if holder.leak { "leak" } else { "" }
}

fn waits(look: &Look, live: &Live) -> Grid {
    let causes = live.waits.iter().flatten();
    let mut causes: Vec<_> = causes
        .filter(|cause| cause.total > 0 || cause.waiting > 0)
        .filter(|cause| look.fits(&[&cause.cause, &hint(cause)]))
        .collect();
    causes.sort_by(|a, b| falling(a.total_ms, b.total_ms));
    if look.order() == "now" {
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
    let waiting: u32 = live.pools.iter().map(|pool| pool.stats.waiting).sum();
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

fn events(look: &Look, live: &Live) -> Grid {
    let events = live.events.iter().flatten();
    let events = events.filter(|event| look.fits(&[event.severity.word(), &event.text]));
    let rows = events.map(|event| {
        let tone = match event.severity {
            Severity::Error => Tone::Error,
            Severity::Warning => Tone::Warning,
            Severity::Info | Severity::Unknown => Tone::Plain,
        };
        let cells = vec![
            flat(time_of_day(&event.at)),
            event.severity.word().to_owned(),
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

fn falling(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
