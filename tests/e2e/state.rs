//! What a session holds beside what PostgreSQL reports: it stays the client's over changing servers, or keeps the
//! server, and nobody else meets it.

use pgweir_e2e::{Batch, Client, Pooler, shared};

#[test]
fn settings_that_are_not_reported_are_the_clients_own() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    let shown = "select concat_ws('|', current_setting('work_mem'), current_setting('search_path'), \
                 current_setting('app.tenant', true), current_setting('role'))";
    let fresh = second.value(shown);
    first
        .query("set work_mem = '7MB'; set app.tenant = '7'")
        .success();
    first
        .query("select set_config('search_path', 'caf\u{e9}, public', false)")
        .success();
    for _ in 0..3 {
        assert_eq!(first.value(shown), "7MB|caf\u{e9}, public|7|none");
        // A custom setting that was set in a session once is empty there, not unknown.
        let seen = second.value(shown);
        assert_eq!(seen.replace("||", "|"), fresh, "{seen}");
    }
    // Rolled back, and local.
    first
        .query("begin; set work_mem = '8MB'; set app.tenant = '8'; rollback")
        .success();
    second.query("select 1").success();
    first.query("begin").success();
    first
        .query("savepoint a; set work_mem = '9MB'; rollback to a; set local app.tenant = '9'")
        .success();
    assert_eq!(first.value(shown), "7MB|caf\u{e9}, public|9|none");
    first.query("commit").success();
    second.query("select 1").success();
    assert_eq!(first.value(shown), "7MB|caf\u{e9}, public|7|none");
}

#[test]
fn settings_of_the_extended_protocol_and_of_blocks_of_code_are_kept() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    let batch = Batch::new().run("set work_mem to '6MB'", &[]).sync();
    first.ask(&batch).success();
    first
        .query("do $$ begin perform set_config('app.x', 'y', false); end $$")
        .success();
    second.query("select 1").success();
    let shown = "select concat(current_setting('work_mem'), current_setting('app.x', true))";
    assert_eq!(first.value(shown), "6MBy");
    assert_ne!(second.value(shown), "6MBy");
}

#[test]
fn a_reset_goes_back_to_what_the_client_connected_with() {
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("default_pool_size", 1));
    let target = role.through(&pooler);
    let own = [
        ("work_mem", "5MB"),
        ("TimeZone", "Asia/Tokyo"),
        ("app.x", "mine"),
    ];
    let mut first = Client::log_in_with(&target, &own);
    let mut second = Client::log_in(&target);
    let shown = "select concat_ws(' ', current_setting('work_mem'), current_setting('timezone'), \
                 current_setting('app.x', true))";
    for text in [
        "reset all",
        "discard all",
        "do $$ begin reset all; end $$",
        "reset work_mem; reset timezone; reset app.x",
    ] {
        first
            .query("set work_mem = '6MB'; set timezone = 'UTC'; set app.x = 'other'")
            .success();
        assert_eq!(first.value(shown), "6MB UTC other", "{text}");
        first.query(text).success();
        assert_eq!(first.value(shown), "5MB Asia/Tokyo mine", "{text}");
        assert_ne!(second.value(shown), "5MB Asia/Tokyo mine");
        assert_eq!(first.value(shown), "5MB Asia/Tokyo mine", "{text}");
    }
    // Amid a transaction, and undone with it.
    first.query("set work_mem = '6MB'").success();
    first.query("begin").success();
    first.query("reset work_mem").success();
    assert_eq!(first.value(shown), "5MB Asia/Tokyo mine");
    first.query("rollback").success();
    assert_eq!(first.value(shown), "6MB Asia/Tokyo mine");
}

#[test]
fn what_a_session_holds_keeps_its_server_until_it_is_given_up() {
    for (takes, sees, gives_up) in [
        (
            "create temp table t as select 7 a",
            "select a from t",
            "drop table t",
        ),
        ("select 7 a into temp t", "select a from t", "discard temp"),
        (
            "select pg_advisory_lock(7)",
            "select count(*) + 6 from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
            "select pg_advisory_unlock(7)",
        ),
        (
            "listen a",
            "select length(c) + 6 from pg_listening_channels() c",
            "unlisten *",
        ),
        (
            "declare c scroll cursor with hold for select 7",
            "fetch absolute 1 c",
            "close c",
        ),
        (
            "create temp view v as select 7",
            "select * from v",
            "discard all",
        ),
    ] {
        let role = shared().role();
        let pooler = Pooler::start(&role.config().set("default_pool_size", 2));
        let target = role.through(&pooler);
        let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
        first.query(takes).success();
        for _ in 0..3 {
            // The other server serves everybody else, who meets nothing.
            let held = "select (select count(*) from pg_depend where refobjid = pg_my_temp_schema()) \
                        + (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())";
            assert_eq!(second.value(held), "0", "{takes}");
            assert_eq!(first.value(sees), "7", "{takes}");
        }
        first.query(gives_up).success();
        // Both servers serve everybody again.
        second.query("begin").success();
        assert_eq!(Client::log_in(&target).value("select 7"), "7", "{takes}");
    }
}
