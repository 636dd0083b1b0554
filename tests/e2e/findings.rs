//! What the pooler finds out: slow statements, N+1, leaks, why a client waits; and what one client
//! must never find of another.

use std::thread;
use std::time::Duration;

use pgweir_e2e::{Batch, Client, Pooler, Role, eventually, shared, throughout};
use serde_json::{Value, json};

/// A pooler with one server, and HTTP.
fn pooler(role: &Role, settings: &[(&str, f64)]) -> Pooler {
    let config = role
        .config()
        .set("default_pool_size", 1)
        .set("http_listen", "127.0.0.1:0")
        // The probe is a session of the role as well.
        .set("probe_interval", 0);
    let config = settings
        .iter()
        .fold(config, |config, &(name, value)| config.set(name, value));
    Pooler::start(&config)
}

/// The milliseconds behind `words`, which the log has once; `None` when it does not have them yet.
#[track_caller]
fn took_ms(pooler: &Pooler, words: &str) -> Option<f64> {
    let log = pooler.log();
    let (_, rest) = log.split_once(words)?;
    assert!(!rest.contains(words), "logged twice: {words}");
    let (number, _) = rest.split_once("ms")?;
    Some(number.parse().expect("a number of milliseconds"))
}

/// The metric has this value, sooner or later: what is counted shows within a tenth of a second.
#[track_caller]
fn shows(pooler: &Pooler, metric: &str, labels: &[&str], value: f64) {
    eventually(metric, || {
        (pooler.scrape().sum(metric, labels) == Some(value)).then_some(())
    });
}

/// The metric has this value, and keeps it for as long as it takes to count anything.
#[track_caller]
fn never_more(pooler: &Pooler, metric: &str, value: f64) {
    throughout(Duration::from_millis(250), metric, || {
        pooler.scrape().sum(metric, &[]) == Some(value)
    });
}

#[test]
fn slow_statements_are_told_without_their_literals() {
    let role = shared().role();
    let pooler = pooler(
        &role,
        // Far apart, because a busy machine adds to what statements take.
        &[("slow_query_time", 0.3), ("very_slow_query_time", 2.0)],
    );
    let target = role.through(&pooler);
    let mut client = Client::log_in_with(&target, &[("application_name", "till")]);
    client.query("select pg_sleep(0.01), 'secret'").success();
    client.query("select pg_sleep(0.4), 'secret'").success();
    client
        .ask(
            &Batch::new()
                .run("select pg_sleep($1), 'secret'", &["2.1"])
                .sync(),
        )
        .success();
    eventually("both are logged", || {
        let slow = took_ms(
            &pooler,
            "Slow Query Detected: select pg_sleep($1), $2 took ",
        )?;
        let very_slow = took_ms(&pooler, "Very Slow Query: select pg_sleep($1), $2 took ")?;
        assert!(slow >= 400.0, "{slow} ms");
        assert!(very_slow >= 2100.0, "{very_slow} ms");
        Some(())
    });
    pooler.has_logged("application_name=\"till\"", 2);
    assert_eq!(pooler.logged("secret"), 0);
    let metric = "pgweir_pool_slow_statements_total";
    shows(&pooler, metric, &["level=\"slow\""], 1.0);
    shows(&pooler, metric, &["level=\"very_slow\""], 1.0);
}

#[test]
fn n_plus_one_is_found_in_every_protocol_and_batches_are_not() {
    let role = shared().role();
    let pooler = pooler(&role, &[]);
    let mut client = Client::log_in(&role.through(&pooler));
    let found = |expected| shows(&pooler, "pgweir_pool_n_plus_one_total", &[], expected);
    client.query("begin").success();
    for n in 0..12 {
        let sql = format!("select {n} /*route='%2Forders'*/");
        client.query(&sql).success();
    }
    client.query("commit").success();
    found(1.0);
    pooler.has_logged("N+1 suspected: select $1 repeated 10 times", 1);
    pooler.has_logged("tags=\"route=/orders\"", 1);
    let prepare = Batch::new().parse("s", "select $1::int, 2").sync();
    client.ask(&prepare).success();
    let once = Batch::new().bind("", "s", &["1"]).execute("", 0);
    client.query("begin").success();
    for _ in 0..12 {
        client.ask(&once.clone().sync()).success();
    }
    client.query("commit").success();
    found(2.0);
    // Fifty executions in one round trip are what one should do.
    let batch = (0..50).fold(Batch::new(), |batch, _| {
        batch.bind("", "s", &["1"]).execute("", 0)
    });
    client.query("begin").success();
    for _ in 0..3 {
        client.ask(&batch.clone().sync()).success();
    }
    client.query("commit").success();
    never_more(&pooler, "pgweir_pool_n_plus_one_total", 2.0);
}

