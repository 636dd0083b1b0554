//! OAUTHBEARER (`auth_type = "oauth"`): tokens by PostgreSQL 18's own mechanism.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pgweir_e2e::{Client, Config, Pooler, Role, Target, Transcript, shared};
use pgweir_wire::{encode as wire, startup};
use serde_json::{Value, json};

use crate::tls::{Side, direct};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://id.example.com/tenant";
const SCOPE: &str = "openid db.login";
/// What PostgreSQL 18 answers to a token that is not good, to the byte.
const DISCOVERY: &str = "{ \"status\": \"invalid_token\", \
    \"openid-configuration\": \"https://id.example.com/tenant/.well-known/openid-configuration\", \
    \"scope\": \"openid db.login\" }";

/// A pooler that takes such tokens, from its own machine in the clear as well.
fn config(role: &Role, folder: &Path) -> Config {
    let (secret, hba) = (folder.join("secret"), folder.join("hba"));
    fs::write(&secret, SECRET).unwrap();
    let options = format!("issuer=\"{ISSUER}\" scope=\"{SCOPE}\"");
    fs::write(
        &hba,
        format!("hostnossl app all 127.0.0.1/32 oauth {options}\n"),
    )
    .unwrap();
    tokens(role.config(), &secret)
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string())
}

fn tokens(config: Config, secret: &Path) -> Config {
    config
        .set("auth_jwt_secret_file", &secret.display().to_string())
        .set("auth_jwt_audience", "pgweir")
}

/// The claims of a token that is good for a user.
fn claims(user: &str) -> Value {
    json!({ "sub": user, "iss": ISSUER, "aud": "pgweir", "scope": "db.login other", "exp": now() + 60 })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::default(), claims, &key).unwrap()
}

/// The claims with one of them changed, or taken out.
fn but(claims: &Value, name: &str, value: Value) -> String {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    sign(&claims)
}

fn first_message(token: &str) -> Vec<u8> {
    format!("n,,\x01auth=Bearer {token}\x01\x01").into_bytes()
}

/// A client that was offered the mechanism, and nothing else.
fn offered(target: &Target) -> Client {
    let mut client = Client::connect(target).unwrap();
    let mut out = Vec::new();
    let parameters = [("user", &*target.user), ("database", &*target.database)];
    startup::encode_startup(&mut out, 0, &parameters);
    client.send(&out);
    let offer = client.receive().expect("a request");
    assert_eq!(
        (offer.kind, &*offer.body),
        (b'R', &b"\0\0\0\x0aOAUTHBEARER\0\0"[..])
    );
    client
}

fn send_first(client: &mut Client, data: &[u8]) {
    let mut out = Vec::new();
    wire::sasl_initial_response(&mut out, "OAUTHBEARER", data);
    client.send(&out);
}

/// What a login with this token comes to.
fn log_in(target: &Target, token: &str) -> Transcript {
    let mut client = offered(target);
    send_first(&mut client, &first_message(token));
    client.until_ready()
}

/// A token is refused as PostgreSQL 18 refuses one: with where to get another, which the client acknowledges.
#[track_caller]
fn refused(target: &Target, first: &[u8], what: &str) {
    let mut client = offered(target);
    send_first(&mut client, first);
    let challenge = client.receive().expect("a challenge");
    let expected = [b"\0\0\0\x0b", DISCOVERY.as_bytes()].concat();
    assert_eq!((challenge.kind, challenge.body), (b'R', expected), "{what}");
    let mut out = Vec::new();
    wire::sasl_response(&mut out, b"\x01");
    client.send(&out);
    let end = client.until_end();
    assert_eq!(end.to_string(), "E(28000) end", "{what}");
    let text = format!(
        "OAuth bearer authentication failed for user \"{}\"",
        target.user
    );
    assert_eq!(end.error().text(), text, "{what}");
}

