use crate::command::{Answer, Block, Command, Fixed, Role, Tidy};
use crate::order::{Order, ShutdownMode};
use crate::parse;
use crate::problem::Problem;
use crate::query::{Comparison, Condition, Query, Sort};
use crate::table::Table;

#[test]
fn orders_are_read_in_either_case_with_and_without_a_semicolon() {
    let some = |name: &str| Some(name.to_owned());
    let set = |name: &str, value: &str| Order::Set {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    for (text, order) in [
        ("PAUSE", Order::Pause(None)),
        ("pause;", Order::Pause(None)),
        ("  Pause  app ; ", Order::Pause(some("app"))),
        ("PAUSE \"My \"\"App\"\"\"", Order::Pause(some("My \"App\""))),
        ("pause 'app'", Order::Pause(some("app"))),
        ("RESUME app", Order::Resume(some("app"))),
        ("DISABLE App", Order::Disable("App".to_owned())),
        ("enable app", Order::Enable("app".to_owned())),
        ("RECONNECT", Order::Reconnect(None)),
        ("KILL app", Order::Kill(some("app"))),
        ("KILL", Order::Kill(None)),
        ("KILL_CLIENT 17", Order::KillClient(17)),
        ("kill_client 0x11", Order::KillClient(17)),
        ("KILL_CLIENT '0x11';", Order::KillClient(17)),
        ("SUSPEND", Order::Suspend),
        ("WAIT_CLOSE app", Order::WaitClose(some("app"))),
        ("RELOAD", Order::Reload),
        ("SHUTDOWN", Order::Shutdown(ShutdownMode::Immediate)),
        (
            "shutdown wait_for_servers",
            Order::Shutdown(ShutdownMode::WaitForServers),
        ),
        (
            "SHUTDOWN WAIT_FOR_CLIENTS",
            Order::Shutdown(ShutdownMode::WaitForClients),
        ),
        ("SET log_connections = 0", set("log_connections", "0")),
        ("set Default_Pool_Size='40'", set("default_pool_size", "40")),
        (
            "SET pool_mode TO transaction",
            set("pool_mode", "transaction"),
        ),
        ("SET server_lifetime = -1", set("server_lifetime", "-1")),
    ] {
        assert_eq!(parse(text), Ok(Command::Order(order)), "{text}");
    }
}

#[test]
fn what_is_no_command_is_refused_with_its_beginning() {
    for text in [
        "PAUSE a b",
        "DISABLE",
        "ENABLE",
        "SUSPEND now",
        "RELOAD app",
        "SHUTDOWN now",
        "SET x",
        "SET = 1",
        "SET x = 1, 2",
        "KILL_CLIENT",
        "VACUUM",
        "17",
        "'x'",
        "PAUSE \"app",
        "SELECT * FROM pg_database",
        "\u{1}",
        "SHOW POOLS x",
        "SHOW POOLS WHERE",
        "SHOW POOLS WHERE database",
        "SHOW POOLS WHERE database = ",
        "SHOW POOLS WHERE database IN ('a'",
        "SHOW POOLS ORDER BY",
        "SHOW POOLS LIMIT x",
        "SHOW POOLS LIMIT -1",
    ] {
        let problem = parse(text).unwrap_err();
        assert!(
            matches!(problem, Problem::Invalid { .. }),
            "{text}: {problem:?}"
        );
        assert_eq!(problem.sqlstate().as_str(), "08P01");
    }
    let long = format!("VACUUM {}", "x".repeat(200));
    let message = parse(&long).unwrap_err().message();
    assert!(
        message.starts_with("invalid command 'VACUUM xxx"),
        "{message}"
    );
    assert!(message.ends_with("...', use SHOW HELP;"), "{message}");
    for text in [
        "KILL_CLIENT x",
        "KILL_CLIENT -1",
        "KILL_CLIENT 0xffffffffff",
    ] {
        assert_eq!(parse(text), Err(Problem::NotAClient), "{text}");
    }
}

#[test]
fn every_table_is_shown_by_its_word() {
    for table in Table::ALL {
        for text in [
            format!("SHOW {}", table.word()),
            format!("show {};", table.word().to_lowercase()),
            format!("SELECT {}", table.word()),
        ] {
            assert_eq!(parse(&text), Ok(Command::Show(Query::all(table))), "{text}");
        }
        assert!(!table.columns().is_empty());
    }
    for text in ["SHOW", "show help;", "SHOW HELP"] {
        assert_eq!(parse(text), Ok(Command::Help));
    }
    let problem = parse("SHOW POLLS").unwrap_err();
    assert_eq!(
        problem.hint().as_deref(),
        Some("Perhaps you meant SHOW POOLS.")
    );
    assert_eq!(
        problem.message(),
        "invalid command 'SHOW POLLS', use SHOW HELP;"
    );
}

#[test]
fn rows_are_chosen_sorted_and_counted() {
    let text = "SHOW pools WHERE Database = 'app' AND cl_waiting > 0 AND user NOT LIKE 'a%' \
                AND pool_mode IS NOT NULL AND sv_idle in (1, '2') and maxwait <> -1 \
                ORDER BY maxwait DESC, \"user\" ASC, cl_active LIMIT 5 OFFSET 2;";
    let condition = |name: &str, comparison, negated| Condition {
        column: Table::Pools.column(name).unwrap(),
        comparison,
        negated,
    };
    let one_of = |values: &[&str]| {
        Comparison::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
    };
    let like = Comparison::Like {
        pattern: "a%".to_owned(),
        exact: true,
    };
    let sort = |name: &str, descending| Sort {
        column: Table::Pools.column(name).unwrap(),
        descending,
    };
    let query = Query {
        table: Table::Pools,
        conditions: vec![
            condition("database", one_of(&["app"]), false),
            condition("cl_waiting", Comparison::Above("0".to_owned()), false),
            condition("user", like, true),
            condition("pool_mode", Comparison::Null, true),
            condition("sv_idle", one_of(&["1", "2"]), false),
            condition("maxwait", one_of(&["-1"]), true),
        ],
        order: vec![
            sort("maxwait", true),
            sort("user", false),
            sort("cl_active", false),
        ],
        limit: Some(5),
        offset: 2,
    };
    assert_eq!(parse(text), Ok(Command::Show(query)));
}

#[test]
fn a_column_that_there_is_not_is_answered_with_those_there_are() {
    for text in [
        "SHOW STATE WHERE kee = 'paused'",
        "SHOW STATE ORDER BY kee",
        "SHOW STATE ORDER BY key, kee",
    ] {
        let problem = parse(text).unwrap_err();
        assert_eq!(problem.sqlstate().as_str(), "42703");
        assert_eq!(
            problem.message(),
            "column \"kee\" does not exist in SHOW STATE"
        );
        assert_eq!(
            problem.hint().as_deref(),
            Some("Its columns are key, value.")
        );
    }
}

#[test]
fn a_command_has_a_bound() {
    let many = vec!["key = 'a'"; 17].join(" AND ");
    let sorts = vec!["key"; 17].join(", ");
    for text in [
        format!("SHOW STATE WHERE {many}"),
        format!("SHOW STATE ORDER BY {sorts}"),
        format!("SHOW STATE WHERE key IN ({sorts})"),
    ] {
        let problem = parse(&text).unwrap_err();
        assert!(
            matches!(problem, Problem::TooMany { max: 16, .. }),
            "{problem:?}"
        );
    }
}

#[test]
fn what_drivers_say_by_themselves_is_understood() {
    let fixed = |name: &str, answer| {
        let name = name.to_owned();
        Command::Fixed(Fixed { name, answer })
    };
    for (text, command) in [
        ("", Command::Empty),
        (" ; ", Command::Empty),
        ("-- ping", Command::Empty),
        ("BEGIN", Command::Transaction(Block::Begin)),
        (
            "begin transaction isolation level serializable",
            Command::Transaction(Block::Begin),
        ),
        (
            "START TRANSACTION READ ONLY",
            Command::Transaction(Block::Begin),
        ),
        ("COMMIT", Command::Transaction(Block::Commit)),
        ("ROLLBACK", Command::Transaction(Block::Rollback)),
        (
            "ROLLBACK TO SAVEPOINT a",
            Command::Transaction(Block::RollbackTo),
        ),
        ("SAVEPOINT a", Command::Transaction(Block::Savepoint)),
        ("RELEASE SAVEPOINT a", Command::Transaction(Block::Release)),
        ("SET client_encoding TO 'UTF8'", Command::SetSession),
        ("SET extra_float_digits = 3", Command::SetSession),
        ("SET application_name = 'x y'", Command::SetSession),
        ("SET datestyle TO ISO, MDY", Command::SetSession),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            Command::SetSession,
        ),
        ("SET NAMES 'utf8'", Command::SetSession),
        ("SET TIME ZONE 'UTC'", Command::SetSession),
        ("set statement_timeout=0", Command::SetSession),
        (
            "SHOW client_encoding",
            fixed("client_encoding", Answer::Text("UTF8")),
        ),
        ("SHOW DateStyle;", fixed("datestyle", Answer::Text("ISO"))),
        (
            "show transaction isolation level",
            fixed("transaction_isolation", Answer::Text("read committed")),
        ),
        (
            "SHOW server_version",
            fixed("server_version", Answer::ServerVersion),
        ),
        ("SELECT 1", fixed("?column?", Answer::Number(1))),
        ("SELECT 1 AS one", fixed("one", Answer::Number(1))),
        (
            "select pg_catalog.version()",
            fixed("version", Answer::Version),
        ),
        (
            "SELECT current_database() AS db",
            fixed("db", Answer::Database),
        ),
        ("SELECT current_user", fixed("current_user", Answer::User)),
        (
            "select current_schema()",
            fixed("current_schema", Answer::Text("public")),
        ),
        (
            "SELECT pg_backend_pid()",
            fixed("pg_backend_pid", Answer::Pid),
        ),
        (
            "SELECT pg_is_in_recovery()",
            fixed("pg_is_in_recovery", Answer::No),
        ),
        (
            "SELECT current_setting('timezone')",
            fixed("timezone", Answer::Text("GMT")),
        ),
        (
            "SELECT set_config('search_path', '', false)",
            fixed("set_config", Answer::Text("")),
        ),
        (
            "SAVEPOINT \"_pg3_1\"",
            Command::Transaction(Block::Savepoint),
        ),
        ("RELEASE \"_pg3_1\"", Command::Transaction(Block::Release)),
        (
            "SELECT t.oid, typarray FROM pg_catalog.pg_type t WHERE typname = $1",
            fixed("oid", Answer::Nothing),
        ),
        ("RESET ALL", Command::Tidy(Tidy::Reset)),
        ("RESET SESSION AUTHORIZATION", Command::Tidy(Tidy::Reset)),
        ("DISCARD ALL", Command::Tidy(Tidy::DiscardAll)),
        ("DEALLOCATE ALL", Command::Tidy(Tidy::DeallocateAll)),
        (
            "DEALLOCATE \"s1\"",
            Command::Tidy(Tidy::Deallocate("s1".to_owned())),
        ),
        ("CLOSE ALL", Command::Tidy(Tidy::Close)),
        ("UNLISTEN *", Command::Tidy(Tidy::Unlisten)),
    ] {
        assert_eq!(parse(text), Ok(command), "{text}");
    }
}

