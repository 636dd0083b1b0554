//! Served from a `pgbouncer.ini`, and the settings that come from there.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use pgweir_e2e::{Batch, Client, Pooler, Role, Target, eventually, pgweir, shared};
use pgweir_wire::backend;

/// The text of an ini for a role: the database `app`, and further lines.
fn ini(role: &Role, folder: &Path, port: u16, global: &str, database: &str) -> String {
    let Target {
        user, port: server, ..
    } = role.direct();
    let folder = folder.display();
    format!(
        "; as an operator writes it\n[databases]\n\
         app = host=127.0.0.1 port={server} dbname=postgres {database}\n\
         [users]\n{user} = max_user_connections=50\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {folder}\n\
         auth_type = md5\nauth_file = {folder}/userlist.txt\nhttp_listen = off\n{global}\n\
         %include {folder}/userlist.ini\n"
    )
}

/// The `userlist.txt` with the role's password.
fn users(role: &Role) -> String {
    let Target { user, password, .. } = role.direct();
    format!("\"{user}\" \"{}\"\n", password.replace('"', "\"\""))
}

/// A pooler with such a file, and a `userlist.txt` with the role's password.
fn start(role: &Role, global: &str, database: &str) -> Pooler {
    Pooler::start_with_ini(|folder, port| {
        std::fs::write(folder.join("userlist.txt"), users(role)).unwrap();
        std::fs::write(folder.join("userlist.ini"), "; nothing\n").unwrap();
        ini(role, folder, port, global, database)
    })
}

#[test]
fn a_pgbouncer_ini_is_served_and_reloaded() {
    let role = shared().role();
    let mut pooler = start(&role, "pkt_buf = 4096\ndefault_pool_size = 1", "");
    pooler.has_logged("pkt_buf = 4096: has no meaning here", 1);
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    assert_eq!(client.value("select current_user"), role.name);
    let wrong = Client::try_log_in(&target.clone().password("wrong"), &[]).unwrap_err();
    assert_eq!(wrong.error().sqlstate(), "28P01");
    let socket = target.clone().host(&pooler.folder().display().to_string());
    drop(client);
    let mut local = Client::log_in(&socket);
    assert_eq!(local.value("select 1"), "1");
    drop(local);

    // A mistake changes nothing, and is named.
    let good = |global: &str| ini(&role, pooler.folder(), pooler.port(), global, "");
    pooler.reload_ini(&good("pool_mod = transaction\npool_mode = transaction"));
    pooler.has_logged("pool_mod: unknown setting; did you mean pool_mode?", 1);
    pooler.has_logged("reload failed, problems: 1", 1);
    pooler.reload_ini(&good("pool_mode = transaction\nlisten_backlog = 7"));
    pooler.has_logged("listen_backlog changed; it takes effect after a restart", 1);
    let (mut first, mut second) = (Client::log_in(&target), Client::log_in(&target));
    assert_eq!(
        first.value("select pg_backend_pid()"),
        second.value("select pg_backend_pid()")
    );
    assert!(pooler.runs());
}

