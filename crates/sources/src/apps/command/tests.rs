//! What command lines are read as.

use pgweir_advisor::facts::Origin;
use proptest::prelude::*;

use super::super::tests::short;
use crate::apps::program;
use crate::inventory::{Text, Variable};

fn words(command: &[&str]) -> Vec<Text> {
    let word = |word: &&str| Text::plain(*word, Origin::Default);
    command.iter().map(word).collect()
}

fn variables(variables: &[(&str, &str)]) -> Vec<Variable> {
    let variable = |(name, value): &(&str, &str)| Variable::new(*name, *value, Origin::Default);
    variables.iter().map(variable).collect()
}

/// What a command line, of words without spaces, says.
fn check(command: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let words = words(&command.split(' ').collect::<Vec<_>>());
    let found = short(&program(&words, &variables(environment)));
    assert_eq!(found, expected, "{command} {environment:?}");
}

#[test]
fn web_servers_of_python_have_processes_and_threads() {
    let one_thread = "threads 1 by gunicorn's default of threads";
    for (command, environment, expected) in [
        ("gunicorn app:app", &[][..], &[one_thread][..]),
        (
            "poetry run gunicorn -w 4 app:app",
            &[],
            &["processes 4 by -w of gunicorn", one_thread],
        ),
        (
            "/venv/bin/gunicorn shop.wsgi --workers=3 --threads 8 -k gthread",
            &[],
            &[
                "processes 3 by --workers of gunicorn",
                "threads 8 by --threads of gunicorn",
            ],
        ),
        (
            "gunicorn app:app",
            &[("WEB_CONCURRENCY", "6")],
            &["processes 6 by WEB_CONCURRENCY", one_thread],
        ),
        (
            "gunicorn app:app -w2",
            &[
                ("GUNICORN_CMD_ARGS", "--workers=9 --threads=4"),
                ("WEB_CONCURRENCY", "6"),
            ],
            &[
                "processes 2 by -w of gunicorn",
                "threads 4 by --threads of gunicorn",
            ],
        ),
        (
            "gunicorn main:app -w 4 -k uvicorn.workers.UvicornWorker",
            &[],
            &["processes 4 by -w of gunicorn"],
        ),
        (
            "gunicorn main:app -k gevent",
            &[],
            &[
                "else open pool: gunicorn runs as many greenlets as there are requests, each with a connection unless a pool \
               limits them",
            ],
        ),
        (
            "gunicorn -c conf/gunicorn.py app:app",
            &[("DB_POOL_SIZE", "7")],
            &[
                "pool 7 by DB_POOL_SIZE",
                "else open processes: gunicorn takes its workers from conf/gunicorn.py, which this command does not show",
                "else open pool: gunicorn takes its threads from conf/gunicorn.py, which this command does not show",
            ],
        ),
        (
            "python -m uvicorn main:app --workers 5",
            &[("DB_POOL_SIZE", "7")],
            &[
                "processes 5 by --workers of uvicorn",
                "pool 7 by DB_POOL_SIZE",
            ],
        ),
        (
            "uvicorn main:app",
            &[("UVICORN_WORKERS", "3")],
            &["processes 3 by UVICORN_WORKERS"],
        ),
        ("uvicorn main:app --host 0.0.0.0", &[], &[]),
        (
            "uwsgi --http :80 --processes 4 --threads 2",
            &[],
            &[
                "processes 4 by --processes of uwsgi",
                "threads 2 by --threads of uwsgi",
            ],
        ),
        (
            "python manage.py runserver 0.0.0.0:8000",
            &[],
            &[
                "else open pool: manage.py starts as many threads as there are requests, each with a connection unless a pool \
               limits them",
            ],
        ),
        (
            "uwsgi /code/etc/uwsgi.ini",
            &[],
            &[
                "else open processes: uwsgi takes its processes from /code/etc/uwsgi.ini, which this command does not show",
                "else open pool: uwsgi takes its threads from /code/etc/uwsgi.ini, which this command does not show",
            ],
        ),
        ("python manage.py migrate", &[], &[]),
    ] {
        check(command, environment, expected);
    }
}

