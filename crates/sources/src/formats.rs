//! Which reader a file of settings has.

use std::collections::HashMap;

use pgweir_advisor::fleet::keys::{Scope, find};
use pgweir_advisor::fleet::{Draft, Value};

use crate::apps::{self, dotenv};
use crate::file::{SourceFile, belongs_to, is_environment, without_mark};
use crate::inventory::{Program, Setting, Variable};
use crate::sqlx_code;

/// What a file says of the pools of programs; `None` if it is of no kind that is known.
/// `variables` are those of the program that reads it, as far as they are known.
pub(crate) fn programs(name: &str, text: &str, variables: &[Variable]) -> Option<Vec<Program>> {
    let source = SourceFile { name, text };
    if let Some(read) = apps::read(&source, variables) {
        return Some(read);
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let read = match extension {
        "rs" => of_draft(sqlx_code::read(&source)),
        _ if is_environment(file) => vec![environment(&source)],
        _ => return None,
    };
    Some(read)
}

/// Variables of environment files, by the root of the application that they belong to.
pub(crate) fn variables(files: &[(String, String)]) -> HashMap<String, Vec<Variable>> {
    let mut found: HashMap<String, Vec<Variable>> = HashMap::new();
    for (name, text) in files {
        let file = name.rsplit('/').next().unwrap_or(name);
        if is_environment(file) {
            let text = without_mark(text);
            let variables = dotenv::variables(&SourceFile { name, text }, &mut |_| None);
            found
                .entry(belongs_to(name).root)
                .or_default()
                .extend(variables);
        }
    }
    found
}

fn environment(source: &SourceFile<'_>) -> Program {
    let variables = dotenv::variables(source, &mut |_| None);
    let mut program = apps::environment(&variables);
    program.origin = source.line(0);
    program
}

/// What a reader of one service says.
fn of_draft(draft: Draft) -> Vec<Program> {
    let mut observations = draft.observations;
    let services = draft.services.into_iter().map(|(_, section)| {
        let mut program = Program {
            origin: section.origin.clone(),
            observations: std::mem::take(&mut observations),
            ..Program::default()
        };
        for (name, given) in section.iter() {
            let Some(key) = find(Scope::Service, name) else {
                continue;
            };
            if key.name == "kind" {
                let Value::Text(kind) = &given.value else {
                    continue;
                };
                let kind = KINDS.iter().find(|known| *known == kind);
                program.kind = kind.map(|kind| (*kind, given.origin.clone()));
                continue;
            }
            program.settings.push(Setting {
                key: key.name,
                value: given.value.clone(),
                by: name.to_owned(),
                origin: given.origin.clone(),
            });
        }
        program
    });
    services.collect()
}

const KINDS: [&str; 8] = [
    "prisma6",
    "prisma7",
    "sqlx",
    "php-fpm",
    "octane",
    "queue",
    "serverless",
    "generic",
];
