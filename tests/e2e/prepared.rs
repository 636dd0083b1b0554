//! Prepared statements in transaction mode: an application cannot tell, and no server is kept.

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, shared};

const PID: &str = "select pg_backend_pid()";

fn pooler(role: &Role, size: i32) -> Pooler {
    Pooler::start(&role.config().set("default_pool_size", size))
}

fn unshared(role: &Role) -> Config {
    let config = role.config().set("default_pool_size", 2);
    config.set("max_prepared_statements", 0)
}

fn run(name: &str, values: &[&str]) -> Batch {
    Batch::new().bind("", name, values).execute("", 0).sync()
}

#[test]
fn ten_clients_with_named_statements_share_two_servers() {
    let role = shared().role();
    let pooler = pooler(&role, 2);
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..10).map(|_| Client::log_in(&target)).collect();
    let mut pids = std::collections::BTreeSet::new();
    for (at, client) in clients.iter_mut().enumerate() {
        // One text is everybody's, the other the client's own; both have the same names everywhere.
        client.ask(&Batch::new().parse("s", PID).sync()).success();
        let own = format!("select $1 || ' of {at}'");
        client
            .ask(&Batch::new().parse("own", &own).sync())
            .success();
    }
    for round in 0..5 {
        for (at, client) in clients.iter_mut().enumerate() {
            pids.insert(client.ask(&run("s", &[])).success().value());
            let value = round.to_string();
            let said = client.ask(&run("own", &[&value])).success().value();
            assert_eq!(said, format!("{round} of {at}"));
        }
    }
    assert!(pids.len() <= 2, "{pids:?}");
    // A transaction keeps both servers busy; then everybody goes on.
    let (some, rest) = clients.split_at_mut(2);
    for client in some.iter_mut() {
        client.query("begin").success();
        client.ask(&run("s", &[])).success();
    }
    for client in some {
        client.query("commit").success();
    }
    for client in rest {
        client.ask(&run("s", &[])).success();
    }
}

#[test]
fn names_and_errors_are_postgresqls() {
    let role = shared().role();
    let pooler = pooler(&role, 1);
    let direct = Client::log_in(&role.direct());
    let through = Client::log_in(&role.through(&pooler));
    let mut both = [direct, through];
    let mut other = Client::log_in(&role.through(&pooler));
    let long = "n".repeat(80);
    for batch in [
        Batch::new().parse("a", "select 1").sync(),
        Batch::new().parse("a", "select 2").sync(),
        Batch::new().parse("a", "selec 2").sync(),
        Batch::new()
            .parse("b", "select 1")
            .describe_statement("b")
            .sync(),
        run("a", &[]),
        run("nobody", &[]),
        run("pgweir_1", &[]),
        Batch::new().describe_statement("nobody").sync(),
        Batch::new()
            .bind("", "nobody", &[])
            .parse("c", "select 3")
            .sync(),
        run("c", &[]),
        Batch::new()
            .parse("c", "select 3")
            .bind("", "c", &[])
            .execute("", 0)
            .sync(),
        Batch::new()
            .close_statement("b")
            .close_statement("nobody")
            .sync(),
        run("b", &[]),
        Batch::new().parse("b", "select $1::int / 0").sync(),
        run("b", &["1"]),
        Batch::new().query("begin"),
        run("b", &["1"]),
        run("a", &[]),
        Batch::new().parse("d", "select 1").sync(),
        Batch::new().query("rollback"),
        run("d", &[]),
        Batch::new().query("execute a"),
        Batch::new().query("explain (costs off) execute a"),
        Batch::new().query("deallocate a; select 4"),
        run("a", &[]),
        Batch::new().query("deallocate a"),
        Batch::new().run("deallocate prepare c", &[]).sync(),
        run("c", &[]),
        Batch::new().parse(&long, "select 8").sync(),
        run(&format!("{}x", &long[..63]), &[]),
        Batch::new().query("deallocate all"),
        run(&long, &[]),
        Batch::new().parse("a", "select 9").sync(),
        run("a", &[]),
        Batch::new().query("discard all"),
        run("a", &[]),
        Batch::new()
            .parse("", "select 10")
            .describe_statement("")
            .sync(),
        run("", &[]),
        run("", &[]),
        Batch::new().query("select 11"),
        run("", &[]),
    ] {
        let answers = both.each_mut().map(|client| client.ask(&batch).to_string());
        assert_eq!(answers[0], answers[1], "{batch:?}");
        // Between any two the server is somebody else's.
        if answers[1].ends_with("ZI") {
            let other = other.ask(&Batch::new().parse("", "select 'other'").sync());
            other.success();
        }
    }
    // What SQL prepares keeps the server.
    for batch in [
        Batch::new().query("prepare p as select 5"),
        Batch::new().query("prepare p as select 6"),
        run("p", &[]),
        Batch::new().parse("p", "select 7").sync(),
        Batch::new().query("execute p"),
        Batch::new().close_statement("p").sync(),
        Batch::new().query("execute p"),
    ] {
        let answers = both.each_mut().map(|client| client.ask(&batch).to_string());
        assert_eq!(answers[0], answers[1], "{batch:?}");
    }
    other.value(PID);
}

