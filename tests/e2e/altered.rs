//! Prepared statements whose tables somebody changes: a client is refused what it prepared before and what has another
//! result since, as PostgreSQL says it, and nothing that it prepared after.

use pgweir_e2e::{Batch, Client, Pooler, Role, shared};

const ALL: &str = "select * from shaped";
const ALTER: &str = "alter table shaped add column b text default 'new'";

/// A role with a table, and a pooler with so many servers.
fn prepared(size: i32) -> (Role, Pooler, Client) {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", size));
    let mut owner = Client::log_in(&role.direct());
    owner
        .query("create table shaped (a int); insert into shaped values (1)")
        .success();
    (role, pooler, owner)
}

fn parse(name: &str, sql: &str) -> Batch {
    Batch::new().parse(name, sql)
}

fn run(name: &str, values: &[&str]) -> Batch {
    Batch::new().bind("", name, values).execute("", 0).sync()
}

#[test]
fn who_prepares_after_a_change_meets_nothing_from_before() {
    let (role, pooler, mut owner) = prepared(1);
    let target = role.through(&pooler);
    let mut before = Client::log_in(&target);
    before.ask(&parse("s", ALL).sync()).success();
    before.ask(&run("s", &[])).success();
    // Not through the pooler, which sees nothing of it.
    owner.query(ALTER).success();
    for (at, batch) in [
        parse("s", ALL).sync(),
        parse("s", ALL).describe_statement("s").sync(),
        parse("s", ALL).bind("", "s", &[]).execute("", 0).sync(),
        Batch::new().query("begin"),
    ]
    .into_iter()
    .enumerate()
    {
        // It is changed each time, so that what the server has is never right.
        let column = format!("alter table shaped add column c{at} int");
        owner.query(&column).success();
        let mut direct = Client::log_in(&role.direct());
        let mut through = Client::log_in(&target);
        let answers = [&mut direct, &mut through].map(|client| client.ask(&batch).to_string());
        assert_eq!(answers[0], answers[1], "{batch:?}");
        if at == 3 {
            // Amid a transaction nothing may fail.
            for client in [&mut direct, &mut through] {
                client.ask(&parse("s", ALL).sync()).success();
            }
        }
        let answers = [&mut direct, &mut through].map(|client| {
            let batch = Batch::new()
                .bind("", "s", &[])
                .describe_portal("")
                .execute("", 0);
            client.ask(&batch.sync()).success().to_string()
        });
        assert_eq!(answers[0], answers[1]);
        direct.query("commit");
        through.query("commit");
        // Who prepared it before is refused, as it would be without a pooler.
        let error = before.ask(&run("s", &[]));
        assert_eq!(error.error().sqlstate(), "0A000");
        assert_eq!(error.error().field(b'R'), "RevalidateCachedQuery");
    }
}

#[test]
fn who_prepared_before_a_change_is_refused_on_every_server() {
    for change in [ALTER, "alter table shaped alter a type bigint"] {
        let (role, pooler, mut owner) = prepared(2);
        let target = role.through(&pooler);
        let mut client = Client::log_in(&target);
        let mut holder = Client::log_in(&target);
        client
            .ask(&parse("s", ALL).describe_statement("s").sync())
            .success();
        // The other server has never seen the statement, and parses it as it would be now.
        holder.query("begin").success();
        owner.query(change).success();
        for _ in 0..2 {
            for batch in [run("s", &[]), Batch::new().describe_statement("s").sync()] {
                let said = client.ask(&batch);
                assert_eq!(said.error().sqlstate(), "0A000", "{said}");
                let text = "cached plan must not change result type";
                assert_eq!(said.error().text(), text);
                assert_eq!(said.error().field(b'R'), "RevalidateCachedQuery");
            }
            holder.query("rollback; begin").success();
        }
        // As drivers do.
        client
            .ask(&Batch::new().close_statement("s").parse("s", ALL).sync())
            .success();
        client.ask(&run("s", &[])).success();
        // In a transaction it is an error of that.
        owner.query("alter table shaped add column z int").success();
        client.query("begin").success();
        assert_eq!(client.ask(&run("s", &[])).error().sqlstate(), "0A000");
        assert_eq!(client.query("select 1").error().sqlstate(), "25P02");
        client.query("rollback").success();
    }
}

#[test]
fn a_result_that_did_not_change_is_nobodys_error() {
    let (role, pooler, mut owner) = prepared(2);
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    let mut holder = Client::log_in(&target);
    client
        .ask(&parse("s", "select a from shaped where a = $1").sync())
        .success();
    for change in [
        ALTER,
        "drop table shaped; create table shaped as select 1 as a",
        "create index on shaped (a)",
    ] {
        owner.query(change).success();
        assert_eq!(client.ask(&run("s", &["1"])).success().value(), "1");
        holder.query("begin").success();
        assert_eq!(client.ask(&run("s", &["1"])).success().value(), "1");
        holder.query("rollback").success();
    }
}

#[test]
fn a_parameter_keeps_its_type_on_every_server() {
    let (role, pooler, mut owner) = prepared(2);
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    let mut holder = Client::log_in(&target);
    let typed = "insert into shaped values ($1) returning pg_typeof($1)::text";
    client.ask(&parse("s", typed).sync()).success();
    owner
        .query("alter table shaped alter a type double precision")
        .success();
    // The statement has a parameter of the type that the column had, as it would in a session of its own.
    let run = run("s", &["3"]);
    assert_eq!(client.ask(&run).success().value(), "integer");
    holder.query("begin").success();
    assert_eq!(client.ask(&run).success().value(), "integer");
    holder.query("rollback").success();
}

#[test]
fn a_statement_whose_parameters_fit_no_longer_is_soon_forgotten() {
    let (role, pooler, mut owner) = prepared(1);
    let target = role.through(&pooler);
    let insert = "insert into shaped values ($1)";
    let mut before = Client::log_in(&target);
    before.ask(&parse("s", insert).sync()).success();
    before.ask(&run("s", &["1"])).success();
    owner
        .query("truncate shaped; alter table shaped alter a type jsonb using null")
        .success();
    // Nothing tells that its parameter is an integer, until it is bound.
    let mut first = Client::log_in(&target);
    first.ask(&parse("s", insert).sync()).success();
    assert_eq!(first.ask(&run("s", &["1"])).error().sqlstate(), "42804");
    for _ in 0..2 {
        let mut client = Client::log_in(&target);
        client.ask(&parse("s", insert).sync()).success();
        client.ask(&run("s", &["{}"])).success();
    }
}
