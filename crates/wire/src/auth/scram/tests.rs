use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::client::{Binding, Credentials, First, KeyCache};
use super::{
    CLIENT_MESSAGE_MAX, ClientKey, ITERATIONS_DEFAULT, ITERATIONS_MAX, SALT_MAX,
    SERVER_MESSAGE_MAX, SERVER_NONCE_MAX, ScramError, Verifier, nonce, server,
};

/// What a whole exchange came to.
#[derive(Debug, PartialEq)]
struct Login {
    recovered: ClientKey,
    derived: KeyCache,
}

/// Lets a client of this crate log in at a server of this crate.
fn login(credentials: Credentials, verifier: &Verifier) -> Result<Login, ScramError> {
    let (client_first, client) = First::new(credentials, "client-nonce", Binding::None);
    let server = server::First::new(verifier.clone());
    let (server_first, server) = server.on_client_first(&client_first, "server-nonce")?;
    let (client_final, client) = client.on_server_first(&server_first)?;
    let derived = client.derived();
    let (server_final, recovered) = server.on_client_final(&client_final)?;
    client.on_server_final(&server_final)?;
    Ok(Login { recovered, derived })
}

fn password(text: &str) -> Credentials {
    Credentials::Password(text.to_owned())
}

fn malformed(expected: &'static str) -> ScramError {
    ScramError::Malformed { expected }
}

/// Two rounds keep unoptimised tests fast and still run the loop.
fn quick_verifier(password: &str) -> Verifier {
    Verifier::from_password(password, b"salt".to_vec(), 2)
}