#[test]
fn a_good_token_logs_in_at_once_and_whatever_is_wrong_with_another_reads_the_same() {
    let (role, other) = (shared().role(), shared().role());
    let folder = tempfile::tempdir().unwrap();
    let config = config(&role, folder.path()).user(&other.name, "password", &other.password);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let good = claims(&role.name);
    // Nothing stands between the token and AuthenticationOk.
    let answer = log_in(&target, &sign(&good));
    assert!(answer.messages[0].body == [0; 4], "{answer}");
    assert!(answer.to_string().ends_with("ZI"), "{answer}");
    // A message of its own for the token, behind an empty challenge.
    let mut client = offered(&target);
    client.send(b"p\0\0\0\x14OAUTHBEARER\0\xff\xff\xff\xff");
    assert_eq!(client.receive().unwrap().body, b"\0\0\0\x0b");
    let mut out = Vec::new();
    wire::sasl_response(&mut out, &first_message(&sign(&good)));
    client.send(&out);
    assert!(client.until_ready().to_string().ends_with("ZI"));
    assert_eq!(client.value("select current_user"), role.name);

    let mut forged = sign(&good);
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    let foreign_key = EncodingKey::from_secret(&[7; 32]);
    let foreign = encode(&Header::default(), &good, &foreign_key).unwrap();
    let body = URL_SAFE_NO_PAD.encode(good.to_string());
    let unsigned = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    for (what, token) in [
        ("forged", forged),
        ("of another key", foreign),
        ("unsigned", unsigned),
        ("expired", but(&good, "exp", json!(now() - 60))),
        ("without an end", but(&good, "exp", Value::Null)),
        ("not yet good", but(&good, "nbf", json!(now() + 600))),
        ("of another audience", but(&good, "aud", json!("other"))),
        ("of no audience", but(&good, "aud", Value::Null)),
        (
            "of another issuer",
            but(&good, "iss", json!("https://id.example.com")),
        ),
        ("of no issuer", but(&good, "iss", Value::Null)),
        (
            "for something else",
            but(&good, "scope", json!("db.loginx")),
        ),
        ("for nothing", but(&good, "scope", Value::Null)),
        ("for somebody else", but(&good, "sub", json!(other.name))),
        ("for nobody", but(&good, "sub", Value::Null)),
        ("longer than any", "a".repeat(8 * 1024 + 1)),
        ("no token", "a".to_owned()),
    ] {
        refused(&target, &first_message(&token), what);
    }
    refused(&target, &first_message(""), "empty");
    refused(&target, b"n,,\x01auth=Basic abc\x01\x01", "another scheme");
    refused(&target, b"n,,\x01auth=\x01\x01", "discovery");
    // A good one for whom there is not.
    let nobody = target.clone().user("nobody");
    refused(
        &nobody,
        &first_message(&sign(&claims("nobody"))),
        "unknown user",
    );
    refused(
        &nobody,
        &first_message(&sign(&good)),
        "unknown user, other token",
    );
    assert!(!pooler.log().contains(&sign(&good)[..40]));
}

#[test]
fn what_is_no_oauthbearer_ends_the_login_and_nothing_else() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let pooler = Pooler::start(&config(&role, folder.path()));
    let target = role.through(&pooler);
    let good = sign(&claims(&role.name));
    let whole = first_message(&good);
    let nul = [&whole[..whole.len() - 2], b"\0\x01\x01"].concat();
    let behind = [&*whole, b"\0"].concat();
    let bound = [b"p=tls-server-end-point,,", &whole[3..]].concat();
    for (what, data, sqlstate) in [
        ("empty", &b""[..], "08P01"),
        ("cut", &whole[..whole.len() - 1], "08P01"),
        ("NUL in the token", &nul, "08P01"),
        ("NUL behind it", &behind, "08P01"),
        ("bound to something", &bound, "08P01"),
        ("9.5 kB", &first_message(&"a".repeat(9_500)), "08P01"),
        ("10 kB", &first_message(&"a".repeat(10_240)), "08P01"),
        ("for another", b"n,a=bob,\x01auth=\x01\x01", "0A000"),
    ] {
        let mut client = offered(&target);
        send_first(&mut client, data);
        let answer = client.until_end();
        assert_eq!(answer.error().sqlstate(), sqlstate, "{what}: {answer}");
    }
    for (what, message) in [
        (
            "another mechanism",
            &b"p\0\0\0\x16SCRAM-SHA-256\0\0\0\0\0"[..],
        ),
        ("a password", b"p\0\0\0\x08nah\0"),
        ("a length below all", b"p\0\0\0\x03"),
        ("4 GB", b"p\xff\xff\xff\xff"),
        ("2 GB", b"p\x7f\xff\xff\xff"),
        ("2 GB inside", b"p\0\0\0\x14OAUTHBEARER\0\x7f\xff\xff\xff"),
        (
            "less than none inside",
            b"p\0\0\0\x14OAUTHBEARER\0\xff\xff\xff\xfe",
        ),
    ] {
        let mut client = offered(&target);
        client.send(message);
        assert_eq!(client.until_end().error().sqlstate(), "08P01", "{what}");
    }
    // A client that was refused has to say that it heard.
    let mut client = offered(&target);
    send_first(&mut client, &first_message("a"));
    client.receive().expect("a challenge");
    let mut out = Vec::new();
    wire::sasl_response(&mut out, &whole);
    client.send(&out);
    assert_eq!(client.until_end().to_string(), "E(08P01) end");
    assert!(log_in(&target, &good).to_string().ends_with("ZI"));
}

