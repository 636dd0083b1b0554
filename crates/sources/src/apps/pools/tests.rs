//! What variables say of the sizes of pools.

use pgweir_advisor::facts::Origin;
use proptest::prelude::*;

use super::super::environment;
use super::super::tests::short;
use crate::inventory::Variable;

fn said(variables: &[(&str, &str)]) -> Vec<String> {
    let variable = |(name, value): &(&str, &str)| Variable::new(*name, *value, Origin::Default);
    short(&environment(
        &variables.iter().map(variable).collect::<Vec<_>>(),
    ))
}

#[test]
fn sizes_are_known_by_the_form_of_their_names() {
    for (name, size) in [
        ("DB_POOL", 7),
        ("DB_POOL_SIZE", 7),
        ("DB_POOL_MAX", 7),
        ("DB_MAX_POOL_SIZE", 7),
        ("DB_CONNECTION_LIMIT", 7),
        ("DB_MAX_OPEN_CONNS", 7),
        ("DATABASE_POOL", 7),
        ("DATABASE_POOL_SIZE", 7),
        ("DATABASE_MAX_CONNECTIONS", 7),
        ("POOL_SIZE", 7),
        ("MAX_POOL_SIZE", 7),
        ("PGPOOLSIZE", 7),
        ("PG_POOL_MAX", 7),
        ("POSTGRES_POOL_SIZE", 7),
        ("APP_DB_POOL_SIZE", 7),
        ("SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE", 7),
        ("SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE", 7),
        ("QUARKUS_DATASOURCE_JDBC_MAX_SIZE", 7),
        ("KC_DB_POOL_MAX_SIZE", 7),
        ("DB_MAX_CONNECTIONS", 7),
        ("SQLALCHEMY_POOL_SIZE", 17),
    ] {
        let found = said(&[(name, "7")]);
        let pool = found.iter().find_map(|said| said.strip_prefix("pool "));
        let pool = pool.and_then(|pool| pool.split(' ').next()?.parse().ok());
        assert_eq!(pool, Some(size), "{name}: {found:?}");
    }
    for name in [
        "REDIS_POOL_SIZE",
        "HTTP_MAX_CONNECTIONS",
        "THREAD_POOL_SIZE",
        "UV_THREADPOOL_SIZE",
        "MYSQL_POOL_SIZE",
        "DEFAULT_POOL_SIZE",
        "POOL_TIMEOUT",
        "DB_POOL_TIMEOUT",
        "DB_POOL_RECYCLE",
    ] {
        assert!(said(&[(name, "7")]).is_empty(), "{name}");
    }
    for name in [
        "MAX_CONNECTIONS",
        "POSTGRES_MAX_CONNECTIONS",
        "ORDERS_POOL_SIZE",
    ] {
        assert_eq!(
            said(&[(name, "7")]),
            [format!(
                "else open pool: {name} may be the size of a pool of connections"
            )]
        );
        assert_eq!(
            said(&[(name, "7"), ("DB_POOL", "9")]),
            ["pool 9 by DB_POOL"]
        );
    }
}

#[test]
fn overflow_comes_on_top_of_the_size() {
    let unlimited = |what: &str| vec![format!("open pool: {what} is a pool without a limit")];
    let two = |size, overflow| [("DB_POOL_SIZE", size), ("DB_MAX_OVERFLOW", overflow)];
    for (variables, expected) in [
        (
            two("5", "15"),
            vec!["pool 20 by DB_POOL_SIZE with DB_MAX_OVERFLOW".to_owned()],
        ),
        (
            two("5", "0"),
            vec!["pool 5 by DB_POOL_SIZE with DB_MAX_OVERFLOW".to_owned()],
        ),
        (two("5", "-1"), unlimited("DB_MAX_OVERFLOW=-1")),
        (two("0", "10"), unlimited("DB_POOL_SIZE=0")),
    ] {
        assert_eq!(said(&variables), expected, "{variables:?}");
    }
    assert_eq!(
        said(&[("AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW", "20")]),
        ["pool 25 by AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW with the default pool_size"]
    );
}

