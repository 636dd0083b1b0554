//! What Ecto's configuration is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn repositories_have_a_pool() {
    check(
        "shop/config/runtime.exs",
        &[
            (
                "if config_env() == :prod do\n  database_url = System.get_env(\"DATABASE_URL\") || raise \"no url\"\n\n  config :shop, \
                 Shop.Repo,\n    # ssl: true,\n    url: database_url,\n    pool_size: String.to_integer(System.get_env(\"POOL_SIZE\") \
                 || \"10\"),\n    socket_options: maybe_ipv6\nend\n",
                &["pool 10 by pool_size of Shop.Repo", "at ? ?/"],
            ),
            (
                "config :shop, Shop.Repo,\n  username: \"shop\",\n  hostname: \"db\",\n  database: \"shop\"\n",
                &[
                    "else pool 10 by the default of Ecto for Shop.Repo",
                    "at ? db/shop shop",
                ],
            ),
            (
                "config :shop, Shop.Repo, url: \"ecto://u:p@db/shop?pool_size=6\"\nconfig :shop, Shop.Mail, adapter: X\n",
                &[
                    "pool 6 by pool_size of the URL of Shop.Repo",
                    "at ? db/shop u",
                ],
            ),
            (
                "config :shop, Shop.Repo, url: \"postgres://db/a\", pool_size: 5, pool_count: 2\nconfig :shop, Shop.ReadRepo, url: \
                 \"postgres://replica/a\", pool_size: 4\n",
                &[
                    "pool 10 by pool_size of Shop.Repo times pool_count",
                    "at postgres db/a",
                    "[ReadRepo]",
                    "pool 4 by pool_size of Shop.ReadRepo",
                    "at postgres replica/a",
                ],
            ),
            (
                "config :shop, Shop.Repo, adapter: Ecto.Adapters.MyXQL, hostname: \"m\", pool_size: 50\n",
                &["at MySQL m/"],
            ),
            ("config :logger, level: :info\n", &[]),
        ],
    );
    let text = "config :shop, Shop.Repo, hostname: \"localhost\", pool_size: 90\n";
    assert_eq!(said("config/test.exs", text, &[]), Vec::<String>::new());
    let text = "config :shop, Shop.Repo, url: \"postgres://db/a\", pool_size: String.to_integer(System.get_env(\"POOL_SIZE\", \"10\"))";
    assert_eq!(
        said("config/prod.exs", text, &[("POOL_SIZE", "3")])[0],
        "pool 3 by pool_size of Shop.Repo"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["config ", ":shop", ", ", "Shop.Repo", "pool_size: ", "5", "url: ", "\"postgres://a/b\"", "System.get_env(\"A\")", " || ", "|> ", "\n", "#", "é", "[", "]", "do"];
        survives("runtime.exs", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["hostname: \"db\"", "database: \"a\"", "pool_size: 4", "adapter: Ecto.Adapters.Postgres"]).prop_shuffle()) {
        let text = format!("config :a, A.Repo,\n  {}\n", order.join(",\n  "));
        prop_assert_eq!(said("prod.exs", &text, &[]), ["pool 4 by pool_size of A.Repo", "at postgres db/a"]);
    }
}