#[test]
fn asking_where_to_get_a_token_is_no_failed_login() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let config = config(&role, folder.path())
        .set("login_limits_exempt", "unix")
        .set("login_failures_per_minute", 2)
        .set("login_failure_delay_max", 30);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    // libpq does so before each login with a token. Were these failures, the last would wait for a minute.
    for _ in 0..20 {
        refused(&target, b"n,,\x01auth=\x01\x01", "discovery");
    }
    assert!(
        log_in(&target, &sign(&claims(&role.name)))
            .to_string()
            .ends_with("ZI")
    );
    assert_eq!(pooler.logged("OAuth bearer"), 0, "{}", pooler.log());
    refused(&target, &first_message("a"), "failure");
    pooler.has_said("OAuth bearer authentication failed");
}

#[test]
fn a_token_is_asked_for_only_where_nobody_listens() {
    let role = shared().role();
    let side = Side::new();
    let secret = side.folder().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let sockets = side.folder().display().to_string();
    let config = tokens(side.config(&role, "prefer"), &secret)
        .set("auth_type", "oauth")
        .set("auth_oauth_issuer", ISSUER)
        .set("auth_oauth_scope", SCOPE)
        .set("unix_socket_dir", &sockets);
    let hba = side.folder().join("hba");
    let options = format!("issuer=\"{ISSUER}\" scope=\"{SCOPE}\"");
    fs::write(
        &hba,
        format!("local all all oauth {options}\nhost all all all oauth {options}\n"),
    )
    .unwrap();
    let by_rule = config
        .clone()
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string());
    let token = sign(&claims(&role.name));
    for config in [config, by_rule] {
        let pooler = Pooler::start(&config);
        let target = role.through(&pooler);
        let mut clear = Client::connect(&target).unwrap();
        let mut out = Vec::new();
        let parameters = [("user", &*role.name), ("database", "app")];
        startup::encode_startup(&mut out, 0, &parameters);
        clear.send(&out);
        let answer = clear.until_end();
        // It is refused before it is asked, so that it sends none.
        assert_eq!(answer.to_string(), "E(28000) end");
        assert!(answer.error().text().contains("OAuth bearer"), "{answer}");
        assert!(
            log_in(&target.clone().host(&sockets), &token)
                .to_string()
                .ends_with("ZI")
        );

        let mut encrypted = direct(&pooler, &side.trust());
        encrypted.write_all(&out).unwrap();
        let mut answer = [0; 24];
        encrypted.read_exact(&mut answer[..22]).unwrap();
        assert_eq!(&answer[..22], b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0");
        out.clear();
        wire::sasl_initial_response(&mut out, "OAUTHBEARER", &first_message(&token));
        encrypted.write_all(&out).unwrap();
        encrypted.read_exact(&mut answer[..9]).unwrap();
        assert_eq!(&answer[..9], b"R\0\0\0\x08\0\0\0\0");
    }
}

