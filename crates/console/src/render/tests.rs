use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgweir_telemetry::Snapshot;
use pgweir_telemetry::findings::Findings;
use pgweir_telemetry::live::{HolderState, LiveHolder, LiveWaiter};
use pgweir_telemetry::pools::PoolSnapshot;

use super::rows;
use crate::averages::Averages;
use crate::facts::{Connection, Console, Facts, Needs, Setting, Side};
use crate::query::Query;
use crate::rows::Row;
use crate::table::{ColumnType, Table};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_779_829 + seconds)
}

/// A pooler with a pool, a client and its server, and somebody who waits.
fn facts() -> Facts {
    let mut snapshot = Snapshot::new("1.2.3", at(0));
    let mut pool = PoolSnapshot::new("app", "bob");
    pool.clients = 3;
    pool.counts.waiting = 1;
    pool.counts.active = 2;
    pool.counts.idle = 4;
    pool.oldest_wait = Some(Duration::from_micros(2_000_005));
    pool.totals.transactions = 120;
    pool.totals.queries = 240;
    snapshot.add_pool(pool);
    let connection = |side, state, id: u32| Connection {
        side,
        user: "bob".into(),
        database: "app".into(),
        replication: "none",
        state,
        address: Some("10.0.0.9:1234".parse().unwrap()),
        local: Some("10.0.0.1:6432".parse().unwrap()),
        connected: at(0),
        requested: at(1),
        waited: None,
        close_needed: false,
        id,
        pointer: id.into(),
        link: None,
        process: 0,
        tls: String::new(),
        application: "psql".to_owned(),
        statements: 2,
        unsent: 5,
    };
    let holder = LiveHolder {
        database: "app".to_owned(),
        user: "bob".to_owned(),
        client: "11".to_owned(),
        state: HolderState::IdleInTransaction,
        held_ms: 5000.0,
        since_ms: 4000.0,
        pin: Some("it listens".to_owned()),
        pin_ms: Some(4500.0),
        pin_text: Some("LISTEN x".to_owned()),
        server_pid: Some(99),
        waiters_behind: 1,
        ..LiveHolder::default()
    };
    let waiter = LiveWaiter {
        database: "app".to_owned(),
        user: "bob".to_owned(),
        client: "12".to_owned(),
        application_name: "web".to_owned(),
        waited_ms: 2000.0,
        ..LiveWaiter::default()
    };
    Facts {
        snapshot,
        findings: Findings {
            holders: vec![holder],
            waiters: vec![waiter],
            ..Findings::default()
        },
        settings: vec![Setting {
            name: "max_client_conn",
            value: "100".to_owned(),
            default: "100".to_owned(),
            changeable: true,
        }],
        connections: vec![
            connection(Side::Client, "active", 11),
            connection(Side::Server, "idle", 99),
        ],
        peers: Vec::new(),
        averages: Averages::default(),
        console: Console {
            port: 6432,
            sessions: 1,
            commands: 5,
            ..Console::default()
        },
    }
}

/// The rows of a table, each as `column=value` for these columns.
fn shown(table: Table, columns: &[&str]) -> Vec<String> {
    let places = columns.iter().map(|name| table.column(name).unwrap());
    let places: Vec<usize> = places.collect();
    let text = |row: &Row, at: usize| {
        row[at]
            .text()
            .map_or("NULL".to_owned(), |it| it.into_owned())
    };
    rows(facts(), &Query::all(table))
        .map(|row| {
            let values: Vec<_> = places.iter().map(|at| text(&row, *at)).collect();
            values.join(" ")
        })
        .collect()
}

#[test]
fn every_row_has_the_columns_and_types_of_its_table() {
    for table in Table::ALL {
        for row in rows(facts(), &Query::all(table)) {
            assert_eq!(row.len(), table.columns().len(), "{table:?}");
            for (cell, column) in row.iter().zip(table.columns()) {
                let is_text = matches!(column.kind, ColumnType::Text);
                let is_number = matches!(cell, crate::rows::Cell::Number(_));
                let is_null = cell.text().is_none();
                assert!(
                    is_null || is_text != is_number,
                    "{table:?}.{}: {cell:?}",
                    column.name
                );
            }
        }
    }
}

#[test]
fn pools_are_shown_with_the_console_among_them() {
    let columns = [
        "database",
        "user",
        "cl_active",
        "cl_waiting",
        "sv_active",
        "sv_idle",
        "maxwait",
        "maxwait_us",
    ];
    let pools = shown(Table::Pools, &columns);
    assert_eq!(
        pools,
        ["app bob 2 1 2 4 2 5", "pgbouncer pgbouncer 1 0 0 0 0 0"]
    );
    let databases = shown(
        Table::Databases,
        &["name", "port", "force_user", "pool_mode"],
    );
    assert_eq!(databases, ["pgbouncer 6432 pgbouncer statement"]);
}

#[test]
fn connections_are_shown_as_pgbouncer_shows_them() {
    let columns = [
        "type",
        "user",
        "state",
        "addr",
        "port",
        "connect_time",
        "ptr",
        "id",
    ];
    let clients = shown(Table::Clients, &columns);
    let first = "C bob active 10.0.0.9 1234 2026-11-27 11:43:49 UTC 0xb 11";
    assert_eq!(clients[0], first);
    assert_eq!(
        shown(Table::Sockets, &["type", "send_avail"]),
        ["C 5", "S 5"]
    );
    assert_eq!(shown(Table::ActiveSockets, &["type", "id"]), ["C 11"]);
    assert_eq!(shown(Table::Fds, &["fd"]), [""; 0]);
}

#[test]
fn a_wait_names_who_holds_what_is_waited_for() {
    let columns = [
        "client",
        "waits_for",
        "since",
        "wait_us",
        "held_by",
        "held_by_client",
        "held_by_pid",
    ];
    let held_by = "a client without application_name (app/bob), idle in transaction: it listens";
    let expected = format!("12 server 2026-11-27 11:43:47 UTC 2000000 {held_by} 11 99");
    assert_eq!(shown(Table::Waits, &columns), [expected]);
    let pins = shown(
        Table::Pins,
        &["client", "reason", "pinned_us", "waiting", "statement"],
    );
    assert_eq!(pins, ["11 it listens 4500000 1 LISTEN x"]);
}

#[test]
fn statistics_count_the_console_and_average_over_the_last_period() {
    let columns = [
        "database",
        "total_xact_count",
        "total_query_count",
        "avg_xact_count",
    ];
    assert_eq!(
        shown(Table::Stats, &columns),
        ["app 120 240 0", "pgbouncer 5 5 0"]
    );
    let mut facts = facts();
    let mut averages = Averages::default();
    averages.look(&Snapshot::new("1.2.3", at(0)), 0);
    facts.snapshot.uptime = Duration::from_secs(60);
    averages.look(&facts.snapshot, 5);
    assert_eq!(averages.of("app")[..3], [0, 2, 4]);
    assert_eq!(averages.of_all()[..3], [0, 2, 4]);
    assert_eq!(averages.of("unknown"), [0; 12]);
}

#[test]
fn what_is_looked_up_is_what_the_table_needs() {
    assert_eq!(Table::Pools.needs(), Needs::Snapshot);
    assert_eq!(Table::Clients.needs(), Needs::Clients);
    assert_eq!(Table::Waits.needs(), Needs::Findings);
}