#[test]
fn the_server_says_what_rfc_7677_says() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let verifier = Verifier::from_password("pencil", salt, 4096);
    let (server_first, last) = server::First::new(verifier.clone())
        .on_client_first(
            b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        )
        .unwrap();
    assert_eq!(
        str::from_utf8(&server_first).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let (server_final, client_key) = last
        .on_client_final(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        )
        .unwrap();
    assert_eq!(
        str::from_utf8(&server_final).unwrap(),
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    assert_eq!(client_key.stored_key(), verifier.stored_key);
}

/// Each verifier was made by PostgreSQL 15 from this password, in UTF-8.
#[test]
fn passwords_are_prepared_as_postgres_prepares_them() {
    for (password, stored) in [
        // Normalised to "IX".
        (
            "\u{2168}",
            "SCRAM-SHA-256$4096:x2KMMA1nTwW+L6vMIWrGXA==$nz7/YWVzh/6VlMh2wUkHpRWaasFgcGRRl5+EIl0iupI=:0Dk58YFu4xiVEEP3sVwMbKQT05mm2FiPo0cHbKIfa/E=",
        ),
        // The soft hyphen is left out.
        (
            "a\u{AD}b",
            "SCRAM-SHA-256$4096:iHlnBbbzBisMpzHMQjucrA==$bGyfgRtLhHAOctQDMU4ErQIyYk9U2n4NYmrvXHGTIA8=:iuuBkpYiST77ImxTUvlIHwkbbk91WmfsckiAkm5FG5c=",
        ),
        // Nothing is left of it, so it is used as it is.
        (
            "\u{AD}",
            "SCRAM-SHA-256$4096:qG0qIs7D4tJr2hXSlhrGHg==$z62gAIkrUyG6qh3YC9MTOUV0d+kfy5AHC0BcQrIp9tA=:VxJhTjeC4RxDp0Fp2M9l6Ln3JInT17PTcxogevHi3BY=",
        ),
        // A forbidden mix of directions.
        (
            "\u{627}1",
            "SCRAM-SHA-256$4096:BkOYOq6Npq2Iz+NE0iCDqg==$34sk0imnjw4EUaE1rjpzEreUxB2sdEOjuSDtY50TVVY=:SxSl8oykgfzSCdCrBf03IbuPPV6SIbCgFODnba/Cjeo=",
        ),
        // Not assigned in Unicode 3.2, so the space beside it stays what it is too.
        (
            "a\u{A0}🐘",
            "SCRAM-SHA-256$4096:LsGLJIXSXk3kmNaR49vuiA==$dVxGGtWP8X7AM9Fa/oaYHeQ+jL821hktaC5Xnyh8Cts=:m8yYjIk4YDhPB7ZEy8OLuX7aeoiYK9OQNbquMfvA6II=",
        ),
        // Control characters are forbidden.
        (
            "\u{7}x",
            "SCRAM-SHA-256$4096:3v50LbZlg2JDAKAutVpbwg==$jeh2YM5quxgqqAtpAL2Ey2g8APtmlcPMS2uJgwOpYIE=:2cK6EtGhbaKiyRhYhEqN/R+36dUdEQtUWt5mhbNnna8=",
        ),
        // Composed to one character.
        (
            "e\u{301}",
            "SCRAM-SHA-256$4096:D5EjpuW+9Dw3AfKEi1XFvQ==$ApYImb8uqP9VwHC00isCIKKYCHkAl5hdaQLLt7KxVpY=:1aRZMlSOKkXpGV4hCSShTQMbXVW23ph04pz9mrid6fM=",
        ),
        // Other spaces become the plain one.
        (
            "a\u{A0}b",
            "SCRAM-SHA-256$4096:3Mvu4NuJUoHc4RDulscGQg==$OriE0K1VKWmfMDZyMkPYAkrtGDK2Ixqgq6xZk7bVnmc=:7i1usYsU2Wq1LSBFi1nuqnS6wfCA7LRmY/ouOnrT6os=",
        ),
        (
            "a\u{2002}\u{FF21}",
            "SCRAM-SHA-256$4096:NrbT95qj1nJj3U8whp5NrQ==$0DPgl8I5RHFI4ZMuAOGHdZ/UZg+XKQJvjePI/QOBU00=:BrPqInPvfeadfw4zA/VTsR1ZyEPazGDZqZs5fWS0nWQ=",
        ),
    ] {
        let verifier = Verifier::parse(stored).unwrap();
        assert_eq!(verifier.to_string(), stored);
        let made = Verifier::from_password(password, verifier.salt.clone(), verifier.iterations);
        assert_eq!(made, verifier, "{password:?}");
    }
}

#[test]
fn a_verifier_has_one_form() {
    let key = STANDARD.encode([7; 32]);
    let short = STANDARD.encode([7; 31]);
    let salt_max = STANDARD.encode([1; SALT_MAX]);
    let salt_above = STANDARD.encode([1; SALT_MAX + 1]);
    let check = |text: String, fits: bool| {
        assert_eq!(Verifier::parse(&text).is_some(), fits, "{text}");
    };
    check(format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key}"), true);
    check(format!("SCRAM-SHA-256$1:${key}:{key}"), true);
    check(format!("SCRAM-SHA-256$4096:{salt_max}${key}:{key}"), true);
    check(
        format!("SCRAM-SHA-256$4096:{salt_above}${key}:{key}"),
        false,
    );
    check(format!("SCRAM-SHA-256$0:c2FsdA==${key}:{key}"), false);
    check(format!("SCRAM-SHA-256$+1:c2FsdA==${key}:{key}"), false);
    check(format!("SCRAM-SHA-256$:c2FsdA==${key}:{key}"), false);
    check(
        format!("SCRAM-SHA-256$4294967296:c2FsdA==${key}:{key}"),
        false,
    );
    check(format!("SCRAM-SHA-256$4096:c2FsdA${key}:{key}"), false);
    check(format!("SCRAM-SHA-256$4096:c2FsdA==${short}:{key}"), false);
    check(format!("SCRAM-SHA-256$4096:c2FsdA==${key}:{key} "), false);
    check(format!("SCRAM-SHA-256$4096:c2FsdA==${key}"), false);
    check(format!("scram-sha-256$4096:c2FsdA==${key}:{key}"), false);
    check("secret".to_owned(), false);
    check(String::new(), false);
}

#[test]
fn a_login_recovers_keys_that_log_in_again() {
    let verifier = quick_verifier("pencil");
    let Login { recovered, derived } = login(password("pencil"), &verifier).unwrap();
    assert_eq!(recovered, derived.client_key);
    assert_eq!(derived.server_key, verifier.server_key);
    let credentials = Credentials::Keys {
        client_key: recovered,
        server_key: verifier.server_key,
    };
    login(credentials.clone(), &verifier).unwrap();
    // The same password under another salt has other keys.
    let other = Verifier::from_password("pencil", b"pepper".to_vec(), 2);
    assert_eq!(login(credentials, &other), Err(ScramError::WrongPassword));
}

#[test]
fn a_password_in_clear_text_gives_the_keys_that_log_in() {
    let verifier = quick_verifier("secret");
    let client_key = verifier.client_key("secret").unwrap();
    let keys = Credentials::Keys {
        client_key,
        server_key: verifier.server_key,
    };
    login(keys, &verifier).unwrap();
    for wrong in ["", "Secret", "secret "] {
        assert_eq!(verifier.client_key(wrong), None, "{wrong}");
    }
    let endless = Verifier {
        iterations: ITERATIONS_MAX + 1,
        ..verifier
    };
    assert_eq!(endless.client_key("secret"), None);
}

#[test]
fn kept_keys_are_used_only_for_their_salt_and_count() {
    let verifier = quick_verifier("pencil");
    let derived = login(password("pencil"), &verifier).unwrap().derived;
    // The password is wrong on purpose: it shows whether the kept keys or the password were used.
    let cached = Credentials::Cached {
        password: "wrong".to_owned(),
        cache: derived.clone(),
    };
    assert_eq!(login(cached.clone(), &verifier).unwrap().derived, derived);
    for (salt, iterations) in [(&b"pepper"[..], 2), (b"salt", 3)] {
        let changed = Verifier::from_password("pencil", salt.to_vec(), iterations);
        let refused = Err(ScramError::WrongPassword);
        assert_eq!(login(cached.clone(), &changed), refused);
        let right = Credentials::Cached {
            password: "pencil".to_owned(),
            cache: derived.clone(),
        };
        let fresh = login(right, &changed).unwrap().derived;
        assert_eq!((&fresh.salt[..], fresh.iterations), (salt, iterations));
    }
}

#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let secret = [9; 32];
    let mut mock = Verifier::mock("alice", &secret);
    assert_eq!(mock, Verifier::mock("alice", &secret));
    assert_ne!(mock.salt, Verifier::mock("bob", &secret).salt);
    assert_ne!(mock.salt, Verifier::mock("alice", &[8; 32]).salt);
    assert_eq!((mock.salt.len(), mock.iterations), (16, ITERATIONS_DEFAULT));
    assert_ne!(mock.stored_key, mock.server_key);
    mock.iterations = 2;
    for guess in ["", "alice", "pencil"] {
        assert_eq!(
            login(password(guess), &mock),
            Err(ScramError::WrongPassword)
        );
    }
}

