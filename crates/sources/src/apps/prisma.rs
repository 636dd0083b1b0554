//! Prisma: `schema.prisma`, and `prisma.config.ts` of version 7.

use crate::inventory::{Address, Program, Scheme, Text};

use super::address::{address, scheme};
use super::code::{Code, Language};
use super::environment;
use super::settings::Settings;

/// The datasource and the generator of a schema.
pub(crate) fn schema(settings: Settings<'_>) -> Vec<Program> {
    let mut program = Program {
        origin: settings.whole(),
        ..Program::default()
    };
    let mut block = "";
    let mut provider = None;
    let mut url = None;
    for (number, line) in settings.text().lines().enumerate() {
        let line = line.trim();
        let origin = settings.line(number + 1);
        if let Some(name) = line.strip_suffix('{') {
            block = name.split_whitespace().next().unwrap_or_default();
            continue;
        }
        if line.starts_with('}') {
            block = "";
            continue;
        }
        if line.starts_with("//") {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match (block, key.trim()) {
            ("generator", "provider") => match string(value) {
                // The generator of version 7, whose clients have no pool of their own.
                Some("prisma-client") => program.kind = Some(("prisma7", origin)),
                Some("prisma-client-js") => program.kind = Some(("prisma6", origin)),
                _ => {}
            },
            ("datasource", "provider") => provider = string(value),
            ("datasource", "url") => url = Some(reference(settings, value, number + 1)),
            _ => {}
        }
    }
    let said = provider.and_then(scheme);
    let of_postgres = said.is_none_or(|said| said == Scheme::Postgres);
    if provider.is_none() && url.is_none() {
        // The datasource is in another file of the schema.
        program.origin = settings.whole();
    } else {
        let found =
            url.map(|url| address("url", &url).unwrap_or_else(|| Address::unknown(url, "url")));
        let mut found = found
            .unwrap_or_else(|| Address::of_kind(Scheme::Unsaid, "datasource", settings.whole()));
        if let (Scheme::Unsaid, Some(said)) = (found.scheme, said) {
            found.scheme = said;
        }
        let new = program
            .kind
            .as_ref()
            .is_some_and(|(kind, _)| *kind == "prisma7");
        if of_postgres && !new {
            environment::pool_of_url(&mut program, &found);
        }
        program.addresses.push(found);
    }
    if !of_postgres {
        program.kind = None;
        return vec![program];
    }
    default_pool(&mut program);
    vec![program]
}

/// What a client has when nobody sets its pool.
fn default_pool(program: &mut Program) {
    match program.kind.clone() {
        Some(("prisma7", origin)) => {
            program.assume("pool", ADAPTER, "the default of Prisma's adapter of pg", origin);
        }
        Some((_, origin)) => program.leave_unsaid(
            "Prisma without connection_limit opens twice as many connections as there are cores, and one more",
            "pool",
            origin,
        ),
        None => {}
    }
}

/// `prisma.config.ts`: only the command line of Prisma connects with its URL.
pub(crate) fn config(settings: Settings<'_>) -> Vec<Program> {
    let code = Code::new(settings, Language::Script);
    let mut program = Program {
        origin: settings.whole(),
        ..Program::default()
    };
    let call = code.calls("defineConfig").into_iter().next();
    let fields = call.and_then(|call| {
        let first = code.items(call.arguments).into_iter().next()?;
        Some(code.fields(code.object(first)?))
    });
    let datasource = fields
        .unwrap_or_default()
        .into_iter()
        .find(|field| field.key == "datasource");
    let inside = datasource.and_then(|field| code.object(field.value));
    let inside = inside.map(|inside| code.fields(inside)).unwrap_or_default();
    if let Some(field) = inside.into_iter().find(|field| field.key == "url") {
        let url = code.value(field.value);
        let origin = url.origin.clone();
        let found = address("datasource.url", &url);
        let found = found.unwrap_or_else(|| Address::unknown(url, "datasource.url"));
        if !matches!(found.scheme, Scheme::Other(_)) {
            program.kind = Some(("prisma7", origin.clone()));
            program.assume(
                "pool",
                ADAPTER,
                "the default of Prisma's adapter of pg",
                origin,
            );
        }
        program.addresses.push(found);
    }
    vec![program]
}

/// `env("DATABASE_URL")`, or a string.
fn reference(settings: Settings<'_>, value: &str, line: usize) -> Text {
    let origin = settings.line(line);
    let name = value.strip_prefix("env(").and_then(|rest| string(rest));
    match (name, string(value)) {
        (Some(name), _) => settings.variable(name, None, origin),
        (None, Some(text)) => Text::plain(text, origin),
        (None, None) => Text::gap("an expression", origin),
    }
}

fn string(value: &str) -> Option<&str> {
    value.trim().strip_prefix('"')?.split('"').next()
}

/// `max` of `pg`, which `@prisma/adapter-pg` uses.
const ADAPTER: u64 = 10;

#[cfg(test)]
mod tests;
