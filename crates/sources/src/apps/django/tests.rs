//! What settings of Django are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

const UNSAID: &str = "else open pool: Django without a pool opens a connection for each thread, and how many there are is not said";

#[test]
fn databases_have_a_pool_or_a_connection_for_each_thread() {
    check(
        "shop/shop/settings.py",
        &[
            (
                "DATABASES = {\n    'default': {\n        'ENGINE': 'django.db.backends.postgresql',\n        'NAME': \
                 'shop',\n        'USER': os.environ.get('DB_USER', 'shop'),\n        'HOST': os.environ['DB_HOST'],\n        \
                 'PORT': 5432,\n        'CONN_MAX_AGE': 600,\n    }\n}\n",
                &[UNSAID, "at postgres ?:5432/shop shop"],
            ),
            (
                "DATABASES = {'default': {'ENGINE': 'django.contrib.gis.db.backends.postgis', 'HOST': 'db', 'NAME': 'a', \
                 'OPTIONS': {'pool': {'min_size': 2, 'max_size': 8, 'timeout': 10}}}}",
                &["pool 8 by pool of default", "at postgres db/a"],
            ),
            (
                "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'db', 'OPTIONS': {'pool': \
                 True}}}",
                &[
                    "else pool 4 by psycopg's default pool for default",
                    "at postgres db/",
                ],
            ),
            (
                "DATABASES = {\n  'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'},\n}",
                &["at SQLite /?"],
            ),
            (
                "DATABASES = {'default': dj_database_url.config(default='postgres://u:p@db/shop', conn_max_age=600)}",
                &[UNSAID, "at postgres db/shop u"],
            ),
            (
                "DATABASES = {\"default\": env.db(\"PRIMARY_URL\")}\nDATABASES[\"default\"][\"CONN_MAX_AGE\"] = 60\n",
                &[UNSAID, "at ? ?/"],
            ),
            (
                "DATABASES = {\n  'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'db', 'NAME': 'a'},\n  \
                 'reports': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'db', 'NAME': 'b'},\n}",
                &[
                    "dsns 2 by databases default, reports",
                    UNSAID,
                    "at postgres db/a",
                    "at postgres db/b",
                ],
            ),
            (
                "DATABASES = {}\nDATABASES['default'] = {'ENGINE': 'django.db.backends.mysql', 'HOST': 'm'}\n",
                &["at MySQL m/"],
            ),
            (
                "DATABASES = databases_of(stage)\n",
                &["open pool: DATABASES is an expression, and is not read"],
            ),
        ],
    );
    assert_eq!(
        said(
            "settings.py",
            "DATABASES = {'default': env.db()}",
            &[("DATABASE_URL", "postgres://app@db/app")]
        ),
        [UNSAID, "at postgres db/app app"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["DATABASES", " = ", "{", "}", "'default'", ": ", "[", "]", "'ENGINE'", "'postgresql'", ",", "env.db(", ")", "'OPTIONS'", "'pool'", "True", "é", "\n", "#", "**"];
        survives("settings.py", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["'ENGINE': 'django.db.backends.postgresql', ", "'HOST': 'db', ", "'NAME': 'a', ", "'OPTIONS': {'pool': {'max_size': 8, 'min_size': 1}}, "]).prop_shuffle()) {
        let text = format!("DATABASES = {{'default': {{{}}}}}", order.concat());
        prop_assert_eq!(said("settings.py", &text, &[]), ["pool 8 by pool of default", "at postgres db/a"]);
    }
}
