//! What settings in JSON are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn connection_strings_of_npgsql_have_a_pool() {
    check(
        "shop/appsettings.json",
        &[
            (
                "{\n  // main\n  \"ConnectionStrings\": {\n    \"Default\": \"Host=db;Port=5432;Database=shop;Username=u;Password=p;Maximum \
                 Pool Size=30;Minimum Pool Size=2\"\n  },\n  \"Logging\": { \"LogLevel\": { \"Default\": \"Information\" } }\n}\n",
                &[
                    "pool 30 by maximum pool size of the URL",
                    "pool_min 2 by minimum pool size of the URL",
                    "else pool 100 by the default of Npgsql",
                    "at postgres db:5432/shop u",
                ],
            ),
            (
                "{\"ConnectionStrings\": {\"A\": \"Host=db;Database=shop;Username=u\"}}",
                &["else pool 100 by the default of Npgsql", "at ? db/shop u"],
            ),
            (
                "{\"ConnectionStrings\": {\"A\": \"Server=tcp:sql,1433;Database=x;User Id=u;Encrypt=True\"}}",
                &["at SQL Server tcp:sql,1433/x u"],
            ),
            ("{\"Logging\": {}}", &[]),
        ],
    );
    let text = "{\"ConnectionStrings\": {\"A\": \"Host=localhost;Database=a;Username=u\"}}";
    assert_eq!(
        said("appsettings.Development.json", text, &[]),
        Vec::<String>::new()
    );
    assert_eq!(
        said(
            "appsettings.json",
            text,
            &[("ConnectionStrings__A", "Host=db;Database=a;Username=u")]
        )[1],
        "at ? db/a u"
    );
}

#[test]
fn configurations_of_libraries_have_environments() {
    let sequelize = "{\"development\": {\"dialect\": \"sqlite\"}, \"production\": {\"dialect\": \"postgres\", \"host\": \"db\", \
                     \"database\": \"a\", \"username\": \"u\", \"pool\": {\"max\": 12}}}";
    assert_eq!(
        said("shop/config/config.json", sequelize, &[]),
        ["pool 12 by max of Sequelize", "at postgres db/a u"]
    );
    let typeorm =
        "{\"type\": \"postgres\", \"host\": \"db\", \"database\": \"a\", \"extra\": {\"max\": 14}}";
    assert_eq!(
        said("ormconfig.json", typeorm, &[]),
        ["pool 14 by max of TypeORM", "at postgres db/a"]
    );
    let by_variable =
        "{\"production\": {\"dialect\": \"postgres\", \"use_env_variable\": \"DATABASE_URL\"}}";
    assert_eq!(
        said(
            "config.json",
            by_variable,
            &[("DATABASE_URL", "postgres://u@db/a")]
        ),
        [
            "else pool 5 by the default of Sequelize",
            "at postgres db/a u"
        ]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["{", "}", "\"ConnectionStrings\"", ": ", "\"A\"", "\"Host=db;Database=a;Username=u\"", ", ", "[", "]", "\n", "//", "\"dialect\"", "\"postgres\"", "é", "\\"];
        survives("appsettings.json", &parts, &numbers);
        survives("ormconfig.json", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["\"type\": \"postgres\"", "\"host\": \"db\"", "\"poolSize\": 6", "\"database\": \"a\""]).prop_shuffle()) {
        let text = format!("{{{}}}", order.join(", "));
        prop_assert_eq!(said("ormconfig.json", &text, &[]), ["pool 6 by poolSize of TypeORM", "at postgres db/a"]);
    }
}
