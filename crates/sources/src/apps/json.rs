//! Settings in JSON: `appsettings.json` of .NET, and those of Sequelize and TypeORM.

use std::ops::Range;

use crate::inventory::{Program, Variable};

use super::code::{Code, Field};
use super::environment;
use super::script;

/// `ConnectionStrings` of .NET. That of developers is in a file of its own, which does not count.
pub(crate) fn appsettings(code: &Code<'_>) -> Vec<Program> {
    let file = code.settings.file_name();
    if ["development", "test", "local"]
        .iter()
        .any(|name| file.contains(name))
    {
        let mut program = Program {
            origin: code.settings.whole(),
            ..Program::default()
        };
        program.leave_out(
            format!("{file} is for developers and tests, and is not counted"),
            "nothing to do",
            code.settings.whole(),
        );
        return vec![program];
    }
    let fields = root(code).map(|root| code.fields(root)).unwrap_or_default();
    let mut variables = Vec::new();
    for Field { key, value } in fields {
        let Some(inside) = code.inside(value) else {
            continue;
        };
        // Other sections may have connection strings of their own.
        for field in code.fields(inside) {
            let name = format!("{key}__{}", field.key);
            let text = code.value(field.value);
            let set = code
                .settings
                .variables
                .iter()
                .find(|variable| variable.name == name);
            variables.push(Variable {
                name,
                value: set.map_or(text, |set| set.value.clone()),
            });
        }
    }
    let mut program = environment(&variables);
    program.origin = code.settings.whole();
    vec![program]
}

/// `config.json` of Sequelize, `ormconfig.json` of TypeORM.
pub(crate) fn orm(code: &Code<'_>) -> Vec<Program> {
    script::configuration(code, root(code))
}

/// The inside of the object that the file is.
pub(crate) fn root(code: &Code<'_>) -> Option<Range<usize>> {
    code.inside(0..code.plain().len())
}

#[cfg(test)]
mod tests;
