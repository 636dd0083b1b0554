//! JavaScript and TypeScript source: `pg`, postgres.js, Knex, TypeORM, Sequelize, Drizzle and Prisma's
//! adapter, where the size of their pool is plain.

use std::ops::Range;

use crate::inventory::{Address, Program, Scheme};

use super::code::{Call, Code};
use super::databases::{Database, Size};
use super::hosts::kind_named;
use super::pool_call::{Arguments, postgres, programs};

/// What a file says. It has nothing if it makes no pool.
pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let mut pools = Vec::new();
    let mut kind = None;
    let adapters = code.constructed("PrismaPg");
    if !adapters.is_empty() {
        kind = Some("prisma7");
    }
    for call in &adapters {
        // A pool that is made elsewhere counts there.
        if !code
            .items(call.arguments.clone())
            .iter()
            .any(|item| is_pool(code, item))
        {
            pools.push(of_pg(code, call, "Prisma's adapter of pg"));
        }
    }
    if imports(
        code,
        &[
            "pg",
            "pg-pool",
            "@neondatabase/serverless",
            "@vercel/postgres",
        ],
    ) {
        for name in ["Pool", "createPool"] {
            let calls = if name == "Pool" {
                code.constructed(name)
            } else {
                code.calls(name)
            };
            pools.extend(calls.iter().map(|call| of_pg(code, call, "pg")));
        }
        if pools.is_empty() {
            let clients = code.constructed("Client").into_iter();
            pools.extend(clients.map(|call| {
                let mut client = of_pg(code, &call, "pg");
                client.size = Size::Default(1, "a Client of pg".to_owned(), code.origin(call.at));
                client
            }));
        }
    }
    if imports(code, &["postgres"]) {
        let calls = code.calls("postgres").into_iter();
        pools.extend(calls.map(|call| of_pg(code, &call, "postgres.js")));
    }
    if imports(code, &["slonik"]) {
        let calls = code.calls("createPool").into_iter();
        pools.extend(calls.map(|call| {
            let arguments = Arguments::of_script(code, &call).with_places(1);
            let size = arguments.size(&["maximumPoolSize"], "Slonik", PG);
            postgres(code, &call, arguments.address("Slonik", &[], Some(0)), size)
        }));
    }
    pools.extend(knex(code));
    pools.extend(typeorm(code));
    pools.extend(sequelize(code));
    pools.extend(drizzle(code));
    let mut programs = programs(code, pools, kind);
    if let Some(call) = code
        .calls("fork")
        .iter()
        .find(|call| code.plain()[..call.at].ends_with("cluster."))
    {
        programs[0].leave_unsaid(
            "cluster.fork starts more processes, and how many is not read",
            "processes",
            code.origin(call.at),
        );
    }
    programs
}

/// A pool with the options of `pg`, which postgres.js shares.
fn of_pg(code: &Code<'_>, call: &Call, library: &str) -> Database {
    // Only postgres.js takes a URL before its options.
    let url = (library == "postgres.js").then_some(0);
    let arguments = Arguments::of_script(code, call).with_places(usize::from(url.is_some()));
    let address = arguments.address(library, &["connectionString", "url"], url);
    let size = arguments.size(&["max"], library, PG);
    postgres(code, call, address, size)
}

fn is_pool(code: &Code<'_>, item: &Range<usize>) -> bool {
    let text = &code.plain()[item.clone()];
    text.to_ascii_lowercase().ends_with("pool") && !text.contains(['{', '('])
}

/// Knex, and its `knexfile.js`.
fn knex(code: &Code<'_>) -> Vec<Database> {
    let mut found: Vec<Database> = Vec::new();
    for name in ["knex", "Knex"] {
        for call in code.calls(name) {
            let arguments = Arguments::of_script(code, &call);
            found.extend(of_knex(&arguments, &call, "knex"));
        }
    }
    if !found.is_empty() || !code.settings.file_name().starts_with("knexfile") {
        return found;
    }
    let Some(exported) = code.exported() else {
        return found;
    };
    for (name, arguments, call) in environments(code, exported) {
        found.extend(of_knex(&arguments, &call, &name));
    }
    found
}