#[test]
fn servers_of_other_languages_have_processes_and_threads() {
    for (command, environment, expected) in [
        (
            "bundle exec puma -w 3 -t 1:16",
            &[][..],
            &["processes 3 by -w of puma", "threads 16 by -t of puma"][..],
        ),
        (
            "bundle exec puma -C config/puma.rb",
            &[("RAILS_MAX_THREADS", "7"), ("WEB_CONCURRENCY", "2")],
            &[
                "processes 2 by WEB_CONCURRENCY",
                "threads 7 by RAILS_MAX_THREADS",
            ],
        ),
        (
            "bin/rails server -b 0.0.0.0",
            &[],
            &["threads 5 by rails's default of threads"],
        ),
        ("bin/rails db:prepare", &[], &[]),
        (
            "bundle exec sidekiq -c 25 -q default",
            &[],
            &["threads 25 by -c of sidekiq"],
        ),
        (
            "bundle exec sidekiq -C config/sidekiq.yml",
            &[],
            &[
                "else open pool: sidekiq takes its threads from config/sidekiq.yml, which this command does not show",
            ],
        ),
        (
            "bundle exec sidekiq",
            &[("RAILS_MAX_THREADS", "12"), ("DB_POOL", "15")],
            &["pool 15 by DB_POOL", "threads 12 by RAILS_MAX_THREADS"],
        ),
        (
            "pm2-runtime start app.js -i 4",
            &[],
            &["processes 4 by -i of pm2-runtime"],
        ),
        (
            "pm2-runtime app.js -i max",
            &[],
            &["open processes: -i of pm2-runtime is max: as many as there are cores"],
        ),
        (
            "php artisan octane:start --server=swoole --workers=8 --max-requests=500",
            &[],
            &["kind octane", "processes 8 by --workers of artisan"],
        ),
        (
            "php artisan octane:start",
            &[],
            &[
                "kind octane",
                "else open processes: artisan starts as many workers as there are cores",
            ],
        ),
        (
            "php artisan queue:work --tries=3",
            &[("PHP_FPM_MAX_CHILDREN", "20")],
            &["kind queue"],
        ),
        (
            "php artisan horizon",
            &[],
            &[
                "kind queue",
                "else open processes: artisan takes its processes from config/horizon.php",
            ],
        ),
        (
            "php-fpm8.3 -F",
            &[("PHP_FPM_MAX_CHILDREN", "20")],
            &["kind php-fpm", "pool 20 by PHP_FPM_MAX_CHILDREN"],
        ),
        (
            "node server.js",
            &[("WEB_CONCURRENCY", "2")],
            &["processes 2 by WEB_CONCURRENCY"],
        ),
        ("java -jar app.jar", &[], &[]),
    ] {
        check(command, environment, expected);
    }
}

#[test]
fn workers_of_queues_have_one_connection_for_each_process() {
    for (command, environment, expected) in [
        (
            "celery -A shop worker -c 8 -l info",
            &[][..],
            &["kind queue", "processes 8 by -c of celery"][..],
        ),
        (
            "celery --app shop worker --autoscale=10,3",
            &[],
            &["kind queue", "processes 10 by --autoscale of celery"],
        ),
        (
            "celery -A shop worker",
            &[],
            &[
                "kind queue",
                "else open processes: celery starts as many processes as there are cores",
            ],
        ),
        ("celery -A shop worker --pool=solo", &[], &["kind queue"]),
        ("celery -A shop beat", &[], &["kind queue"]),
        (
            "celery -A shop worker -c 4",
            &[("SQLALCHEMY_POOL_SIZE", "20")],
            &["kind queue", "processes 4 by -c of celery"],
        ),
        (
            "dramatiq shop.tasks -p 2 -t 6",
            &[],
            &[
                "processes 2 by -p of dramatiq",
                "threads 6 by -t of dramatiq",
            ],
        ),
    ] {
        check(command, environment, expected);
    }
}