#[test]
fn the_server_refuses_a_bad_first_message() {
    let check = |data: &[u8], expected: ScramError| {
        let server = server::First::new(quick_verifier("x"));
        let got = server
            .on_client_first(data, "server")
            .map(|(message, _)| message);
        assert_eq!(got, Err(expected), "{}", data.escape_ascii());
    };
    check(b"", malformed("a channel binding flag"));
    check(b"n", malformed("a channel binding flag"));
    check(b"x,,n=,r=abc", malformed("a channel binding flag"));
    check(b"n=,r=abc", malformed("a channel binding flag"));
    check(
        b"p=tls-server-end-point,,n=,r=abc",
        ScramError::ChannelBinding,
    );
    check(b"n,a=bob,n=,r=abc", ScramError::AuthorizationIdentity);
    check(b"y,a=bob,n=,r=abc", ScramError::AuthorizationIdentity);
    check(b"n,,", malformed("a user name (n=)"));
    check(b"n,,r=abc", malformed("a user name (n=)"));
    check(b"n,,m=x,n=,r=abc", ScramError::MandatoryExtension);
    check(b"n,,n=,m=x,r=abc", ScramError::MandatoryExtension);
    check(b"n,,n=", malformed("a printable nonce (r=)"));
    check(b"n,,n=,r=", malformed("a printable nonce (r=)"));
    check(b"n,,n=,r=,x=1", malformed("a printable nonce (r=)"));
    check(b"n,,n=,r=a b", malformed("a printable nonce (r=)"));
    check(b"n,,n=,r=a\0", malformed("a printable nonce (r=)"));
    check(b"n,,n=,r=\xff", malformed("a printable nonce (r=)"));
}

