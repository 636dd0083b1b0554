//! What administrators do to clients over HTTP, and that nobody else can.

use std::path::Path;

use pgweir_e2e::{Batch, Client, Pooler, Role, eventually, pgweir, shared};
use serde_json::Value;
use tempfile::TempDir;

use crate::cancel::wait_until_active;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A pooler with one server, and HTTP that wants tokens; with the folder of its secret.
fn pooler(role: &Role) -> (Pooler, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let config = role
        .config()
        .set("default_pool_size", 1)
        .set("http_listen", "127.0.0.1:0")
        .set("probe_interval", 0)
        .set("http_jwt_secret_file", secret.to_str().unwrap());
    (Pooler::start(&config), folder)
}

/// A token of `pgweir token`, with these arguments.
fn token(pooler: &Pooler, arguments: &[&str]) -> String {
    let file = pooler.folder().join("pgweir.toml");
    let made = pgweir().arg("token").arg(&file).args(arguments).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn act(pooler: &Pooler, client: &Client, action: &str, token: &str) -> (u16, Value) {
    let path = format!("/api/v1/clients/{}/{action}", client.pid);
    let (status, body) = pooler.request("POST", &path, Some(token));
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn an_administrator_cancels_a_query_and_the_session_goes_on() {
    let role = shared().role();
    let (pooler, _secret) = pooler(&role);
    let admin = token(&pooler, &["--admin", "--subject", "alice"]);
    let mut client = Client::log_in(&role.through(&pooler));
    let (status, body) = act(&pooler, &client, "cancel", &admin);
    assert_eq!(status, 409, "{body}");
    client.send(Batch::new().query("select pg_sleep(60)").bytes());
    wait_until_active(&role);
    let (status, body) = act(&pooler, &client, "cancel", &admin);
    assert_eq!(
        (status, &body["data"]["outcome"]),
        (200, &"cancel_sent".into())
    );
    assert_eq!(client.until_ready().error().sqlstate(), "57014");
    assert_eq!(client.value("select 1"), "1");
    pooler.has_logged("an administrator asked to cancel what a client does", 2);
    pooler.has_logged("by=alice outcome=\"cancel_sent\"", 1);
}

#[test]
fn an_administrator_ends_who_sits_in_a_transaction_and_the_next_has_its_turn() {
    let role = shared().role();
    let (pooler, _secret) = pooler(&role);
    let admin = token(&pooler, &["--admin", "--subject", "alice"]);
    let mut sleeper = Client::log_in(&role.through(&pooler));
    // A temporary table would keep the server from going back.
    sleeper.query("create table rolled_back (a int)").success();
    sleeper.query("begin").success();
    sleeper
        .query("insert into rolled_back values (7)")
        .success();
    let mut waiter = Client::log_in(&role.through(&pooler));
    waiter.send(
        Batch::new()
            .query("select count(*) from rolled_back")
            .bytes(),
    );
    eventually("it waits", || {
        (pooler.scrape().sum("pgweir_pool_waiters", &[]) == Some(1.0)).then_some(())
    });
    let (status, body) = act(&pooler, &sleeper, "cancel", &admin);
    assert_eq!(status, 409, "{body}");
    let (status, body) = act(&pooler, &sleeper, "end", &admin);
    assert_eq!((status, &body["data"]["outcome"]), (200, &"ended".into()));
    let farewell = sleeper.until_end();
    assert_eq!(farewell.error().sqlstate(), "57P01");
    assert!(
        farewell
            .error()
            .field(b'D')
            .contains("administrator of the pooler")
    );
    // Rolled back, and on the same server: it went back to its pool whole.
    assert_eq!(waiter.until_ready().value(), "0");
    let (status, body) = act(&pooler, &sleeper, "end", &admin);
    assert_eq!(
        (status, &body["detail"]),
        (404, &"no client has this number".into())
    );
    let errors = pooler
        .scrape()
        .sum("pgweir_errors_total", &["sqlstate=\"57P01\""]);
    assert_eq!(errors, Some(1.0));
    let (status, live) = pooler.request("GET", "/api/v1/live", Some(&admin));
    assert!(
        status == 200 && live.contains("was ended by alice"),
        "{live}"
    );
}

#[test]
fn an_administrator_ends_a_wait_and_a_running_query() {
    let role = shared().role();
    let (pooler, _secret) = pooler(&role);
    let admin = token(&pooler, &["--admin"]);
    let mut busy = Client::log_in(&role.through(&pooler));
    busy.send(Batch::new().query("select pg_sleep(60)").bytes());
    wait_until_active(&role);
    let mut waiters: Vec<_> = (0..2)
        .map(|_| Client::log_in(&role.through(&pooler)))
        .collect();
    for waiter in &mut waiters {
        waiter.send(Batch::new().query("select 1").bytes());
    }
    eventually("they wait", || {
        (pooler.scrape().sum("pgweir_pool_waiters", &[]) == Some(2.0)).then_some(())
    });
    let (status, body) = act(&pooler, &waiters[0], "cancel", &admin);
    assert_eq!(
        (status, &body["data"]["outcome"]),
        (200, &"wait_ended".into())
    );
    assert_eq!(waiters[0].until_ready().error().sqlstate(), "57014");
    let (status, _) = act(&pooler, &waiters[1], "end", &admin);
    assert_eq!(status, 200);
    assert_eq!(waiters[1].until_end().error().sqlstate(), "57P01");
    let (status, _) = act(&pooler, &busy, "end", &admin);
    assert_eq!(status, 200);
    assert_eq!(busy.until_end().error().sqlstate(), "57P01");
    assert_eq!(waiters[0].value("select 1"), "1");
    // What it ran does not go on in PostgreSQL.
    eventually("nothing runs", || {
        let sql = format!(
            "select 1 from pg_stat_activity where usename = '{}' and state = 'active'",
            role.name
        );
        shared().sql(&sql).rows().is_empty().then_some(())
    });
}

#[test]
fn nobody_else_does_anything_to_a_client() {
    let role = shared().role();
    let (pooler, _secret) = pooler(&role);
    let mut client = Client::log_in(&role.through(&pooler));
    let reader = token(&pooler, &[]);
    assert_eq!(act(&pooler, &client, "end", &reader).0, 403);
    assert_eq!(act(&pooler, &client, "cancel", &reader).0, 403);
    assert_eq!(act(&pooler, &client, "end", "nonsense").0, 401);
    let path = format!("/api/v1/clients/{}/end", client.pid);
    assert_eq!(pooler.request("POST", &path, None).0, 401);
    assert_eq!(pooler.request("GET", &path, None).0, 405);
    assert_eq!(client.value("select 1"), "1");
    let stats = "/api/v1/stats/database";
    assert_eq!(pooler.request("GET", stats, Some(&reader)).0, 200);
}

#[test]
fn top_asks_an_encrypted_pooler_whose_certificate_it_trusts() {
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/http/src/tls");
    let file = |name: &str| certificates.join(name).to_str().unwrap().to_owned();
    let role = shared().role();
    let config = role
        .config()
        .set("http_listen", "127.0.0.1:0")
        .set("http_tls_cert_file", &file("test-certificate.pem"))
        .set("http_tls_key_file", &file("test-key.pem"));
    let pooler = Pooler::start(&config);
    let _client = Client::log_in(&role.through(&pooler));
    let top = |scheme: &str, trusted: Option<&str>| {
        let mut top = pgweir();
        let url = format!("{scheme}://localhost:{}", pooler.http_port());
        top.args(["top", "--once", "--url", &url]);
        if let Some(name) = trusted {
            top.args(["--ca-file", &file(name)]);
        }
        let output = top.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    eventually("a pool is shown", || {
        let (code, text) = top("https", Some("test-certificate.pem"));
        assert_eq!(code, Some(0), "{text}");
        text.contains(&role.name).then_some(())
    });
    for (scheme, trusted, code, words) in [
        ("https", None, 3, "--ca-file"),
        ("https", Some("test-key.pem"), 2, "has no certificate"),
        ("http", None, 3, "broke"),
    ] {
        let (ended, text) = top(scheme, trusted);
        assert_eq!(ended, Some(code), "{text}");
        assert!(text.contains(words), "{words} in {text}");
    }
}
