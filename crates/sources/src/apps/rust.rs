//! Rust with other libraries than SQLx: deadpool, bb8, r2d2 and tokio-postgres.

use crate::inventory::Program;

use super::code::{Code, Language};
use super::databases::Size;
use super::settings::Settings;
use super::sqlx;

/// What a file says. It has nothing if it makes no pool.
pub(crate) fn read(settings: Settings<'_>) -> Vec<Program> {
    let mut program = sqlx::read(settings).unwrap_or_else(|| Program {
        origin: settings.whole(),
        ..Program::default()
    });
    let code = Code::new(settings, Language::Rust);
    let of_postgres = [
        "tokio_postgres",
        "deadpool_postgres",
        "PgConnection",
        "AsyncPgConnection",
    ]
    .iter()
    .any(|word| code.has(word));
    if program.kind.is_none() && of_postgres {
        pool(&code, &mut program);
    }
    vec![program]
}

fn pool(code: &Code<'_>, program: &mut Program) {
    let library = [
        "deadpool",
        "deadpool_postgres",
        "bb8",
        "bb8_postgres",
        "r2d2",
    ]
    .into_iter()
    .find(|library| code.has(library));
    let Some(library) = library else {
        let connects = code
            .calls("connect")
            .into_iter()
            .chain(code.calls("establish"));
        if let Some(call) = connects.into_iter().next() {
            program.leave_unsaid(
                "it connects to PostgreSQL without a pool",
                "pool",
                code.origin(call.at),
            );
        }
        return;
    };
    let sized = ["max_size", "PoolConfig::new"]
        .iter()
        .flat_map(|name| code.calls(name));
    let sized: Vec<_> = sized.collect();
    for call in &sized {
        let value = code.value(call.arguments.clone());
        match Size::of(&value, &format!("max_size of {library}")) {
            Size::Known(size, by, origin) => program.give("pool", size, by, origin),
            Size::Unknown(unknown) => program.unknown.push(unknown),
            Size::Default(..) | Size::Unsaid => {}
        }
    }
    if !sized.is_empty() {
        return;
    }
    let made = ["build", "Pool", "create_pool"].iter().find_map(|name| {
        let call = code.calls(name).into_iter().next()?;
        Some(code.origin(call.at))
    });
    let origin = made.unwrap_or_else(|| code.settings.whole());
    match library {
        "bb8" | "bb8_postgres" | "r2d2" => {
            program.assume("pool", POOL, format!("the default of {library}"), origin);
        }
        _ => program.leave_unsaid(
            format!("{library} without max_size opens as many connections as its version makes of the cores"),
            "pool",
            origin,
        ),
    }
}

/// `max_size` of bb8 and r2d2.
const POOL: u64 = 10;

#[cfg(test)]
mod tests;
