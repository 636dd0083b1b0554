//! The admin console: who may do what there, and what psql, drivers and monitoring read.

use pgweir_e2e::{Batch, Client, Pooler, Role, Signal, Target, eventually, psql, shared};
use tokio_postgres::NoTls;

/// A pooler with an administrator and somebody who may look.
fn pooler(role: &Role) -> Pooler {
    let config = role
        .config()
        .set("admin_users", "adm, root")
        .set("stats_users", "stats")
        .set("default_pool_size", 1)
        .user("adm", "password", "a")
        .user("stats", "password", "s")
        .user("nobody", "password", "n");
    Pooler::start(&config)
}

fn console(role: &Role, pooler: &Pooler, user: &str) -> Target {
    role.through(pooler).user(user).database("pgbouncer")
}

/// The values of one column of what is shown.
fn column(client: &mut Client, show: &str, at: usize) -> Vec<String> {
    let rows = client.query(show).success().rows();
    rows.into_iter().map(|row| row[at].clone()).collect()
}

#[test]
fn who_is_in_neither_list_is_not_let_in() {
    let role = shared().role();
    let pooler = pooler(&role);
    for database in ["pgbouncer", "pgweir"] {
        let target = console(&role, &pooler, "nobody").database(database);
        let refused = Client::try_log_in(&target, &[]).unwrap_err();
        assert_eq!(refused.error().sqlstate(), "08P01");
        assert_eq!(refused.error().text(), "not allowed");
        for user in ["adm", "stats"] {
            let mut client = Client::log_in(&target.clone().user(user));
            assert!(client.value("show version").starts_with("pgweir "));
        }
    }
    // In the list, and no user.
    assert!(Client::try_log_in(&console(&role, &pooler, "root"), &[]).is_err());
}

#[test]
fn a_password_is_asked_for_as_elsewhere() {
    let role = shared().role();
    let config = role
        .config()
        .set("auth_type", "scram-sha-256")
        .set("admin_users", "adm")
        .user("adm", "password", "secret");
    let pooler = Pooler::start(&config);
    let target = console(&role, &pooler, "adm");
    let mut client = Client::log_in(&target.clone().password("secret"));
    assert_eq!(client.value("show client_encoding"), "UTF8");
    let refused = Client::try_log_in(&target.password("wrong"), &[]).unwrap_err();
    assert_eq!(refused.error().sqlstate(), "28P01");
}

/// CVE-2026-6667 was KILL_CLIENT by users that may only look.
#[test]
fn who_may_only_look_kills_no_client() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut victim = Client::log_in(&role.through(&pooler));
    let mut stats = Client::log_in(&console(&role, &pooler, "stats"));
    let order = format!("KILL_CLIENT {}", victim.pid);
    for batch in [
        Batch::new().query(&order),
        Batch::new().run(&order, &[]).sync(),
    ] {
        let answer = stats.ask(&batch);
        assert_eq!(answer.error().sqlstate(), "08P01");
        assert_eq!(answer.error().text(), "admin access needed");
    }
    assert_eq!(victim.value("select 1"), "1");
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    admin.query(&order).success();
    let told = victim.until_end();
    assert_eq!(told.error().sqlstate(), "57P01");
    let answer = admin.query(&order);
    assert_eq!(answer.error().text(), "client not found");
}

#[test]
fn the_owner_of_the_process_needs_no_password_over_the_socket() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let config = role
        .config()
        .set("auth_type", "scram-sha-256")
        .set("unix_socket_dir", &path);
    let pooler = Pooler::start(&config);
    for user in ["pgbouncer", "pgweir"] {
        let local = console(&role, &pooler, user).host(&path).password("");
        assert_eq!(psql(&local, "pause").out, "");
        assert_eq!(psql(&local, "resume").out, "");
        let remote = console(&role, &pooler, user).password("");
        assert!(Client::try_log_in(&remote, &[]).is_err());
    }
}

