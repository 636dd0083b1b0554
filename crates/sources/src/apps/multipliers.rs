//! Variables that set numbers of processes and threads, where no command says which program reads them.

use crate::inventory::{Program, Setting, Text, Variable};

use super::command::option;
use super::shell;

/// The number of processes that variables say: the largest, because they are names of the same number.
pub(crate) fn workers(variables: &[Variable]) -> Option<Program> {
    let arguments = variables
        .iter()
        .filter(|variable| variable.name == "GUNICORN_CMD_ARGS")
        .filter_map(|variable| {
            let words = shell::commands(&variable.value, &[]).concat();
            let (name, value) = option(&words, &["--workers", "-w"])?;
            Some((format!("{name} in GUNICORN_CMD_ARGS"), value))
        });
    let named = named(variables, WORKERS).map(|(name, value)| (name, value.clone()));
    let mut found = Program::default();
    let mut largest: Option<(u64, String, Text)> = None;
    for (by, value) in named.chain(arguments) {
        let number = value.known().map(|value| value.trim().parse::<u64>());
        match number {
            Some(Ok(count)) => {
                if largest.as_ref().is_none_or(|(known, ..)| *known < count) {
                    largest = Some((count, by, value));
                }
            }
            Some(Err(_)) => found.leave_open(
                format!("{by} is no number; it may be as many as there are cores"),
                "processes",
                value.origin.clone(),
            ),
            None => found.leave_open(
                format!(
                    "{by} is {}, which none of the files says",
                    value.gaps().join(" and ")
                ),
                "processes",
                value.origin.clone(),
            ),
        }
    }
    if let Some((count, by, value)) = largest {
        found.multiply(count.max(1), by, value.origin);
    }
    (!found.processes.is_empty() || !found.unknown.is_empty()).then_some(found)
}

/// The number of threads that variables say, as a pool: a thread holds one connection at most.
pub(crate) fn threads(variables: &[Variable]) -> Option<Setting> {
    let known = named(variables, THREADS).filter_map(|(by, value)| {
        let count: u64 = value.known()?.trim().parse().ok()?;
        Some((count, by, value))
    });
    let (count, by, value) = known.max_by_key(|(count, ..)| *count)?;
    let mut found = Program::default();
    found.give("pool", count.max(1), by, value.origin.clone());
    found.settings.pop()
}

/// Variables of these names, in the order of the names.
fn named<'a>(
    variables: &'a [Variable],
    names: &'static [&'static str],
) -> impl Iterator<Item = (String, &'a Text)> {
    names.iter().filter_map(|name| {
        let mut all = variables.iter();
        let found = all.find(|variable| variable.name == *name && !variable.value.is_empty())?;
        Some(((*name).to_owned(), &found.value))
    })
}

const WORKERS: &[&str] = &[
    "WEB_CONCURRENCY",
    "GUNICORN_WORKERS",
    "UVICORN_WORKERS",
    "HYPERCORN_WORKERS",
    "GRANIAN_WORKERS",
    "PUMA_WORKERS",
    "UNICORN_WORKERS",
    "UWSGI_PROCESSES",
    "UWSGI_WORKERS",
    "WEB_WORKERS",
    "HTTP_WORKERS",
    "API_WORKERS",
    "NUM_WORKERS",
    "OCTANE_WORKERS",
    "CELERY_CONCURRENCY",
    "CELERYD_CONCURRENCY",
    "CELERY_WORKER_CONCURRENCY",
    "JOB_CONCURRENCY",
    "SIDEKIQ_COUNT",
    "PM2_INSTANCES",
];

const THREADS: &[&str] = &[
    "RAILS_MAX_THREADS",
    "PUMA_MAX_THREADS",
    "PUMA_THREADS",
    "GUNICORN_THREADS",
    "UWSGI_THREADS",
    "SIDEKIQ_CONCURRENCY",
    "GOOD_JOB_MAX_THREADS",
];
