//! What Go source is read as.

use proptest::prelude::*;

use super::super::tests::{check, survives};

#[test]
fn pools_have_the_limit_that_the_program_sets() {
    let cores = "open pool: pgxpool without pool_max_conns opens as many connections as there are cores, and 4 at least";
    let unlimited = "open pool: database/sql without SetMaxOpenConns is a pool without a limit";
    check(
        "api/internal/db/db.go",
        &[
            (
                "db, err := sql.Open(\"pgx\", os.Getenv(\"DATABASE_URL\"))\ndb.SetMaxOpenConns(25)\ndb.SetMaxIdleConns(5)\n",
                &["pool 25 by SetMaxOpenConns", "at postgres ?/"],
            ),
            (
                "const limit = 12\nfunc open() {\n\tdb := sqlx.MustConnect(\"postgres\", \"host=db dbname=app user=u \
                 sslmode=disable\")\n\tdb.SetMaxOpenConns(limit)\n}\n",
                &["pool 12 by SetMaxOpenConns", "at postgres db/app u"],
            ),
            (
                "db, err := sql.Open(\"postgres\", dsn)\n",
                &[unlimited, "at postgres ?/"],
            ),
            (
                "db.SetMaxOpenConns(cfg.MaxConns)\n",
                &[
                    "open pool: SetMaxOpenConns is cfg.MaxConns, which none of the files says",
                    "at postgres /",
                ],
            ),
            (
                "db, err := gorm.Open(postgres.Open(\"postgres://u@db/app\"), &gorm.Config{})\ns.SetMaxOpenConns(0)\n",
                &[
                    "open pool: SetMaxOpenConns(0) is a pool without a limit",
                    "at postgres db/app u",
                ],
            ),
            (
                "db, err := sql.Open(\"mysql\", \"u:p@tcp(mysql:3306)/shop\")\ndb.SetMaxOpenConns(50)\n",
                &["at MySQL mysql/"],
            ),
            (
                "import \"github.com/jackc/pgx/v5/pgxpool\"\ncfg, err := pgxpool.ParseConfig(url)\ncfg.MaxConns = 16\npool, err := \
                 pgxpool.NewWithConfig(ctx, cfg)\n",
                &["pool 16 by MaxConns of pgxpool", "at postgres ?/"],
            ),
            (
                "pool, err := pgxpool.New(ctx, \"postgres://db/app?pool_max_conns=9\")\n",
                &["pool 9 by pool_max_conns of pgxpool", "at postgres db/app"],
            ),
            (
                "pool, err := pgxpool.New(ctx, url)\n",
                &[cores, "at postgres ?/"],
            ),
            ("package main\nfunc main() {}\n", &[]),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["sql.Open(", "\"pgx\"", ", ", ")", "db.SetMaxOpenConns(", "5", "pgxpool", ".New(", "MaxConns", " = ", ":=", "`", "\n", "//", "é", "gorm.Open(", "postgres.Open(", "&x{"];
        survives("db.go", &parts, &numbers);
    }

    #[test]
    fn the_order_of_statements_changes_nothing(order in Just(vec!["db.SetMaxOpenConns(8)\n", "db, err := sql.Open(\"pgx\", \"postgres://db/a\")\n", "db.SetMaxIdleConns(2)\n"]).prop_shuffle()) {
        let found = super::super::tests::said("db.go", &order.concat(), &[]);
        prop_assert_eq!(found, ["pool 8 by SetMaxOpenConns", "at postgres db/a"]);
    }
}
