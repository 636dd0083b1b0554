//! What those who come from PgBouncer with their file rely on: words in the log, codes of errors, and no connection
//! that the file does not name.

use pgweir_e2e::{
    Batch, Client, Pooler, Postgres, Role, Target, eventually, free_port, ini, shared,
};
use rustix::process::Signal;

fn start(role: &Role, settings: &str) -> Pooler {
    Pooler::start_with_ini(|folder, port| ini(role, folder, port, settings))
}

/// What ends a session has a code that drivers take for a lost connection, and is counted as what it is.
#[test]
fn what_ends_a_session_has_pgbouncers_code_if_the_file_is_its_own() {
    let shown = "pool_mode = transaction\nidle_transaction_timeout = 0.3";
    for (more, code) in [("", "08P01"), ("error_codes = postgresql", "25P03")] {
        let role = shared().role();
        let pooler = start(&role, &format!("{shown}\n{more}"));
        let mut client = Client::log_in(&role.through(&pooler));
        client.query("begin").success();
        let told = client.until_end();
        assert_eq!(told.error().sqlstate(), code);
        pooler.has_logged("closing because: idle transaction timeout", 1);
    }
    for (more, code) in [("", "08P01"), ("error_codes = postgresql", "0A000")] {
        let role = shared().role();
        let pooler = start(&role, &format!("pool_mode = statement\n{more}"));
        let mut client = Client::log_in(&role.through(&pooler));
        client.send(Batch::new().query("begin").bytes());
        assert_eq!(client.until_end().error().sqlstate(), code);
        pooler.has_logged("closing because: transaction blocks not allowed", 1);
    }
}

#[test]
fn nothing_but_the_pools_of_the_file_connects_to_postgres() {
    let role = shared().role();
    let http = format!("http_listen = 127.0.0.1:{}", free_port());
    let pooler = start(&role, &http);
    pooler.has_logged("PostgreSQL is not probed: probe_interval is 0", 1);
}

#[test]
fn a_server_of_the_reserve_is_told_of() {
    let role = shared().role();
    let pooler = start(
        &role,
        "pool_mode = transaction\ndefault_pool_size = 1\nreserve_pool_size = 1\n\
         reserve_pool_timeout = 0.2",
    );
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..2).map(|_| Client::log_in(&target)).collect();
    for client in &mut clients {
        client.query("begin").success();
    }
    pooler.has_logged("taking connection from reserve_pool", 1);
}

/// What PostgreSQL says to the pooler's login is in the log as PgBouncer has it, and said to who waited.
#[test]
fn a_login_that_postgres_refuses_is_told_in_its_words() {
    let role = shared().role();
    let pooler = start(&role, "");
    let at = format!("port={}", role.direct().port);
    let text = ini(&role, pooler.folder(), pooler.port(), "");
    let more = format!("[databases]\ngone = host=127.0.0.1 dbname=gone {at}");
    pooler.reload_ini(&format!("{text}{more}\n"));
    let target = role.through(&pooler).database("gone");
    let told = Client::try_log_in(&target, &[]).unwrap_err();
    assert_eq!(told.error().sqlstate(), "3D000");
    let words = "database \"gone\" does not exist";
    assert_eq!(told.error().text(), words);
    pooler.has_logged(&format!("server login failed: FATAL {words}"), 1);
    pooler.has_logged(&format!("closing because: {words} (age="), 2);
}

#[test]
fn a_wrong_scram_proof_is_logged_in_pgbouncers_words() {
    let role = shared().role();
    let pooler = start(&role, "auth_type = scram-sha-256");
    let target = role.through(&pooler).password("wrong");
    let told = Client::try_log_in(&target, &[]).unwrap_err();
    assert_eq!(told.error().sqlstate(), "28P01");
    pooler.has_logged("closing because: SASL authentication failed (age=", 1);
}