#[test]
fn client_messages_are_bounded() {
    let message = |len: usize| {
        let mut message = b"n,,n=,r=".to_vec();
        message.resize(len, b'x');
        message
    };
    let first = |len| {
        let server = server::First::new(quick_verifier("x"));
        server.on_client_first(&message(len), "server")
    };
    let max = CLIENT_MESSAGE_MAX;
    let got = max + 1;
    let too_long = ScramError::TooLong { got, max };
    let (_, last) = first(max).unwrap();
    assert_eq!(first(got).unwrap_err(), too_long);
    assert_eq!(last.on_client_final(&vec![b'x'; got]), Err(too_long));
}

#[test]
fn the_server_refuses_a_bad_last_message() {
    let check = |first: &[u8], last: &[u8], expected: ScramError| {
        let server = server::First::new(quick_verifier("x"));
        let (_, server) = server.on_client_first(first, "server").unwrap();
        assert_eq!(
            server.on_client_final(last),
            Err(expected),
            "{}",
            last.escape_ascii()
        );
    };
    let proof = STANDARD.encode([0; 32]);
    let with_proof = |start: &str| format!("{start},p={proof}").into_bytes();
    let n = b"n,,n=,r=abc";
    let y = b"y,,n=,r=abc";
    check(
        n,
        &with_proof("c=biws,r=abcserver"),
        ScramError::WrongPassword,
    );
    check(
        y,
        &with_proof("c=eSws,r=abcserver"),
        ScramError::WrongPassword,
    );
    check(
        n,
        &with_proof("c=biws,r=abcserver,x=1"),
        ScramError::WrongPassword,
    );
    check(
        n,
        &with_proof("c=eSws,r=abcserver"),
        ScramError::ChannelBindingChanged,
    );
    check(
        y,
        &with_proof("c=biws,r=abcserver"),
        ScramError::ChannelBindingChanged,
    );
    check(
        n,
        &with_proof("c=,r=abcserver"),
        ScramError::ChannelBindingChanged,
    );
    check(n, &with_proof("c=biws,r=abcserve"), ScramError::Nonce);
    check(n, &with_proof("c=biws,r=abcserverr"), ScramError::Nonce);
    check(n, &with_proof("c=biws,r=abc"), ScramError::Nonce);
    check(n, &with_proof("c=biws,r="), ScramError::Nonce);
    check(n, &with_proof("c=biws"), malformed("a nonce (r=)"));
    check(
        n,
        &with_proof("c=biws,m=1,r=abcserver"),
        ScramError::MandatoryExtension,
    );
    check(n, &with_proof(""), malformed("a channel binding (c=)"));
    check(n, b"", malformed("a proof (p=)"));
    check(n, b"c=biws,r=abcserver", malformed("a proof (p=)"));
    check(n, b"c=biws,r=abcserver,p=", malformed("a proof (p=)"));
    check(n, b"c=biws,r=abcserver,p=AAAA", malformed("a proof (p=)"));
    check(n, b"c=biws,r=abcserver,p=!", malformed("a proof (p=)"));
    let after = format!("c=biws,r=abcserver,p={proof},x=1");
    check(n, after.as_bytes(), malformed("a proof (p=)"));
}

/// What the client makes of this challenge.
fn challenge(data: &[u8]) -> Result<(), ScramError> {
    let (_, client) = First::new(password("x"), "client", Binding::None);
    client.on_server_first(data).map(|_| ())
}