#[test]
fn mistakes_in_an_ini_are_all_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.ini");
    std::fs::write(
        &file,
        "[pgbouncer]\npool_mod = 1\nlisten_port = x\n[database]\n",
    )
    .unwrap();
    for arguments in [&["check"][..], &["serve"], &[]] {
        let mut command = pgweir();
        command.args(arguments).arg(&file);
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        for word in ["pool_mod", "listen_port", "[databases]"] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn a_client_that_waits_is_told() {
    let role = shared().role();
    let pooler = start(
        &role,
        "pool_mode = transaction\nquery_wait_notify = 0.3",
        "pool_size=1",
    );
    let target = role.through(&pooler);
    let (mut holder, mut waiter) = (Client::log_in(&target), Client::log_in(&target));
    holder.query("begin").success();
    waiter.send(Batch::new().query("select 7").bytes());
    let told = waiter.until(backend::NOTICE_RESPONSE);
    let notice = told.messages.last().unwrap();
    assert!(notice.text().contains("client being queued"), "{told:?}");
    assert_eq!(notice.field(b'S'), "NOTICE");
    holder.query("commit").success();
    let answer = waiter.until_ready().success();
    assert_eq!(answer.value(), "7");
    let notices = answer
        .messages
        .iter()
        .filter(|it| it.kind == backend::NOTICE_RESPONSE);
    assert_eq!(notices.count(), 0, "told once");
}

#[test]
fn a_login_may_bring_a_notice_and_the_address() {
    let role = shared().role();
    let settings = "login_notify_message = welcome here\napplication_name_add_host = 1";
    let pooler = start(&role, settings, "");
    let target = role.through(&pooler);
    let parameters = [("application_name", "shop")];
    let (mut client, told) = Client::log_in_asking(&target, 0, &parameters);
    let notices = told
        .messages
        .iter()
        .filter(|it| it.kind == backend::NOTICE_RESPONSE);
    let texts: Vec<String> = notices.map(|notice| notice.text()).collect();
    assert_eq!(texts, ["welcome here"]);
    let name = client.value("show application_name");
    assert!(name.starts_with("shop - 127.0.0.1:"), "{name}");
    drop(client);
    let socket = target.host(&pooler.folder().display().to_string());
    let mut local = Client::log_in(&socket);
    assert_eq!(local.value("show application_name"), "app - unix");
}

#[test]
fn simple_queries_and_long_messages_may_be_refused() {
    let role = shared().role();
    let pooler = start(&role, "disable_pqexec = 1\nmax_packet_size = 2000", "");
    let target = role.through(&pooler);
    let mut client = Client::log_in(&target);
    let answer = client.ask(&Batch::new().run("select $1::text", &["a"]).sync());
    assert_eq!(answer.success().value(), "a");
    client.send(Batch::new().query("select 1").bytes());
    let refused = client.until_end();
    assert_eq!(refused.error().sqlstate(), "08P01");
    assert!(refused.error().text().starts_with("PQexec disallowed"));
    let mut client = Client::log_in(&target);
    let long = "x".repeat(2000);
    client.send(Batch::new().run("select $1::text", &[&long]).sync().bytes());
    let refused = client.until_end();
    assert_eq!(refused.error().sqlstate(), "54000");
    assert!(refused.error().text().contains("max_packet_size"));
}

/// A database with one user has one pool for all clients, and has its servers before anybody comes.
#[test]
fn a_database_with_one_user_has_one_pool() {
    let (role, other) = (shared().role(), shared().role());
    let (second, secret) = (other.name.clone(), other.direct().password);
    let pooler = Pooler::start_with_ini(|folder, port| {
        let listed = users(&role) + &users(&other);
        std::fs::write(folder.join("userlist.txt"), listed).unwrap();
        std::fs::write(folder.join("userlist.ini"), "; nothing\n").unwrap();
        let own = format!("user={} pool_size=2 min_pool_size=1", role.name);
        let global = "pool_mode = transaction\nadmin_users = console";
        ini(&role, folder, port, global, &own)
    });
    let mut direct = Client::log_in(&role.direct());
    let mut servers = || {
        let text = "select count(*) from pg_stat_activity where usename = current_user \
                    and pid <> pg_backend_pid() and application_name not like 'pgweir%'";
        direct.value(text).parse::<u32>().unwrap()
    };
    eventually("the pool has a server", || (servers() == 1).then_some(()));
    let target = role.through(&pooler);
    let of_other = target.clone().user(&second).password(&secret);
    let mut clients: Vec<Client> = [&target, &of_other, &target, &of_other]
        .into_iter()
        .map(Client::log_in)
        .collect();
    for client in &mut clients[..2] {
        client.query("begin").success();
        assert_eq!(client.value("select current_user"), role.name);
    }
    for client in &mut clients[2..] {
        client.send(Batch::new().query("select 1").bytes());
    }
    assert_eq!(servers(), 2, "pool_size is for all of them");
    for client in &mut clients[..2] {
        client.query("commit").success();
    }
    for client in &mut clients[2..] {
        client.until_ready().success();
    }
    // Each is known by its own name, and its settings are its own.
    clients[1].query("set work_mem = '3MB'").success();
    for client in [0, 2, 3] {
        assert_ne!(clients[client].value("show work_mem"), "3MB");
    }
}

/// PgBouncer's section has limits of users; who may log in stands in `auth_file`.
#[test]
fn limits_of_a_user_let_nobody_in() {
    let role = shared().role();
    let pooler = Pooler::start_with_ini(|folder, port| {
        std::fs::write(folder.join("userlist.txt"), "\"somebody\" \"\"\n").unwrap();
        std::fs::write(folder.join("userlist.ini"), "; nothing\n").unwrap();
        ini(&role, folder, port, "", "").replace("auth_type = md5", "auth_type = trust")
    });
    let refused = Client::try_log_in(&role.through(&pooler), &[]).unwrap_err();
    let error = refused.error();
    assert_eq!(error.sqlstate(), "28000");
    assert!(
        error.text().contains("\"trust\" authentication failed"),
        "{error:?}"
    );
}

/// Sessions of the console count as clients of their users, but for administrators'.
#[test]
fn sessions_of_the_console_count_as_clients() {
    let (role, other) = (shared().role(), shared().role());
    let (second, secret) = (other.name.clone(), other.direct().password);
    let pooler = Pooler::start_with_ini(|folder, port| {
        let listed = users(&role) + &users(&other);
        std::fs::write(folder.join("userlist.txt"), listed).unwrap();
        std::fs::write(folder.join("userlist.ini"), "; nothing\n").unwrap();
        let global = format!(
            "admin_users = {}\nstats_users = {second}\nmax_user_client_connections = 1",
            role.name
        );
        ini(&role, folder, port, &global, "")
    });
    let console = role.through(&pooler).database("pgbouncer");
    let mut admins: Vec<Client> = (0..3).map(|_| Client::log_in(&console)).collect();
    let looking = console.clone().user(&second).password(&secret);
    let _first = Client::log_in(&looking);
    let refused = Client::try_log_in(&looking, &[]).unwrap_err();
    let text = refused.error().text();
    assert!(text.contains("max_user_client_connections"), "{text}");
    let shown = admins[0].query(&format!("SHOW USERS WHERE name = '{second}'"));
    let row = shown.success().rows().remove(0);
    let text = |at: usize| row[at].clone();
    assert_eq!(
        (text(1), text(6), text(7)),
        (String::new(), "1".to_owned(), "1".to_owned())
    );
    // How much is logged has PgBouncer's name there as well.
    admins[0].query("SET verbose = 2").success();
    let level = admins[0].query("SHOW CONFIG WHERE key = 'log_level'");
    assert_eq!(level.success().rows()[0][1], "trace");
}

/// Small buffers make an answer slow, and no slower than that: a server that was promised a larger window waits a fifth
/// of a second for each piece.
#[test]
fn small_socket_buffers_stall_nothing() {
    let role = shared().role();
    let pooler = start(&role, "tcp_socket_buffer = 4096", "");
    let mut client = Client::log_in(&role.through(&pooler));
    let begun = std::time::Instant::now();
    let text = client.value("select repeat('x', 2000000)");
    assert_eq!(text.len(), 2_000_000);
    // At 8 KiB in a fifth of a second it were 48 s.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn servers_may_take_turns() {
    let role = shared().role();
    let settings = "pool_mode = transaction\nserver_round_robin = 1\nworkers = 1";
    let pooler = start(&role, settings, "pool_size=3");
    let target = role.through(&pooler);
    let mut clients: Vec<_> = (0..3).map(|_| Client::log_in(&target)).collect();
    for client in &mut clients {
        client.query("begin").success();
    }
    for client in &mut clients {
        client.query("commit").success();
    }
    let pids = |client: &mut Client| -> Vec<String> {
        (0..6)
            .map(|_| client.value("select pg_backend_pid()"))
            .collect()
    };
    let seen = pids(&mut clients[0]);
    assert_eq!(seen[..3], seen[3..], "{seen:?}");
    assert!(
        seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2],
        "{seen:?}"
    );
}

