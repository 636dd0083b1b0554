//! `DATABASE_URL` and the variables of the pool.

use std::time::Duration;

use super::{check_problems, check_shown, read_env};
use crate::{ServerAddress, startup_lines};

/// A URL alone has exactly this problem.
#[track_caller]
fn check_url(url: &str, line: &str) {
    check_problems(read_env(&[("DATABASE_URL", url)]), &[line]);
}

/// A URL alone leads to this server, database, user and password.
#[track_caller]
fn check_parts(url: &str, expected: (&str, u16, &str, &str)) {
    let config = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    let (name, database) = config.databases.first_key_value().unwrap();
    let server = match &database.server {
        ServerAddress::Tcp { host, port } => (host.clone(), *port),
        ServerAddress::Unix(path) => (path.display().to_string(), 0),
    };
    let user = database.forced_user.as_deref().unwrap();
    assert!(config.users[user].secret == database.password);
    assert_eq!(
        (server.0.as_str(), server.1, name.as_str(), user),
        expected,
        "{url}"
    );
}

#[test]
fn the_url_of_the_guide_gives_its_limits() {
    let url = "postgresql://user:pass@host:5432/db?connection_limit=50&pool_timeout=20\
               &connect_timeout=10&socket_timeout=30";
    let resolved = read_env(&[("DATABASE_URL", url)]).unwrap();
    assert_eq!(
        startup_lines(&resolved.config),
        ["Connection Pool: Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s (database db)"]
    );
    check_shown(
        Ok(resolved),
        &[
            "pgweir.default_pool_size = 50 @ DATABASE_URL parameter connection_limit",
            "pgweir.query_wait_timeout = 20s @ DATABASE_URL parameter pool_timeout",
            "pgweir.server_connect_timeout = 10s @ DATABASE_URL parameter connect_timeout",
            "pgweir.query_timeout = 30s @ DATABASE_URL parameter socket_timeout",
            "pgweir.pool_mode = transaction @ default without a file",
            "pgweir.max_client_conn = 1000 @ default without a file",
            "pgweir.listen_addr = 127.0.0.1 @ default",
            "pgweir.listen_port = 6432 @ default",
            "databases.db.user = user @ DATABASE_URL",
            "databases.db.pool_size = 50 @ DATABASE_URL parameter connection_limit \
             (pgweir.default_pool_size)",
            "users.user.password = set (plain) @ DATABASE_URL",
        ],
    );
}

#[test]
fn zero_switches_a_timeout_of_the_url_off() {
    let url = "postgres://u:p@h/d?pool_timeout=0&connect_timeout=0&socket_timeout=0";
    let config = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    assert_eq!(
        startup_lines(&config),
        ["Connection Pool: Limit: 20, Pool Timeout: off, Connect Timeout: off (database d)"]
    );
    assert_eq!(config.databases["d"].pool.query_timeout, None);
}

#[test]
fn the_parts_of_a_url_are_decoded() {
    check_parts("postgres://u:p@h/d", ("h", 5432, "d", "u"));
    check_parts("postgresql://u:p@h:7000", ("h", 7000, "u", "u"));
    check_parts("postgres://u:p@h/", ("h", 5432, "u", "u"));
    check_parts("postgres://u:p@[::1]:7000/d", ("::1", 7000, "d", "u"));
    check_parts("postgres://u:p@[fe80::1]/d", ("fe80::1", 5432, "d", "u"));
    check_parts(
        "postgres://a%40b:p%2F%3F%23@h/d%20e",
        ("h", 5432, "d e", "a@b"),
    );
    check_parts("postgres://u:p@s@h/d", ("h", 5432, "d", "u"));
    check_parts("postgres://u:p@/d", ("127.0.0.1", 5432, "d", "u"));
    check_parts(
        "postgres://u:p@%2Frun%2Fpg/d",
        ("/run/pg/.s.PGSQL.5432", 0, "d", "u"),
    );
    check_parts(
        "postgres://u:p@/d?host=/run/pg&port=7",
        ("/run/pg/.s.PGSQL.7", 0, "d", "u"),
    );
    check_parts(
        "postgres://u:p@localhost/d?host=/run/pg",
        ("/run/pg/.s.PGSQL.5432", 0, "d", "u"),
    );
    check_parts(
        "postgres:///?user=u&password=p&dbname=d&host=h",
        ("h", 5432, "d", "u"),
    );
    check_parts("postgres://u:p@h/d?sslmode=prefer&", ("h", 5432, "d", "u"));
    check_parts("postgres://u:p@h/d?user=u", ("h", 5432, "d", "u"));
}

