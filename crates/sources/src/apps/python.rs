//! Python source: SQLAlchemy, asyncpg, psycopg and their like, where the size of their pool is plain.

use crate::inventory::{Program, Scheme};

use super::code::{Call, Code};
use super::databases::{Database, Size};
use super::pool_call::{Arguments, postgres, programs};
use super::pools::{MAX_OVERFLOW, POOL_SIZE};

/// What a file says. It has nothing if it makes no pool.
pub(crate) fn read(code: &Code<'_>) -> Vec<Program> {
    let mut pools = Vec::new();
    for name in ["create_engine", "create_async_engine"] {
        pools.extend(
            code.calls(name)
                .iter()
                .filter_map(|call| engine(code, call)),
        );
    }
    pools.extend(flask(code));
    for library in LIBRARIES {
        if !code.has(library.module) {
            continue;
        }
        for name in library.names {
            let calls = code
                .calls(name)
                .into_iter()
                .filter(|call| !is_definition(code, call));
            pools.extend(calls.map(|call| pool(code, &call, library)));
        }
    }
    let mut programs = programs(code, pools, None);
    let program = &mut programs[0];
    if program.addresses.is_empty() {
        connections(code, program);
    }
    workers(code, &mut programs);
    programs
}

/// SQLAlchemy's engine.
fn engine(code: &Code<'_>, call: &Call) -> Option<Database> {
    if is_definition(code, call) {
        return None;
    }
    let arguments = Arguments::of_python(code, call);
    let address = arguments.address("create_engine", &["url"], Some(0));
    Some(postgres(code, call, address, overflow(&arguments)))
}

/// `pool_size` and `max_overflow`.
fn overflow(arguments: &Arguments<'_, '_>) -> Size {
    let origin = arguments.origin.clone();
    let class = arguments.field("poolclass");
    let class = class.map_or("", |class| &arguments.code.plain()[class.value.clone()]);
    if class.ends_with("NullPool") {
        return Size::not_plain(
            "SQLAlchemy with NullPool opens a connection for whoever asks",
            origin,
        );
    }
    if class.ends_with("StaticPool") {
        return Size::Known(1, "StaticPool of SQLAlchemy".to_owned(), origin);
    }
    let size = arguments.get(&["pool_size"]);
    let overflow = arguments.get(&["max_overflow"]);
    if size.is_none() && overflow.is_none() {
        return arguments.size(&["pool_size"], "SQLAlchemy", POOL_SIZE + MAX_OVERFLOW);
    }
    let mut sum = 0_u64;
    for (text, default, least, name) in [
        (&size, POOL_SIZE, 1, "pool_size"),
        (&overflow, MAX_OVERFLOW, 0, "max_overflow"),
    ] {
        let Some(text) = text else {
            sum = sum.saturating_add(default);
            continue;
        };
        match text
            .known()
            .and_then(|known| known.trim().parse::<i64>().ok())
        {
            Some(number) if number >= least => sum = sum.saturating_add(number.unsigned_abs()),
            Some(number) => {
                let what = format!("{name}={number} of SQLAlchemy is a pool without a limit");
                return Size::not_plain(what, text.origin.clone());
            }
            None => return Size::of(text, &format!("{name} of SQLAlchemy")),
        }
    }
    let by = match (&size, &overflow) {
        (Some(_), Some(_)) => "pool_size and max_overflow of SQLAlchemy",
        (Some(_), None) => "pool_size of SQLAlchemy with its default max_overflow",
        (None, _) => "max_overflow of SQLAlchemy with its default pool_size",
    };
    let origin = size.or(overflow).map_or(origin, |text| text.origin);
    Size::Known(sum, by.to_owned(), origin)
}

/// `SQLALCHEMY_ENGINE_OPTIONS` and `SQLALCHEMY_DATABASE_URI` of Flask.
fn flask(code: &Code<'_>) -> Option<Database> {
    let assigned = |name: &str| {
        let mut all = code.assignments(name);
        all.extend(
            code.indexed("config")
                .into_iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value),
        );
        all.pop()
    };
    let url = assigned("SQLALCHEMY_DATABASE_URI");
    let options = assigned("SQLALCHEMY_ENGINE_OPTIONS");
    let place = url.clone().or_else(|| options.clone())?;
    let call = Call {
        at: place.start,
        arguments: place.start..place.start,
    };
    let mut arguments = Arguments::of_python(code, &call);
    if let Some(inside) = options.and_then(|options| code.inside(options)) {
        arguments.fields = code.fields(inside);
    }
    arguments.plain.extend(url);
    let address = arguments.address("SQLALCHEMY_DATABASE_URI", &[], Some(0));
    let mut database = postgres(code, &call, address, overflow(&arguments));
    database.name = "flask".to_owned();
    Some(database)
}