fn of_knex(arguments: &Arguments<'_, '_>, call: &Call, name: &str) -> Option<Database> {
    let client = arguments.get(&["client", "dialect"])?;
    let scheme = client.known().and_then(kind_named);
    let pool = arguments.nested("pool");
    let size = match pool {
        Some(pool) => pool.size(&["max"], "Knex", KNEX),
        None => arguments.size(&["max"], "Knex", KNEX),
    };
    let address = match arguments.nested("connection") {
        Some(connection) => connection.address(name, &["connectionString"], None),
        None => arguments.address(name, &["connection"], None),
    };
    Some(of_kind(arguments.code, call, address, scheme, size, name))
}

/// TypeORM's data sources.
fn typeorm(code: &Code<'_>) -> Vec<Database> {
    if !imports(code, &["typeorm", "@nestjs/typeorm"]) {
        return Vec::new();
    }
    let mut calls = code.constructed("DataSource");
    for name in ["createConnection", "forRoot"] {
        calls.extend(code.calls(name));
    }
    let found = calls.into_iter().filter_map(|call| {
        let arguments = Arguments::of_script(code, &call);
        let kind = arguments.get(&["type"])?;
        let scheme = kind.known().and_then(kind_named);
        let address = arguments.address("TypeORM", &["url"], None);
        let size = of_extra(&arguments);
        Some(of_kind(code, &call, address, scheme, size, "typeorm"))
    });
    found.collect()
}

fn of_extra(arguments: &Arguments<'_, '_>) -> Size {
    match arguments.nested("extra") {
        Some(extra) if extra.field("max").is_some() => extra.size(&["max"], "TypeORM", PG),
        _ => arguments.size(&["poolSize"], "TypeORM", PG),
    }
}

fn of_pool(arguments: &Arguments<'_, '_>) -> Size {
    match arguments.nested("pool") {
        Some(pool) => pool.size(&["max"], "Sequelize", SEQUELIZE),
        None => arguments.size(&["poolMax"], "Sequelize", SEQUELIZE),
    }
}

/// Sequelize.
fn sequelize(code: &Code<'_>) -> Vec<Database> {
    let calls = code.constructed("Sequelize").into_iter();
    let found = calls.map(|call| {
        let mut arguments = Arguments::of_script(code, &call);
        // The options come last: of two the second, of four the fourth.
        if arguments.fields.is_empty() && [2, 4].contains(&arguments.plain.len()) {
            arguments.places = arguments.plain.len() - 1;
        }
        let dialect = arguments.get(&["dialect"]);
        let scheme = dialect
            .as_ref()
            .and_then(|dialect| kind_named(dialect.known()?));
        let address = match arguments.plain.len() {
            // `new Sequelize(database, user, password, options)`.
            3.. => {
                let mut address = arguments.address("Sequelize", &[], None);
                address.database = arguments.at(0).unwrap_or_default();
                address.user = arguments.at(1).unwrap_or_default();
                address
            }
            _ => arguments.address("Sequelize", &[], Some(0)),
        };
        let size = of_pool(&arguments);
        of_kind(code, &call, address, scheme, size, "sequelize")
    });
    found.collect()
}

/// Drizzle makes a pool of its own where it is given a URL.
fn drizzle(code: &Code<'_>) -> Vec<Database> {
    let of_postgres = ["drizzle-orm/node-postgres", "drizzle-orm/postgres-js"];
    if !imports(code, &of_postgres) {
        return Vec::new();
    }
    let calls = code.calls("drizzle").into_iter();
    let found = calls.filter_map(|call| {
        let arguments = Arguments::of_script(code, &call);
        if arguments.field("client").is_some() {
            return None;
        }
        let (address, size) = match arguments.nested("connection") {
            Some(connection) => (
                connection.address("Drizzle", &["connectionString", "url"], None),
                connection.size(&["max"], "Drizzle", PG),
            ),
            None => {
                let address = arguments.address("Drizzle", &["connection"], Some(0));
                // The client is made elsewhere in the file, or in another one.
                let made_elsewhere = address.host.gaps().iter().any(|gap| {
                    !gap.starts_with("${") && !gap.to_ascii_lowercase().ends_with("url")
                });
                if made_elsewhere {
                    return None;
                }
                (address, arguments.size(&["max"], "Drizzle", PG))
            }
        };
        Some(postgres(code, &call, address, size))
    });
    found.collect()
}