#[test]
fn settings_for_servers_come_along() {
    let url = "postgres://u:p@h/d?schema=sales&application_name=web%20shop";
    let config = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    let expected = [("application_name", "web shop"), ("search_path", "sales")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(config.databases["d"].startup_parameters, expected);
}

#[test]
fn a_schema_is_one_name_as_it_is_written() {
    for (written, expected) in [
        ("sales", "sales"),
        ("sales_2024", "sales_2024"),
        ("Sales", "\"Sales\""),
        ("my%20schema", "\"my schema\""),
        ("a,b", "\"a,b\""),
        ("2024", "\"2024\""),
        ("say%22so", "\"say\"\"so\""),
        ("%C3%A9", "\"é\""),
    ] {
        let url = format!("postgres://u:p@h/d?schema={written}");
        let config = read_env(&[("DATABASE_URL", &url)]).unwrap().config;
        let [(_, search_path)] = &*config.databases["d"].startup_parameters else {
            panic!("{written}");
        };
        assert_eq!(search_path, expected);
    }
}

#[test]
fn what_concerns_the_application_changes_nothing() {
    let url = "postgres://u:p@h/d";
    let plain = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    let url = format!("{url}?pgbouncer=true&statement_cache_size=0&pool=5&prepareThreshold=0");
    let config = read_env(&[("DATABASE_URL", &url)]).unwrap().config;
    assert_eq!(format!("{config:?}"), format!("{plain:?}"));
}

#[test]
fn keepalives_are_those_of_the_poolers_connections() {
    let url = "postgres://u:p@h/d?keepalives=0&keepalives_idle=30&keepalives_count=4";
    let config = read_env(&[("DATABASE_URL", url)]).unwrap().config;
    assert!(!config.tcp.keepalive);
    assert_eq!(config.tcp.keepidle, Some(Duration::from_secs(30)));
    assert_eq!(config.tcp.keepcnt, Some(4));
}

#[test]
fn a_parameter_is_honoured_or_an_error() {
    for (parameter, problem) in [
        (
            "connection_limt=5",
            "connection_limt: unknown parameter; did you mean connection_limit?",
        ),
        (
            "frobnicate=5",
            "frobnicate: unknown parameter; pgweir help configuration lists the known ones",
        ),
        (
            "sslidentity=x",
            "sslidentity: is not supported yet by this version; remove it",
        ),
        (
            "sslaccept=yes",
            "sslaccept: must be strict or accept_invalid_certs",
        ),
        (
            "gssencmode=require",
            "gssencmode: asks for GSSAPI encryption, which is not spoken here; remove it",
        ),
        (
            "sslmode=require&sslrootcert=system",
            "sslmode: must be verify-full beside sslrootcert=system, for the system's authorities \
             sign for anybody",
        ),
        (
            "options=-c%20a=b",
            "options: is not supported yet by this version; remove it",
        ),
        (
            "sslmode=on",
            "sslmode: must be one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "connection_limit=0",
            "connection_limit: default_pool_size = 0: must be 1 or more",
        ),
        (
            "pool_timeout=-1",
            "pool_timeout: query_wait_timeout = -1: must be 0 or more; 0 means off",
        ),
        (
            "host=other",
            "host: differs from the same part of the URL; remove one",
        ),
        (
            "password=other",
            "password: differs from the same part of the URL; remove one",
        ),
        (
            "pool_timeout=1&pool_timeout=2",
            "pool_timeout: is given twice and differs; remove one",
        ),
    ] {
        let url = format!("postgres://u:p@h/d?{parameter}");
        check_url(&url, &format!("DATABASE_URL parameter {problem}"));
    }
}

#[test]
fn a_broken_url_is_one_problem_that_does_not_quote_it() {
    let cut = "has an @ after a / or ?; in a user name or password write %2F for / and %3F for ?, \
               behind them %40 for @";
    let login = "names no user or no password, which clients log in with as well; write \
                 postgres://USER:PASSWORD@HOST/DATABASE";
    let escape = "that no two hex digits follow, or that hides no UTF-8; write %25 for %";
    for (url, problem) in [
        ("", "must start with postgres:// or postgresql://"),
        (
            "mysql://u:hush@h/d",
            "must start with postgres:// or postgresql://",
        ),
        ("postgres://u:hu/sh@h/d", cut),
        ("postgres://u:hu/sh@h", cut),
        ("postgres://u:hu?s=h@h/d", cut),
        (
            "postgres://u:hu#sh@h/d",
            "contains a #; in a user name or password write %23",
        ),
        (
            "postgres://u:hush",
            "has a port that is no number, or a password without a host after it",
        ),
        (
            "postgres://u:p@h:port/d",
            "has a port that is no number, or a password without a host after it",
        ),
        (
            "postgres://u:p@a,b/d",
            "lists several hosts, which is not supported yet; name one",
        ),
        (
            "postgres://u:p@[::1/d",
            "has an IPv6 address without its closing ]",
        ),
        (
            "postgres://u:p@[host]/d",
            "has something in brackets that is no IPv6 address",
        ),
        (
            "postgres://u:p@[::1]x/d",
            "has text between the ] of its host and the port",
        ),
        (
            "postgres://u:p@::1:5432/d",
            "has an IPv6 address without brackets; write [::1]:5432",
        ),
        (
            "postgres://u:hush%@h/d",
            &format!("has a % in password {escape}"),
        ),
        (
            "postgres://u:hush%f@h/d",
            &format!("has a % in password {escape}"),
        ),
        (
            "postgres://u:hush%ff@h/d",
            &format!("has a % in password {escape}"),
        ),
        ("postgres://u:p@h/d?a", "has a parameter without a ="),
        ("postgres://h/d", login),
        ("postgres://u@h/d", login),
        ("postgres://h/d?password=x", login),
    ] {
        check_url(url, &format!("DATABASE_URL: {problem}"));
    }
    check_problems(
        read_env(&[]),
        &["DATABASE_URL: is not set; set it, or name a configuration file"],
    );
}

#[test]
fn the_variables_of_the_pool_are_read() {
    let variables = [
        (
            "DATABASE_URL",
            "postgresql://user:password@postgres:5432/iss_tracker",
        ),
        ("DB_MAX_CONNECTIONS", "10"),
        ("DB_MIN_CONNECTIONS", "2"),
        ("DB_ACQUIRE_TIMEOUT", "5"),
        ("DB_IDLE_TIMEOUT", "600"),
        ("DB_MAX_LIFETIME", "1800"),
        ("DB_HOST", "another program's"),
        ("PGWEIR_LISTEN_ADDR", "*"),
        ("PGWEIR_LISTEN_PORT", "7432"),
        ("PGWEIR_HTTP_LISTEN", "127.0.0.1:7433"),
    ];
    check_shown(
        read_env(&variables),
        &[
            "pgweir.default_pool_size = 10 @ DB_MAX_CONNECTIONS",
            "pgweir.min_pool_size = 2 @ DB_MIN_CONNECTIONS",
            "pgweir.query_wait_timeout = 5s @ DB_ACQUIRE_TIMEOUT",
            "pgweir.server_idle_timeout = 600s @ DB_IDLE_TIMEOUT",
            "pgweir.server_lifetime = 1800s @ DB_MAX_LIFETIME",
            "pgweir.listen_addr = 0.0.0.0, :: @ PGWEIR_LISTEN_ADDR",
            "pgweir.listen_port = 7432 @ PGWEIR_LISTEN_PORT",
            "pgweir.http_listen = 127.0.0.1:7433 @ PGWEIR_HTTP_LISTEN",
        ],
    );
}

#[test]
fn a_variable_and_a_parameter_must_agree() {
    let url = (
        "DATABASE_URL",
        "postgres://u:p@h/d?connection_limit=10&pool_timeout=5",
    );
    check_problems(
        read_env(&[
            url,
            ("DB_MAX_CONNECTIONS", "20"),
            ("DB_ACQUIRE_TIMEOUT", "5s"),
        ]),
        &[
            "DB_MAX_CONNECTIONS: default_pool_size = 20: differs from DATABASE_URL parameter \
           connection_limit = 10; remove one of them",
        ],
    );
    check_problems(
        read_env(&[url, ("DB_MAX_LIFETIME", "0"), ("DB_MIN_CONNECTIONS", "11")]),
        &[
            "DB_MAX_LIFETIME: server_lifetime = 0: must be more than 0: server_lifetime \
             understands 0 as single use",
            "DB_MIN_CONNECTIONS: min_pool_size = 11: must be at most the size of the pool: \
             default_pool_size is 10 (DATABASE_URL parameter connection_limit)",
        ],
    );
}
