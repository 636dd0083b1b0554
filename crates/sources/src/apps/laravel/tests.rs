//! What configuration files of Laravel are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

const MYSQL: &str = "'mysql' => ['driver' => 'mysql', 'host' => env('DB_HOST', '127.0.0.1')],";
const PGSQL: &str = "'pgsql' => [\n  'driver' => 'pgsql',\n  'url' => env('DB_URL'),\n  'host' => env('DB_HOST', '127.0.0.1'),\n  \
                     'port' => env('DB_PORT', '5432'),\n  'database' => env('DB_DATABASE', 'laravel'),\n  'username' => \
                     env('DB_USERNAME', 'root'),\n],";

fn config(default: &str, connections: &str) -> String {
    format!(
        "<?php\n\nuse PDO;\n\nreturn [\n  'default' => {default},\n  'connections' => [\n{connections}\n  ],\n];\n"
    )
}

#[test]
fn the_default_connection_counts_and_those_with_names_of_their_own() {
    let both = format!("{MYSQL}\n{PGSQL}");
    let reports = "'reports' => ['driver' => 'pgsql', 'host' => 'replica', 'database' => 'r'],";
    let split = "'pgsql' => ['driver' => 'pgsql', 'read' => ['host' => ['ro']], 'write' => ['host' => ['rw', 'rw2']], 'database' => \
                 'a', 'options' => [PDO::ATTR_PERSISTENT => true]],";
    for (text, variables, expected) in [
        (
            config("env('DB_CONNECTION', 'pgsql')", &both),
            &[][..],
            &["at postgres 127.0.0.1:5432/laravel root"][..],
        ),
        (
            config("env('DB_CONNECTION', 'sqlite')", &both),
            &[
                ("DB_CONNECTION", "pgsql"),
                ("DB_HOST", "db"),
                ("DB_DATABASE", "shop"),
            ],
            &["at postgres db:5432/shop root"],
        ),
        (
            config("env('DB_CONNECTION', 'sqlite')", &both),
            &[
                ("DB_CONNECTION", "pgsql"),
                ("DB_URL", "postgres://app@db/shop"),
            ],
            &["at postgres db:5432/shop app"],
        ),
        (config("'mysql'", &both), &[], &["at MySQL 127.0.0.1/"]),
        (
            config("'pgsql'", &format!("{PGSQL}{reports}")),
            &[],
            &[
                "dsns 2 by connections",
                "at postgres 127.0.0.1:5432/laravel root",
                "at postgres replica/r",
            ],
        ),
        (
            config("'pgsql'", split),
            &[],
            &[
                "persistent true by PDO::ATTR_PERSISTENT",
                "dsns 2 by connections",
                "at postgres rw/a",
            ],
        ),
        (
            config("env('DB_CONNECTION')", PGSQL),
            &[],
            &[
                "open dsns: which connection is the default is ${DB_CONNECTION}, which none of the files says",
                "at postgres 127.0.0.1:5432/laravel root",
            ],
        ),
        (
            "<?php return $config;".to_owned(),
            &[],
            &["open pool: no connection of it is understood"],
        ),
    ] {
        assert_eq!(
            said("shop/config/database.php", &text, variables),
            expected,
            "{text}"
        );
    }
}

#[test]
fn horizon_starts_the_workers_of_all_supervisors_of_production() {
    let file = |defaults: &str, production: &str| {
        format!(
            "<?php\nreturn [\n'defaults' => [{defaults}],\n'environments' => ['production' => [{production}], 'local' => ['a' => \
             ['maxProcesses' => 3]]],\n];"
        )
    };
    let (one, two) = (
        file(
            "'a' => ['connection' => 'redis', 'maxProcesses' => 1]",
            "'a' => ['maxProcesses' => 10]",
        ),
        file(
            "'a' => ['processes' => 2], 'b' => ['maxProcesses' => 1]",
            "'a' => [], 'b' => ['maxProcesses' => 6]",
        ),
    );
    let unknown = file("", "'a' => ['maxProcesses' => env('WORKERS')]");
    check(
        "shop/config/horizon.php",
        &[
            (
                &one,
                &[
                    "[horizon]",
                    "kind queue",
                    "processes 10 by maxProcesses of Horizon",
                ],
            ),
            (
                &two,
                &[
                    "[horizon]",
                    "kind queue",
                    "processes 8 by maxProcesses of Horizon",
                ],
            ),
            (
                &unknown,
                &[
                    "[horizon]",
                    "kind queue",
                    "open processes: the number of processes of a is not plain",
                ],
            ),
            (
                "<?php return [];",
                &[
                    "[horizon]",
                    "kind queue",
                    "open processes: no supervisor of it is understood",
                ],
            ),
        ],
    );
    assert_eq!(
        said("config/horizon.php", &unknown, &[("WORKERS", "4")])[2],
        "processes 4 by maxProcesses of Horizon"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["<?php return ", "[", "]", "'default'", " => ", "'connections'", "'pgsql'", "'driver'", ", ", "env('A', ", "'x'", ")", "'options'", "ATTR_PERSISTENT", "é", "\n", "//", "#", "'production'", "'maxProcesses'", "5"];
        survives("database.php", &parts, &numbers);
        survives("horizon.php", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["'driver' => 'pgsql',", "'host' => 'db',", "'database' => 'a',", "'charset' => 'utf8',"]).prop_shuffle()) {
        let text = config("'pgsql'", &format!("'pgsql' => [{}],", order.concat()));
        prop_assert_eq!(said("database.php", &text, &[]), ["at postgres db/a"]);
    }
}
