//! Replication through the pooler: streams both ways, PostgreSQL's own programs, a subscription.

use std::time::{Duration, Instant};

use pgweir_e2e::{
    Batch, Client, Config, Pooler, Postgres, Role, Signal, Target, Transcript, eventually,
    replicate, shared, throughout,
};
use pgweir_wire::backend;
use serde_json::Value;

const LOGICAL: &[(&str, &str)] = &[
    ("replication", "database"),
    ("application_name", "stand-in"),
];
const PHYSICAL: &[(&str, &str)] = &[("replication", "true"), ("application_name", "standby1")];

/// A pooler whose limits would end any ordinary session that does what a stream does.
fn config(role: &Role) -> Config {
    role.config()
        .set("default_pool_size", 1)
        .set("query_timeout", 1)
        .set("transaction_timeout", 1)
        .set("client_idle_timeout", 1)
        .set("server_idle_timeout", 1)
        .set("server_lifetime", 1)
}

/// A table of the role's that is published.
fn publish(role: &Role) {
    shared().sql(&format!(
        "create table {0}.t (a int primary key, b text); alter table {0}.t owner to {0}; \
         create publication {0} for table {0}.t",
        role.name
    ));
}

fn insert(role: &Role, text: &str) {
    let name = &role.name;
    shared().sql(&format!(
        "insert into {name}.t values ((select count(*) from {name}.t), '{text}')"
    ));
}

/// Starts a logical stream of the role's publication.
fn start_logical(client: &mut Client, role: &Role) {
    let name = &role.name;
    client
        .query(&format!(
            "CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL pgoutput"
        ))
        .success();
    let start = format!(
        "START_REPLICATION SLOT {name} LOGICAL 0/0 (proto_version '1', publication_names '{name}')"
    );
    client.send(Batch::new().query(&start).bytes());
    assert_eq!(client.until(backend::COPY_BOTH_RESPONSE).to_string(), "W");
}

/// Reads the stream until a message has this text in it.
fn read_until(client: &mut Client, text: &str) {
    loop {
        let message = client.receive().expect("the stream goes on");
        assert_eq!(message.kind, backend::COPY_DATA, "{message:?}");
        let mut places = message.body.windows(text.len());
        if places.any(|place| place == text.as_bytes()) {
            return;
        }
    }
}

/// A standby's word of how far it is, which asks for an answer.
fn status_update() -> Vec<u8> {
    let mut body = b"r".to_vec();
    body.extend([0; 32]);
    body.push(1);
    body
}

/// What a client gets that ends its stream, without what was still on its way.
fn end_stream(client: &mut Client) -> Transcript {
    let mut ended = client.ask(&Batch::new().copy_done());
    ended.messages.retain(|it| it.kind != backend::COPY_DATA);
    ended
}

fn senders(role: &Role) -> Vec<Vec<String>> {
    let sql = "select backend_type, application_name from pg_stat_activity where usename";
    shared()
        .sql(&format!(
            "{sql} = '{}' and backend_type = 'walsender'",
            role.name
        ))
        .rows()
}

#[test]
fn a_logical_stream_goes_both_ways_and_the_session_goes_on_behind_it() {
    for mode in ["session", "transaction", "statement"] {
        let role = shared().replicator();
        publish(&role);
        let pooler = Pooler::start(&config(&role).set("pool_mode", mode));
        let mut client = Client::log_in_with(&role.through(&pooler), LOGICAL);
        let mut direct = Client::log_in_with(&role.direct(), LOGICAL);
        let expected = direct.query("IDENTIFY_SYSTEM").success();
        let system = client.query("IDENTIFY_SYSTEM").success();
        assert_eq!(system.rows()[0][0], expected.rows()[0][0], "{mode}");
        assert_eq!(client.value("select 'sql'"), "sql");
        assert_eq!(
            senders(&role),
            [["walsender", "stand-in"], ["walsender", "stand-in"]]
        );
        drop(direct);
        start_logical(&mut client, &role);
        insert(&role, "early");
        read_until(&mut client, "early");
        client.send(Batch::new().message(b'd', &status_update()).bytes());
        insert(&role, "later");
        read_until(&mut client, "later");
        let ended = end_stream(&mut client);
        assert_eq!(ended.to_string(), "c C(COPY 0) C(START_REPLICATION) ZI");
        assert_eq!(client.query("select 1/0").to_string(), "E(22012) ZI");
        client.query("begin").success();
        assert_eq!(client.query("rollback").to_string(), "C(ROLLBACK) ZI");
        drop(client);
        eventually("the server is closed", || {
            senders(&role).is_empty().then_some(())
        });
    }
}

