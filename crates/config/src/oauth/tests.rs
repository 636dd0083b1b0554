use super::{Oauth, Part};

const SCOPE: &str = "openid db.read";

#[test]
fn an_issuer_and_its_metadata_are_found_from_either() {
    for (written, issuer, discovery) in [
        (
            "https://id.example.com",
            "https://id.example.com",
            "https://id.example.com/.well-known/openid-configuration",
        ),
        (
            "https://id.example.com/x/.well-known/openid-configuration",
            "https://id.example.com/x",
            "https://id.example.com/x/.well-known/openid-configuration",
        ),
        (
            "https://id.example.com/.well-known/oauth-authorization-server/x",
            "https://id.example.com/x",
            "https://id.example.com/.well-known/oauth-authorization-server/x",
        ),
    ] {
        let oauth = Oauth::new(written, SCOPE).unwrap();
        assert_eq!((&*oauth.issuer, &*oauth.discovery), (issuer, discovery));
    }
    for written in [
        "",
        "id.example.com",
        "http://id.example.com",
        "https://",
        "https:///x",
        "https://id.example.com/?x",
        "https://id.example.com/#x",
        "https://id.example.com/\"",
        "https://id.example.com/.well-known/webfinger",
    ] {
        let refused = Oauth::new(written, SCOPE).map_err(|(part, _)| part);
        assert_eq!(refused, Err(Part::Issuer), "{written}");
    }
    for scope in ["", "  ", "a\"b", "a\\b", "\u{e9}", "a\0"] {
        let refused = Oauth::new("https://id.example.com", scope).map_err(|(part, _)| part);
        assert_eq!(refused, Err(Part::Scope), "{scope:?}");
    }
}

#[test]
fn a_token_is_of_the_issuer_and_good_for_all_that_is_asked_for() {
    let issuer = "https://id.example.com";
    for (asked, issuers, scopes, expected) in [
        ("a b", &[issuer][..], &["b", "c", "a"][..], true),
        ("a b", &[issuer], &["a"], false),
        ("a", &[], &["a"], false),
        ("a", &["https://id.example.com/"], &["a"], false),
        ("a", &["https://other.example.com"], &["a"], false),
        ("openid email", &[issuer], &[], true),
        ("openid a", &[issuer], &[], false),
        ("api://db/a", &[issuer], &["api://db/a"], true),
        ("api://db/a", &[issuer], &["a"], true),
        ("api://db/a", &[issuer], &["api://db/b", "db"], false),
        ("a", &[issuer], &["api://db/a"], false),
        ("api://db/", &[issuer], &["b"], false),
    ] {
        let oauth = Oauth::new(issuer, asked).unwrap();
        let got = oauth.accepts(issuers.iter().copied(), scopes.iter().copied());
        assert_eq!(got, expected, "{asked}: {issuers:?} {scopes:?}");
    }
}