/// CVE-2026-6667 was KILL_CLIENT by users that may only look.
#[test]
fn who_may_only_look_gives_no_order() {
    let matrix = [
        ("PAUSE", false),
        ("RESUME", false),
        ("DISABLE app", false),
        ("ENABLE app", false),
        ("RECONNECT", false),
        ("KILL", false),
        ("KILL_CLIENT 17", false),
        ("SUSPEND", false),
        ("WAIT_CLOSE", false),
        ("RELOAD", false),
        ("SHUTDOWN", false),
        ("SHUTDOWN WAIT_FOR_CLIENTS", false),
        ("SET log_connections = 0", false),
        ("SHOW FDS", false),
        ("SHOW HELP", true),
        ("SELECT 1", true),
        ("BEGIN", true),
        ("SET client_encoding = utf8", true),
        ("DISCARD ALL", true),
        ("", true),
    ];
    let shows = Table::ALL.map(|table| (format!("SHOW {}", table.word()), table != Table::Fds));
    let matrix = matrix.map(|(text, may)| (text.to_owned(), may));
    for (text, may) in matrix.into_iter().chain(shows) {
        let command = parse(&text).unwrap();
        assert_eq!(command.is_allowed(Role::Stats), may, "{text}");
        assert!(command.is_allowed(Role::Admin), "{text}");
    }
}
