use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{Keys, LEEWAY, Refused};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Signed with OpenSSL; for pgweir, until the year 2100.
const RS256: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InIifQ.eyJzdWIiOiJvcHMiLCJhdWQiOiJwZ\
    3dlaXIiLCJleHAiOjQxMDI0NDQ4MDB9.uswW3DRJBr4u_xJ4XY6jOC2y91RaXNomomq0Mw9JDAy__FGF\
    Xk5XuAGZs6jGqSMKzzt2pW8dvQrKPlI7f_t0iuQW7smiCpso6ll7e-uUF_N2ztfo0lJ149CYPFOzTxBd\
    x4cfe6s5g5od3C391BB-S8Rs5fvLobVj-gPrvbzSutEgZjazoCi3POS9UKTgX1TuX7yGdjJSgQMPOxl7\
    O4b1cop4SZDWalzGLBuM8LQm6E2HAEzLM6KG9RQ1gnfinH56RErgtLv3qpQmlXo4Pj3xOidttqxch7GD\
    i3egazzG7x4OxZM5VhHNCHGO573xvsjvqZclmbyfW8R0VGkeqZW8VQ";

/// As RS256.
const ES256: &str = "\
    eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImUifQ.eyJzdWIiOiJvcHMiLCJhdWQiOiJwZ\
    3dlaXIiLCJleHAiOjQxMDI0NDQ4MDB9.bhy1yA4mFdJKMhZ4Q4H9z7FhOAPluEYiWseaq3eU64oB-e5x\
    EuyNx-tI8pW-stJn60r94bIl-qDduH5phhAPHw";

/// As RS256.
const EDDSA: &str = "\
    eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6Im8ifQ.eyJzdWIiOiJvcHMiLCJhdWQiOiJwZ\
    3dlaXIiLCJleHAiOjQxMDI0NDQ4MDB9.xuIqy8gw_i4G1xKyb1KTRa23O4tGBFf7XtOx_MEREJzT4Ghk\
    fU4ZOtz4T4qrl1JAKCBJiDUW9HJc2cCRGwN3Bg";

/// The public keys of these tokens.
const SET: &str = r#"{
 "keys": [
  {
   "kty": "RSA",
   "kid": "r",
   "use": "sig",
   "alg": "RS256",
   "n": "zfLWDlVple5V0HEo4gxrGYNRwX-LZbs6lbPqvkRwI0nvU7ZlRI0QsRHsGm9cOHkktdzrizfXkBzq0rFwESTHgf5FCDWnwIQecz2_bAs2sqeb5D_Ob_3u4CYQOMI1b0crCx2P9CFctxy7Kf2ESeXi0yuD5L9SYfr8qdqAQxTkgGwYH4gJLIMqmM3-lW4bfkAk19sDkdZgu6q3er7SyAysk4287AlR484QX8r3bpCWJ-bimy2cHLgRP3B0AAnHPGBnblY8jybKKvi_ASDNDUjP78PEjprZdOblINYysWIbRe6RQqbxPYMBghVf2NU9hEWSwmsX51D4FZRME_B6iCDlJQ",
   "e": "AQAB"
  },
  {
   "kty": "EC",
   "kid": "e",
   "crv": "P-256",
   "x": "MN-CE_DSfI9tOc9fsCp_TlzYdf6WAKLD-4Vs7J5kf34",
   "y": "i9OKznm4m0uaLf4gcaXWaKTYnZby_ELGkQxTgb82oKw"
  },
  {
   "kty": "OKP",
   "kid": "o",
   "crv": "Ed25519",
   "x": "ZuNb1fj8eDhKGgUSkg71do9y529s3BRJoC5k-yXzyDg"
  }
 ]
}"#;

fn secret(audience: Option<&str>) -> Keys {
    let mut keys = Keys::new(audience.map(str::to_owned));
    keys.add_secret(SECRET).unwrap();
    keys
}

fn set(audience: Option<&str>) -> Keys {
    let mut keys = Keys::new(audience.map(str::to_owned));
    keys.add_set(SET).unwrap();
    keys
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn sign(algorithm: Algorithm, claims: &Value, secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, claims, SECRET)
}

fn check(keys: &Keys, token: &str) -> Result<(), Refused> {
    keys.check(Some(format!("Bearer {token}").as_bytes()))
        .map(|_| ())
}

#[test]
fn a_good_token_is_accepted_however_its_scheme_is_spelled() {
    let keys = secret(None);
    let token = hs256(&json!({ "exp": now() + 60 }));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {token}");
        assert!(keys.check(Some(header.as_bytes())).is_ok());
    }
    for header in [
        &b""[..],
        b"Bearer",
        b"Bearer ",
        b"Basic YTpi",
        b"Bearer \xff\xfe",
    ] {
        assert_eq!(keys.check(Some(header)), Err(Refused));
    }
    assert_eq!(keys.check(Some(token.as_bytes())), Err(Refused));
    assert_eq!(keys.check(None), Err(Refused));
}

