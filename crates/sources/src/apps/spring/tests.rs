//! What settings of Spring Boot and its like are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn data_sources_of_yaml_have_their_pool_or_the_default_of_their_library() {
    check(
        "shop/src/main/resources/application.yml",
        &[
            (
                "spring:\n  datasource:\n    url: jdbc:postgresql://db:5432/shop\n    username: shop\n    hikari:\n      \
                 maximum-pool-size: 25\n      minimumIdle: 5\n      connection-timeout: 3000\n",
                &[
                    "pool 25 by spring.datasource.hikari.maximumpoolsize",
                    "pool_min 5 by spring.datasource.hikari.minimumidle",
                    "acquire_timeout 3000ms by spring.datasource.hikari.connectiontimeout",
                    "at postgres db:5432/shop shop",
                ],
            ),
            (
                "spring.datasource.url: jdbc:postgresql://${DB_HOST:db}:${DB_PORT}/shop\n",
                &[
                    "else pool 10 by the default of HikariCP for spring.datasource",
                    "at postgres db:?/shop",
                ],
            ),
            (
                "pool: {max: 30}\nspring:\n  datasource:\n    url: ${JDBC_URL}\n    hikari: {maximum-pool-size: \
                 \"${DB_POOL:${pool.max}}\"}\n",
                &[
                    "pool 30 by spring.datasource.hikari.maximumpoolsize",
                    "at ? ?/",
                ],
            ),
            (
                "spring:\n  datasource:\n    url: jdbc:mysql://mysql/shop\n    hikari:\n      maximum-pool-size: 50\n",
                &["at MySQL mysql/"],
            ),
            (
                "spring:\n  datasource:\n    url: jdbc:postgresql://db/shop\n    hikari:\n      maximum-pool-size: \
                 ${POOL}\n",
                &[
                    "open pool: spring.datasource.hikari.maximumpoolsize is ${POOL}, which none of the files says",
                    "at postgres db/shop",
                ],
            ),
            (
                "spring:\n  r2dbc:\n    url: r2dbc:postgresql://db/shop\n    pool:\n      max-size: 40\n",
                &[
                    "pool 40 by spring.r2dbc.pool.maxsize",
                    "at postgres db/shop",
                ],
            ),
            (
                "spring:\n  datasource:\n    hikari:\n      maximum-pool-size: 12\n",
                &["pool 12 by spring.datasource.hikari.maximumpoolsize"],
            ),
            (
                "app:\n  datasource:\n    orders:\n      jdbc-url: jdbc:postgresql://a/orders\n      maximum-pool-size: 4\n    \
                 users:\n      jdbc-url: jdbc:postgresql://b/users\n      maximum-pool-size: 6\n",
                &[
                    "pool 4 by app.datasource.orders.maximumpoolsize",
                    "at postgres a/orders",
                    "[users]",
                    "pool 6 by app.datasource.users.maximumpoolsize",
                    "at postgres b/users",
                ],
            ),
            ("server:\n  port: 1\nspring: {}\n", &[]),
        ],
    );
}

#[test]
fn profiles_of_production_count_and_those_of_developers_do_not() {
    let base = "spring:\n  datasource:\n    url: jdbc:postgresql://db/shop\n    hikari: {maximum-pool-size: 10}\n";
    let profile = |name: &str, size: u64| {
        format!(
            "---\nspring:\n  config.activate.on-profile: {name}\n  datasource.hikari.maximum-pool-size: {size}\n"
        )
    };
    for (profiles, expected) in [
        (vec![], 10),
        (vec![("dev", 90), ("local-test", 90)], 10),
        (vec![("prod", 5)], 5),
        (vec![("dev", 90), ("eu", 20), ("us", 30)], 30),
        (vec![("eu", 20), ("production", 7)], 7),
    ] {
        let all: String = profiles
            .iter()
            .map(|(name, size)| profile(name, *size))
            .collect();
        let found = said("application.yml", &format!("{base}{all}"), &[]);
        assert_eq!(
            found[0],
            format!("pool {expected} by spring.datasource.hikari.maximumpoolsize"),
            "{profiles:?}"
        );
    }
}

#[test]
fn properties_are_read_alike() {
    check(
        "application-prod.properties",
        &[
            (
                "# shop\nspring.datasource.url = jdbc:postgresql://db:5432/shop\nspring.datasource.hikari.maximumPoolSize: 15\n",
                &[
                    "pool 15 by spring.datasource.hikari.maximumpoolsize",
                    "at postgres db:5432/shop",
                ],
            ),
            (
                "quarkus.datasource.jdbc.url=jdbc:postgresql://db/a\n%dev.quarkus.datasource.jdbc.max-size=2\n\
                 %prod.quarkus.datasource.jdbc.max-size=16\n",
                &[
                    "pool 16 by quarkus.datasource.jdbc.maxsize",
                    "at postgres db/a",
                ],
            ),
            (
                "quarkus.datasource.reactive.url=postgresql://db/a\n",
                &[
                    "open pool: quarkus.datasource has no max-size, and its default is not the same in all versions of Quarkus",
                    "at postgres db/a",
                ],
            ),
            (
                "datasources.default.url=jdbc:postgresql://db/a\ndatasources.default.maximum-pool-size=\\\n  18\n",
                &[
                    "pool 18 by datasources.default.maximumpoolsize",
                    "at postgres db/a",
                ],
            ),
        ],
    );
    let text = "spring.datasource.url=jdbc:postgresql://db/a\nspring.datasource.hikari.maximum-pool-size=5\n";
    assert_eq!(
        said(
            "application.properties",
            text,
            &[("SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE", "8")]
        )[0],
        "pool 8 by spring.datasource.hikari.maximumpoolsize"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["spring:", "\n", "\n  ", "datasource", ".", "url", "=", ": ", "jdbc:postgresql://a/b", "${", "}", ":", "---\n", "%prod.", "hikari.maximum-pool-size", "5", "é", "@", "\\"];
        survives("application.yml", &parts, &numbers);
        survives("application.properties", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(KEYS.to_vec()).prop_shuffle()) {
        let mut found = said("application.properties", &order.concat(), &[]);
        let mut expected = said("application.properties", &KEYS.concat(), &[]);
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}

const KEYS: &[&str] = &[
    "spring.datasource.url=jdbc:postgresql://${db.host}/a\n",
    "db.host=db\n",
    "spring.datasource.hikari.maximum-pool-size=5\n",
    "other.datasource.jdbc-url=jdbc:postgresql://db/b\n",
    "other.datasource.maximum-pool-size=5\n",
    "spring.flyway.url=jdbc:postgresql://db/a\n",
];
