//! Puma's `puma.rb`: how many processes a Rails application has.
//!
//! Its threads share the pool of `database.yml`, so that they limit nothing by themselves.

use crate::inventory::Program;

use super::code::{Code, Language};
use super::settings::Settings;

pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let code = Code::new(settings, Language::Ruby);
    let mut program = Program {
        server: Some("puma"),
        origin: settings.whole(),
        ..Program::default()
    };
    let workers = code.statements("workers");
    for argument in &workers {
        let origin = code.origin(argument.start);
        let value = code.value(argument.clone());
        match value.known().map(|value| value.trim().parse::<u64>()) {
            // Without workers Puma is one process.
            Some(Ok(count)) => program.multiply(count.max(1), "workers of Puma", origin),
            Some(Err(_)) => program.leave_open(
                "workers of Puma is no number; it may be as many as there are cores",
                "processes",
                origin,
            ),
            None => {
                let what = value.gaps().join(" and ");
                let what = format!("workers of Puma is {what}, which none of the files says");
                program.leave_open(what, "processes", origin);
            }
        }
    }
    // Puma takes it by itself then.
    if workers.is_empty() {
        let one = crate::inventory::Text::plain("1", settings.whole());
        let count = settings.variable("WEB_CONCURRENCY", Some(one), settings.whole());
        if let Some(count) = count
            .known()
            .and_then(|count| count.trim().parse::<u64>().ok())
            && count > 1
        {
            program.multiply(count, "WEB_CONCURRENCY", settings.whole());
        }
    }
    vec![program]
}

#[cfg(test)]
mod tests;
