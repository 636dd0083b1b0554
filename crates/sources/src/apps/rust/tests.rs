//! What Rust with pools other than SQLx's is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn pools_have_a_size_or_the_default_of_their_library() {
    check(
        "api/src/db.rs",
        &[
            (
                "use deadpool_postgres::{Config, Pool};\nconst N: usize = 12;\nlet pool = \
                 Pool::builder(manager).max_size(N).build().unwrap();\n",
                &["pool 12 by max_size of deadpool_postgres"],
            ),
            (
                "use deadpool_postgres::Config;\nlet pool = cfg.create_pool(None, NoTls)?;\n",
                &[
                    "else open pool: deadpool_postgres without max_size opens as many connections as its version makes of the cores",
                ],
            ),
            (
                "use diesel::PgConnection;\nuse diesel::r2d2::{ConnectionManager, Pool};\nfn f<'a>(url: &'a str) { \
                 Pool::builder().build(manager) }\n",
                &["else pool 10 by the default of r2d2"],
            ),
            (
                "use bb8_postgres::bb8;\nuse tokio_postgres::NoTls;\nbb8::Pool::builder().max_size(settings.size)\n",
                &["open pool: max_size of bb8 is settings.size, which none of the files says"],
            ),
            (
                "let (client, connection) = tokio_postgres::connect(\"host=db\", NoTls).await?;\n",
                &["else open pool: it connects to PostgreSQL without a pool"],
            ),
            ("struct Pool;\nfn main() {}\n", &[]),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["PgPoolOptions::new()", ".max_connections(", "5", ")", "const A: u32 = ", ";", "\n", "'a", "\"", "//", "/*", "é", "bb8", "tokio_postgres", ".max_size(", "{", "}"];
        survives("db.rs", &parts, &numbers);
    }

    #[test]
    fn the_order_of_options_changes_nothing(order in Just(vec![".max_connections(7)", ".min_connections(2)", ".test_before_acquire(true)"]).prop_shuffle()) {
        let text = format!("PgPoolOptions::new(){}", order.concat());
        prop_assert_eq!(said("db.rs", &text, &[]), ["kind sqlx", "pool 7 by max_connections", "pool_min 2 by min_connections"]);
    }
}
