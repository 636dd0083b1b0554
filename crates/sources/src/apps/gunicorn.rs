//! Gunicorn's `gunicorn.conf.py`: how many processes and threads a Python application has.

use crate::inventory::{Program, Setting, Text};

use super::code::{Code, Language};
use super::settings::Settings;

pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let code = Code::new(settings, Language::Python);
    let mut program = Program {
        server: Some("gunicorn"),
        origin: settings.whole(),
        ..Program::default()
    };
    match number(&code, "workers", Some("WEB_CONCURRENCY")) {
        Ok(Some((count, text))) => {
            program.multiply(count.max(1), "workers of gunicorn", text.origin);
        }
        Ok(None) => {}
        Err(text) => {
            let what = format!(
                "workers of gunicorn is {}, which none of the files says",
                shown(&text)
            );
            program.leave_open(what, "processes", text.origin);
        }
    }
    let class = code.assignments("worker_class");
    let class = class.last().map(|class| code.value(class.clone()));
    let class = class
        .as_ref()
        .map_or("sync", Text::with_gaps)
        .to_ascii_lowercase();
    if ["gevent", "eventlet"]
        .iter()
        .any(|word| class.contains(word))
    {
        program.leave_unsaid(
            "gunicorn runs as many greenlets as there are requests, each with a connection unless a pool limits them",
            "pool",
            settings.whole(),
        );
        return vec![program];
    }
    if !["sync", "gthread"].contains(&class.as_str()) {
        return vec![program];
    }
    match number(&code, "threads", None) {
        Ok(found) => {
            let (count, origin) =
                found.map_or((1, settings.whole()), |(count, text)| (count, text.origin));
            program.threads.push(Setting {
                key: "pool",
                value: count.max(1).into(),
                by: "threads of gunicorn".to_owned(),
                origin,
            });
        }
        Err(text) => {
            let what = format!(
                "threads of gunicorn is {}, which none of the files says",
                shown(&text)
            );
            program.leave_unsaid(what, "pool", text.origin);
        }
    }
    vec![program]
}

/// The largest number that a setting has in any branch, or the text that is none.
fn number(
    code: &Code<'_>,
    name: &str,
    variable: Option<&str>,
) -> Result<Option<(u64, Text)>, Text> {
    let mut largest: Option<(u64, Text)> = None;
    for value in code.assignments(name) {
        let text = code.value(value);
        match text
            .known()
            .and_then(|known| known.trim().parse::<u64>().ok())
        {
            Some(count) if largest.as_ref().is_none_or(|(known, _)| *known < count) => {
                largest = Some((count, text));
            }
            Some(_) => {}
            None => return Err(text),
        }
    }
    if let (None, Some(name)) = (&largest, variable) {
        let text = code.settings.variable(name, None, code.settings.whole());
        let count = text
            .known()
            .and_then(|known| known.trim().parse::<u64>().ok());
        return Ok(count.map(|count| (count, text)));
    }
    Ok(largest)
}

fn shown(text: &Text) -> String {
    match text.known() {
        Some(_) => "no number".to_owned(),
        None => text.gaps().join(" and "),
    }
}

#[cfg(test)]
mod tests;