#[test]
fn a_stream_that_rests_outlives_every_limit_and_takes_no_server_of_others() {
    let role = shared().replicator();
    let pooler = Pooler::start(&config(&role));
    let mut standby = Client::log_in_with(&role.through(&pooler), PHYSICAL);
    let system = standby.query("IDENTIFY_SYSTEM").success();
    let start = format!("START_REPLICATION PHYSICAL {}", system.rows()[0][2]);
    let begin = |standby: &mut Client| {
        standby.send(Batch::new().query(&start).bytes());
        assert_eq!(standby.until(backend::COPY_BOTH_RESPONSE).to_string(), "W");
    };
    begin(&mut standby);
    let mut idle = Client::log_in_with(&role.through(&pooler), PHYSICAL);
    // The pool has one server, and two clients share it as if there were no stream.
    let mut clients = [(); 2].map(|()| Client::log_in(&role.through(&pooler)));
    throughout(
        Duration::from_millis(2500),
        "ordinary clients are served",
        || {
            clients
                .iter_mut()
                .all(|client| client.value("select 'served'") == "served")
        },
    );
    assert_eq!(
        senders(&role),
        [["walsender", "standby1"], ["walsender", "standby1"]]
    );
    let direct = &mut Client::log_in_with(&role.direct(), PHYSICAL);
    let [own, expected] = [&mut idle, direct].map(|client| {
        let mut rows = client.query("IDENTIFY_SYSTEM").success().rows();
        // How far the log is written, which whoever else is busy there moves on.
        rows[0].remove(2);
        rows
    });
    assert_eq!(own, expected);
    let ended = "c C(START_STREAMING) C(START_REPLICATION) ZI";
    assert_eq!(end_stream(&mut standby).to_string(), ended);
    begin(&mut standby);
    standby.send(Batch::new().message(b'd', &status_update()).bytes());
    assert_eq!(standby.receive().unwrap().kind, backend::COPY_DATA);
    assert_eq!(end_stream(&mut standby).to_string(), ended);
}

#[test]
fn errors_of_replication_are_postgresqls_own() {
    let refused = |target: &Target, value| {
        let error = Client::try_log_in(target, &[("replication", value)]).unwrap_err();
        let error = error.error();
        (error.sqlstate(), error.text())
    };
    let (ordinary, role) = (shared().role(), shared().replicator());
    let pooler = Pooler::start(
        &ordinary
            .config()
            .user(&role.name, "password", &role.password),
    );
    for (role, values) in [
        (&ordinary, &["true", "database"][..]),
        (&role, &["nonsense", ""]),
    ] {
        for value in values {
            let expected = refused(&role.direct(), value);
            assert_eq!(
                refused(&role.through(&pooler), value),
                expected,
                "{value:?}"
            );
        }
    }
    let mut client = Client::log_in_with(&role.through(&pooler), LOGICAL);
    let mut direct = Client::log_in_with(&role.direct(), LOGICAL);
    for batch in [
        Batch::new().query("START_REPLICATION SLOT nobody LOGICAL 0/0"),
        Batch::new().query("TIMELINE_HISTORY 1000"),
        Batch::new().query("CREATE_REPLICATION_SLOT x LOGICAL no_such_plugin"),
        Batch::new().run("select 1", &[]).sync(),
        Batch::new().query("NONSENSE"),
        Batch::new().query("select 1; select 2"),
    ] {
        assert_eq!(client.ask(&batch), direct.ask(&batch));
    }
    // One that asks for no replication is an ordinary session.
    for off in ["false", "off", "0"] {
        let mut client = Client::log_in_with(&role.through(&pooler), &[("replication", off)]);
        let kind = "select backend_type from pg_stat_activity where pid = pg_backend_pid()";
        assert_eq!(client.value(kind), "client backend");
    }
}