/// A host whose name leads nowhere is told of once, and not at each connection.
#[test]
fn a_host_without_an_address_is_told_of_once() {
    let role = shared().role();
    let pooler = start(&role, "");
    let text = ini(
        &role,
        pooler.folder(),
        pooler.port(),
        "pool_mode = transaction",
    );
    let hosts = format!(
        "[databases]\napp = host=nowhere.invalid,127.0.0.1 dbname=postgres port={} \
         load_balance_hosts=disable",
        role.direct().port
    );
    pooler.reload_ini(&format!("{text}{hosts}\n"));
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..3).map(|_| Client::log_in(&target)).collect();
    for client in &mut clients {
        client.query("begin").success();
    }
    pooler.has_logged("closing because: server DNS lookup failed", 1);
}

/// A pool that is to have servers, and cannot open one, is no unused pool.
#[test]
fn a_pool_with_servers_for_nobody_in_particular_stays() {
    let role = shared().role();
    let pooler = start(&role, "pool_idle_timeout = 0.2\nserver_login_retry = 0.2");
    let text = ini(
        &role,
        pooler.folder(),
        pooler.port(),
        "pool_idle_timeout = 0.2",
    );
    let more = format!(
        "server_login_retry = 0.2\n[databases]\n\
         gone = host=127.0.0.1 port={} user={} min_pool_size=1\n",
        free_port(),
        role.name
    );
    pooler.reload_ini(&format!("{text}{more}"));
    // It is tried again and again, at least once after it was unused for longer than the timeout.
    let tried = || pooler.logged("server login failed");
    eventually("it goes on trying", || (tried() >= 8).then_some(()));
    assert_eq!(
        pooler.logged("cleaning up idle pool"),
        0,
        "{}",
        pooler.log()
    );
}

/// A restart of PostgreSQL costs clients time and no error, as long as they are outside of transactions.
#[test]
fn clients_wait_while_postgres_is_away() {
    let mut postgres = Postgres::start();
    let role = postgres.role();
    let settings = "pool_mode = transaction\nserver_login_retry = 0.2\nclient_login_timeout = 1";
    let pooler = start(&role, settings);
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
    postgres.stop();
    client.send(Batch::new().query("select 2").bytes());
    pooler.has_logged("server login failed: cannot connect", 2);
    postgres.restart();
    assert_eq!(client.until_ready().success().value(), "2");

    // One that comes meanwhile waits, too, and is told what for when it has waited long enough.
    postgres.stop();
    let fresh = start(&role, settings);
    let told = Client::try_log_in(&role.through(&fresh), &[]).unwrap_err();
    assert!(
        told.error().text().contains("client_login_timeout"),
        "{told:?}"
    );
    let detail = told.error().field(b'D');
    assert!(detail.contains("PostgreSQL cannot be reached"), "{detail}");
    // Who wants the reason at once gets it.
    let fresh = start(&role, &format!("{settings}\nserver_unreachable = refuse"));
    let told = Client::try_log_in(&role.through(&fresh), &[]).unwrap_err();
    assert_eq!(told.error().text(), "PostgreSQL cannot be reached");
}

/// After RECONNECT a server that is in use is nothing to wait for if PostgreSQL refuses the next login.
#[test]
fn a_password_that_changed_is_told_to_who_waits_after_reconnect() {
    let postgres = shared();
    let role = postgres.role();
    let settings = "pool_mode = transaction\ndefault_pool_size = 2";
    let pooler = start(&role, &format!("{settings}\nadmin_users = {}", role.name));
    let target = role.through(&pooler);
    let (mut holder, mut waiter) = (Client::log_in(&target), Client::log_in(&target));
    let mut admin = Client::log_in(&target.clone().database("pgbouncer"));
    holder.query("begin").success();
    postgres
        .sql(&format!("alter role {} password 'another'", role.name))
        .success();
    admin.query("reconnect").success();
    waiter.send(Batch::new().query("select 1").bytes());
    let told = waiter.until_end();
    assert_eq!(told.error().sqlstate(), "28P01");
    assert_eq!(holder.query("commit").success().rows().len(), 0);
}

