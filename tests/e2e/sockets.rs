//! TCP over both protocols and unix sockets, on both sides.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use pgweir_e2e::{Client, Pooler, psql, shared};

#[test]
fn unix_sockets_serve_on_both_sides() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let pooler = Pooler::start(
        &role
            .config()
            .set("unix_socket_dir", &path)
            .set("unix_socket_mode", "0770")
            .database("app", "host", &shared().socket_dir()),
    );
    let target = role.through(&pooler).host(&path);
    let mut client = Client::log_in(&target);
    assert_eq!(client.value("select inet_client_addr() is null"), "t");
    assert_eq!(client.value("select 1"), "1");
    assert_eq!(psql(&target, "select 'psql'").out, "psql");

    let socket = folder.path().join(format!(".s.PGSQL.{}", pooler.port()));
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o770
    );
}

#[test]
fn a_cancel_request_goes_over_unix_sockets_too() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let path = folder.path().display().to_string();
    let pooler = Pooler::start(&role.config().set("unix_socket_dir", &path).database(
        "app",
        "host",
        &shared().socket_dir(),
    ));
    let mut client = Client::log_in(&role.through(&pooler).host(&path));
    client.send(
        pgweir_e2e::Batch::new()
            .query("select pg_sleep(60)")
            .bytes(),
    );
    pgweir_e2e::eventually("the query runs", || {
        (shared().activity(&role, "state")? == "active").then_some(())
    });
    client.cancel();
    assert_eq!(client.until_ready().to_string(), "T E(57014) ZI");
}

#[test]
fn a_socket_file_left_behind_is_replaced_and_removed_at_the_end() {
    let role = shared().role();
    let folder = tempfile::Builder::new()
        .prefix("pgweir-e2e-")
        .tempdir_in("/tmp")
        .unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let socket = folder.path().join(format!(".s.PGSQL.{port}"));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let mut pooler = Pooler::start(
        &role
            .config()
            .set("listen_addr", "")
            .set("listen_port", port)
            .set("unix_socket_dir", &folder.path().display().to_string()),
    );
    let mut target = role
        .through(&pooler)
        .host(&folder.path().display().to_string());
    target.port = port;
    assert_eq!(Client::log_in(&target).value("select 1"), "1");
    pooler.signal(pgweir_e2e::Signal::TERM);
    assert!(pooler.wait().success());
    assert!(!socket.exists());
}

#[test]
fn ipv6_serves_where_the_machine_has_it() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this machine has no ::1; the test has nothing to test");
        return;
    }
    let role = shared().role();
    let pooler = Pooler::start(&role.config().set("listen_addr", "*"));
    for host in ["::1", "127.0.0.1"] {
        let mut client = Client::log_in(&role.through(&pooler).host(host));
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let role = shared().role();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pgweir.toml");
    std::fs::write(&file, role.config().set("listen_port", port).text()).unwrap();
    let output = pgweir_e2e::pgweir()
        .arg("serve")
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
}
