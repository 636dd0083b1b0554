//! php-fpm: pools of processes, and the variables that they are given.

use crate::inventory::{Program, Text, Variable, last_of_each};

use super::environment;
use super::notes::not_said;
use super::settings::Settings;

/// Whether a file has pools of php-fpm, or takes them in.
pub(crate) fn is_fpm(settings: Settings<'_>) -> bool {
    let mut lines = settings.text().lines().map(str::trim_start);
    let global = settings.text().contains("[global]");
    lines.any(|line| {
        line.starts_with("pm.") || is_setting(line, "pm") || (global && is_setting(line, "include"))
    })
}

fn is_setting(line: &str, name: &str) -> bool {
    let rest = line.strip_prefix(name).map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with('='))
}

pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let mut pools: Vec<Pool> = Vec::new();
    let mut global = Program {
        origin: settings.whole(),
        ..Program::default()
    };
    let mut section = String::new();
    for (number, line) in settings.text().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.split(']').next())
        {
            name.trim().clone_into(&mut section);
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = expanded(settings, unquoted(value.trim()), number + 1);
        match name.trim() {
            "include" => global.includes.push(value),
            _ if section == "global" => {}
            name => {
                let pool = match pools.iter_mut().find(|pool| pool.name == section) {
                    Some(pool) => pool,
                    None => {
                        pools.push(Pool {
                            name: section.clone(),
                            settings: Vec::new(),
                        });
                        let last = pools.len() - 1;
                        &mut pools[last]
                    }
                };
                pool.settings.push((name.to_owned(), value));
            }
        }
    }
    let mut programs: Vec<Program> = pools.iter().map(|pool| pool.program(settings)).collect();
    match programs.first_mut() {
        Some(first) => first.includes = global.includes,
        None => programs.push(global),
    }
    programs
}

/// A pool: a section, where a file does not begin with one the rest of another file.
struct Pool {
    name: String,
    settings: Vec<(String, Text)>,
}

impl Pool {
    /// Of a setting that is there twice the last counts.
    fn get(&self, name: &str) -> Option<&Text> {
        let found = self.settings.iter().rfind(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    fn program(&self, settings: Settings<'_>) -> Program {
        let variables = self.settings.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("env[")?.strip_suffix(']')?;
            Some(Variable {
                name: name.to_owned(),
                value: value.clone(),
            })
        });
        let given = last_of_each(variables);
        let mut program = Program {
            origin: settings.whole(),
            addresses: environment(&given).addresses,
            ..Program::default()
        };
        if !["", "www"].contains(&self.name.as_str()) {
            program.name = Some(self.name.clone());
        }
        let place = self.settings.first();
        let origin = place.map_or(settings.whole(), |(_, value)| value.origin.clone());
        program.kind = Some(("php-fpm", origin.clone()));
        match self.get("pm.max_children") {
            Some(children) => number(&mut program, "pool", "pm.max_children", children),
            // A file that is read after another may leave it to that one.
            None => program.leave_unsaid(
                "a pool of php-fpm has no pm.max_children here",
                "pool",
                origin,
            ),
        }
        // The others say nothing of a pool whose size is fixed, or that starts when it is asked.
        let manner = self.get("pm").and_then(Text::known).unwrap_or("dynamic");
        if manner == "dynamic" {
            for (name, key) in [
                ("pm.start_servers", "start_servers"),
                ("pm.min_spare_servers", "min_spare_servers"),
                ("pm.max_spare_servers", "max_spare_servers"),
            ] {
                if let Some(value) = self.get(name) {
                    number(&mut program, key, name, value);
                }
            }
        }
        if let Some(value) = self.get("pm.max_requests") {
            number(&mut program, "max_requests", "pm.max_requests", value);
        }
        program
    }
}

fn number(program: &mut Program, key: &'static str, by: &str, text: &Text) {
    match text.known().map(|known| known.trim().parse::<u64>()) {
        Some(Ok(number)) => program.give(key, number, by, text.origin.clone()),
        Some(Err(_)) if key == "pool" => {
            program.leave_open(format!("{by} is no number"), key, text.origin.clone());
        }
        None if key == "pool" => {
            program.leave_open(not_said(by, text), key, text.origin.clone());
        }
        Some(Err(_)) | None => {}
    }
}

/// A value without its quotes and the comment behind it.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.split(quote).next())
        {
            return inner;
        }
    }
    let comment = |(at, c): &(usize, char)| {
        matches!(c, ';' | '#') && (*at == 0 || value[..*at].ends_with(char::is_whitespace))
    };
    let end = value
        .char_indices()
        .find(comment)
        .map_or(value.len(), |(at, _)| at);
    value[..end].trim_end()
}

/// `${NAME}` is a variable of the container. A default, as in a shell, is none of php-fpm; scripts that put
/// it in before know it.
fn expanded(settings: Settings<'_>, value: &str, line: usize) -> Text {
    let origin = settings.line(line);
    let mut whole = Text::plain("", origin.clone());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        whole.push_str(before);
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(Text::plain(default, origin.clone()))),
            None => (inner, None),
        };
        whole.push(&settings.variable(name, default, origin.clone()));
        rest = after;
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests;