#[test]
fn the_client_refuses_a_bad_challenge() {
    let check = |data: &str, expected: ScramError| {
        assert_eq!(challenge(data.as_bytes()), Err(expected), "{data}");
    };
    assert_eq!(challenge(b"r=client1,s=c2FsdA==,i=1"), Ok(()));
    assert_eq!(challenge(b"r=client1,s=,i=1,x=later"), Ok(()));
    check("", malformed("a nonce (r=)"));
    check("nonsense", malformed("a nonce (r=)"));
    check(
        "m=x,r=client1,s=c2FsdA==,i=1",
        ScramError::MandatoryExtension,
    );
    check(
        "r=client1,m=x,s=c2FsdA==,i=1",
        ScramError::MandatoryExtension,
    );
    // Nothing added, another beginning, and characters that a nonce may not have.
    check("r=client,s=c2FsdA==,i=1", ScramError::Nonce);
    check("r=,s=c2FsdA==,i=1", ScramError::Nonce);
    check("r=clienT1,s=c2FsdA==,i=1", ScramError::Nonce);
    check("r=clien,s=c2FsdA==,i=1", ScramError::Nonce);
    check("r=client\u{1},s=c2FsdA==,i=1", ScramError::Nonce);
    check("r=client1", malformed("a salt in base64 (s=)"));
    check("r=client1,s=c2FsdA,i=1", malformed("a salt in base64 (s=)"));
    check("r=client1,s=c2FsdA==", malformed("an iteration count (i=)"));
    check(
        "r=client1,s=c2FsdA==,i=",
        malformed("an iteration count (i=)"),
    );
    check(
        "r=client1,s=c2FsdA==,i=+1",
        malformed("an iteration count (i=)"),
    );
    check(
        "r=client1,s=c2FsdA==,i=-1",
        malformed("an iteration count (i=)"),
    );
    let above_u64 = "r=client1,s=c2FsdA==,i=99999999999999999999";
    check(above_u64, malformed("an iteration count (i=)"));
    for got in [0, u64::from(ITERATIONS_MAX) + 1, 1 << 31, 1 << 32, u64::MAX] {
        let data = format!("r=client1,s=c2FsdA==,i={got}");
        check(&data, ScramError::Iterations { got });
    }
}

#[test]
fn what_a_server_sends_is_bounded() {
    let with_nonce = |len: usize| format!("r=client{},s=,i=1", "1".repeat(len - 6)).into_bytes();
    assert_eq!(challenge(&with_nonce(SERVER_NONCE_MAX)), Ok(()));
    let (got, max) = (SERVER_NONCE_MAX + 1, SERVER_NONCE_MAX);
    assert_eq!(
        challenge(&with_nonce(got)),
        Err(ScramError::TooLong { got, max })
    );
    let with_salt = |len: usize| {
        let salt = STANDARD.encode(vec![1; len]);
        format!("r=client1,s={salt},i=1").into_bytes()
    };
    assert_eq!(challenge(&with_salt(SALT_MAX)), Ok(()));
    let got = SALT_MAX + 1;
    assert_eq!(
        challenge(&with_salt(got)),
        Err(ScramError::SaltTooLong { got })
    );
    let (got, max) = (64 * 1024, SERVER_MESSAGE_MAX);
    let huge = vec![b'r'; got];
    assert_eq!(challenge(&huge), Err(ScramError::TooLong { got, max }));
    let (_, client) = First::new(password("x"), "client", Binding::None);
    let (_, last) = client.on_server_first(b"r=client1,s=,i=1").unwrap();
    let too_long = Err(ScramError::TooLong { got, max });
    assert_eq!(last.on_server_final(&huge), too_long);
}

