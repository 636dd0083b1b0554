//! PostgreSQL's own programs through the pooler.

use pgweir_e2e::{Config, Pooler, Role, Target, pgbench, psql, shared};

const MODES: [&str; 3] = ["session", "transaction", "statement"];

#[test]
fn psql_works_in_all_modes() {
    for mode in MODES {
        let role = shared().role();
        let config = role
            .config()
            .set("pool_mode", mode)
            .set("auth_type", "scram-sha-256");
        let pooler = Pooler::start(&config);
        let target = role.through(&pooler);
        let run = |script: &str| psql(&target, script);
        assert_eq!(run("select 1 as a, 'x' as b").out, "1|x", "{mode}");
        assert_eq!(
            run("create table t as select generate_series(1, 1000) as a").err,
            ""
        );
        assert_eq!(run("select sum(a) from t").out, "500500");
        assert_eq!(run("\\dt").out.lines().count(), 1);
        assert_eq!(run("copy t to stdout").out.lines().count(), 1000);
        assert_eq!(
            run("\\copy (select 'client side') to stdout").out,
            "client side"
        );
        let failed = run("select 1/0");
        assert!(
            !failed.success && failed.err.contains("22012"),
            "{mode}: {failed:?}"
        );
        let notice = run("do $$ begin raise notice 'look'; end $$");
        assert!(
            notice.success && notice.err.contains("look"),
            "{mode}: {notice:?}"
        );
        // Several statements in one query are one transaction.
        let failed = run("insert into t values (-1); select 1/0");
        assert!(!failed.success, "{mode}");
        assert_eq!(run("select count(*) from t where a < 0").out, "0");
    }
}

#[test]
fn psql_is_told_of_a_wrong_password() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("auth_type", "scram-sha-256"));
    let output = psql(&role.through(&pooler).password("wrong"), "select 1");
    assert!(!output.success);
    assert!(
        output.err.contains("password authentication failed"),
        "{output:?}"
    );
}

fn bench(config: Config, role: &Role, protocol: &str) {
    let pooler = Pooler::start(&config);
    let target: Target = role.through(&pooler);
    let made = pgbench(&role.direct(), &["-i", "-q", "-s", "1"]);
    assert!(made.success, "{made:?}");
    let clients = if protocol == "prepared" { "4" } else { "12" };
    for script in ["tpcb-like", "select-only"] {
        let output = pgbench(
            &target,
            &[
                "-n", "-M", protocol, "-c", clients, "-j", "2", "-t", "40", "-b", script,
            ],
        );
        assert!(output.success, "{script}, {protocol}: {output:?}");
        let all = clients.parse::<u32>().unwrap() * 40;
        let counted = format!("processed: {all}/{all}");
        assert!(
            output.out.contains(&counted),
            "{script}, {protocol}: {output:?}"
        );
    }
    // What pgbench wrote adds up, so no transaction was lost, doubled or mixed with another.
    let sums = psql(
        &role.direct(),
        "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) \
         and (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history) \
         and (select count(*) from pgbench_history) > 0",
    );
    assert_eq!(sums.out, "t");
}

#[test]
fn pgbench_simple_in_transaction_mode() {
    let role = shared().role();
    bench(role.config().set("default_pool_size", 4), &role, "simple");
}

#[test]
fn pgbench_extended_in_transaction_mode() {
    let role = shared().role();
    bench(role.config().set("default_pool_size", 4), &role, "extended");
}

#[test]
fn pgbench_prepared_in_session_mode() {
    let role = shared().role();
    bench(role.config().set("pool_mode", "session"), &role, "prepared");
}

#[test]
fn pgbench_prepared_in_transaction_mode_pins_its_servers() {
    let role = shared().role();
    bench(role.config().set("default_pool_size", 4), &role, "prepared");
}