#[test]
fn a_stream_can_be_cancelled_as_without_a_pooler() {
    let role = shared().replicator();
    publish(&role);
    let pooler = Pooler::start(&config(&role));
    for target in [role.direct(), role.through(&pooler)] {
        let mut client = Client::log_in_with(&target, LOGICAL);
        assert_eq!(
            client.value("select pg_backend_pid()"),
            client.pid.to_string()
        );
        start_logical(&mut client, &role);
        client.cancel();
        let mut ended = client.until_ready();
        ended.messages.retain(|it| it.kind != backend::COPY_DATA);
        assert_eq!(ended.to_string(), "E(57014) ZI");
        // What the client had on its way is ignored.
        let batch = Batch::new().message(b'd', &status_update()).copy_done();
        assert_eq!(
            client.ask(&batch.query("select 'on'")).success().value(),
            "on"
        );
        drop(client);
        eventually("it is gone", || senders(&role).is_empty().then_some(()));
    }
}

#[test]
fn replication_connections_count_and_are_given_back() {
    let role = shared().replicator();
    let pooler = Pooler::start(
        &config(&role)
            .set("max_user_connections", 1)
            .set("query_wait_timeout", 0.5)
            .set("http_listen", "127.0.0.1:0"),
    );
    let mut standby = Client::log_in_with(&role.through(&pooler), PHYSICAL);
    standby.query("IDENTIFY_SYSTEM").success();
    let live: Value = eventually("it is shown", || {
        let live: Value = serde_json::from_str(&pooler.get("/api/v1/live")).unwrap();
        (live["holders"][0]["pin"] == "replication").then_some(live)
    });
    assert_eq!(live["holders"][0]["applicationName"], "standby1");
    assert_eq!(live["holders"][0]["leak"], false);
    let pools = live["pools"].as_array().unwrap();
    assert_eq!(pools.len(), 1, "{pools:?}");
    assert_eq!(
        (&pools[0]["active"], &pools[0]["limit"]),
        (&1.into(), &1.into())
    );
    drop(standby);
    // There is one connection for all, which the standby had.
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 'served'"), "served");
    eventually("what it did is counted behind it too", || {
        let live: Value = serde_json::from_str(&pooler.get("/api/v1/live")).unwrap();
        (live["pools"][0]["queries"].as_u64() >= Some(2)).then_some(())
    });
}

#[test]
fn a_shutdown_ends_streams_at_once() {
    let role = shared().replicator();
    publish(&role);
    let mut pooler = Pooler::start(&config(&role).set("shutdown_timeout", 60));
    let mut client = Client::log_in_with(&role.through(&pooler), LOGICAL);
    start_logical(&mut client, &role);
    let begin = Instant::now();
    pooler.signal(Signal::TERM);
    let mut last = client.until_end();
    last.messages.retain(|it| it.kind != backend::COPY_DATA);
    assert_eq!(last.to_string(), "E(57P01) end");
    assert!(pooler.wait().success());
    assert!(begin.elapsed() < Duration::from_secs(10));
}

/// The role through the pooler at the database that programs without one ask for.
fn programs(role: &Role) -> (Pooler, Target) {
    let config = config(role)
        .database("replication", "host", "127.0.0.1")
        .database("replication", "port", shared().port())
        .database("replication", "dbname", "postgres");
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    (pooler, target)
}

#[test]
fn pg_basebackup_takes_a_backup_with_its_wal() {
    let role = shared().replicator();
    let (_pooler, target) = programs(&role);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    let path = path.to_str().unwrap();
    let arguments = ["-D", path, "-X", "stream", "-c", "fast"];
    let output = replicate("pg_basebackup", &target, &arguments);
    assert!(output.success, "{output:?}");
    let verified = replicate("pg_verifybackup", &target, &[path]);
    assert!(verified.success, "{verified:?}");
}