#[test]
fn tokens_may_be_of_the_keys_that_an_issuer_publishes_and_a_map_say_whom_they_are_for() {
    let role = shared().role();
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let point = key.public_key_raw();
    let [x, y] = [&point[1..33], &point[33..65]].map(|part| URL_SAFE_NO_PAD.encode(part));
    let set = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "1" }] });
    let (jwks, hba, ident) = (
        folder.path().join("jwks"),
        folder.path().join("hba"),
        folder.path().join("ident"),
    );
    fs::write(&jwks, set.to_string()).unwrap();
    // The issuer by the URL of its metadata.
    let options =
        format!("issuer={ISSUER}/.well-known/openid-configuration scope=\"{SCOPE}\" map=mail");
    fs::write(&hba, format!("hostnossl all all all oauth {options}\n")).unwrap();
    fs::write(&ident, "mail /^(.*)@example\\.com$ \\1\n").unwrap();
    let config = role
        .config()
        .set("auth_type", "hba")
        .set("auth_hba_file", &hba.display().to_string())
        .set("auth_ident_file", &ident.display().to_string())
        .set("auth_jwks_file", &jwks.display().to_string())
        .set("auth_jwt_audience", "pgweir")
        .set("auth_jwt_claim", "email");
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let sign = |email: &str, key: &rcgen::KeyPair| {
        let mut claims = claims("somebody");
        claims["email"] = json!(email);
        let header = Header::new(Algorithm::ES256);
        encode(
            &header,
            &claims,
            &EncodingKey::from_ec_der(&key.serialize_der()),
        )
        .unwrap()
    };
    let mail = format!("{}@example.com", role.name);
    assert!(
        log_in(&target, &sign(&mail, &key))
            .to_string()
            .ends_with("ZI")
    );
    refused(
        &target,
        &first_message(&sign(&role.name, &key)),
        "not mapped",
    );
    let other = rcgen::KeyPair::generate().unwrap();
    refused(&target, &first_message(&sign(&mail, &other)), "another key");
}

/// libpq 18 of the PostgreSQL that tests use, if it is of that version: those of `make test-versions`.
fn libpq_18() -> Option<PathBuf> {
    let folder = std::env::var_os("PGWEIR_POSTGRES_BIN")?;
    let libraries = Path::new(&folder).parent()?.join("lib");
    let library = libraries.join("libpq.so.5.18");
    library.exists().then_some(library)
}

#[test]
fn libpq_18_asks_where_to_get_a_token_and_logs_in_with_it() {
    let Some(library) = libpq_18() else {
        eprintln!("this is for libpq 18: make test-versions");
        return;
    };
    let role = shared().role();
    let side = Side::new();
    let secret = side.folder().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let config = tokens(side.config(&role, "require"), &secret)
        .set("auth_type", "oauth")
        .set("auth_oauth_issuer", ISSUER)
        .set("auth_oauth_scope", SCOPE);
    let pooler = Pooler::start(&config);
    let connect = |token: &str, discovery: &str| {
        let output = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/oauth/libpq.py"))
            .arg(&library)
            .arg(format!(
                "host=localhost port={} user={} dbname=app sslmode=verify-full sslrootcert={} \
                 oauth_issuer={discovery} oauth_client_id=psql require_auth=oauth",
                pooler.port(),
                role.name,
                side.path("authority.crt")
            ))
            .arg(token)
            .output()
            .expect("python3 is there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let token = sign(&claims(&role.name));
    // It asks the pooler first, or the issuer at once where it has its URL.
    let by_url = format!("{ISSUER}/.well-known/openid-configuration");
    for issuer in [ISSUER, &by_url] {
        let (out, err) = connect(&token, issuer);
        let expected = format!("{by_url}\n{SCOPE}\n{}", role.name);
        let scope_unknown = format!("{by_url}\n\n{}", role.name);
        assert!(
            out == expected || issuer == by_url && out == scope_unknown,
            "{out} {err}"
        );
    }
    let (_, err) = connect(&but(&claims(&role.name), "aud", json!("other")), ISSUER);
    assert!(
        err.contains("OAuth bearer authentication failed for user"),
        "{err}"
    );
    let (_, err) = connect(&token, "https://evil.example.com");
    assert!(
        err.contains("issuer") || err.contains("discovery document"),
        "{err}"
    );
}
