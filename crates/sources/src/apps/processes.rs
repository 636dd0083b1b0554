//! Lists of the processes of an application: `Procfile`, and the programs of supervisor.

use crate::inventory::{Program, Text, Variable};

use super::environment::program;
use super::settings::Settings;
use super::shell;

/// `Procfile`: a name and a command in each line. `release` runs before the others, and ends.
pub(crate) fn procfile(settings: Settings<'_>) -> Vec<Program> {
    let file = settings.file_name();
    if ["dev", "development", "test", "local"]
        .iter()
        .any(|end| file == format!("procfile.{end}"))
    {
        let mut program = Program {
            origin: settings.whole(),
            ..Program::default()
        };
        program.leave_out(
            format!("{file} is for developers and tests, and is not counted"),
            "nothing to do",
            settings.whole(),
        );
        return vec![program];
    }
    let lines = settings
        .text()
        .lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let (name, command) = line.split_once(':')?;
            let name = name.trim();
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if name.is_empty() || !name.chars().all(plain) || name == "release" {
                return None;
            }
            Some(process(settings, name, command.trim(), number + 1, 1, &[]))
        });
    lines.take(PROCESSES_MAX).collect()
}

/// `[program:x]` of supervisor, with its `command` and `numprocs`. What is no program of the application,
/// such as nginx, says nothing.
pub(crate) fn supervisor(settings: Settings<'_>) -> Vec<Program> {
    let mut found: Vec<(String, Vec<Given>)> = Vec::new();
    for (number, line) in settings.text().lines().enumerate() {
        let line = line.trim_end();
        if line.trim_start().starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            let name = name.strip_prefix("program:").unwrap_or_default();
            found.push((name.trim().to_owned(), Vec::new()));
            continue;
        }
        let Some((_, settings)) = found.last_mut() else {
            continue;
        };
        match line.split_once('=') {
            // A line that is indented goes on.
            _ if line.starts_with([' ', '\t']) => {
                if let Some((_, value, _)) = settings.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            Some((key, value)) => {
                let value = value.split(" ;").next().unwrap_or(value);
                settings.push((key.trim().to_owned(), value.trim().to_owned(), number + 1));
            }
            None => {}
        }
    }
    let programs = found.into_iter().filter_map(|(name, given)| {
        let get = |key: &str| given.iter().find(|(known, ..)| known == key);
        let (_, command, line) = get("command").filter(|_| !name.is_empty())?;
        if get("autostart").is_some_and(|(_, value, _)| value == "false") {
            return None;
        }
        let count = get("numprocs").map_or(Some(1), |(_, value, _)| value.parse().ok());
        let variables =
            get("environment").map(|(_, value, line)| variables(settings, value, *line));
        let variables = variables.unwrap_or_default();
        let mut found = process(
            settings,
            &name,
            command,
            *line,
            count.unwrap_or(1),
            &variables,
        );
        if count.is_none() {
            found.leave_open(
                "numprocs is no plain number",
                "processes",
                settings.line(*line),
            );
        }
        Some(found)
    });
    let mut programs: Vec<Program> = programs.take(PROCESSES_MAX).filter(opens).collect();
    if programs.is_empty() {
        programs.push(Program {
            origin: settings.whole(),
            ..Program::default()
        });
    }
    programs
}

/// A setting of supervisor: its name, its value, and its line.
type Given = (String, String, usize);

/// Whether a program of supervisor is one that could open connections: nginx and cron are none.
fn opens(program: &Program) -> bool {
    let name = program.name.as_deref().unwrap_or_default();
    let other = [
        "nginx",
        "cron",
        "crond",
        "redis",
        "memcached",
        "sshd",
        "rsyslog",
        "caddy",
        "apache",
    ];
    !other.iter().any(|word| name.contains(word))
}

/// `A="b",C='d'`.
fn variables(settings: Settings<'_>, text: &str, line: usize) -> Vec<Variable> {
    let script = Text::plain(text.replace(',', " "), settings.line(line));
    shell::assignments(&script)
}

fn process(
    settings: Settings<'_>,
    name: &str,
    command: &str,
    line: usize,
    count: u64,
    own: &[Variable],
) -> Program {
    let origin = settings.line(line);
    let script = Text::plain(command, origin.clone());
    let words = [
        Text::plain("sh", origin.clone()),
        Text::plain("-c", origin.clone()),
        script,
    ];
    // The variables of the application have their own file; only this command's are taken here.
    let all: Vec<Variable> = settings.variables.iter().chain(own).cloned().collect();
    let mut with_all = program(&words, &all);
    let own = program(&[], own);
    with_all.addresses = own.addresses;
    with_all.settings = own.settings;
    with_all.defaults = own.defaults;
    with_all.name = Some(name.to_owned());
    with_all.origin = settings.whole();
    with_all.is_part = true;
    if count > 1 {
        let each = with_all.processes.pop();
        let each = each.and_then(|each| match each.value {
            pgweir_advisor::fleet::Value::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        });
        let product = count.saturating_mul(each.unwrap_or(1));
        with_all.multiply(product, "numprocs", origin);
    }
    with_all
}

/// Processes of an application that are looked at.
const PROCESSES_MAX: usize = 1_000;

#[cfg(test)]
mod tests;
