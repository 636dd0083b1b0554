//! Programs that start processes or threads, each of which opens connections: web servers and runners of
//! jobs, with their options, variables and defaults.

/// A program.
#[derive(Debug)]
pub(crate) struct Server {
    /// Names of its executable.
    pub(crate) names: &'static [&'static str],
    /// Words, one of which its command line has; any if there are none.
    pub(crate) verbs: &'static [&'static str],
    /// Its `kind` in `[services.NAME]`, if it has one of its own.
    pub(crate) kind: Option<&'static str>,
    /// How many processes it starts.
    pub(crate) processes: Factor,
    /// What limits the connections of each.
    pub(crate) each: Each,
    /// Options that name a file which says both.
    pub(crate) files: &'static [&'static str],
}

/// A number that a program is started with.
#[derive(Debug)]
pub(crate) struct Factor {
    /// What it counts, such as `workers`.
    pub(crate) noun: &'static str,
    /// Options, long ones first.
    pub(crate) options: &'static [&'static str],
    /// Variables that are read if there is no option.
    pub(crate) variables: &'static [&'static str],
    /// What it is when nobody says.
    pub(crate) otherwise: Otherwise,
}

/// What a number is when nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// This.
    Is(u64),
    /// As many as the machine has cores, which no file says. So are `auto`, `max` and 0.
    Cores,
    /// As many as there are requests.
    Unlimited,
    /// Another file says it, such as `config/horizon.php`.
    File(&'static str),
}

/// What limits the connections of a process.
#[derive(Debug)]
pub(crate) enum Each {
    /// A thread holds one connection at most.
    Threads(Factor),
    /// The pool in the program.
    Pool,
    /// It holds one.
    One,
}

const fn count(
    noun: &'static str,
    options: &'static [&'static str],
    variables: &'static [&'static str],
    otherwise: Otherwise,
) -> Factor {
    Factor {
        noun,
        options,
        variables,
        otherwise,
    }
}

const fn one() -> Factor {
    count("processes", &[], &[], Is(1))
}

const fn server(
    names: &'static [&'static str],
    verbs: &'static [&'static str],
    kind: Option<&'static str>,
    processes: Factor,
    each: Each,
    files: &'static [&'static str],
) -> Server {
    Server {
        names,
        verbs,
        kind,
        processes,
        each,
        files,
    }
}

use Each::{One, Pool, Threads};
use Otherwise::{Cores, File, Is, Unlimited};

const QUEUE: Option<&str> = Some("queue");
const OCTANE: Option<&str> = Some("octane");