#[test]
fn the_client_checks_the_server() {
    let check = |data: &[u8], expected: ScramError| {
        let (_, client) = First::new(password("x"), "client", Binding::None);
        let (_, last) = client.on_server_first(b"r=client1,s=,i=1").unwrap();
        assert_eq!(
            last.on_server_final(data),
            Err(expected),
            "{}",
            data.escape_ascii()
        );
    };
    let refused = |reason: &str| ScramError::Refused {
        reason: reason.to_owned(),
    };
    let signature = STANDARD.encode([0; 32]);
    check(
        format!("v={signature}").as_bytes(),
        ScramError::ServerSignature,
    );
    check(b"v=", malformed("a signature (v=)"));
    check(b"v=AAAA", malformed("a signature (v=)"));
    check(b"", malformed("a signature (v=)"));
    check(b"e=invalid-proof", refused("invalid-proof"));
    check(b"e=a\nb\xff,x=1", refused("a?b\u{fffd}"));
    check(
        &[b"e=", &[b'x'; 100][..]].concat(),
        refused(&"x".repeat(64)),
    );
}

#[test]
fn debug_output_has_no_secrets() {
    let verifier = quick_verifier("pencil");
    let derived = login(password("pencil"), &verifier).unwrap().derived;
    let (_, client) = First::new(password("pencil"), "client", Binding::None);
    let cached = Credentials::Cached {
        password: "pencil".to_owned(),
        cache: derived.clone(),
    };
    for (shown, expected) in [
        (format!("{verifier:?}"), "Verifier { iterations: 2, .. }"),
        (format!("{derived:?}"), "KeyCache { iterations: 2, .. }"),
        (format!("{:?}", derived.client_key), "ClientKey(..)"),
        (format!("{:?}", password("pencil")), "Password(..)"),
        (format!("{cached:?}"), "Cached(..)"),
    ] {
        assert_eq!(shown, expected);
    }
    assert!(!format!("{client:?}").contains("pencil"));
}

#[test]
fn a_nonce_of_random_bytes_is_one() {
    assert_eq!(nonce(&[0xFF; 18]), "/".repeat(24));
    // The constructors assert that a nonce is fit to be sent.
    First::new(password("x"), &nonce(&[0; 18]), Binding::None);
}