#[test]
fn what_a_server_does_between_two_clients_is_not_their_time() {
    let role = shared().role();
    let pooler = pooler(&role, &[("slow_query_time", 0.3)]);
    let target = role.through(&pooler);
    // Settings differ, so that they are sent with the first query after each change of hands.
    let mut clients =
        ["one", "two"].map(|name| Client::log_in_with(&target, &[("application_name", name)]));
    for _ in 0..2 {
        for client in &mut clients {
            client.query("select 1 as a").success();
            // Longer than a statement may take: this time must be nobody's.
            thread::sleep(Duration::from_millis(400));
        }
    }
    for _ in 0..12 {
        for client in &mut clients {
            client.query("select 1 as a").success();
        }
    }
    shows(&pooler, "pgweir_pool_n_plus_one_total", &[], 2.0);
    // Nor is what the client does in the middle of a batch.
    let [client, _] = &mut clients;
    client.send(
        Batch::new()
            .parse("", "select 1 as a")
            .describe_statement("")
            .flush()
            .bytes(),
    );
    // Longer than a statement may take, as before.
    thread::sleep(Duration::from_millis(400));
    client
        .ask(&Batch::new().bind("", "", &[]).execute("", 0).sync())
        .success();
    never_more(&pooler, "pgweir_pool_slow_statements_total", 0.0);
    assert_eq!(pooler.logged("Slow Query"), 0);
}

#[test]
fn a_leak_is_told_once_and_who_waits_behind_it_is_told_why() {
    let role = shared().role();
    let pooler = pooler(&role, &[("leak_time", 0.3), ("query_wait_timeout", 1.0)]);
    let target = role.through(&pooler);
    let mut holder = Client::log_in_with(&target, &[("application_name", "leaky")]);
    holder.query("begin; select 42").success();
    let mut waiter = Client::log_in(&target);
    let answer = waiter.query("select 1");
    assert_eq!(answer.error().sqlstate(), "57P03");
    let hint = answer.error().field(b'H');
    assert!(hint.contains("idle in transaction"), "{hint}");
    let told = "leak suspected: a client holds a server, idle in transaction";
    pooler.has_logged(told, 1);
    pooler.has_logged("statement=\"begin; select $1\"", 1);
    shows(&pooler, "pgweir_pool_leaks", &[], 1.0);
    shows(
        &pooler,
        "pgweir_pool_waits_total",
        &["cause=\"idle_in_transaction\""],
        1.0,
    );
    holder.query("commit").success();
    shows(&pooler, "pgweir_pool_leaks", &[], 0.0);
}

#[test]
fn a_wait_behind_a_slow_statement_is_told_apart() {
    let role = shared().role();
    let settings = [("slow_query_time", 0.1), ("query_wait_timeout", 1.5)];
    let pooler = pooler(&role, &settings);
    let target = role.through(&pooler);
    let mut holder = Client::log_in(&target);
    let busy = thread::spawn(move || holder.query("select pg_sleep(3)"));
    eventually("the slow statement runs", || {
        shared()
            .activity(&role, "state")
            .filter(|state| state == "active")
    });
    let mut waiter = Client::log_in(&target);
    let answer = waiter.query("select 1");
    let hint = answer.error().field(b'H');
    assert!(hint.contains("slow statements"), "{hint}");
    busy.join().unwrap().success();
    shows(
        &pooler,
        "pgweir_pool_waits_total",
        &["cause=\"slow_statements\""],
        1.0,
    );
}

#[test]
fn an_unnamed_statement_is_never_another_clients() {
    let role = shared().role();
    let pooler = pooler(&role, &[]);
    let target = role.through(&pooler);
    let mut owner = Client::log_in(&target);
    let batch = Batch::new()
        .run("select 'of the owner' as secret", &[])
        .sync();
    assert_eq!(owner.ask(&batch).value(), "of the owner");
    let mut other = Client::log_in(&target);
    let bind = Batch::new().bind("", "", &[]).execute("", 0).sync();
    let describe = Batch::new().describe_statement("").sync();
    for batch in [bind, describe] {
        let answer = other.ask(&batch);
        assert_eq!(answer.error().sqlstate(), "26000", "{answer:?}");
        assert_eq!(
            owner.ask(&Batch::new().run("select 1", &[]).sync()).value(),
            "1"
        );
    }
    assert_eq!(other.value("select 7"), "7");
}

#[test]
fn a_setting_that_is_not_reported_is_as_asked_for_after_another_client_set_it() {
    let role = shared().role();
    let pooler = pooler(&role, &[]);
    let target = role.through(&pooler);
    let asked = [("statement_timeout", "7s"), ("work_mem", "3MB")];
    let mut vandal = Client::log_in_with(&target, &asked);
    let mut other = Client::log_in_with(&target, &asked);
    for change in ["set statement_timeout = '9s'", "reset all"] {
        assert_eq!(other.value("show statement_timeout"), "7s");
        vandal.query(change).success();
        assert_eq!(other.value("show statement_timeout"), "7s", "{change}");
        assert_eq!(other.value("show work_mem"), "3MB", "{change}");
        let mut plain = Client::log_in(&target);
        assert_eq!(plain.value("show statement_timeout"), "0", "{change}");
    }
}

