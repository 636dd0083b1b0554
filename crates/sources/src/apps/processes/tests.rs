//! What lists of processes are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn each_line_of_a_procfile_is_a_service() {
    check(
        "shop/Procfile",
        &[
            (
                "release: rails db:migrate\nweb: bundle exec puma -w 2 -t 5:5\nworker: bundle exec sidekiq -c 10\n",
                &[
                    "[web]",
                    "processes 2 by -w of puma",
                    "threads 5 by -t of puma",
                    "[worker]",
                    "threads 10 by -c of sidekiq",
                ],
            ),
            (
                "web: gunicorn shop.wsgi --workers ${WEB_WORKERS:-3}\nbeat: celery -A shop beat\n",
                &[
                    "[web]",
                    "processes 3 by --workers of gunicorn",
                    "threads 1 by gunicorn's default of threads",
                    "[beat]",
                    "kind queue",
                ],
            ),
            ("web: node server.js\n", &["[web]"]),
            ("# web: x y\n\n", &[]),
        ],
    );
    assert_eq!(
        said("Procfile.dev", "web: bin/rails server\n", &[]),
        Vec::<String>::new()
    );
    assert_eq!(
        said("Procfile", "web: gunicorn app", &[("WEB_CONCURRENCY", "5")])[1],
        "processes 5 by WEB_CONCURRENCY"
    );
}

#[test]
fn programs_of_supervisor_have_their_number_of_processes() {
    check(
        "shop/docker/supervisord.conf",
        &[
            (
                "[supervisord]\nnodaemon=true\n[program:php-fpm]\ncommand=php-fpm -F\n[program:queue]\ncommand=php \
                 /app/artisan queue:work --tries=3\nnumprocs=8\nautostart=true\n",
                &[
                    "[php-fpm]",
                    "[queue]",
                    "kind queue",
                    "processes 8 by numprocs",
                ],
            ),
            (
                "[program:octane]\ncommand=php artisan octane:start\n    --workers=4\nenvironment=DB_HOST=\"db\",DB_CONNECTION=\"pgsql\"\n",
                &[
                    "[octane]",
                    "kind octane",
                    "processes 4 by --workers of artisan",
                    "at postgres db/",
                ],
            ),
            ("[program:nginx]\ncommand=nginx -g 'daemon off;'\n", &[]),
            (
                "[program:w]\ncommand=celery -A x worker -c 2\nnumprocs=3\n[program:off]\ncommand=x\nautostart=false\n",
                &["[w]", "kind queue", "processes 6 by numprocs"],
            ),
            (
                "[program:w]\ncommand=php artisan queue:work\nnumprocs=%(ENV_WORKERS)s\n",
                &[
                    "[w]",
                    "kind queue",
                    "open processes: numprocs is no plain number",
                ],
            ),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["web", ":", " ", "\n", "gunicorn", "-w", "4", "$", "{", "'", "é", "[program:a]", "command=", "numprocs=", "environment=", "A=\"b\"", ",", ";"];
        survives("Procfile", &parts, &numbers);
        survives("supervisord.conf", &parts, &numbers);
    }

    #[test]
    fn the_order_of_lines_changes_nothing(order in Just(vec!["web: puma -w 2\n", "jobs: sidekiq -c 3\n", "clock: clockwork\n"]).prop_shuffle()) {
        let sorted = |text: &str| {
            let mut all = said("Procfile", text, &[]);
            all.sort();
            all
        };
        prop_assert_eq!(sorted(&order.concat()), sorted("web: puma -w 2\njobs: sidekiq -c 3\nclock: clockwork\n"));
    }
}
