//! What `gunicorn.conf.py` is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn workers_multiply_and_threads_limit() {
    check(
        "shop/gunicorn.conf.py",
        &[
            (
                "bind = '0.0.0.0:8000'\nworkers = 4\nthreads = 2\n",
                &[
                    "processes 4 by workers of gunicorn",
                    "threads 2 by threads of gunicorn",
                ],
            ),
            (
                "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', '3'))\n",
                &[
                    "processes 3 by workers of gunicorn",
                    "threads 1 by threads of gunicorn",
                ],
            ),
            (
                "workers = multiprocessing.cpu_count() * 2 + 1\nworker_class = \"uvicorn.workers.UvicornWorker\"\n",
                &[
                    "open processes: workers of gunicorn is an expression, which none of the files says",
                ],
            ),
            (
                "if DEBUG:\n    workers = 1\nelse:\n    workers = 6\nworker_class = 'gevent'\n",
                &[
                    "processes 6 by workers of gunicorn",
                    "else open pool: gunicorn runs as many greenlets as there are requests, each with a connection unless \
                     a pool limits them",
                ],
            ),
            ("timeout = 30\n", &["threads 1 by threads of gunicorn"]),
        ],
    );
    assert_eq!(
        said(
            "gunicorn_conf.py",
            "workers = int(os.environ['WEB_CONCURRENCY'])",
            &[("WEB_CONCURRENCY", "9")]
        )[0],
        "processes 9 by workers of gunicorn"
    );
    assert_eq!(
        said(
            "gunicorn_conf.py",
            "threads = 4",
            &[("WEB_CONCURRENCY", "9")]
        )[0],
        "processes 9 by workers of gunicorn"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..20)) {
        let parts = ["workers", " = ", "\n", "4", "os.environ.get(", "'A'", ")", ", ", "threads", "#", "é", "\"\"\"", "("];
        survives("gunicorn.conf.py", &parts, &numbers);
    }

    #[test]
    fn the_order_of_settings_changes_nothing(order in Just(vec!["workers = 4\n", "threads = 2\n", "bind = 'x'\n", "N = 1\n"]).prop_shuffle()) {
        let expected = ["processes 4 by workers of gunicorn", "threads 2 by threads of gunicorn"];
        prop_assert_eq!(said("gunicorn.conf.py", &order.concat(), &[]), expected);
    }
}
