//! What Rust with SQLx is read as.

use super::super::tests::{check, said};
use super::{DEPTH_MAX, Plain, constants, plain_value};

#[test]
fn arguments_are_read_where_they_are_plain() {
    let code = "pub const MAX: u32 = 14;\nconst SAME: u32 = config::MAX;\nstatic WAIT: Duration = \
                Duration::from_secs(SECS);\nconst SECS: u64 = 3;\nfn a() { let max = 7_0; }\n\
                const LOOP: u32 = LOOP;\nmod a { const TWICE: u32 = 1; }\nmod b { const TWICE: u32 = 2; }\n";
    let constants = constants(code);
    for (text, expected) in [
        ("14", Some(Plain::Number(14))),
        ("1_000u32", Some(Plain::Number(1000))),
        ("MAX", Some(Plain::Number(14))),
        ("Self::SAME", Some(Plain::Number(14))),
        ("max", Some(Plain::Number(70))),
        ("WAIT", Some(Plain::Millis(3000))),
        (
            "Some(std::time::Duration::from_millis(250))",
            Some(Plain::Millis(250)),
        ),
        ("None", Some(Plain::Nothing)),
        ("LOOP", None),
        ("TWICE", None),
        ("settings.max", None),
        ("MAX + 1", None),
        ("size()", None),
        ("Duration::from_secs(u64::MAX)", None),
    ] {
        assert_eq!(plain_value(text, &constants, DEPTH_MAX), expected, "{text}");
    }
}

#[test]
fn pools_have_the_options_that_are_plain() {
    check(
        "api/src/main.rs",
        &[
            (
                "use sqlx::postgres::PgPoolOptions;\nPgPoolOptions::new()\n    .max_connections(\n        5, // few\n    )\n    \
                 .min_connections(1).max_lifetime(None);\n",
                &[
                    "kind sqlx",
                    "pool 5 by max_connections",
                    "pool_min 1 by min_connections",
                    "max_lifetime 0 by max_lifetime",
                ],
            ),
            (
                "PgPoolOptions::new().max_connections(settings.pool);\n",
                &["kind sqlx", "open pool: max_connections is no plain value"],
            ),
            (
                "let pool = PgPool::connect(&url).await?;\n",
                &["kind sqlx", "else pool 10 by the default of SQLx"],
            ),
            (
                "PgPoolOptions::new().max_connections(4);\nPgPoolOptions::new().max_connections(6);\n",
                &[
                    "kind sqlx",
                    "pool 6 by max_connections",
                    "dsns 2 by pools of the file",
                ],
            ),
            (
                "let mut o = ConnectOptions::new(url);\no.max_connections(30);\n",
                &["kind sqlx", "pool 30 by max_connections"],
            ),
            ("fn main() {}\n", &[]),
        ],
    );
    let found = said(
        "api/src/db.rs",
        "PgPoolOptions::new().idle_timeout(settings.idle(1));\n",
        &[],
    );
    assert_eq!(found, ["kind sqlx", "else pool 10 by the default of SQLx"]);
}
