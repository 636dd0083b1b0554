use std::sync::Arc;

use pgweir_config::access::Method;
use pgweir_config::{AuthType, Config};
use pgweir_wire::auth::scram;

use super::{Clear, Question, Verifiers, from_machine_id};
use crate::world::world;

/// A verifier as PostgreSQL stores it.
fn stored(iterations: u32, salt_len: usize) -> String {
    scram::Verifier::from_password("x", vec![7; salt_len], iterations).to_string()
}

/// Bob with this secret, under this `auth_type`.
fn config(auth_type: &str, secret: &str) -> Arc<Config> {
    let settings = format!("auth_type = \"{auth_type}\"\n[users.ann]\npassword = \"{secret}\"");
    let config = world(&settings).registry.config();
    let mut config = Config::clone(&config);
    config.users.remove("bob");
    Arc::new(config)
}

fn asked(verifiers: &Verifiers, config: &Arc<Config>, user: &str) -> (String, Vec<u8>) {
    let method = match config.auth_type {
        AuthType::Plain => Method::Password,
        AuthType::Md5 => Method::Md5,
        _ => Method::ScramSha256,
    };
    let secret = config.users.get(user).and_then(|user| user.secret.as_ref());
    match verifiers.question(config, method, (user, secret)) {
        Question::Md5(_) => ("md5".to_owned(), Vec::new()),
        Question::Clear(Clear::Scram(verifier)) => {
            (format!("clear {}", verifier.iterations), Vec::new())
        }
        Question::Clear(_) => ("clear".to_owned(), Vec::new()),
        Question::Scram(verifier) => {
            let question = format!("{} {}", verifier.iterations, verifier.salt.len());
            (question, verifier.salt.clone())
        }
    }
}

#[test]
fn unknown_users_are_asked_as_known_ones_are() {
    for (auth_type, secret, question) in [
        ("scram-sha-256", "plain".to_owned(), "4096 16"),
        ("scram-sha-256", stored(10_000, 16), "10000 16"),
        ("scram-sha-256", stored(5, 24), "5 24"),
        ("md5", "plain".to_owned(), "md5"),
        ("md5", format!("md5{}", "0".repeat(32)), "md5"),
        ("md5", stored(10_000, 16), "10000 16"),
        ("plain", "plain".to_owned(), "clear"),
        ("plain", format!("md5{}", "0".repeat(32)), "clear"),
        ("plain", stored(10_000, 16), "clear 10000"),
    ] {
        let config = config(auth_type, &secret);
        let verifiers = Verifiers::with_secret([1; 32]);
        for user in ["ann", "eve", "zoe"] {
            let (asked, _) = asked(&verifiers, &config, user);
            assert_eq!(asked, question, "{user} under {auth_type}");
        }
    }
}

#[test]
fn all_kinds_of_users_have_unknown_ones_like_them() {
    let settings = format!("[users.ann]\npassword = \"{}\"", stored(9, 16));
    let config = world(&settings).registry.config();
    let verifiers = Verifiers::with_secret([1; 32]);
    let mut seen: Vec<_> = (0..64)
        .map(|number| asked(&verifiers, &config, &format!("u{number}")).0)
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["4096 16", "9 16"]);
}

#[test]
fn a_salt_is_the_same_after_a_restart_and_another_for_each_user() {
    let config = config("scram-sha-256", "plain");
    let (before, after) = (
        Verifiers::with_secret([1; 32]),
        Verifiers::with_secret([1; 32]),
    );
    for user in ["ann", "eve"] {
        let salt = asked(&before, &config, user).1;
        assert_eq!(salt, asked(&after, &config, user).1);
        let elsewhere = Verifiers::with_secret([2; 32]);
        assert_ne!(salt, asked(&elsewhere, &config, user).1);
    }
    assert_ne!(
        asked(&before, &config, "ann"),
        asked(&before, &config, "eve")
    );
}

#[test]
fn a_reload_changes_what_unknown_users_are_asked() {
    let verifiers = Verifiers::with_secret([1; 32]);
    let before = config("scram-sha-256", "plain");
    let after = config("scram-sha-256", &stored(8192, 16));
    assert_eq!(asked(&verifiers, &before, "eve").0, "4096 16");
    assert_eq!(asked(&verifiers, &after, "eve").0, "8192 16");
}

#[test]
fn only_a_number_of_a_machine_makes_a_secret() {
    let id = "0123456789abcdef0123456789abcdef";
    let secret = from_machine_id(&format!("{id}\n")).unwrap();
    assert_ne!(&secret, id.as_bytes());
    assert_ne!(from_machine_id(&id.replace('f', "e")), Some(secret));
    for wrong in [
        "",
        "uninitialized",
        &"0".repeat(32),
        &id[1..],
        &id.replace('f', "g"),
    ] {
        assert_eq!(from_machine_id(wrong), None, "{wrong:?}");
    }
}
