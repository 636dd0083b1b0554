//! Dockerfiles: what an image starts, and with which variables.

use crate::file::SourceFile;
use crate::inventory::{Program, Text, Variable, last_of_each};

use super::environment::{environment, program};
use super::settings::Settings;
use super::shell;

/// What an image starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dockerfile {
    /// Its `ENTRYPOINT`.
    pub(crate) entrypoint: Vec<Text>,
    /// Its `CMD`.
    pub(crate) command: Vec<Text>,
    /// Its `ENV`, as far as it says something of pools or is in the command.
    pub(crate) variables: Vec<Variable>,
}

/// The stage of this name, else the last one, with what it takes over from others.
pub(crate) fn stage(source: &SourceFile<'_>, target: Option<&str>) -> Dockerfile {
    let mut stages: Vec<(String, Dockerfile)> = Vec::new();
    for (line, instruction, rest) in instructions(source.text) {
        let text = Text::plain(rest.clone(), source.line(line));
        if instruction == "FROM" {
            let words: Vec<&str> = rest
                .split_whitespace()
                .filter(|word| !word.starts_with("--"))
                .collect();
            let base = words.first().copied().unwrap_or_default();
            let name = match words.get(1) {
                Some(word) if word.eq_ignore_ascii_case("as") => {
                    words.get(2).copied().unwrap_or_default()
                }
                _ => "",
            };
            let taken = stages
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(base) && !known.is_empty());
            let stage = taken.map(|(_, stage)| stage.clone()).unwrap_or_default();
            if target.is_some_and(|target| {
                stages
                    .last()
                    .is_some_and(|(last, _)| last.eq_ignore_ascii_case(target))
            }) {
                break;
            }
            stages.push((name.to_owned(), stage));
            continue;
        }
        let Some((_, stage)) = stages.last_mut() else {
            continue;
        };
        match instruction.as_str() {
            "ENTRYPOINT" => {
                stage.entrypoint = words(&text);
                // The image below has its command for its own entry point.
                stage.command.clear();
            }
            "CMD" => stage.command = words(&text),
            "ENV" => stage.variables.extend(variables(&text)),
            _ => {}
        }
    }
    let (_, mut found) = stages.pop().unwrap_or_default();
    found.variables = last_of_each(std::mem::take(&mut found.variables));
    let command: String = found
        .entrypoint
        .iter()
        .chain(&found.command)
        .map(|word| word.with_gaps().to_owned() + " ")
        .collect();
    found
        .variables
        .retain(|variable| command.contains(&variable.name) || says_something(variable));
    found
}

/// The program of an image, where a Dockerfile is given by itself.
pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let image = stage(settings.source, None);
    let words: Vec<Text> = image.entrypoint.into_iter().chain(image.command).collect();
    let all = image.variables.iter().chain(settings.variables).cloned();
    let all = last_of_each(all);
    // The variables beside it have their own file.
    let own = environment(&image.variables);
    let mut found = program(&words, &all);
    found.addresses = own.addresses;
    found.settings = own.settings;
    found.defaults = own.defaults;
    found.origin = settings.whole();
    vec![found]
}

fn says_something(variable: &Variable) -> bool {
    let said = environment(std::slice::from_ref(variable));
    !(said.addresses.is_empty()
        && said.settings.is_empty()
        && said.processes.is_empty()
        && said.threads.is_empty()
        && said.unknown.is_empty()
        && said.unsaid.is_empty())
}

/// Instructions with their lines, those that go on joined.
fn instructions(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut whole = line.trim().to_owned();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            let next = next.trim();
            // Comments between its lines do not end an instruction.
            if next.starts_with('#') || next.is_empty() {
                whole.push('\\');
                continue;
            }
            whole.push(' ');
            whole.push_str(next);
        }
        let (name, rest) = whole
            .split_once(char::is_whitespace)
            .unwrap_or((&whole, ""));
        found.push((
            number + 1,
            name.to_ascii_uppercase(),
            rest.trim().to_owned(),
        ));
    }
    found
}

/// `["a", "b"]`, or what a shell runs.
fn words(text: &Text) -> Vec<Text> {
    let known = text.with_gaps();
    let inner = known
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => {
            let mut words = Vec::new();
            let mut rest = inner;
            while let Some((_, after)) = rest.split_once('"') {
                let end = after
                    .char_indices()
                    .scan(false, |escaped, (at, c)| {
                        let ends = c == '"' && !*escaped;
                        *escaped = c == '\\' && !*escaped;
                        Some((at, ends))
                    })
                    .find_map(|(at, ends)| ends.then_some(at));
                let Some(end) = end else { break };
                let word = after[..end].replace("\\\"", "\"").replace("\\\\", "\\");
                words.push(Text::plain(word, text.origin.clone()));
                rest = &after[end + 1..];
            }
            words
        }
        None => {
            let plain = |word: &str| Text::plain(word, text.origin.clone());
            vec![plain("sh"), plain("-c"), text.clone()]
        }
    }
}

/// `A=b C="d"`, and the old form `A b`.
fn variables(text: &Text) -> Vec<Variable> {
    let known = text.with_gaps();
    let first = known.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = known.split_once(char::is_whitespace).unwrap_or((known, ""));
        return vec![Variable::new(name, value.trim(), text.origin.clone())];
    }
    shell::assignments(text)
}

#[cfg(test)]
mod tests;
