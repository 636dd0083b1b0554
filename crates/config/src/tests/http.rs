//! Where HTTP is served, and for whom.

use super::{REST, lines, read};
use crate::{Compat, Http};

fn http(settings: &str) -> Result<Http, Vec<String>> {
    match read(&format!("[pgweir]\n{settings}\n{REST}")) {
        Ok(resolved) => Ok(resolved.config.http),
        Err(problems) => Err(lines(&problems)),
    }
}

#[test]
fn http_is_local_and_without_keys_unless_configured() {
    let http = http("").unwrap();
    assert_eq!(http.listen, Some("127.0.0.1:6433".parse().unwrap()));
    assert!(http.listen_is_default);
    assert_eq!(http.path_prefix, "/api/v1");
    assert!(http.keys.is_empty());
    assert_eq!(http.compat, Compat::default());
}

#[test]
fn http_is_served_where_it_is_told() {
    for (text, address) in [
        ("127.0.0.1:6433", "127.0.0.1:6433"),
        ("localhost:80", "127.0.0.1:80"),
        ("[::]:6433", "[::]:6433"),
    ] {
        let http = http(&format!("http_listen = \"{text}\"")).unwrap();
        assert_eq!(http.listen, Some(address.parse().unwrap()));
        assert!(!http.listen_is_default);
    }
    for off in ["off", ""] {
        assert_eq!(
            http(&format!("http_listen = \"{off}\"")).unwrap().listen,
            None
        );
    }
    let all = "http_path_prefix = \"\"\nhttp_jwt_secret_env = \"JWT_SECRET\"\n\
               metrics_compat = \"sqlx,prisma\"";
    let http = http(all).unwrap();
    assert_eq!(http.path_prefix, "");
    assert!(!http.keys.is_empty());
    assert_eq!((http.compat.prisma, http.compat.sqlx), (true, true));
    let dots = "/.well-known/a..b/...";
    let http = self::http(&format!("http_path_prefix = \"{dots}\"")).unwrap();
    assert_eq!(http.path_prefix, dots);
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (settings, part) in [
        ("http_listen = \"6433\"", "or an address with a port"),
        ("http_listen = \"db.example:6433\"", "or an address"),
        ("http_path_prefix = \"api\"", "begin with a slash"),
        ("http_path_prefix = \"/api/\"", "not end with one"),
        ("http_path_prefix = \"/{x}\"", "nothing but letters"),
        ("http_path_prefix = \"/%2e%2e/x\"", "nothing but letters"),
        ("http_path_prefix = \"/../x\"", "no part . or .."),
        ("http_path_prefix = \"/a/.\"", "no part . or .."),
        ("http_path_prefix = \"//host\"", "no empty part"),
        ("http_path_prefix = \"/a//b\"", "no empty part"),
        ("http_jwt_secret_env = \"NONE\"", "is not set"),
        (
            "otlp_endpoint = \"https://h\"\nhttp_listen = \"[::1]:1\"",
            "must be a plain URL",
        ),
        (
            "otlp_endpoint = \"http://h\"\nhttp_listen = \"off\"",
            "needs http_listen",
        ),
        ("http_jwt_secret_env = \"BOB_PASSWORD\"", "of 15 bytes"),
        ("http_jwt_secret_file = \"none\"", "cannot be read"),
        (
            "http_tls_cert_file = \"cert.pem\"",
            "http_tls_key_file beside",
        ),
        (
            "http_tls_cert_file = \"key.pem\"\nhttp_tls_key_file = \"key.pem\"",
            "http_tls_cert_file = key.pem: has no certificate",
        ),
        (
            "http_tls_key_file = \"none\"\nhttp_tls_cert_file = \"cert.pem\"",
            "http_tls_key_file = none: cannot be read",
        ),
        (
            "http_tls_key_file = \"cert.pem\"\nhttp_tls_cert_file = \"cert.pem\"",
            "http_tls_key_file = cert.pem: does not fit",
        ),
        ("http_jwks_file = \"bob.secret\"", "is no JSON Web Key Set"),
        (
            "metrics_compat = \"prisma,django\"",
            "prisma, sqlx and postgres_exporter",
        ),
    ] {
        let problems = http(settings).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(":2: "), "{problems:?}");
        assert!(problems[0].contains(part), "{problems:?}");
        assert!(!problems[0].contains("from a "), "{problems:?}");
    }
}

#[test]
fn a_collector_is_named_by_a_plain_url() {
    for (url, expected) in [
        ("http://h", Some("http://h:4318/v1/metrics")),
        ("http://h:1/", Some("http://h:1/v1/metrics")),
        ("http://h:1/a/b/", Some("http://h:1/a/b/v1/metrics")),
        ("http://h/v1/metrics", Some("http://h:4318/v1/metrics")),
        ("http://[::1]:9/x", Some("http://[::1]:9/x/v1/metrics")),
        ("http://[::1]", Some("http://[::1]:4318/v1/metrics")),
        ("http://", None),
        ("http://:1", None),
        ("http://h:0", None),
        ("http://h:70000", None),
        ("http://h:", None),
        ("http://[::1]x", None),
        ("http://[::1", None),
        ("http://bob:secret@h", None),
        ("http://h/a b", None),
        ("http://h/a?b", None),
        ("h:4318", None),
    ] {
        let settings = format!("http_listen = \"[::1]:1\"\notlp_endpoint = \"{url}\"");
        let otlp = http(&settings)
            .ok()
            .map(|http| http.otlp.unwrap().to_string());
        assert_eq!(otlp.as_deref(), expected, "{url}");
    }
    let off = http("otlp_interval = 0").unwrap();
    assert_eq!((off.otlp, off.otlp_interval), (None, None));
}