#[test]
fn tokens_expire() {
    let keys = secret(None);
    for (claims, good) in [
        (json!({ "exp": now() - LEEWAY / 2 }), true),
        (json!({ "exp": now() - 2 * LEEWAY }), false),
        (
            json!({ "exp": now() + 60, "nbf": now() + 2 * LEEWAY }),
            false,
        ),
        (json!({ "sub": "no expiry" }), false),
        (json!({ "exp": "soon" }), false),
    ] {
        assert_eq!(check(&keys, &hs256(&claims)).is_ok(), good, "{claims}");
    }
    const { assert!(LEEWAY <= 60) };
}

#[test]
fn an_audience_is_demanded_where_one_is_configured() {
    let keys = secret(Some("pgweir"));
    for (audience, good) in [
        (json!("pgweir"), true),
        (json!(["other", "pgweir"]), true),
        (json!("other"), false),
        (Value::Null, false),
    ] {
        let mut claims = json!({ "exp": now() + 60 });
        if !audience.is_null() {
            claims["aud"] = audience;
        }
        assert_eq!(check(&keys, &hs256(&claims)).is_ok(), good, "{claims}");
    }
    let foreign = hs256(&json!({ "exp": now() + 60, "aud": "other" }));
    assert_eq!(check(&secret(None), &foreign), Ok(()));
}

#[test]
fn the_algorithm_is_not_the_tokens_choice() {
    let claims = json!({ "exp": now() + 60 });
    let keys = secret(None);
    assert_eq!(
        check(&keys, &sign(Algorithm::HS512, &claims, SECRET)),
        Err(Refused)
    );
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", ""] {
        let unsigned = format!("{}.{}.", part(&json!({ "alg": alg })), part(&claims));
        assert_eq!(check(&keys, &unsigned), Err(Refused), "{alg}");
        assert_eq!(check(&set(None), &unsigned), Err(Refused), "{alg}");
    }
    // The public key taken for a secret.
    let modulus = serde_json::from_str::<Value>(SET).unwrap()["keys"][0]["n"].clone();
    for secret in [
        SET.as_bytes().to_vec(),
        modulus.as_str().unwrap().into(),
        URL_SAFE_NO_PAD.decode(modulus.as_str().unwrap()).unwrap(),
    ] {
        let token = sign(Algorithm::HS256, &claims, &secret);
        assert_eq!(check(&set(None), &token), Err(Refused));
    }
}

#[test]
fn a_token_with_extensions_that_must_be_understood_is_refused() {
    let claims = json!({ "exp": now() + 60 });
    for extensions in [&["exp"][..], &["b64", "x"], &[]] {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = Some(extensions.iter().map(|name| (*name).to_owned()).collect());
        let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
        assert_eq!(check(&secret(None), &token), Err(Refused), "{extensions:?}");
    }
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let token = hs256(&json!({ "exp": now() + 60 }));
    let keys = secret(None);
    assert_eq!(check(&keys, &token), Ok(()));
    let parts: Vec<&str> = token.split('.').collect();
    let longer = URL_SAFE_NO_PAD.encode(json!({ "exp": now() + 6000 }).to_string());
    assert_eq!(
        check(&keys, &format!("{}.{longer}.{}", parts[0], parts[2])),
        Err(Refused)
    );
    for end in 0..token.len() {
        assert_eq!(check(&keys, &token[..end]), Err(Refused));
    }
    let other = sign(
        Algorithm::HS256,
        &json!({ "exp": now() + 60 }),
        b"another secret of thirty-two byte",
    );
    assert_eq!(check(&keys, &other), Err(Refused));
    assert_eq!(check(&keys, &"a".repeat(100_000)), Err(Refused));
}

#[test]
fn tokens_of_a_key_set_are_accepted_as_openssl_signs_them() {
    let keys = set(Some("pgweir"));
    for token in [RS256, ES256, EDDSA] {
        assert_eq!(check(&keys, token), Ok(()));
        assert_eq!(check(&set(Some("other")), token), Err(Refused));
        assert_eq!(check(&secret(None), token), Err(Refused));
        let flip = if token.ends_with('A') { "B" } else { "A" };
        let at = token.len() - 10;
        let changed = format!("{}{flip}{}", &token[..at], &token[at + 1..]);
        if changed != token {
            assert_eq!(check(&keys, &changed), Err(Refused));
        }
    }
}

#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    let mut others: Value = serde_json::from_str(SET).unwrap();
    others["keys"][0]["alg"] = json!("PS256");
    others["keys"][1]["use"] = json!("enc");
    others["keys"][2]["kid"] = json!("another");
    let mut keys = Keys::new(None);
    keys.add_set(&others.to_string()).unwrap();
    for token in [RS256, ES256, EDDSA] {
        assert_eq!(check(&keys, token), Err(Refused));
    }
}

