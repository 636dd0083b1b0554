//! What variables are read as.

use pgweir_advisor::facts::Origin;

use super::environment;
use crate::file::SourceFile;
use crate::inventory::{Address, Program, Scheme, Setting, Text, Unknown, Variable};

/// What a program says, in short: `kind queue`, `processes 4 by --workers`, `pool 5 by …`, `else pool 10 by …`,
/// `threads 4 by …`, `open KEY: …`, `else open KEY: …`.
pub(super) fn short(program: &Program) -> Vec<String> {
    let kind = program.kind.iter().map(|(kind, _)| format!("kind {kind}"));
    let said = |start: &'static str, settings: &[Setting]| -> Vec<String> {
        let line = |setting: &Setting| {
            let value = setting.value.to_string();
            let key = if start == "threads" { "" } else { setting.key };
            let line = format!(
                "{start} {key} {} by {}",
                value.trim_matches('"'),
                setting.by
            );
            line.replace("  ", " ").trim_start().to_owned()
        };
        settings.iter().map(line).collect()
    };
    let open = |start: &'static str, open: &[Unknown]| -> Vec<String> {
        let line = |open: &Unknown| {
            let key = open.key.unwrap_or("-");
            format!("{start} open {key}: {}", open.what)
                .trim_start()
                .to_owned()
        };
        open.iter().map(line).collect()
    };
    let mut all: Vec<String> = kind.collect();
    all.extend(said("", &program.processes));
    all.extend(said("", &program.settings));
    all.extend(said("else", &program.defaults));
    all.extend(said("threads", &program.threads));
    all.extend(open("", &program.unknown));
    all.extend(open("else", &program.unsaid));
    all
}

/// What the programs of a file say, in short: each with its name in front, and its addresses at the end as
/// `at KIND HOST:PORT/DATABASE USER`, where a gap is `?`.
pub(super) fn said(file: &str, text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let variable = |(name, value): &(&str, &str)| Variable::new(*name, *value, Origin::Default);
    let variables: Vec<Variable> = variables.iter().map(variable).collect();
    let source = SourceFile { name: file, text };
    let programs =
        super::read(&source, &variables).unwrap_or_else(|| panic!("{file} is not known"));
    let lines = programs.iter().flat_map(|program| {
        let mut lines = short(program);
        lines.extend(program.addresses.iter().map(place));
        let includes = program.includes.iter();
        lines.extend(includes.map(|path| format!("include {}", path.with_gaps())));
        let name = program.name.iter().map(|name| format!("[{name}]"));
        name.chain(lines).collect::<Vec<_>>()
    });
    lines.collect()
}

fn place(address: &Address) -> String {
    let kind = match address.scheme {
        Scheme::Postgres => "postgres",
        Scheme::Other(name) => name,
        Scheme::Unsaid => "?",
    };
    let text = |text: &Text| text.with_gaps().replace(Text::GAP, "?");
    let port = match address.port.is_empty() {
        true => String::new(),
        false => format!(":{}", text(&address.port)),
    };
    let (host, database) = (text(&address.host), text(&address.database));
    format!("at {kind} {host}{port}/{database} {}", text(&address.user))
        .trim_end()
        .to_owned()
}

/// Checks what files of one name say.
pub(super) fn check(file: &str, cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        assert_eq!(said(file, text, &[]), *expected, "{text}");
    }
}

/// The same for any text that is put together from these parts, and that nothing makes it panic.
pub(super) fn survives(file: &str, parts: &[&str], numbers: &[usize]) {
    let pick = |number: &usize| parts[number % parts.len()];
    let text: String = numbers.iter().map(pick).collect();
    let source = SourceFile {
        name: file,
        text: &text,
    };
    super::read(&source, &[]);
}

fn read(variables: &[(&str, &str)]) -> Program {
    let variable = |(name, value): &(&str, &str)| Variable::new(*name, *value, Origin::Default);
    environment(&variables.iter().map(variable).collect::<Vec<_>>())
}

/// Scheme, host, port, database and user of the only address.
fn only(variables: &[(&str, &str)]) -> (Scheme, String, String, String, String) {
    let program = read(variables);
    assert_eq!(
        program.addresses.len(),
        1,
        "{variables:?}: {:?}",
        program.addresses
    );
    let address = &program.addresses[0];
    let text = |text: &Text| text.with_gaps().to_owned();
    (
        address.scheme,
        text(&address.host),
        text(&address.port),
        text(&address.database),
        text(&address.user),
    )
}