#[test]
fn psql_reads_every_table() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut client = Client::log_in(&role.through(&pooler));
    client.value("select 1");
    let admin = console(&role, &pooler, "adm");
    for table in [
        "version",
        "state",
        "config",
        "databases",
        "users",
        "pools",
        "peers",
        "peer_pools",
        "clients",
        "servers",
        "sockets",
        "active_sockets",
        "lists",
        "stats",
        "stats_totals",
        "stats_averages",
        "totals",
        "mem",
        "dns_hosts",
        "dns_zones",
        "fds",
        "waits",
        "pins",
        "leases",
        "statements",
        "findings",
    ] {
        let output = psql(&admin, &format!("show {table};"));
        assert!(output.success, "{table}: {output:?}");
    }
    let pools = psql(&admin, "SHOW POOLS WHERE database = 'app'").out;
    assert!(
        pools.starts_with(&format!("app|{}|1|0|", role.name)),
        "{pools}"
    );
    let help = psql(&admin, "SHOW HELP");
    assert!(help.err.contains("Console usage"), "{help:?}");
    let listing = psql(&admin, "\\l");
    assert!(listing.err.contains("use SHOW HELP;"), "{listing:?}");
}

#[test]
fn clients_and_servers_are_listed_with_what_they_do() {
    let role = shared().role();
    let pooler = pooler(&role);
    let named = |name| [("application_name", name)];
    let mut busy = Client::log_in_with(&role.through(&pooler), &named("busy"));
    busy.query("begin").success();
    let process = busy.value("select pg_backend_pid()");
    let mut waiter = Client::log_in_with(&role.through(&pooler), &named("waiter"));
    waiter.send(Batch::new().query("select 7").bytes());
    let idle = Client::log_in_with(&role.through(&pooler), &named("idle"));
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    let state = |admin: &mut Client, name: &str| {
        let show = format!("SHOW CLIENTS WHERE application_name = '{name}'");
        column(admin, &show, 4).pop()
    };
    eventually("the waiter waits", || {
        (state(&mut admin, "waiter")? == "waiting").then_some(())
    });
    assert_eq!(state(&mut admin, "busy").as_deref(), Some("active"));
    assert_eq!(state(&mut admin, "idle").as_deref(), Some("idle"));
    assert_eq!(
        column(&mut admin, "SHOW CLIENTS WHERE database = 'pgbouncer'", 1),
        ["adm"]
    );
    let show = format!("SHOW CLIENTS WHERE id = {}", idle.pid);
    assert_eq!(column(&mut admin, &show, 18), ["idle"]);
    // Each has the other's pointer.
    let client = admin
        .query("SHOW CLIENTS WHERE application_name = 'busy'")
        .rows();
    let server = admin.query("SHOW SERVERS WHERE state = 'active'").rows();
    let (pointer, link) = (14, 15);
    assert_eq!(client[0][pointer], server[0][link]);
    assert_eq!(client[0][link], server[0][pointer]);
    assert_eq!(
        [&server[0][16], &server[0][6]],
        [&process, &shared().port().to_string()]
    );
    // Who waits is told, and for whom.
    let waits = eventually("the wait is noted", || {
        let waits = admin.query("SHOW WAITS").rows();
        (!waits.is_empty()).then_some(waits)
    });
    assert_eq!(waits[0][0], waiter.pid.to_string());
    assert_eq!(waits[0][10], busy.pid.to_string());
    let leases = admin.query("SHOW LEASES").rows();
    assert_eq!(
        leases[0][..4],
        [&*busy.pid.to_string(), "app", &role.name, "busy"]
    );
    busy.query("commit").success();
    assert_eq!(waiter.until_ready().value(), "7");
    eventually("nobody has a server", || {
        let servers = column(&mut admin, "SHOW SERVERS", 4);
        (servers == ["idle"]).then_some(())
    });
}

#[test]
fn pins_and_statements_are_shown() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut client = Client::log_in(&role.through(&pooler));
    client.query("listen news").success();
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    let pins = eventually("the pin is noted", || {
        let pins = admin.query("SHOW PINS").rows();
        (!pins.is_empty()).then_some(pins)
    });
    assert_eq!(pins[0][0], client.pid.to_string());
    assert_eq!(pins[0][11], "listen news");
    client.query("unlisten *").success();
    for _ in 0..3 {
        client.value("select 40 + 2");
    }
    let calls = eventually("the statements are counted", || {
        let show = "SHOW STATEMENTS WHERE statement LIKE 'select%' ORDER BY calls DESC LIMIT 1";
        column(&mut admin, show, 3)
            .pop()
            .filter(|calls| calls == "3")
    });
    assert_eq!(calls, "3");
}

