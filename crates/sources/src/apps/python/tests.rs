//! What Python source is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn engines_of_sqlalchemy_have_a_size_and_an_overflow() {
    check(
        "api/app/db.py",
        &[
            (
                "engine = create_engine('postgresql+psycopg://app@db/app', pool_size=20, max_overflow=5)",
                &[
                    "pool 25 by pool_size and max_overflow of SQLAlchemy",
                    "at postgres db/app app",
                ],
            ),
            (
                "engine = sa.create_engine(\n    os.environ['DATABASE_URL'],\n    pool_size=int(os.getenv('POOL', '8')),\n)",
                &[
                    "pool 18 by pool_size of SQLAlchemy with its default max_overflow",
                    "at postgres ?/",
                ],
            ),
            (
                "engine = create_async_engine(settings.database_url, echo=False)",
                &[
                    "else pool 15 by the default of SQLAlchemy",
                    "at postgres ?/",
                ],
            ),
            (
                "engine = create_engine(URL, pool_size=0)",
                &[
                    "open pool: pool_size=0 of SQLAlchemy is a pool without a limit",
                    "at postgres ?/",
                ],
            ),
            (
                "engine = create_engine(URL, poolclass=NullPool)",
                &[
                    "open pool: SQLAlchemy with NullPool opens a connection for whoever asks",
                    "at postgres ?/",
                ],
            ),
            (
                "engine = create_engine(URL, **OPTIONS)",
                &[
                    "open pool: SQLAlchemy is given options that are not seen in this place",
                    "at postgres ?/",
                ],
            ),
            (
                "engine = create_engine('sqlite:///x.db')\n# create_engine('postgres://db/a')",
                &["at SQLite /"],
            ),
            (
                "SQLALCHEMY_DATABASE_URI = 'postgresql://db/app'\nSQLALCHEMY_ENGINE_OPTIONS = {'pool_size': 3, \
                 'max_overflow': 0}",
                &[
                    "pool 3 by pool_size and max_overflow of SQLAlchemy",
                    "at postgres db/app",
                ],
            ),
            ("def create_engine(url):\n    return None\n", &[]),
        ],
    );
    assert_eq!(
        said(
            "db.py",
            "engine = create_engine(settings.DATABASE_URL)",
            &[("DATABASE_URL", "postgresql://db/app")]
        )[1],
        "at postgres db/app"
    );
}

#[test]
fn pools_of_drivers_have_a_maximum() {
    check(
        "api/app/db.py",
        &[
            (
                "import asyncpg\npool = await asyncpg.create_pool(dsn='postgres://db/app', min_size=2, max_size=30)",
                &["pool 30 by max_size of asyncpg", "at postgres db/app"],
            ),
            (
                "import asyncpg\npool = await asyncpg.create_pool(host='db', database='app', user='u')",
                &[
                    "else pool 10 by the default of create_pool of asyncpg",
                    "at postgres db/app u",
                ],
            ),
            (
                "from psycopg_pool import ConnectionPool\npool = ConnectionPool('host=db dbname=app', min_size=6)",
                &[
                    "pool 6 by min_size of ConnectionPool of psycopg_pool",
                    "at postgres db/app",
                ],
            ),
            (
                "from psycopg2 import pool\np = pool.ThreadedConnectionPool(1, 20, dsn=DSN)",
                &["pool 20 by maxconn of psycopg2", "at postgres ?/"],
            ),
            (
                "import psycopg\nwith psycopg.connect('postgres://db/app') as c: pass",
                &[
                    "else open pool: psycopg.connect opens a connection each time, without a pool",
                    "at postgres db/app",
                ],
            ),
            (
                "import asyncpg\na = create_pool('postgres://a/x', max_size=3)\nb = create_pool('postgres://b/y', max_size=4)",
                &[
                    "pool 3 by max_size of asyncpg",
                    "at postgres a/x",
                    "[b]",
                    "pool 4 by max_size of asyncpg",
                    "at postgres b/y",
                ],
            ),
            (
                "broker_url = 'redis://x'\nworker_concurrency = 12\n",
                &[
                    "[celery]",
                    "kind queue",
                    "processes 12 by worker_concurrency",
                ],
            ),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["create_engine(", "asyncpg", ".create_pool(", ")", "pool_size=", "max_size", "=", "5", "'postgres://a/b'", ", ", "**", "é", "\n", "#", "\"\"\"", "SQLALCHEMY_ENGINE_OPTIONS", "{", "}", "psycopg.connect("];
        survives("db.py", &parts, &numbers);
    }

    #[test]
    fn the_order_of_arguments_changes_nothing(order in Just(vec!["pool_size=4", "max_overflow=2", "url='postgres://db/a'", "echo=True"]).prop_shuffle()) {
        let text = format!("e = create_engine({})", order.join(", "));
        let expected = ["pool 6 by pool_size and max_overflow of SQLAlchemy", "at postgres db/a"];
        prop_assert_eq!(said("db.py", &text, &[]), expected);
    }
}