/// All that are known, those with a verb before those with the same name and none. Defaults are those of
/// their manuals.
#[rustfmt::skip]
pub(crate) const SERVERS: &[Server] = &[
    server(&["gunicorn"], &[], None,
        count("workers", &["--workers", "-w"], &["WEB_CONCURRENCY", "GUNICORN_WORKERS"], Is(1)),
        Threads(count("threads", &["--threads"], &["GUNICORN_THREADS"], Is(1))), &["--config", "-c"]),
    server(&["uvicorn"], &[], None,
        count("workers", &["--workers"], &["UVICORN_WORKERS", "WEB_CONCURRENCY"], Is(1)), Pool, &[]),
    server(&["fastapi"], &["run", "dev"], None,
        count("workers", &["--workers"], &["WEB_CONCURRENCY"], Is(1)), Pool, &[]),
    server(&["hypercorn"], &[], None, count("workers", &["--workers", "-w"], &[], Is(1)), Pool, &["--config", "-c"]),
    server(&["granian"], &[], None, count("workers", &["--workers"], &["GRANIAN_WORKERS"], Is(1)), Pool, &[]),
    server(&["daphne"], &[], None, one(), Pool, &[]),
    server(&["waitress-serve"], &[], None, one(), Threads(count("threads", &["--threads"], &[], Is(4))), &[]),
    server(&["uwsgi", "uwsgi-core"], &[], None,
        count("processes", &["--processes", "--workers", "-p"], &["UWSGI_PROCESSES", "UWSGI_WORKERS"], Is(1)),
        Threads(count("threads", &["--threads"], &["UWSGI_THREADS"], Is(1))), &["--ini", "--yaml", "--yml", "--json", "--xml", "-x"]),
    server(&["celery"], &["beat", "flower"], QUEUE, one(), One, &[]),
    server(&["celery"], &["worker"], QUEUE,
        count("processes", &["--autoscale", "--concurrency", "-c"], &["CELERYD_CONCURRENCY", "CELERY_CONCURRENCY", "CELERY_WORKER_CONCURRENCY"], Cores),
        One, &[]),
    server(&["dramatiq"], &[], None,
        count("processes", &["--processes", "-p"], &["dramatiq_processes"], Cores),
        Threads(count("threads", &["--threads", "-t"], &["dramatiq_threads"], Is(8))), &[]),
    server(&["rq"], &["worker-pool"], QUEUE, count("workers", &["--num-workers", "-n"], &[], Is(1)), One, &[]),
    server(&["rq"], &["worker"], QUEUE, one(), One, &[]),
    server(&["huey_consumer", "huey_consumer.py"], &[], QUEUE, count("workers", &["--workers", "-w"], &[], Is(1)), One, &[]),
    server(&["manage.py"], &["runserver", "runserver_plus"], None, one(),
        Threads(count("threads", &[], &[], Unlimited)), &[]),
    server(&["manage.py"], &["qcluster"], QUEUE, count("workers", &[], &[], Cores), One, &[]),
    server(&["puma"], &[], None,
        count("workers", &["--workers", "-w"], &["WEB_CONCURRENCY", "PUMA_WORKERS"], Is(1)),
        Threads(count("threads", &["--threads", "-t"], &["RAILS_MAX_THREADS", "PUMA_MAX_THREADS", "MAX_THREADS"], Is(5))),
        &["--config", "-C"]),
    server(&["rails"], &["server", "s"], None, count("workers", &[], &["WEB_CONCURRENCY"], Is(1)),
        Threads(count("threads", &[], &["RAILS_MAX_THREADS", "PUMA_MAX_THREADS", "MAX_THREADS"], Is(5))), &[]),
    server(&["unicorn", "unicorn_rails"], &[], None, count("workers", &[], &["WEB_CONCURRENCY", "UNICORN_WORKERS"], Is(1)),
        Threads(count("threads", &[], &[], Is(1))), &["--config-file", "-c"]),
    server(&["passenger"], &["start"], None, count("processes", &["--max-pool-size"], &["PASSENGER_MAX_POOL_SIZE"], Is(6)),
        Threads(count("threads", &["--thread-count"], &["PASSENGER_THREAD_COUNT"], Is(1))), &[]),
    server(&["sidekiq"], &[], None, one(),
        Threads(count("threads", &["--concurrency", "-c"], &["RAILS_MAX_THREADS", "SIDEKIQ_CONCURRENCY"], Is(5))), &["--config", "-C"]),
    server(&["sidekiqswarm"], &[], None, count("processes", &[], &["SIDEKIQ_COUNT"], Cores),
        Threads(count("threads", &["--concurrency", "-c"], &["RAILS_MAX_THREADS", "SIDEKIQ_CONCURRENCY"], Is(5))), &["--config", "-C"]),
    server(&["good_job"], &[], None, one(),
        Threads(count("threads", &["--max-threads"], &["GOOD_JOB_MAX_THREADS", "RAILS_MAX_THREADS"], Is(5))), &[]),
    server(&["rake", "rails"], &["jobs:work"], QUEUE, one(), One, &[]),
    server(&["delayed_job"], &["start", "run"], QUEUE, count("processes", &["--number_of_workers", "--number-of-workers", "-n"], &[], Is(1)), One, &[]),
    server(&["jobs"], &["start"], None, count("processes", &[], &["JOB_CONCURRENCY"], Is(1)), Pool, &[]),
    server(&["pm2-runtime", "pm2"], &[], None, count("instances", &["--instances", "-i"], &[], Is(1)), Pool, &[]),
    server(&["artisan"], &["octane:start", "octane:swoole", "octane:frankenphp", "octane:roadrunner"], OCTANE,
        count("workers", &["--workers"], &["OCTANE_WORKERS"], Cores), One, &[]),
    server(&["artisan"], &["queue:work", "queue:listen", "schedule:work", "schedule:run", "reverb:start"], QUEUE, one(), One, &[]),
    server(&["artisan"], &["horizon"], QUEUE, count("processes", &[], &[], File("config/horizon.php")), One, &[]),
    server(&["artisan"], &["serve"], QUEUE, count("processes", &[], &["PHP_CLI_SERVER_WORKERS"], Is(1)), One, &[]),
    server(&["rr"], &["serve"], OCTANE, count("workers", &[], &[], File(".rr.yaml")), One, &[]),
    server(&["php-fpm"], &[], Some("php-fpm"), one(), Pool, &[]),
];
