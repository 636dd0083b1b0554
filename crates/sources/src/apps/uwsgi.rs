//! uWSGI's `uwsgi.ini`: how many processes and threads an application has.

use pgweir_advisor::facts::Origin;

use crate::inventory::{Program, Setting, Text};

use super::notes::not_said;
use super::settings::Settings;

pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let mut program = Program {
        server: Some("uwsgi"),
        origin: settings.whole(),
        ..Program::default()
    };
    let given = given(settings);
    let get = |names: &[&str]| {
        let found = given
            .iter()
            .rfind(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value)
    };
    if let Some(text) = get(&["processes", "workers", "p"]) {
        match number(text) {
            Ok(count) => program.multiply(count, "processes of uWSGI", text.origin.clone()),
            Err(what) => {
                program.leave_open(
                    format!("processes of uWSGI {what}"),
                    "processes",
                    text.origin.clone(),
                );
            }
        }
    }
    if let Some(text) = get(&["gevent", "async", "asyncio"]) {
        program.leave_unsaid(
            "uwsgi runs requests at once in each process, each with a connection unless a pool limits them",
            "pool",
            text.origin.clone(),
        );
        return vec![program];
    }
    let mut threads = |count: u64, origin: Origin| {
        program.threads.push(Setting {
            key: "pool",
            value: count.into(),
            by: "threads of uWSGI".to_owned(),
            origin,
        });
    };
    match get(&["threads"]) {
        None => threads(1, settings.whole()),
        Some(text) => match number(text) {
            Ok(count) => threads(count, text.origin.clone()),
            Err(what) => {
                program.leave_unsaid(
                    format!("threads of uWSGI {what}"),
                    "pool",
                    text.origin.clone(),
                );
            }
        },
    }
    vec![program]
}

/// A number, or what is wrong with it.
fn number(text: &Text) -> Result<u64, String> {
    match text.known() {
        // `%k` is the number of cores.
        Some(known) if known.contains('%') => Err("follow the number of cores".to_owned()),
        Some(known) => match known.trim().parse::<u64>() {
            Ok(count) => Ok(count.max(1)),
            Err(_) => Err("is no number".to_owned()),
        },
        None => Err(not_said("", text).trim_start().to_owned()),
    }
}

/// Settings of the section `[uwsgi]`, with `$(NAME)` for variables.
fn given(settings: Settings<'_>) -> Vec<(String, Text)> {
    let mut found = Vec::new();
    let mut own = false;
    for (number, line) in settings.text().lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            own = section.starts_with("uwsgi]");
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| own) else {
            continue;
        };
        let origin = settings.line(number + 1);
        let mut whole = Text::plain("", origin.clone());
        let mut rest = value.trim();
        while let Some((before, after)) = rest.split_once("$(") {
            whole.push_str(before);
            let (variable, after) = after.split_once(')').unwrap_or((after, ""));
            whole.push(&settings.variable(variable, None, origin.clone()));
            rest = after;
        }
        whole.push_str(rest);
        found.push((name.trim().to_owned(), whole));
    }
    found
}

#[cfg(test)]
mod tests;
