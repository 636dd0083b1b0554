//! A token of anybody: no panic, and none that the secret did not sign says anything.
//!
//! The first byte chooses what is fuzzed: a token, the claims of one that is well signed, or a set of keys.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pgweir_http::Keys;

/// Nobody knows it, so any token that it signed was made here.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys::new(Some("pgweir".to_owned()));
    keys.add_secret(b"0123456789abcdef0123456789abcdef").expect("it is long");
    keys.add_set(SET).expect("it has keys");
    keys
});

/// The keys of RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
const SET: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
     "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"},
    {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 3 {
        0 => {
            assert!(KEYS.read(rest).is_none());
            // Behind a header that each kind of key is tried for.
            for header in ["HS256", "ES256", "EdDSA", "none"].map(header) {
                assert!(KEYS.read(&[header.as_bytes(), rest].concat()).is_none());
            }
        }
        1 => {
            let claims = String::from_utf8_lossy(rest);
            let expires = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
            let token = KEYS.sign(&claims, Some(&claims), expires).expect("there is a secret");
            if let Some(token) = KEYS.read(token.as_bytes()) {
                assert!(token.texts("sub").eq([&*claims]));
                assert!(token.scopes().eq(claims.split_whitespace()));
            } else {
                assert!(token.len() > 8 * 1024);
            }
        }
        _ => {
            let _ = Keys::new(None).add_set(&String::from_utf8_lossy(rest));
        }
    }
});

/// The first part of a token of an algorithm.
fn header(algorithm: &str) -> String {
    match algorithm {
        "HS256" => "eyJhbGciOiJIUzI1NiJ9.",
        "ES256" => "eyJhbGciOiJFUzI1NiJ9.",
        "EdDSA" => "eyJhbGciOiJFZERTQSJ9.",
        _ => "eyJhbGciOiJub25lIn0.",
    }
    .to_owned()
}