#[test]
fn a_pipeline_of_prepared_transactions_is_answered_in_order() {
    let role = shared().role();
    let pooler = pooler(&role, 1);
    let mut client = Client::log_in(&role.through(&pooler));
    let mut pipeline = Batch::new();
    for at in 0..100 {
        let (name, text) = (format!("s{at}"), format!("select {at}"));
        pipeline = pipeline.parse(&name, &text).sync();
        pipeline = pipeline.bind("", &name, &[]).execute("", 0).sync();
    }
    client.send(pipeline.bytes());
    for at in 0..100 {
        client.until_ready().success();
        assert_eq!(client.until_ready().success().value(), at.to_string());
    }
}

#[test]
fn a_server_keeps_so_many_statements_and_no_more() {
    let role = shared().role();
    let config = role.config().set("default_pool_size", 1);
    let pooler = Pooler::start(&config.set("max_prepared_statements", 3));
    let mut clients: Vec<_> = (0..2)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    for (at, client) in clients.iter_mut().enumerate() {
        for number in 0..4 {
            let text = format!("select {}", 10 * at + number);
            let name = format!("s{number}");
            client
                .ask(&Batch::new().parse(&name, &text).sync())
                .success();
        }
    }
    for number in 0..4 {
        for (at, client) in clients.iter_mut().enumerate() {
            let said = client
                .ask(&run(&format!("s{number}"), &[]))
                .success()
                .value();
            assert_eq!(said, (10 * at + number).to_string());
        }
    }
    let count = clients[0].value("select count(*) from pg_prepared_statements");
    assert_eq!(count, "3");
}

#[test]
fn without_sharing_a_named_statement_keeps_its_server_until_it_is_closed() {
    let role = shared().role();
    let pooler = Pooler::start(&unshared(&role));
    let mut client = Client::log_in(&role.through(&pooler));
    let mut other = Client::log_in(&role.through(&pooler));
    let parse = Batch::new().parse("s", PID).sync();
    let mut third = Client::log_in(&role.through(&pooler));
    for close in [
        Batch::new().close_statement("s").sync(),
        Batch::new().query("deallocate s"),
        Batch::new().run("deallocate prepare \"s\"", &[]).sync(),
        Batch::new().query("select 1; deallocate s; select 2"),
        Batch::new().query("deallocate all"),
    ] {
        client.ask(&parse).success();
        let own = client.ask(&run("s", &[])).success().value();
        // The other client would get the pinned server, for it was used last.
        for _ in 0..5 {
            assert_ne!(other.value(PID), own);
            assert_eq!(client.ask(&run("s", &[])).success().value(), own);
        }
        client.ask(&close).success();
        // Both servers are there for others again.
        other.query("begin").success();
        third.query("begin").success();
        assert_ne!(other.value(PID), third.value(PID));
        other.query("rollback").success();
        third.query("rollback").success();
    }
}
