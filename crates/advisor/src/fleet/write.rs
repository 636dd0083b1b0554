//! Writes a draft as `fleet.toml`, in the order of the manual and with the meaning of each value.

use std::fmt::Write;

use pgweir_settings::Section;
use pgweir_settings::text::key_of;

use super::Draft;
use super::keys::{self, Scope};

/// The text of a `fleet.toml` that reads back as the same draft.
pub fn write(draft: &Draft) -> String {
    let mut text = String::from(
        "# A fleet: what uses one PostgreSQL, and with how many connections.\n\
         # Whatever is left out has a default, which `pgweir plan` lists among the assumptions.\n",
    );
    if let Some(profile) = draft.profile {
        push(
            &mut text,
            format_args!("\nprofile = \"{}\"\n", profile.name()),
        );
    }
    section(
        &mut text,
        Scope::Database,
        "database",
        Some(&draft.database),
    );
    for (name, service) in &draft.services {
        push(
            &mut text,
            format_args!("\n[{}]\n", key_of("services", name)),
        );
        values(&mut text, Scope::Service, service);
    }
    if let Some(pooler) = &draft.pooler {
        text.push_str("\n[pooler]\n");
        values(&mut text, Scope::Pooler, pooler);
    }
    section(
        &mut text,
        Scope::Operations,
        "operations",
        Some(&draft.operations),
    );
    section(
        &mut text,
        Scope::Measured,
        "measured",
        Some(&draft.measured),
    );
    text
}

fn section(text: &mut String, scope: Scope, name: &str, section: Option<&Section>) {
    if let Some(section) = section.filter(|section| !section.is_empty()) {
        push(text, format_args!("\n[{name}]\n"));
        values(text, scope, section);
    }
}

fn values(text: &mut String, scope: Scope, section: &Section) {
    for key in scope.keys() {
        if let Some(given) = section.get(key.name) {
            let line = format!("{} = {}", key.name, given.value);
            push(text, format_args!("{line:<32} # {}\n", key.about));
        }
    }
    // Names that the table does not know are written too: reading them back tells of them.
    for (name, given) in section.iter() {
        if keys::find(scope, name).is_none() {
            push(text, format_args!("{name} = {}\n", given.value));
        }
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a String cannot fail");
}
