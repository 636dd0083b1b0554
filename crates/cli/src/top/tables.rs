//! The tables: which columns, which rows, in which order.

mod statements;

use std::cmp::Ordering;

use super::alarms::clients_wait;
use super::document::{Holder, Live, Pool, WaitCause};
use super::format::{ABSENT, count, duration, flat, rate, time_of_day};
use super::grid::{Grid, Tone, left, rest, right};
use super::view::{Tab, View};

/// Characters of the picture of a pool's servers.
const SERVERS_WIDTH: u64 = 20;

/// The table that is chosen.
pub(crate) fn grid(view: &View, live: &Live) -> Grid {
    let mut grid = match view.tab {
        Tab::Pools => pools(view, live),
        Tab::Holders => holders(view, live),
        Tab::Waits => waits(view, live),
        Tab::Statements => statements::statements(view, live),
        Tab::Slow => statements::slow(view, live),
        Tab::Loops => statements::loops(view, live),
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
            leak(holder),
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
            leak(holder).to_owned(),
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

/// The word for a holder that has probably forgotten its server, for colour alone is not seen by
/// everybody.
fn leak(holder: &Holder) -> &'static str {
    if holder.leak { "leak" } else { "" }
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