/// Users that PostgreSQL would have to be asked for where nobody can be asked: each way is told apart.
#[test]
fn a_place_to_look_users_up_that_is_none_is_told() {
    let (role, other) = (shared().role(), shared().role());
    let pooler = start(&role, "");
    let base = ini(&role, pooler.folder(), pooler.port(), "");
    let server = role.direct().port;
    let settings = |more: &str| {
        format!(
            "{base}auth_user = {user}\nadmin_users = {user}\n[databases]\n\
             app = host=127.0.0.1 port={server} dbname=postgres {more}\n\
             side = host=127.0.0.1 port={server} dbname=postgres\n",
            user = role.name
        )
    };
    let stranger = Target {
        user: other.name.clone(),
        ..role.through(&pooler)
    };
    for (more, text, logged) in [
        (
            "auth_dbname=nowhere",
            "bouncer config error",
            "authentication database \"nowhere\" is not configured",
        ),
        (
            "auth_dbname=pgbouncer",
            "bouncer config error",
            "cannot use the reserved \"pgbouncer\" database as an auth_dbname",
        ),
        (
            "auth_query='SELECT usename, passwd FROM gone WHERE usename = $1'",
            "bouncer config error: auth_query has no answer for this user",
            "relation \"gone\" does not exist",
        ),
    ] {
        pooler.reload_ini(&settings(more));
        let told = Client::try_log_in(&stranger, &[]).unwrap_err();
        assert_eq!(told.error().text(), text, "{more}");
        pooler.has_logged(logged, 1);
    }
    pooler.reload_ini(&settings("auth_dbname=side"));
    let mut admin = Client::log_in(&role.through(&pooler).database("pgbouncer"));
    admin.query("disable side").success();
    let told = Client::try_log_in(&stranger, &[]).unwrap_err();
    assert_eq!(
        told.error().text(),
        "authentication database \"side\" is disabled"
    );
    // The console is nowhere to look anybody up, which is a mistake where it holds for all databases.
    pooler.reload_ini(&format!("{base}auth_dbname = pgbouncer\n"));
    pooler.has_logged("reload failed, problems: 1", 1);
}

/// A shutdown that waits for clients may last for long: who has to know what for gets in over the unix socket.
#[test]
fn the_console_can_be_reached_while_a_shutdown_waits() {
    let role = shared().role();
    let mut pooler = start(&role, &format!("admin_users = {}", role.name));
    let target = role.through(&pooler);
    let socket = target.clone().host(&pooler.folder().display().to_string());
    let mut client = Client::log_in(&target);
    assert_eq!(client.value("select 1"), "1");
    pooler.signal(Signal::TERM);
    eventually("TCP is closed", || Client::connect(&target).err());
    let mut console = Client::log_in(&socket.clone().database("pgbouncer"));
    let waited_for = "show clients where state <> 'login' and database = 'app'";
    assert_eq!(console.query(waited_for).success().rows().len(), 1);
    let told = Client::try_log_in(&socket, &[]).unwrap_err();
    assert_eq!(told.error().sqlstate(), "57P01");
    assert_eq!(client.value("select 1"), "1");
    drop((client, console));
    assert!(pooler.wait().success());
}

/// RECONNECT ends sessions that keep a server, each after its transaction, where that is wanted.
#[test]
fn sessions_with_an_old_server_may_be_ended_fast() {
    let role = shared().role();
    let settings = format!("pool_mode = session\nadmin_users = {}", role.name);
    let pooler = start(&role, &settings);
    let target = role.through(&pooler);
    let mut admin = Client::log_in(&target.clone().database("pgbouncer"));
    let mut resting = Client::log_in(&target);
    let first = resting.value("select pg_backend_pid()");
    admin.query("reconnect").success();
    assert_eq!(resting.value("select pg_backend_pid()"), first);
    admin.query("set server_fast_close = 1").success();
    let told = resting.until_end();
    assert_eq!(told.error().text(), "database configuration changed");
    let mut busy = Client::log_in(&target);
    busy.query("begin").success();
    admin.query("reconnect").success();
    pooler.has_logged("closing because: database configuration changed", 2);
    assert_eq!(busy.value("select 1"), "1");
    busy.query("commit").success();
    assert_eq!(busy.until_end().error().sqlstate(), "57P01");
}