#[test]
fn an_address_tells_the_library_and_its_pool() {
    for (name, value, expected) in [
        (
            "URL",
            "postgresql+asyncpg://db/app",
            Some("else pool 15 by the default of SQLAlchemy"),
        ),
        (
            "SPRING_DATASOURCE_URL",
            "jdbc:postgresql://db/app",
            Some("else pool 10 by the default of HikariCP"),
        ),
        (
            "SPRING_R2DBC_URL",
            "r2dbc:postgresql://db/app",
            Some("else pool 10 by the default of r2dbc-pool"),
        ),
        (
            "ConnectionStrings__Main",
            "Host=db;Database=a;Username=u;Password=p",
            Some("else pool 100 by the default of Npgsql"),
        ),
        (
            "ConnectionStrings__Main",
            "Host=db;Database=a;Username=u;Maximum Pool Size=30",
            Some("pool 30 by maximum pool size of the URL"),
        ),
        (
            "ConnectionStrings__Main",
            "Host=db;Database=a;Username=u;Pooling=false",
            Some(
                "else open pool: Npgsql with Pooling=false opens as many connections as are asked for without a pool",
            ),
        ),
        (
            "URL",
            "postgres://db/app?pool_max_conns=12",
            Some("pool 12 by pool_max_conns of the URL"),
        ),
        (
            "URL",
            "postgres://db/app?pool=9",
            Some("pool 9 by pool of the URL"),
        ),
        (
            "URL",
            "host=db user=u pool_max_conns=4",
            Some("pool 4 by pool_max_conns of the URL"),
        ),
        (
            "URL",
            "ecto://u:p@db/app",
            Some("else pool 10 by the default of Ecto"),
        ),
        (
            "URL",
            "ecto://u:p@db/app?pool_size=4",
            Some("pool 4 by pool_size of the URL"),
        ),
        ("URL", "pgsql:host=db;dbname=app", None),
        ("URL", "mysql+aiomysql://db/app", None),
        ("URL", "postgres://db/app", None),
    ] {
        assert_eq!(
            said(&[(name, value)]).first().map(String::as_str),
            expected,
            "{value}"
        );
    }
    assert_eq!(
        said(&[
            ("URL", "postgresql+asyncpg://db/app"),
            ("DB_POOL_SIZE", "3")
        ]),
        [
            "pool 3 by DB_POOL_SIZE",
            "else pool 15 by the default of SQLAlchemy"
        ]
    );
}

#[test]
fn an_address_for_migrations_says_nothing_of_the_pool() {
    let direct = ("DIRECT_URL", "postgres://db/app?connection_limit=1");
    let main = ("DATABASE_URL", "postgres://db/app?connection_limit=9");
    let pool = |size: u64| {
        vec![
            "kind prisma6".to_owned(),
            format!("pool {size} by connection_limit of the URL"),
        ]
    };
    assert_eq!(said(&[direct, main]), pool(9));
    assert_eq!(
        said(&[direct, ("DATABASE_URL", "postgres://db/app")]),
        Vec::<String>::new()
    );
    assert_eq!(said(&[direct]), pool(1));
}

proptest! {
    #[test]
    fn no_variable_makes_it_panic(name in "[A-Z_.é-]{0,12}(POOL_SIZE|MAX_OVERFLOW|_URL)?", value in ".{0,12}") {
        said(&[(&name, &value), ("DB_MAX_OVERFLOW", &value)]);
    }

    #[test]
    fn the_order_of_variables_changes_nothing(order in Just(ALL.to_vec()).prop_shuffle()) {
        let sorted = |variables: &[(&str, &str)]| {
            let mut all = said(variables);
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&order), sorted(ALL));
    }
}

const ALL: &[(&str, &str)] = &[
    ("DB_POOL_SIZE", "5"),
    ("DB_MAX_OVERFLOW", "10"),
    ("POOL_SIZE", "7"),
    ("DB_POOL_MIN", "2"),
    ("ANALYTICS_MAX_OVERFLOW", "3"),
    ("ORDERS_POOL_SIZE", "3"),
];
