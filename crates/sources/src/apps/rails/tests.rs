//! What files of Rails are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

const TEMPLATE: &str = "\
default: &default
  adapter: postgresql
  encoding: unicode
  pool: <%= ENV.fetch(\"RAILS_MAX_THREADS\") { 5 } %>

development:
  <<: *default
  database: shop_development

test:
  <<: *default
  database: shop_test

production:
  <<: *default
  database: shop
  username: shop
  host: db.internal
  password: <%= ENV[\"SHOP_PASSWORD\"] %>
";

const SEVERAL: &str = "\
production:
  primary: &primary
    adapter: postgresql
    url: <%= ENV['DATABASE_URL'] %>
    max_connections: 12
  primary_replica:
    <<: *primary
    url: \"postgres://ro@replica/shop\"
    replica: true
  cache:
    adapter: postgresql
    url: postgres://cache@replica/cache
    pool: 12
  queue:
    <<: *primary
    adapter: sqlite3
    url:
    database: storage/queue.sqlite3
";

#[test]
fn the_pool_of_production_counts_with_the_default_of_its_variable() {
    check(
        "shop/config/database.yml",
        &[
            (
                TEMPLATE,
                &[
                    "pool 5 by pool of production.primary",
                    "at postgres db.internal/shop shop",
                ],
            ),
            (
                "production:\n  url: postgresql://app:x@db:6432/app?pool=15\n",
                &[
                    "pool 15 by pool of the URL of production.primary",
                    "at postgres db:6432/app app",
                ],
            ),
            (
                "production:\n  adapter: postgis\n  database: app\n",
                &[
                    "else pool 5 by Active Record's default for production.primary",
                    "at postgres /app",
                ],
            ),
            (
                "production:\n  adapter: mysql2\n  host: mysql\n  pool: 50\n  database: app\n",
                &["at MySQL mysql/app"],
            ),
            (
                "production:\n  adapter: postgresql\n  database: a\n  pool: <%= Etc.nprocessors %>\n",
                &[
                    "open pool: pool of production.primary is Etc.nprocessors, which none of the files says",
                    "at postgres /a",
                ],
            ),
            (
                SEVERAL,
                &[
                    "pool 12 by pool of production.primary",
                    "at postgres ?/",
                    "at SQLite /storage/queue.sqlite3",
                    "[primary_replica]",
                    "dsns 2 by databases primary_replica, cache",
                    "pool 12 by pool of production.primary_replica",
                    "at postgres replica/shop ro",
                    "at postgres replica/cache cache",
                ],
            ),
            ("- 1\n", &["open pool: no database of it is understood"]),
            ("a: [\n", &["open pool: no database of it is understood"]),
        ],
    );
    assert_eq!(
        said(
            "config/database.yml",
            TEMPLATE,
            &[("RAILS_MAX_THREADS", "16")]
        )[0],
        "pool 16 by pool of production.primary"
    );
}

#[test]
fn sidekiq_has_a_connection_for_each_thread_of_all_capsules() {
    check(
        "shop/config/sidekiq.yml",
        &[
            (
                ":concurrency: 10\n:queues:\n  - default\n",
                &["[sidekiq]", "pool 10 by concurrency"],
            ),
            (
                "concurrency: <%= ENV.fetch('SIDEKIQ_CONCURRENCY', 8) %>\nproduction:\n  concurrency: 20\n",
                &["[sidekiq]", "pool 20 by concurrency"],
            ),
            (
                ":queues: [a]\n",
                &["[sidekiq]", "pool 5 by Sidekiq's default concurrency"],
            ),
            (
                ":concurrency: 4\n:capsules:\n  slow:\n    :concurrency: 1\n",
                &[
                    "[sidekiq]",
                    "pool 5 by concurrency and concurrency of the capsule slow",
                ],
            ),
            (
                ":concurrency: <%= Etc.nprocessors * 2 %>\n",
                &[
                    "[sidekiq]",
                    "open pool: concurrency is an expression, which none of the files says",
                ],
            ),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..20)) {
        let parts = ["production:", "\n", "\n  ", "pool: ", "<%= ", " %>", "<% ", "ENV[\"A\"]", "&a ", "*a", "url: ", "x", ": ", "concurrency", "é", "\u{e000}"];
        survives("database.yml", &parts, &numbers);
        survives("sidekiq.yml", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["  adapter: postgresql\n", "  pool: 7\n", "  host: db\n", "  database: a\n"]).prop_shuffle(), first in any::<bool>()) {
        let production = format!("production:\n{}", order.concat());
        let test = "test:\n  adapter: sqlite3\n  database: t\n";
        let text = if first { format!("{test}{production}") } else { format!("{production}{test}") };
        let expected = ["pool 7 by pool of production.primary", "at postgres db/a"];
        prop_assert_eq!(said("database.yml", &text, &[]), expected);
    }
}
