//! Which reader a file of settings has.

use std::collections::HashMap;

use crate::apps::{self, dotenv};
use crate::file::{SourceFile, belongs_to, is_environment, without_mark};
use crate::inventory::{Program, Variable};

/// What a file says of the pools of programs; `None` if it is of no kind that is known.
/// `variables` are those of the program that reads it, as far as they are known.
pub(crate) fn programs(name: &str, text: &str, variables: &[Variable]) -> Option<Vec<Program>> {
    let source = SourceFile { name, text };
    if let Some(read) = apps::read(&source, variables) {
        return Some(read);
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    is_environment(file).then(|| vec![environment(&source)])
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