/// A library whose pools have a maximum.
struct Library {
    /// What a file that uses it mentions.
    module: &'static str,
    names: &'static [&'static str],
    /// The argument of the maximum, and its place if it needs no name.
    max: &'static str,
    place: Option<usize>,
    /// What it is when nobody says; nothing if the library has no limit then.
    default: Option<u64>,
    /// The argument that the maximum follows when it is not given.
    follows: Option<&'static str>,
    /// The place of a URL.
    url: Option<usize>,
}

fn pool(code: &Code<'_>, call: &Call, library: &Library) -> Database {
    let arguments = Arguments::of_python(code, call);
    let title = format!("{} of {}", library.names[0], library.module);
    let said = arguments
        .get(&[library.max])
        .or_else(|| arguments.at(library.place?));
    let size = match (said, library.default) {
        (Some(text), _) => Size::of(&text, &format!("{} of {}", library.max, library.module)),
        (None, Some(default)) => {
            let keys: &[&str] = match &library.follows {
                Some(follows) => &[*follows],
                None => &[library.max],
            };
            arguments.size(keys, &title, default)
        }
        (None, None) => Size::not_plain(format!("{title} has no limit"), arguments.origin.clone()),
    };
    let address = arguments.address(&title, &["dsn", "conninfo", "url"], library.url);
    postgres(code, call, address, size)
}

/// Connections without a pool.
fn connections(code: &Code<'_>, program: &mut Program) {
    for module in ["psycopg", "psycopg2", "asyncpg", "aiopg", "pg8000"] {
        let mut calls = code.calls("connect").into_iter();
        let before = |call: &Call| code.plain()[..call.at].ends_with(&format!("{module}."));
        if let Some(call) = calls.find(before) {
            let arguments = Arguments::of_python(code, &call);
            let by = format!("{module}.connect");
            let mut address = arguments.address(&by, &["dsn", "conninfo"], Some(0));
            if address.scheme == Scheme::Unsaid {
                address.scheme = Scheme::Postgres;
            }
            program.addresses.push(address);
            program.leave_unsaid(
                format!("{by} opens a connection each time, without a pool"),
                "pool",
                code.origin(call.at),
            );
        }
    }
}

/// Celery's number of processes.
fn workers(code: &Code<'_>, programs: &mut Vec<Program>) {
    for name in [
        "worker_concurrency",
        "CELERY_WORKER_CONCURRENCY",
        "CELERYD_CONCURRENCY",
    ] {
        let Some(value) = code.assignments(name).pop() else {
            continue;
        };
        let text = code.value(value);
        let mut program = Program {
            name: Some("celery".to_owned()),
            kind: Some(("queue", text.origin.clone())),
            origin: code.settings.whole(),
            ..Program::default()
        };
        match text
            .known()
            .and_then(|known| known.trim().parse::<u64>().ok())
        {
            Some(count) => program.multiply(count.max(1), name, text.origin),
            None => program.leave_open(
                format!("{name} is no plain number"),
                "processes",
                text.origin,
            ),
        }
        programs.push(program);
        return;
    }
}

/// Whether this is where a function of that name is defined.
fn is_definition(code: &Code<'_>, call: &Call) -> bool {
    let before = code.plain()[..call.at].trim_end();
    before.ends_with("def") || before.ends_with("class")
}

const LIBRARIES: &[Library] = &[
    Library {
        module: "asyncpg",
        names: &["create_pool"],
        max: "max_size",
        place: None,
        default: Some(10),
        follows: None,
        url: Some(0),
    },
    Library {
        module: "aiopg",
        names: &["create_pool"],
        max: "maxsize",
        place: None,
        default: Some(10),
        follows: None,
        url: Some(0),
    },
    Library {
        module: "psycopg_pool",
        names: &["ConnectionPool", "AsyncConnectionPool"],
        max: "max_size",
        place: None,
        default: Some(4),
        follows: Some("min_size"),
        url: Some(0),
    },
    Library {
        module: "psycopg_pool",
        names: &["NullConnectionPool", "AsyncNullConnectionPool"],
        max: "max_size",
        place: None,
        default: None,
        follows: None,
        url: Some(0),
    },
    Library {
        module: "psycopg2",
        names: &["ThreadedConnectionPool", "SimpleConnectionPool"],
        max: "maxconn",
        place: Some(1),
        default: None,
        follows: None,
        url: Some(2),
    },
    Library {
        module: "databases",
        names: &["Database"],
        max: "max_size",
        place: None,
        default: Some(10),
        follows: None,
        url: Some(0),
    },
    Library {
        module: "playhouse",
        names: &["PooledPostgresqlDatabase", "PooledPostgresqlExtDatabase"],
        max: "max_connections",
        place: None,
        default: Some(20),
        follows: None,
        url: None,
    },
];

#[cfg(test)]
mod tests;