/// A file that is a configuration of Sequelize or TypeORM and nothing else.
pub(super) fn configuration(code: &Code<'_>, root: Option<Range<usize>>) -> Vec<Program> {
    let environments = root
        .map(|root| environments(code, root))
        .unwrap_or_default();
    let found = environments
        .into_iter()
        .filter_map(|(name, arguments, call)| {
            let of_typeorm = arguments.get(&["type"]);
            let kind = of_typeorm.clone().or_else(|| arguments.get(&["dialect"]))?;
            let scheme = kind.known().and_then(kind_named);
            let mut address = arguments.address(&name, &["url"], None);
            if let Some(variable) = arguments.get(&["use_env_variable"]) {
                let variable = variable.known().unwrap_or_default();
                let url = code
                    .settings
                    .variable(variable, None, arguments.origin.clone());
                let found = super::address::address(&name, &url);
                address = found.unwrap_or_else(|| Address::unknown(url, name.clone()));
            }
            let size = match of_typeorm {
                Some(_) => of_extra(&arguments),
                None => of_pool(&arguments),
            };
            Some(of_kind(code, &call, address, scheme, size, &name))
        });
    programs(code, found.collect(), None)
}

fn of_kind(
    code: &Code<'_>,
    call: &Call,
    mut address: Address,
    scheme: Option<Scheme>,
    size: Size,
    name: &str,
) -> Database {
    if let (Scheme::Unsaid, Some(scheme)) = (address.scheme, scheme) {
        address.scheme = scheme;
    }
    Database {
        name: code.assigned(call.at).unwrap_or_else(|| name.to_owned()),
        address,
        size,
    }
}

/// Whether the file imports one of these modules.
fn imports(code: &Code<'_>, modules: &[&str]) -> bool {
    let plain = code.plain();
    modules.iter().any(|module| {
        ['\'', '"']
            .iter()
            .any(|quote| plain.contains(&format!("{quote}{module}{quote}")))
    })
}

/// The environments of a configuration, of which that of production counts; or the whole.
fn environments<'c, 'a>(
    code: &'c Code<'a>,
    exported: Range<usize>,
) -> Vec<(String, Arguments<'c, 'a>, Call)> {
    let fields = code.fields(exported.clone());
    let call = |at: usize| Call {
        at,
        arguments: at..at,
    };
    let arguments = |range: Range<usize>| {
        let mut arguments = Arguments::of_script(code, &call(range.start));
        arguments.fields = code.fields(range);
        arguments
    };
    if fields
        .iter()
        .any(|field| ["client", "dialect", "type"].contains(&field.key.as_str()))
    {
        return vec![(
            "config".to_owned(),
            arguments(exported.clone()),
            call(exported.start),
        )];
    }
    let named = |name: &str| fields.iter().find(|field| field.key == name);
    let other = || {
        fields
            .iter()
            .find(|field| !["development", "test"].contains(&field.key.as_str()))
    };
    let chosen = named("production")
        .or_else(|| named("staging"))
        .or_else(other)
        .or_else(|| fields.first());
    let found = chosen.and_then(|field| {
        let inside = code.object(field.value.clone())?;
        Some((
            field.key.clone(),
            arguments(inside.clone()),
            call(inside.start),
        ))
    });
    found.into_iter().collect()
}

/// `max` of `pg` and postgres.js.
const PG: u64 = 10;
/// `pool.max` of Knex.
const KNEX: u64 = 10;
/// `pool.max` of Sequelize.
const SEQUELIZE: u64 = 5;

#[cfg(test)]
mod tests;
