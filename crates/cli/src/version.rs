//! What `--version` says.

use std::sync::LazyLock;

/// What is in every build.
const FEATURES: &str = "TLS (rustls with ring), SCRAM, md5, JWT, LDAP, PAM (libpam, loaded when it is asked), \
                        Prometheus, OTLP";

/// In one line: version and commit.
pub(crate) fn line() -> &'static str {
    static LINE: LazyLock<String> = LazyLock::new(|| match env!("PGWEIR_COMMIT") {
        "" => env!("CARGO_PKG_VERSION").to_owned(),
        commit => format!("{} (commit {commit})", env!("CARGO_PKG_VERSION")),
    });
    &LINE
}

/// With where it was built and what is in it.
pub(crate) fn lines() -> &'static str {
    static LINES: LazyLock<String> = LazyLock::new(|| {
        let commit = match env!("PGWEIR_COMMIT") {
            "" => "not known: built without git, or not as a release",
            commit => commit,
        };
        format!(
            "{}\ncommit: {commit}\nbuilt: {} for {}\nfeatures: {FEATURES}",
            env!("CARGO_PKG_VERSION"),
            env!("PGWEIR_PROFILE"),
            env!("PGWEIR_TARGET"),
        )
    });
    &LINES
}
