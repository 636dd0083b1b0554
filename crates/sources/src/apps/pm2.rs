//! PM2's `ecosystem.config.js`: applications, their instances and their variables.

use crate::inventory::{Program, Variable};

use super::code::{Code, Field};
use super::environment;
use super::notes::not_said;

pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let apps = apps(code);
    let several = apps.len() > 1;
    let mut programs: Vec<Program> = apps.iter().map(|app| program(code, app, several)).collect();
    if programs.is_empty() {
        let mut program = Program {
            origin: code.settings.whole(),
            ..Program::default()
        };
        program.leave_open(
            "no application of it is understood",
            "processes",
            code.settings.whole(),
        );
        programs.push(program);
    }
    programs
}

/// The fields of each application.
fn apps(code: &Code<'_>) -> Vec<Vec<Field>> {
    let Some(root) = code.exported() else {
        return Vec::new();
    };
    // A list, one application, or `{ apps: […] }`.
    let fields = code.fields(root.clone());
    let list = match fields.iter().find(|field| field.key == "apps") {
        Some(apps) => code.object(apps.value.clone()),
        None => Some(root),
    };
    let items = list.map(|list| code.items(list)).unwrap_or_default();
    let inside = items.into_iter().filter_map(|item| code.object(item));
    inside.map(|inside| code.fields(inside)).collect()
}

fn program(code: &Code<'_>, app: &[Field], several: bool) -> Program {
    let field = |key: &str| app.iter().find(|field| field.key == key);
    let mut variables: Vec<Variable> = Vec::new();
    for key in ["env", "env_production"] {
        let inside = field(key).and_then(|env| code.object(env.value.clone()));
        for Field { key, value } in inside.map(|inside| code.fields(inside)).unwrap_or_default() {
            variables.retain(|known| known.name != key);
            variables.push(Variable {
                name: key,
                value: code.value(value),
            });
        }
    }
    let mut program = environment(&variables);
    program.origin = code.settings.whole();
    let name = field("name").map(|name| code.value(name.value.clone()));
    program.name = name
        .filter(|_| several)
        .and_then(|name| name.known().map(str::to_owned));
    program.is_part = several;
    if let Some(instances) = field("instances") {
        let text = code.value(instances.value.clone());
        let origin = code.origin(instances.value.start);
        match text
            .known()
            .map(|known| (known, known.trim().parse::<i64>()))
        {
            Some((_, Ok(count))) if count > 0 => {
                program.multiply(count.unsigned_abs(), "instances of PM2", origin);
            }
            Some((known, _)) => {
                let what = format!("instances of PM2 is {known}: as many as there are cores");
                program.leave_open(what, "processes", origin);
            }
            None => program.leave_open(not_said("instances of PM2", &text), "processes", origin),
        }
    }
    program
}

#[cfg(test)]
mod tests;
