//! What `uwsgi.ini` is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn processes_multiply_and_threads_limit() {
    check(
        "shop/uwsgi.ini",
        &[
            (
                "[uwsgi]\nmodule = shop.wsgi\nprocesses = 4\nthreads = 2\n",
                &[
                    "processes 4 by processes of uWSGI",
                    "threads 2 by threads of uWSGI",
                ],
            ),
            (
                "[uwsgi]\nworkers = %k\n",
                &[
                    "threads 1 by threads of uWSGI",
                    "open processes: processes of uWSGI follow the number of cores",
                ],
            ),
            (
                "[uwsgi]\n;processes = 9\nprocesses = $(WORKERS)\ngevent = 100\n",
                &[
                    "open processes: processes of uWSGI is ${WORKERS}, which none of the files says",
                    "else open pool: uwsgi runs requests at once in each process, each with a connection unless a pool limits \
                     them",
                ],
            ),
            (
                "[uwsgi]\nmaster = true\n[other]\nprocesses = 5\n",
                &["threads 1 by threads of uWSGI"],
            ),
        ],
    );
    assert_eq!(
        said(
            "uwsgi.ini",
            "[uwsgi]\nprocesses = $(WORKERS)\n",
            &[("WORKERS", "6")]
        )[0],
        "processes 6 by processes of uWSGI"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["[uwsgi]", "\n", "processes", " = ", "threads", "4", "%k", "$(", ")", ";", "é"];
        survives("uwsgi.ini", &[&["[uwsgi]\n"], parts.as_slice()].concat(), &[vec![0], numbers].concat());
    }

    #[test]
    fn the_order_of_settings_changes_nothing(order in Just(vec!["processes = 4\n", "threads = 2\n", "master = 1\n", "http = :80\n"]).prop_shuffle()) {
        let text = format!("[uwsgi]\n{}", order.concat());
        let expected = ["processes 4 by processes of uWSGI", "threads 2 by threads of uWSGI"];
        prop_assert_eq!(said("uwsgi.ini", &text, &[]), expected);
    }
}