#[test]
fn the_level_of_the_log_changes_at_a_reload() {
    let role = shared().role();
    let config = role.config();
    let pooler = Pooler::start(&config);
    let told = |pooler: &Pooler| pooler.logged("login attempt");
    drop(Client::log_in(&role.through(&pooler)));
    eventually("it is logged", || (told(&pooler) == 1).then_some(()));
    pooler.reload(&config.clone().set("log_level", "warn"));
    let target = role.through(&pooler);
    drop(Client::log_in(&target));
    assert!(Client::try_log_in(&target.user("nobody"), &[]).is_err());
    eventually("the refusal is logged", || {
        (pooler.logged("pooler error") == 1).then_some(())
    });
    assert_eq!(told(&pooler), 1);
    // It says so under the new level where the old one would not let it.
    pooler.reload(&config.set("log_level", "info"));
    pooler.has_logged("configuration reloaded", 2);
}

#[test]
fn the_live_document_tells_who_holds_what_and_what_it_costs() {
    let role = shared().role();
    let settings = [
        ("slow_query_time", 0.1),
        ("leak_time", 0.3),
        ("probe_interval", 1.0),
    ];
    let pooler = pooler(&role, &settings);
    let target = role.through(&pooler);
    let mut holder = Client::log_in_with(&target, &[("application_name", "till")]);
    holder.query("begin").success();
    holder.query("select pg_sleep(0.2), 'secret'").success();
    let waiter = thread::spawn(move || {
        Client::log_in_with(&target, &[("application_name", "queue")]).query("select 1")
    });
    let live = eventually("the leak is shown", || {
        let live: Value = serde_json::from_str(&pooler.get("/api/v1/live")).unwrap();
        let is_seen = live["postgres"][0]["ours"].as_u64() >= Some(1);
        let waits = live["waiters"][0]["waitedMs"].as_f64() > Some(200.0);
        let is_whole = live["holders"][0]["leak"] == true && is_seen && waits;
        is_whole.then_some(live)
    });
    let told = |pointer: &str| live.pointer(pointer).cloned().unwrap_or_default();
    for (pointer, expected) in [
        ("/holders/0/state", json!("idle in transaction")),
        ("/holders/0/applicationName", json!("till")),
        ("/holders/0/lastText", json!("select pg_sleep($1), $2")),
        ("/holders/0/waitersBehind", json!(1)),
        ("/slow/0/level", json!("slow")),
        ("/slow/0/text", json!("select pg_sleep($1), $2")),
        ("/statements/0/calls", json!(1)),
        ("/statements/0/rows", json!(1)),
        ("/waiters/0/applicationName", json!("queue")),
        ("/waiters/0/cause", json!("idle_in_transaction")),
        ("/waiters/1", json!(null)),
        ("/waits/0/cause", json!("idle_in_transaction")),
        ("/waits/0/waiting", json!(1)),
        ("/pools/0/active", json!(1)),
    ] {
        assert_eq!(told(pointer), expected, "{pointer} in {live:#}");
    }
    assert!(!live.to_string().contains("secret"));
    holder.query("commit").success();
    waiter.join().unwrap().success();
}

#[test]
fn what_a_statement_costs_adds_up_over_servers_and_workers() {
    let role = shared().role();
    let config = role.config().set("workers", 3).set("default_pool_size", 5);
    let pooler = Pooler::start(&config.set("http_listen", "127.0.0.1:0"));
    let target = role.through(&pooler);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut session = Client::log_in(&target);
            thread::spawn(move || {
                for n in 0..25 {
                    let sql = format!("select {n} from generate_series(1, 2)");
                    session.query(&sql).success();
                    let prepared = Batch::new().run("select $1, 'both'", &[&n.to_string()]);
                    session.ask(&prepared.sync()).success();
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let expected = [
        json!({"text": "select $1 from generate_series($2, $3)", "calls": 200, "rows": 400}),
        json!({"text": "select $1, $2", "calls": 200, "rows": 200}),
    ];
    eventually("every execution is counted once", || {
        let live: Value = serde_json::from_str(&pooler.get("/api/v1/live")).unwrap();
        let statements = live["statements"].as_array().cloned().unwrap_or_default();
        let mut seen: Vec<_> = statements
            .iter()
            .map(|s| json!({"text": s["text"], "calls": s["calls"], "rows": s["rows"]}))
            .collect();
        seen.sort_by_key(|statement| statement["text"].to_string());
        (seen == expected).then_some(())
    });
}