#[test]
fn an_address_is_known_by_its_form_under_any_name() {
    let pg = Scheme::Postgres;
    for (value, expected) in [
        (
            "postgres://u:p%40@db:5433/app?a=b",
            (pg, "db", "5433", "app", "u"),
        ),
        (
            "postgresql+asyncpg://u:p@db/app",
            (pg, "db", "", "app", "u"),
        ),
        (
            "postgis://u@db.x.internal/app",
            (pg, "db.x.internal", "", "app", "u"),
        ),
        (
            "jdbc:postgresql://db:5432/app?user=j&ssl=true",
            (pg, "db", "5432", "app", "j"),
        ),
        ("r2dbc:pool:postgresql://db/app", (pg, "db", "", "app", "")),
        (
            "postgres://u:p@[::1]:5432/app",
            (pg, "[::1]", "5432", "app", "u"),
        ),
        ("postgres://u:p@a:1,b:2/app", (pg, "a", "1", "app", "u")),
        (
            "postgresql:///app?host=/var/run/postgresql",
            (pg, "/var/run/postgresql", "", "app", ""),
        ),
        (
            "host=db port=6432 user=u dbname=app sslmode=disable",
            (pg, "db", "6432", "app", "u"),
        ),
        (
            "pgsql:host=db;port=5432;dbname=app",
            (pg, "db", "5432", "app", ""),
        ),
        (
            "Host=db;Port=5432;Database=app;Username=u;Password=p",
            (pg, "db", "5432", "app", "u"),
        ),
    ] {
        let (scheme, host, port, database, user) = expected;
        let expected = (
            scheme,
            host.into(),
            port.into(),
            database.into(),
            user.into(),
        );
        assert_eq!(only(&[("WHATEVER", value)]), expected, "{value}");
    }
}

#[test]
fn other_databases_are_known_as_such() {
    for (value, name, host) in [
        ("mysql://shop:x@mysql:3306/shop", "MySQL", "mysql"),
        ("mysql+aiomysql://shop:x@mysql/shop", "MySQL", "mysql"),
        (
            "mongodb+srv://u:p@cluster.example/db",
            "MongoDB",
            "cluster.example",
        ),
        ("sqlite:db.sqlite3", "SQLite", ""),
        ("sqlite:///srv/db.sqlite3", "SQLite", ""),
        (
            "jdbc:sqlserver://db:1433;databaseName=x",
            "SQL Server",
            "db",
        ),
        ("u:p@tcp(mysql:3306)/shop", "MySQL", "mysql"),
        (
            "Server=tcp:db,1433;Database=x;User Id=u",
            "SQL Server",
            "tcp:db,1433",
        ),
    ] {
        let (scheme, found, ..) = only(&[("URL", value)]);
        assert_eq!(
            (scheme, found.as_str()),
            (Scheme::Other(name), host),
            "{value}"
        );
    }
    for value in [
        "https://postgres.example/x",
        "redis://cache:6379",
        "a=b c=d",
        "10",
        "://",
        "x://y",
    ] {
        assert!(read(&[("URL", value)]).addresses.is_empty(), "{value}");
    }
}

#[test]
fn parts_of_an_address_are_gathered_by_what_their_names_begin_with() {
    let pg = Scheme::Postgres;
    let (unsaid, mysql) = (Scheme::Unsaid, Scheme::Other("MySQL"));
    type Case<'a> = (&'a [(&'a str, &'a str)], Scheme, &'a str, &'a str);
    let cases: [Case<'_>; 11] = [
        (&[("DB_HOST", "db")], unsaid, "db", ""),
        (
            &[("DB_HOST", "db"), ("DB_CONNECTION", "pgsql")],
            pg,
            "db",
            "",
        ),
        (
            &[("DB_HOST", "db"), ("DB_PORT", "3306")],
            mysql,
            "db",
            "3306",
        ),
        (&[("PGHOST", "db"), ("PGPORT", "1")], pg, "db", "1"),
        (&[("POSTGRES_HOST", "db")], pg, "db", ""),
        (&[("DB_POSTGRESDB_HOST", "db")], pg, "db", ""),
        (
            &[("DB_HOSTNAME", "db"), ("REDIS_HOSTNAME", "redis")],
            unsaid,
            "db",
            "",
        ),
        (
            &[
                ("GITEA__database__HOST", "db:5432"),
                ("GITEA__database__DB_TYPE", "postgres"),
            ],
            pg,
            "db",
            "5432",
        ),
        (
            &[("KC_DB", "postgres"), ("KC_DB_URL_HOST", "db")],
            pg,
            "db",
            "",
        ),
        (&[("DB_CONNECTION", "mysql")], mysql, "", ""),
        (&[("MYSQL_HOST", "m"), ("SMTP_HOST", "s")], mysql, "m", ""),
    ];
    for (variables, scheme, host, port) in cases {
        let found = only(variables);
        assert_eq!(
            (found.0, &*found.1, &*found.2),
            (scheme, host, port),
            "{variables:?}"
        );
    }
}

#[test]
fn what_is_not_known_of_a_pool_is_named_and_of_a_password_is_not() {
    let mut value = Text::plain("postgres://u:", Origin::Default);
    value.push_gap("${PASSWORD}");
    value.push_str("@db/app?connection_limit=");
    value.push_gap("${POOL}");
    let program = environment(&[Variable {
        name: "URL".into(),
        value,
    }]);
    let what: Vec<&str> = program
        .unknown
        .iter()
        .map(|unknown| unknown.what.as_str())
        .collect();
    assert_eq!(
        what,
        ["connection_limit of the URL is ${POOL}, which none of the files says"]
    );
    assert_eq!(program.addresses[0].host.known(), Some("db"));
}