#[test]
fn pg_receivewal_and_pg_recvlogical_read_what_is_written() {
    let role = shared().replicator();
    publish(&role);
    let (_pooler, target) = programs(&role);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let slot = ["-S", &role.name];

    let (change, file) = (path("changes"), path("wal"));
    let created = replicate(
        "pg_recvlogical",
        &target,
        &[&slot[..], &["-d", "app", "--create-slot", "-P", "pgoutput"]].concat(),
    );
    assert!(created.success, "{created:?}");
    insert(&role, "received");
    let end = shared().sql("select pg_current_wal_insert_lsn()").value();
    let names = format!("publication_names={}", role.name);
    let options = [
        "--start",
        "-d",
        "app",
        "-f",
        &change,
        "-o",
        "proto_version=1",
        "-o",
        &names,
    ];
    let received = replicate(
        "pg_recvlogical",
        &target,
        &[&slot[..], &options, &["-E", &end]].concat(),
    );
    assert!(received.success, "{received:?}");
    let changes = std::fs::read(&change).unwrap();
    assert!(changes.windows(8).any(|place| place == b"received"));
    let dropped = replicate(
        "pg_recvlogical",
        &target,
        &[&slot[..], &["-d", "app", "--drop-slot"]].concat(),
    );
    assert!(dropped.success, "{dropped:?}");

    std::fs::create_dir(&file).unwrap();
    let created = replicate(
        "pg_receivewal",
        &target,
        &[&slot[..], &["--create-slot"]].concat(),
    );
    assert!(created.success, "{created:?}");
    // It begins with a segment of WAL, which is behind the end if another test switches in between.
    let wal = eventually("WAL is received", || {
        insert(&role, "received too");
        let end = shared().sql("select pg_current_wal_insert_lsn()").value();
        let arguments = [&slot[..], &["-D", &file, "-E", &end, "-n"]].concat();
        let received = replicate("pg_receivewal", &target, &arguments);
        assert!(received.success, "{received:?}");
        std::fs::read_dir(&file).unwrap().next()
    });
    assert!(wal.is_ok());
    let dropped = replicate(
        "pg_receivewal",
        &target,
        &[&slot[..], &["--drop-slot"]].concat(),
    );
    assert!(dropped.success, "{dropped:?}");
}

#[test]
fn a_subscription_copies_and_follows_its_tables() {
    let role = shared().replicator();
    publish(&role);
    insert(&role, "before");
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let subscriber = Postgres::start();
    let name = &role.name;
    let connection = format!(
        "host={} port={} user={name} dbname={} password='{}'",
        target.host,
        target.port,
        target.database,
        role.password.replace('\'', "\\'")
    );
    subscriber.sql(&format!(
        "create schema {name}; create table {name}.t (a int primary key, b text)"
    ));
    subscriber.sql(&format!(
        "create subscription s connection '{}' publication {name}",
        connection.replace('\'', "''")
    ));
    let read = || {
        let rows = subscriber
            .sql(&format!("select b from {name}.t order by a"))
            .rows();
        rows.concat().join(" ")
    };
    eventually("the table is copied", || (read() == "before").then_some(()));
    insert(&role, "after");
    eventually("changes follow", || {
        (read() == "before after").then_some(())
    });
    shared().sql(&format!("update {name}.t set b = 'changed' where a = 0"));
    eventually("updates follow", || {
        (read() == "changed after").then_some(())
    });
    // The subscription's own session runs commands through the pooler too.
    subscriber.sql("alter subscription s refresh publication");
    subscriber.sql("drop subscription s");
    let slots = format!("select count(*) from pg_replication_slots where slot_name = '{name}'");
    assert_eq!(shared().sql(&slots).value(), "0");
    eventually("its servers are closed", || {
        senders(&role).is_empty().then_some(())
    });
}
