//! What functions leave in a session without a sign of it in the text that calls them.

use pgweir_e2e::{Batch, Client, Config, Pooler, Role, eventually, shared};

/// A role with functions that leave a setting and a temporary table behind.
fn role() -> Role {
    let role = shared().role();
    let mut direct = Client::log_in(&role.direct());
    for sql in [
        "create function leaves_setting() returns int language plpgsql as \
         $$ begin perform set_config('work_mem', '7MB', false); return 1; end $$",
        "create function leaves_table(int) returns int language plpgsql as \
         $$ begin create temp table if not exists left_table as select $1 a; return 2; end $$",
    ] {
        direct.query(sql).success();
    }
    role
}

fn audited(role: &Role, interval: i32) -> Config {
    role.config()
        .set("default_pool_size", 1)
        .set("session_audit_interval", interval)
}

#[test]
fn what_a_function_leaves_is_its_clients_where_every_lease_is_audited() {
    let role = role();
    let pooler = Pooler::start(&audited(&role, 1).set("default_pool_size", 2));
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    let usual = second.value("show work_mem");
    assert_eq!(first.value("select leaves_setting()"), "1");
    for _ in 0..3 {
        assert_eq!(first.value("show work_mem"), "7MB");
        assert_eq!(second.value("show work_mem"), usual);
    }
    pooler.has_said("a session has settings (work_mem) that no text told of; in the lease ran: select leaves_setting()");
    assert_eq!(first.value("select leaves_table(8)"), "2");
    for _ in 0..3 {
        let there = second.value("select to_regclass('pg_temp.left_table') is null");
        assert_eq!(there, "t");
        assert_eq!(first.value("select a from left_table"), "8");
    }
    pooler.has_said("a session has temporary objects that no text told of");
}

#[test]
fn after_the_first_audit_that_finds_something_all_calls_are_exact() {
    let role = role();
    let pooler = Pooler::start(&audited(&role, 10));
    let target = role.through(&pooler);
    let mut first = Client::log_in(&target);
    let usual = first.value("show work_mem");
    // One of these leases is audited, and it may be anybody's by then: the server is closed.
    eventually("something is found", || {
        first.query("select leaves_setting()").success();
        (pooler.logged("closed=true") > 0).then_some(())
    });
    // From now on every lease is audited, until it is known what left it.
    let mut second = Client::log_in(&target);
    assert_eq!(second.value("show work_mem"), usual);
    for _ in 0..20 {
        second.query("select leaves_setting()").success();
        let mut third = Client::log_in(&target);
        assert_eq!(third.value("show work_mem"), usual);
        assert_eq!(second.value("show work_mem"), "7MB");
        second.query("reset work_mem").success();
        assert_eq!(second.value("show work_mem"), usual);
        // Prepared as well.
        let batch = Batch::new().run("select leaves_setting()", &[]).sync();
        third.ask(&batch).success();
        assert_eq!(second.value("show work_mem"), usual);
        assert_eq!(third.value("show work_mem"), "7MB");
    }
}

#[test]
fn nothing_is_asked_where_that_is_not_wanted() {
    let role = role();
    let pooler = Pooler::start(&audited(&role, 0));
    let target = role.through(&pooler);
    let mut first = Client::log_in(&target);
    for _ in 0..20 {
        first.query("select leaves_setting()").success();
    }
    assert_eq!(pooler.logged("no text told of"), 0);
}
