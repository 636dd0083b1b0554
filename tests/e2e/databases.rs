//! A database is dropped, renamed and copied through the pooler, although the pooler itself was connected to it.

use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, Target, eventually, shared};

/// Any database, by its own name.
fn config(role: &Role) -> Config {
    role.config()
        .database("*", "host", "127.0.0.1")
        .database("*", "port", shared().port())
        .database("*", "min_pool_size", 2)
}

/// A role that owns a new database of its name, with a pooler.
fn world() -> (Role, Pooler) {
    let role = shared().role();
    shared().sql(&format!("alter role {} createdb", role.name));
    shared().sql(&format!("create database {0} owner {0}", role.name));
    let pooler = Pooler::start(&config(&role));
    (role, pooler)
}

/// Sessions in a database.
fn sessions(database: &str) -> String {
    let sql = format!("select count(*) from pg_stat_activity where datname = '{database}'");
    shared().sql(&sql).value()
}

/// Two servers of the pooler are idle in the database, and a client is connected to it.
fn visit(target: &Target, database: &str) -> Client {
    let mut client = Client::log_in(&target.clone().database(database));
    client.value("select 1");
    eventually("the pool is filled", || {
        (sessions(database) == "2").then_some(())
    });
    client
}

#[test]
fn a_database_is_dropped_renamed_and_copied_although_servers_to_it_are_idle() {
    let (role, pooler) = world();
    let target = role.through(&pooler);
    let name = &role.name;
    let mut client = Client::log_in(&target);
    let mut stays = visit(&target, name);
    client
        .query(&format!("create database {name}_copy template {name}"))
        .success();
    assert_eq!(
        stays.value("select 'again'"),
        "again",
        "it has its next server"
    );
    let start = Instant::now();
    let rename = format!("alter database {name} rename to \"{name} New\"");
    client.ask(&Batch::new().run(&rename, &[]).sync()).success();
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "PostgreSQL waited in vain"
    );
    let mut copy = visit(&target, &format!("{name}_copy"));
    client
        .query(&format!("drop database {name}_copy"))
        .success();
    assert_eq!(copy.query("select 1").error().sqlstate(), "3D000");
    visit(&target, &format!("{name} New"));
    client
        .query(&format!("drop database if exists \"{name} New\""))
        .success();
}

#[test]
fn a_database_that_a_client_uses_is_not_dropped() {
    let (role, pooler) = world();
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    let mut holder = visit(&target, &role.name);
    holder.query("begin").success();
    let drop = format!("drop database {}", role.name);
    let refused = client.query(&drop);
    assert_eq!(refused.error().sqlstate(), "55006", "{refused:?}");
    // Its transaction goes on, and ends well within the time that PostgreSQL waits.
    client.send(Batch::new().query(&drop).bytes());
    eventually("it waits", || {
        let sql =
            format!("select 1 from pg_stat_activity where query = '{drop}' and state = 'active'");
        shared().sql(&sql).rows().pop()
    });
    holder.query("commit").success();
    client.until_ready().success();
}

#[test]
fn a_database_that_the_probe_is_in_is_renamed() {
    let role = shared().role();
    let name = &role.name;
    shared().sql(&format!("alter role {name} createdb"));
    shared().sql(&format!("create database {name} owner {name}"));
    let config = config(&role)
        .set("http_listen", "127.0.0.1:0")
        .database("app", "dbname", name);
    let pooler = Pooler::start(&config);
    let probes = format!(
        "select count(*) from pg_stat_activity where datname = '{name}' and application_name = 'pgweir probe'"
    );
    eventually("the probe is there", || {
        (shared().sql(&probes).value() == "1").then_some(())
    });
    let target = role.through(&pooler).database("postgres");
    let mut client = Client::log_in(&target);
    client
        .query(&format!("alter database {name} rename to {name}_new"))
        .success();
}
