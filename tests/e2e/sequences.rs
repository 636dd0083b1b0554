//! `currval` and `lastval`, beside a connection of one's own: the client's own number, or none (55000), and never
//! that of another client of the same server.

use pgweir_e2e::{Batch, Client, Pooler, Role, shared};

const NONE_YET: &str = "55000";

fn table(role: &Role) {
    let mut direct = Client::log_in(&role.direct());
    direct
        .query("create table t (id serial, who text)")
        .success();
}

fn one_server(role: &Role) -> Pooler {
    Pooler::start(&role.config().set("default_pool_size", 1))
}

fn insert(client: &mut Client, who: &str) -> String {
    client.value(&format!(
        "insert into t (who) values ('{who}') returning id"
    ))
}

#[test]
fn nobody_reads_the_number_of_another_client() {
    let role = shared().role();
    table(&role);
    let pooler = one_server(&role);
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    // Neither has read a number in its first leases.
    for _ in 0..20 {
        insert(&mut first, "first");
        insert(&mut second, "second");
    }
    let mut fresh = Client::log_in(&role.direct());
    for text in ["select lastval()", "select currval('t_id_seq')"] {
        for client in [&mut first, &mut second, &mut fresh] {
            let sqlstate = client.query(text).error().sqlstate();
            assert_eq!(sqlstate, NONE_YET, "{text}");
            let batch = Batch::new().run(text, &[]).sync();
            assert_eq!(client.ask(&batch).error().sqlstate(), NONE_YET, "{text}");
        }
        // Whoever knows how to ask before, too: a statement that was prepared, a call by number, a new client.
        insert(&mut first, "first");
        let batch = Batch::new().parse("s", text).sync();
        let mut third = Client::log_in(&target);
        third.ask(&batch).success();
        insert(&mut first, "first");
        let batch = Batch::new().bind("", "s", &[]).execute("", 0).sync();
        assert_eq!(third.ask(&batch).error().sqlstate(), NONE_YET, "{text}");
        insert(&mut first, "first");
        let call = Batch::new().message(b'F', b"\0\0\x09\xff\0\0\0\0\0\0");
        assert_eq!(third.ask(&call).error().sqlstate(), NONE_YET);
    }
}

#[test]
fn a_client_reads_the_number_that_it_took_last() {
    let role = shared().role();
    table(&role);
    let pooler = one_server(&role);
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    for round in 0..30 {
        for (client, who) in [(&mut first, "first"), (&mut second, "second")] {
            // In one transaction, in one text, and in two while nobody else came.
            client.query("begin").success();
            let id = insert(client, who);
            assert_eq!(client.value("select lastval()"), id, "{who} {round}");
            assert_eq!(
                client.value("select currval('t_id_seq')"),
                id,
                "{who} {round}"
            );
            client.query("commit").success();
            assert_eq!(client.value("select lastval()"), id, "{who} {round}");
            let id = insert(client, who);
            assert_eq!(client.value("select lastval()"), id, "{who} {round}");
            let both = "insert into t (who) values ('b') returning id; select lastval()";
            let answer = client.query(both).success();
            assert_eq!(answer.rows()[0], answer.rows()[1], "{who} {round}");
            let batch = Batch::new()
                .run("insert into t (who) values ($1) returning id", &["c"])
                .run("select lastval()", &[])
                .sync();
            let answer = client.ask(&batch).success();
            assert_eq!(answer.rows()[0], answer.rows()[1], "{who} {round}");
        }
    }
}

#[test]
fn what_a_client_read_late_costs_the_pool_one_number() {
    let role = shared().role();
    table(&role);
    let pooler = one_server(&role);
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    for _ in 0..20 {
        insert(&mut first, "first");
        insert(&mut second, "second");
    }
    // Nothing announced it, and PostgreSQL does not say whose the last number is.
    first.query("begin").success();
    insert(&mut first, "first");
    assert_eq!(first.query("select lastval()").error().sqlstate(), NONE_YET);
    first.query("rollback").success();
    // From now on the pool knows that its clients read numbers.
    for client in [&mut second, &mut first] {
        client.query("begin").success();
        let id = insert(client, "any");
        assert_eq!(client.value("select lastval()"), id);
        client.query("commit").success();
    }
}

#[test]
fn amid_a_batch_an_unforeseen_read_ends_the_session() {
    let role = shared().role();
    table(&role);
    let pooler = one_server(&role);
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    for _ in 0..20 {
        insert(&mut first, "first");
        insert(&mut second, "second");
    }
    let batch = Batch::new()
        .run("insert into t (who) values ('first')", &[])
        .run("select lastval()", &[])
        .sync();
    first.send(batch.bytes());
    let end = first.until_end();
    assert_eq!(end.error().sqlstate(), NONE_YET);
    // What it began is undone, and who comes back is foreseen.
    assert_eq!(second.value("select count(*) from t"), "40");
    let mut first = Client::log_in(&target);
    let answer = first.ask(&batch).success();
    assert_eq!(answer.rows().len(), 1);
}