#[test]
fn settings_databases_and_statistics_are_shown() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut client = Client::log_in(&role.through(&pooler));
    for _ in 0..5 {
        client.value("select 1");
    }
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    for (name, expected) in [
        ("default_pool_size", ["1", "20", "yes"]),
        ("max_client_conn", ["100", "100", "yes"]),
        ("query_wait_timeout", ["120", "120", "yes"]),
        ("max_user_connections", ["0", "0", "yes"]),
        ("listen_addr", ["127.0.0.1", "127.0.0.1", "no"]),
        ("admin_users", ["adm, root", "", "yes"]),
        ("log_connections", ["1", "1", "yes"]),
    ] {
        let rows = admin
            .query(&format!("SHOW CONFIG WHERE key = '{name}'"))
            .rows();
        assert_eq!(rows[0][1..], expected, "{name}");
    }
    let databases = column(&mut admin, "SHOW DATABASES", 0);
    assert_eq!(databases, ["app", "pgbouncer"]);
    let stats = admin
        .query("SHOW STATS_TOTALS WHERE database = 'app'")
        .rows();
    assert_eq!(stats[0][2..4], ["5", "5"]);
    let users = column(&mut admin, "SHOW USERS ORDER BY name LIMIT 2", 0);
    assert_eq!(users, ["adm", "nobody"]);
    assert_eq!(
        column(&mut admin, "SHOW LISTS WHERE list = 'used_clients'", 1),
        ["2"]
    );
}

#[test]
fn a_driver_with_the_extended_protocol_reads_tables() {
    let role = shared().role();
    let pooler = pooler(&role);
    let target = console(&role, &pooler, "stats");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&target.host)
            .port(target.port)
            .user(&target.user)
            .password("s")
            .dbname(&target.database);
        let (mut client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        // Results come in binary formats.
        let lists = client.query("SHOW LISTS", &[]).await.unwrap();
        let databases = lists
            .iter()
            .find(|row| row.get::<_, &str>(0) == "databases");
        assert_eq!(databases.unwrap().get::<_, i32>(1), 2);
        let row = client
            .query_one("SELECT pg_is_in_recovery()", &[])
            .await
            .unwrap();
        assert!(!row.get::<_, bool>(0));
        let transaction = client.transaction().await.unwrap();
        let statement = transaction.prepare("SHOW CONFIG").await.unwrap();
        let portal = transaction.bind(&statement, &[]).await.unwrap();
        let part = transaction.query_portal(&portal, 3).await.unwrap();
        assert_eq!(part.len(), 3);
        let rest = transaction.query_portal(&portal, 0).await.unwrap();
        assert!(rest.len() > 50);
        transaction.commit().await.unwrap();
        let error = client
            .query("SHOW POOLS WHERE x = 1", &[])
            .await
            .unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "42703");
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("Its columns are database, user, ")
        );
    });
}

#[test]
fn sessions_have_a_bound_and_an_end() {
    let role = shared().role();
    let mut pooler = pooler(&role);
    let target = console(&role, &pooler, "stats");
    let sessions: Vec<Client> = (0..48).map(|_| Client::log_in(&target)).collect();
    let refused = Client::try_log_in(&target, &[]).unwrap_err();
    assert_eq!(refused.error().sqlstate(), "53300");
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    assert_eq!(
        column(&mut admin, "SHOW POOLS WHERE database = 'pgbouncer'", 2),
        ["49"]
    );
    drop(sessions);
    eventually("they have left", || {
        let many = column(&mut admin, "SHOW POOLS WHERE database = 'pgbouncer'", 2);
        (many == ["1"]).then_some(())
    });
    // A message that is too long ends its session, and a client that waits sees the end of the pooler.
    let mut long = Client::log_in(&target);
    long.send(Batch::new().query(&"x".repeat(70_000)).bytes());
    assert_eq!(long.until_end().error().sqlstate(), "08P01");
    pooler.signal(Signal::TERM);
    assert_eq!(admin.until_end().error().sqlstate(), "57P01");
    assert!(pooler.wait().success());
}

#[test]
fn paused_clients_are_seen_to_wait() {
    let role = shared().role();
    let pooler = pooler(&role);
    let mut admin = Client::log_in(&console(&role, &pooler, "adm"));
    admin.query("PAUSE").success();
    assert_eq!(
        admin.query("PAUSE").error().text(),
        "already suspended/paused"
    );
    let paused = column(&mut admin, "SHOW STATE WHERE key = 'paused'", 1);
    assert_eq!(paused, ["yes"]);
    admin.query("RESUME").success();
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
}