/// Bytes close to a real message: parts of one, glued together.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"n,,"[..],
            b"y,,",
            b"n=",
            b",r=",
            b"r=",
            b"abc",
            b"abcserver",
            b"client",
            b"client1",
            b",s=",
            b",i=",
            b"1",
            b"c=biws",
            b",p=",
            b"p=",
            b"v=",
            b"e=",
            b"m=",
            b",",
            b"=",
            b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_right_password_logs_in_and_a_wrong_one_does_not(
        right in "\\PC{0,12}", wrong in "[a-z]{1,12}",
        salt in prop::collection::vec(any::<u8>(), 0..40), iterations in 1_u32..4,
    ) {
        let verifier = Verifier::from_password(&right, salt.clone(), iterations);
        prop_assert_eq!(Verifier::parse(&verifier.to_string()), Some(verifier.clone()));
        let login_right = login(password(&right), &verifier);
        let Ok(Login { recovered, derived }) = login_right else {
            return Err(TestCaseError::fail(format!("{login_right:?}")));
        };
        prop_assert_eq!(recovered.stored_key(), verifier.stored_key);
        let expected = KeyCache {
            salt,
            iterations,
            client_key: recovered,
            server_key: verifier.server_key,
        };
        prop_assert_eq!(derived, expected);
        // Another verifier means that the passwords differ also after preparation.
        if Verifier::from_password(&wrong, verifier.salt.clone(), iterations) != verifier {
            prop_assert_eq!(login(password(&wrong), &verifier), Err(ScramError::WrongPassword));
        }
    }

    #[test]
    fn a_message_that_was_changed_never_logs_in(
        step in 0..4_usize, at: prop::sample::Index, flip in 1_u8..=255,
    ) {
        let change = |now: usize, mut message: Vec<u8>| {
            if now == step {
                let at = at.index(message.len());
                message[at] ^= flip;
            }
            message
        };
        let run = || {
            let (message, client) = First::new(password("pencil"), "client-nonce", Binding::None);
            let server = server::First::new(Arc::new(quick_verifier("pencil")));
            let (message, server) = server.on_client_first(&change(0, message), "server-nonce")?;
            let (message, client) = client.on_server_first(&change(1, message))?;
            let (message, _) = server.on_client_final(&change(2, message))?;
            client.on_server_final(&change(3, message))
        };
        // A flip may raise the count from 2 to a longer run of digits, but never beyond one digit.
        prop_assert!(run().is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_prove_nothing(first in pieces(), last in pieces()) {
        let server = server::First::new(quick_verifier("x"));
        if let Ok((_, server)) = server.on_client_first(&first, "server") {
            prop_assert!(server.on_client_final(&last).is_err());
        }
        let (_, server) = server::First::new(quick_verifier("x"))
            .on_client_first(b"n,,n=,r=abc", "server")
            .unwrap();
        prop_assert!(server.on_client_final(&last).is_err());
        let (_, client) = First::new(password("x"), "client", Binding::None);
        // Counts of up to six digits would be computed in full.
        if !first.windows(3).any(|three| three.iter().all(u8::is_ascii_digit))
            && let Ok((_, client)) = client.on_server_first(&first)
        {
            prop_assert!(client.on_server_final(&last).is_err());
        }
        let _ = str::from_utf8(&first).map(Verifier::parse);
    }
}

#[test]
fn an_exchange_is_bound_to_the_connection_it_is_on() {
    let verifier = || quick_verifier("pencil");
    let run = |client_side: Binding<'_>, offered: Option<Option<&[u8]>>| {
        let (first, client) = First::new(password("pencil"), "client-nonce", client_side);
        let server = server::First::new(verifier());
        let server = match offered {
            None => server,
            Some(chosen) => server.offered(chosen),
        };
        let (server_first, server) = server.on_client_first(&first, "server-nonce")?;
        let (client_final, client) = client.on_server_first(&server_first)?;
        let (server_final, _) = server.on_client_final(&client_final)?;
        client.on_server_final(&server_final)
    };
    let malformed = ScramError::Malformed {
        expected: "the channel binding that the mechanism has",
    };
    for (client_side, offered, outcome) in [
        (Binding::None, None, Ok(())),
        (Binding::NotOffered, None, Ok(())),
        (Binding::None, Some(None), Ok(())),
        (
            Binding::Bound(b"digest"),
            Some(Some(&b"digest"[..])),
            Ok(()),
        ),
        // Somebody in between took the offer out.
        (Binding::NotOffered, Some(None), Err(ScramError::Downgrade)),
        // Somebody in between has another certificate.
        (
            Binding::Bound(b"other"),
            Some(Some(&b"digest"[..])),
            Err(ScramError::ChannelBindingChanged),
        ),
        (
            Binding::Bound(b"digest"),
            None,
            Err(ScramError::ChannelBinding),
        ),
        (
            Binding::Bound(b"digest"),
            Some(None),
            Err(ScramError::ChannelBinding),
        ),
        (Binding::None, Some(Some(b"digest")), Err(malformed.clone())),
        (Binding::NotOffered, Some(Some(b"digest")), Err(malformed)),
    ] {
        assert_eq!(
            run(client_side, offered),
            outcome,
            "{client_side:?} {offered:?}"
        );
    }
}

#[test]
fn another_kind_of_binding_is_not_known() {
    for first in ["p=tls-unique,,n=,r=x", "p=tls-server-end-pointy,,n=,r=x"] {
        let server = server::First::new(quick_verifier("x")).offered(Some(b"digest"));
        let outcome = server.on_client_first(first.as_bytes(), "server-nonce");
        assert_eq!(outcome.err(), Some(ScramError::ChannelBinding), "{first}");
    }
    let server = server::First::new(quick_verifier("x")).offered(Some(b"digest"));
    let outcome = server.on_client_first(b"p=tls-server-end-point,a=y,n=,r=x", "server-nonce");
    assert_eq!(outcome.err(), Some(ScramError::AuthorizationIdentity));
}