#[test]
fn a_pool_that_nobody_uses_may_go() {
    let role = shared().role();
    let pooler = start(
        &role,
        "pool_mode = transaction\npool_idle_timeout = 0.5",
        "",
    );
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select 1"), "1");
    assert_eq!(shared().pids(&role).len(), 1);
    drop(client);
    eventually("its server is closed", || {
        shared().pids(&role).is_empty().then_some(())
    });
}

#[test]
fn the_socket_has_its_group() {
    let role = shared().role();
    let group = std::fs::metadata("/proc/self").unwrap().gid();
    let pooler = start(
        &role,
        &format!("unix_socket_group = {group}\nunix_socket_mode = 0770"),
        "",
    );
    let path = pooler.folder().join(format!(".s.PGSQL.{}", pooler.port()));
    let socket = std::fs::metadata(path).unwrap();
    assert_eq!((socket.gid(), socket.mode() & 0o777), (group, 0o770));
}

#[test]
fn an_import_of_an_ini_serves_the_same() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("userlist.txt"), users(&role)).unwrap();
    std::fs::write(path.join("userlist.ini"), "").unwrap();
    let ini_file = path.join("pgbouncer.ini");
    std::fs::write(
        &ini_file,
        ini(&role, path, 6432, "pool_mode = transaction\n", ""),
    )
    .unwrap();
    let made = path.join("pgweir.toml");
    let import = || {
        pgweir()
            .arg("import")
            .arg(&ini_file)
            .arg("-o")
            .arg(&made)
            .output()
            .unwrap()
    };
    let output = import();
    let report = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(
        report.contains("0 not carried over, 0 to correct"),
        "{report}"
    );
    assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o600);
    assert_eq!(import().status.code(), Some(3), "a file that exists stays");
    let text = std::fs::read_to_string(&made).unwrap();
    let pooler = Pooler::start_with_file(&text, &[]);
    let mut client = Client::log_in(&role.through(&pooler));
    assert_eq!(client.value("select current_user"), role.name);
    // What has no counterpart is said, by word and by exit code.
    std::fs::write(&ini_file, ini(&role, path, 6432, "pkt_buf = 1\n", "")).unwrap();
    let output = pgweir()
        .arg("import")
        .arg(&ini_file)
        .arg("--json")
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let findings = json["findings"].as_array().unwrap();
    let of = |name: &str| findings.iter().find(|it| it["setting"] == name).unwrap();
    assert_eq!(of("pkt_buf")["verdict"], "dropped");
}

#[test]
fn a_host_that_is_gone_gives_way_to_the_next() {
    let role = shared().role();
    // Nobody listens there: the port is PostgreSQL's, which listens at 127.0.0.1 alone.
    let hosts = "host=127.0.0.9,127.0.0.1 load_balance_hosts=disable";
    let pooler = start(&role, "pool_mode = transaction", hosts);
    let mut clients: Vec<_> = (0..3)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    for client in &mut clients {
        client.query("begin").success();
    }
    assert!(!pooler.log().contains("server login failed"));
}