#[test]
fn keys_that_protect_nothing_are_mistakes() {
    let mut keys = Keys::new(None);
    assert!(keys.add_secret(b"too short").is_err());
    let one = |key: Value| json!({ "keys": [key] }).to_string();
    let point = "A".repeat(43);
    let ec = |x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    let ed = |x: &str| json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    assert_eq!(Keys::new(None).add_set(&one(ec(&point, &point))), Ok(()));
    assert_eq!(Keys::new(None).add_set(&one(ed(&point))), Ok(()));
    let short_rsa = json!({ "kty": "RSA", "n": "u".repeat(171), "e": "AQAB" });
    for text in [
        String::new(),
        "[]".to_owned(),
        "\"a secret by mistake\"".to_owned(),
        json!({ "keys": [] }).to_string(),
        one(json!({ "kty": "oct", "k": "c2VjcmV0" })),
        one(short_rsa),
        one(ed("AA")),
        one(ed("")),
        one(ed(&"A".repeat(44))),
        one(ec("AA", &point)),
        one(ec(&point, "AA")),
        json!({ "keys": vec![json!({ "kty": "oct", "k": "x" }); 33] }).to_string(),
    ] {
        let error = keys.add_set(&text).unwrap_err();
        assert!(!error.contains("by mistake"), "{error}");
    }
    assert!(keys.is_empty());
    assert_eq!(format!("{:?}", secret(None)), "Keys(1)");
}

#[test]
fn a_token_says_whose_it_is_and_what_it_is_good_for() {
    let keys = secret(None);
    let bearer = |mut claims: Value| {
        claims["exp"] = json!(now() + 60);
        let header = format!("Bearer {}", hs256(&claims));
        keys.check(Some(header.as_bytes())).unwrap()
    };
    for (claims, has) in [
        (json!({ "scope": "a admin b" }), true),
        (json!({ "scp": "admin" }), true),
        (json!({ "roles": ["a", "admin"] }), true),
        (json!({ "scope": ["a b admin"] }), true),
        (json!({}), false),
        (
            json!({ "scope": "administrator adminx xadmin ADMIN" }),
            false,
        ),
        (
            json!({ "scope": { "admin": true }, "roles": 7, "scp": null }),
            false,
        ),
        (json!({ "sub": "admin", "role": "admin" }), false),
    ] {
        assert_eq!(bearer(claims.clone()).has_scope("admin"), has, "{claims}");
    }
    assert_eq!(
        bearer(json!({ "sub": "eve" })).subject.as_deref(),
        Some("eve")
    );
    for odd in [json!({ "sub": 7 }), json!({ "sub": null }), json!({})] {
        assert_eq!(bearer(odd).subject, None);
    }
}

#[test]
fn a_token_of_our_own_is_accepted_until_it_expires() {
    let keys = secret(Some("pgweir"));
    let sign = |seconds: u64| {
        let expires = UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        keys.sign("eve", Some("admin"), expires).unwrap()
    };
    let header = format!("Bearer {}", sign(now() + 60));
    let bearer = keys.check(Some(header.as_bytes())).unwrap();
    assert_eq!(bearer.subject.as_deref(), Some("eve"));
    assert!(bearer.has_scope("admin"));
    assert_eq!(check(&keys, &sign(now() - LEEWAY - 5)), Err(Refused));
    assert_eq!(
        check(&secret(Some("other")), &sign(now() + 60)),
        Err(Refused)
    );
    let expires = SystemTime::now();
    assert_eq!(
        set(None).sign("eve", None, expires),
        None,
        "no secret, no token"
    );
}

#[test]
fn a_claim_is_a_text_or_each_text_of_a_list() {
    let keys = secret(Some("pgweir"));
    let token = |claims: Value| {
        let mut all = json!({ "aud": "pgweir", "exp": 4_102_444_800_u64 });
        let all = all.as_object_mut().unwrap();
        all.extend(claims.as_object().unwrap().clone());
        encode(&Header::default(), &all, &EncodingKey::from_secret(SECRET)).unwrap()
    };
    let texts = |token: &[u8], claim: &str| -> Option<Vec<String>> {
        let token = keys.read(token)?;
        Some(token.texts(claim).map(str::to_owned).collect())
    };
    for (claims, expected) in [
        (json!({ "role": "bob" }), Some(vec!["bob"])),
        (json!({ "role": "bob eve" }), Some(vec!["bob eve"])),
        (
            json!({ "role": ["bob", 7, "eve"] }),
            Some(vec!["bob", "eve"]),
        ),
        (json!({ "role": 7 }), Some(vec![])),
        (json!({ "sub": "bob" }), Some(vec![])),
        (json!({ "role": "bob", "aud": "other" }), None),
        (json!({ "role": "bob", "exp": 1 }), None),
    ] {
        let token = token(claims.clone());
        let expected = expected.map(|texts| texts.into_iter().map(str::to_owned).collect());
        assert_eq!(texts(token.as_bytes(), "role"), expected, "{claims}");
    }
    assert_eq!(texts(b"", "sub"), None);
    let by_set = set(None).read(EDDSA.as_bytes()).unwrap();
    assert!(by_set.texts("sub").eq(["ops"]));
}