#[test]
fn scripts_of_a_shell_are_split_and_their_variables_put_in() {
    let sh = |script: &str, environment: &[(&str, &str)]| {
        short(&program(
            &words(&["/bin/sh", "-ec", script]),
            &variables(environment),
        ))
    };
    let one = "threads 1 by gunicorn's default of threads";
    for (script, environment, expected) in [
        (
            "python manage.py migrate && exec gunicorn app -w ${WEB_WORKERS:-3}",
            &[][..],
            &["processes 3 by -w of gunicorn", one][..],
        ),
        (
            "exec gunicorn app -w \"$N\"",
            &[("N", "5")],
            &["processes 5 by -w of gunicorn", one],
        ),
        (
            "gunicorn app -w $N",
            &[],
            &[
                one,
                "open processes: -w of gunicorn is ${N}, which none of the files says",
            ],
        ),
        (
            "gunicorn app -w $(nproc) > /dev/null 2>&1",
            &[],
            &[
                one,
                "open processes: -w of gunicorn is $(nproc), which none of the files says",
            ],
        ),
        (
            "gunicorn $ARGS app # -w 9",
            &[("ARGS", "-w 2 --threads 4")],
            &[
                "processes 2 by -w of gunicorn",
                "threads 4 by --threads of gunicorn",
            ],
        ),
        (
            "celery -A x worker -c 2 & gunicorn 'app:app' -w 2",
            &[],
            &[
                "kind queue",
                "processes 2 by -c of celery",
                "open -: the command starts gunicorn besides celery",
            ],
        ),
        (
            "if [ $DEV ]; then gunicorn app -w 2 --reload; else gunicorn app -w 2; fi",
            &[],
            &["processes 2 by -w of gunicorn", one],
        ),
    ] {
        assert_eq!(sh(script, environment), expected, "{script}");
    }
}

#[test]
fn an_option_that_none_of_the_files_says_is_named() {
    let mut workers = Text::plain("--workers=", Origin::Default);
    workers.push_gap("${WORKERS}");
    let mut command = words(&["gunicorn", "app"]);
    command.push(workers);
    let found = short(&program(&command, &[]));
    assert_eq!(
        found[1],
        "open processes: --workers of gunicorn is ${WORKERS}, which none of the files says"
    );
}

proptest! {
    #[test]
    fn no_command_makes_it_panic(script in "[a-z0-9 $(){}`'\"&|;:=\\\\\u{fffc}é-]{0,40}", name in "[a-z]{0,3}") {
        let environment = variables(&[(&name, "-w 4")]);
        for start in ["", "gunicorn ", "puma -t ", "celery worker ", "sh -c "] {
            let script = format!("{start}{script}");
            let split: Vec<&str> = script.split(' ').collect();
            program(&words(&split), &environment);
            program(&words(&["sh", "-c", &script]), &environment);
            let gap = Text::gap("a gap", Origin::Default);
            program(&[words(&["sh", "-c"]), vec![gap]].concat(), &environment);
        }
    }

    #[test]
    fn the_order_of_variables_changes_nothing(order in Just(ALL.to_vec()).prop_shuffle()) {
        for command in ["gunicorn app", "bundle exec sidekiq", "node x", "celery worker"] {
            let words = words(&command.split(' ').collect::<Vec<_>>());
            let sorted = |environment: &[(&str, &str)]| {
                let mut all = short(&program(&words, &variables(environment)));
                all.sort();
                all
            };
            prop_assert_eq!(sorted(&order), sorted(ALL));
        }
    }
}

/// Variables that speak of the same numbers.
const ALL: &[(&str, &str)] = &[
    ("WEB_CONCURRENCY", "4"),
    ("UVICORN_WORKERS", "4"),
    ("PUMA_WORKERS", "6"),
    ("RAILS_MAX_THREADS", "7"),
    ("SIDEKIQ_CONCURRENCY", "9"),
    ("CELERY_CONCURRENCY", "x"),
    ("DATABASE_URL", "postgresql+psycopg://db/app"),
    ("ORDERS_URL", "postgresql+asyncpg://db/orders"),
    ("ConnectionStrings__Main", "Host=db;Database=a;Username=u"),
];
