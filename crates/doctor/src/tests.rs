//! Claims about checks with data: rows in, states out. What the questions really bring is shown end to end.

use std::collections::{BTreeMap, BTreeSet};

use pgweir_advisor::show::Colours;
use pgweir_advisor::units::Bytes;

use crate::{
    Answer, Console, Given, Report, Rows, Sample, State, Unreachable, all, examine, json, markdown,
    mends, named, questions, text, unreachable,
};

/// A server of 97 usable slots, asked by a superuser.
const SERVER: (&str, &str) = (
    "server",
    "version=18.1 major=18 role=postgres superuser=t sees_all=t standby=f max_connections=100 reserved=3 clients=2 \
     uptime=100",
);

/// Answers written as `column=value column=value`, one row a line; `~` in a value is a space.
fn sample(answers: &[(&'static str, &str)]) -> Sample {
    let mut sample = Sample::default();
    for (name, text) in std::iter::once(&SERVER).chain(answers) {
        sample.answers.insert(name, Answer::Rows(rows(text)));
    }
    sample
}

fn rows(text: &str) -> Rows {
    let mut columns: Vec<String> = Vec::new();
    let lines: Vec<BTreeMap<String, String>> = text
        .lines()
        .map(|line| {
            let pairs = line
                .split_whitespace()
                .map(|pair| pair.split_once('=').unwrap());
            pairs
                .map(|(name, value)| (name.to_owned(), value.replace('~', " ")))
                .collect()
        })
        .collect();
    for name in lines.iter().flat_map(BTreeMap::keys) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let values = lines
        .iter()
        .map(|line| columns.iter().map(|name| line.get(name).cloned()).collect());
    Rows {
        values: values.collect(),
        columns: columns.clone(),
    }
}

fn one(id: &str, sample: &Sample) -> Report {
    examine("db:5432/app", sample, &[named(id).unwrap()])
}

#[track_caller]
fn check(id: &str, answers: &[(&'static str, &str)], state: State, words: &[&str]) {
    let report = one(id, &sample(answers));
    assert_eq!(
        report.checks[0].state, state,
        "{id} {answers:?}: {report:#?}"
    );
    let text = text(&report, true, Colours(false));
    for word in words {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}

#[test]
fn states_change_at_their_borders() {
    use State::{Critical, Ok, Warning};
    for (id, question, row, state, word) in [
        (
            "wraparound",
            "ages",
            "name=app age=399000000 multi_age=1 freeze_max_age=200000000",
            Ok,
            "",
        ),
        (
            "wraparound",
            "ages",
            "name=app age=400000000 multi_age=1 freeze_max_age=200000000",
            Warning,
            "database app",
        ),
        (
            "wraparound",
            "ages",
            "name=app age=500000000 multi_age=1 freeze_max_age=1000000000",
            Ok,
            "",
        ),
        (
            "wraparound",
            "ages",
            "name=app age=1 multi_age=1200000000 freeze_max_age=200000000",
            Critical,
            "vacuumdb",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=physical active=t wal_status=reserved kept_bytes=1000 keep_mb=-1",
            Ok,
            "",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=physical active=f wal_status=reserved kept_bytes=1000 keep_mb=-1",
            Warning,
            "pg_drop_replication_slot('a')",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=logical active=f wal_status=reserved kept_bytes=1000 keep_mb=1024",
            Ok,
            "",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=logical active=t wal_status=extended kept_bytes=1073741824 keep_mb=99999",
            Warning,
            "1024 MB",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=logical active=t wal_status=extended kept_bytes=17179869184 keep_mb=-1",
            Critical,
            "max_slot_wal_keep_size",
        ),
        (
            "replication-slots",
            "slots",
            "name=a type=logical active=f wal_status=lost keep_mb=1024",
            Critical,
            "made anew",
        ),
        (
            "replication-lag",
            "standbys",
            "name=s state=streaming sync=async replay_s=59 behind_bytes=10",
            Ok,
            "",
        ),
        (
            "replication-lag",
            "standbys",
            "name=s state=streaming sync=async replay_s=61 behind_bytes=10",
            Warning,
            "1 min 1 s",
        ),
        (
            "replication-lag",
            "standbys",
            "name=s state=streaming sync=sync replay_s=900 behind_bytes=10",
            Critical,
            "sync",
        ),
        (
            "replication-lag",
            "standbys",
            "name=b state=backup sync=async replay_s=900 behind_bytes=99999999999",
            Ok,
            "",
        ),
        (
            "replication-lag",
            "standbys",
            "name=s",
            State::Skipped,
            "pg_monitor",
        ),
        (
            "role-limits",
            "limits",
            "kind=role name=app used=7 max=10",
            Ok,
            "",
        ),
        (
            "role-limits",
            "limits",
            "kind=role name=app used=8 max=10",
            Warning,
            "ALTER ROLE app CONNECTION LIMIT 11",
        ),
        (
            "role-limits",
            "limits",
            "kind=database name=Shop used=10 max=10",
            Critical,
            "ALTER DATABASE \"Shop\"",
        ),
        (
            "role-limits",
            "limits",
            "kind=database name=closed used=0 max=0",
            Ok,
            "",
        ),
        (
            "prepared-transactions",
            "prepared",
            "gid=x owner=app database=app age_s=59",
            Ok,
            "",
        ),
        (
            "prepared-transactions",
            "prepared",
            "gid=it's owner=app database=app age_s=900",
            Critical,
            "ROLLBACK PREPARED 'it''s'",
        ),
        (
            "sequential-scans",
            "scans",
            "name=public.t table=t scans=100 rows_each=10000 index_scans=0 size=8192",
            Warning,
            "public.t",
        ),
        (
            "slow-statements",
            "statements",
            "query=select~1 calls=3 mean_ms=999",
            State::Skipped,
            "pg_stat_statements",
        ),
    ] {
        check(id, &[(question, row)], state, &[word]);
    }
}

#[test]
fn slots_are_counted_exactly() {
    for (clients, state) in [
        (77, State::Ok),
        (78, State::Warning),
        (87, State::Warning),
        (88, State::Critical),
        (97, State::Critical),
    ] {
        let row = SERVER.1.replace("clients=2", &format!("clients={clients}"));
        check(
            "connections",
            &[("server", &row), ("sessions", "")],
            state,
            &[&format!("{clients} of 97")],
        );
    }
    // The slot of the 98th is reserved.
    for (clients, expected) in [(97, None), (98, Some((98, 97)))] {
        let row = SERVER.1.replace("clients=2", &format!("clients={clients}"));
        assert_eq!(sample(&[("server", &row)]).takes_the_last_slot(), expected);
    }
}

#[test]
fn statements_are_judged_where_the_extension_is_there() {
    let server = format!("{} statements_schema=public", SERVER.1);
    for (mean, state) in [("999", State::Ok), ("1000", State::Warning)] {
        let row =
            format!("query=select~*~from~t~where~a=1 calls=3 mean_ms={mean}").replace("a=1", "a>1");
        check(
            "slow-statements",
            &[("server", &server), ("statements", &row)],
            state,
            &[],
        );
    }
    let questions = questions(all());
    let statements = questions
        .iter()
        .find(|question| question.name == "statements")
        .unwrap();
    let limit = std::time::Duration::from_secs(1);
    assert_eq!(sample(&[]).batch(statements, limit), None);
    let batch = sample(&[("server", &server.replace("public", "My_\"x"))]).batch(statements, limit);
    assert!(batch.unwrap().contains("\"My_\"\"x\".pg_stat_statements"));
}

#[test]
fn what_was_not_seen_is_never_ok() {
    for check in all() {
        let about = check.about();
        let mut sample = Sample::default();
        if !check.applies(&sample) {
            sample.consoles.push(Console::default());
        }
        let silent = one(about.id, &sample);
        assert_eq!(silent.checks[0].state, State::Skipped, "{}", about.id);
        assert!(!silent.checks[0].judgement.missing.is_empty());
        let mut late = sample;
        for question in check.questions() {
            late.answers.insert(question.name, Answer::Late);
        }
        assert_eq!(
            one(about.id, &late).checks[0].state,
            State::Skipped,
            "{}",
            about.id
        );
    }
    let hidden = "pid=7 role=app hidden=t\npid=8 role=app kind=client~backend state=idle";
    check(
        "long-queries",
        &[("sessions", hidden)],
        State::Skipped,
        &["1 hidden session of other roles"],
    );
    // What is seen all the same is said.
    let busy = "pid=7 role=app hidden=t\npid=8 role=app database=d kind=client~backend state=active query_s=90 started=1.5";
    check(
        "long-queries",
        &[("sessions", busy)],
        State::Warning,
        &[
            "1 statement has run for 1 min or longer",
            "part of it was not seen",
        ],
    );
}

#[test]
fn trees_of_locks_end_also_in_a_circle() {
    let sessions = "pid=1 role=a database=d kind=client~backend state=idle~in~transaction state_s=9 started=1\n\
                    pid=2 role=b database=d kind=client~backend state=active\n\
                    pid=3 role=c database=d kind=client~backend state=active";
    let chain = "pid=2 blockers=1 mode=ShareLock kind=transactionid waited_s=6\n\
                 pid=3 blockers=2 mode=ShareLock kind=transactionid waited_s=5";
    check(
        "blocking",
        &[("sessions", sessions), ("locks", chain)],
        State::Warning,
        &[
            "\n    pid 1 ",
            "\n      pid 2 ",
            "\n        pid 3 ",
            "behind 1 blocker",
            "pg_terminate_backend(pid)",
        ],
    );
    let circle = "pid=2 blockers=3 waited_s=61\npid=3 blockers=2 waited_s=61";
    check(
        "blocking",
        &[("sessions", sessions), ("locks", circle)],
        State::Critical,
        &["behind 0 blockers"],
    );
    let short = "pid=2 blockers=1 waited_s=4.9";
    check(
        "blocking",
        &[("sessions", sessions), ("locks", short)],
        State::Ok,
        &[],
    );
}

#[test]
fn memory_is_judged_against_both_bounds() {
    let settings = "name=work_mem reset_val=4096\nname=shared_buffers reset_val=32768\nname=maintenance_work_mem \
                    reset_val=65536\nname=hash_mem_multiplier reset_val=2\nname=autovacuum_work_mem reset_val=-1";
    for (ram, state) in [
        (Bytes::gib(4), State::Ok),
        (Bytes::gib(1), State::Warning),
        (Bytes::mib(512), State::Critical),
    ] {
        let mut sample = sample(&[("settings", settings)]);
        sample.given = Given {
            ram: Some(ram),
            ..Given::default()
        };
        let report = one("memory", &sample);
        assert_eq!(report.checks[0].state, state, "{ram}: {report:#?}");
    }
    check(
        "memory",
        &[("settings", settings)],
        State::Skipped,
        &["--ram"],
    );
}

#[test]
fn names_of_others_are_no_orders_for_a_terminal_or_a_page() {
    let evil = "pid=1 role=a database=d application=\u{1b}[2J`evil` address=::1 kind=client~backend state=active \
                query_s=99 started=1 query=select~'secret'";
    let report = one("long-queries", &sample(&[("sessions", evil)]));
    for shown in [
        text(&report, true, Colours(false)),
        markdown(&report),
        json(&report).to_string(),
    ] {
        assert!(
            !shown.contains('\u{1b}') && !shown.contains("secret"),
            "{shown}"
        );
    }
}

#[test]
fn every_check_can_be_named_and_is_in_the_manual() {
    let mut ids = BTreeSet::new();
    for check in all() {
        let about = check.about();
        assert!(ids.insert(about.id), "{} twice", about.id);
        assert!(named(about.id).is_some());
        let row = format!(
            "| `{}` | {} | {} | {} | {} |",
            about.id,
            about.title,
            State::from(about.worst).word(),
            about.privilege.words(),
            about.source
        );
        assert!(MANUAL.contains(&row), "docs/doctor.md lacks the row\n{row}");
        for question in check.questions() {
            assert!(!question.sql.contains(';'), "{}", question.name);
        }
    }
}

#[test]
fn a_refused_login_says_what_to_do() {
    for (sqlstate, word) in [
        ("53300", "--reserved"),
        ("28P01", "password is wrong"),
        ("3D000", "database does not exist"),
        ("XX000", "does not let this role in"),
    ] {
        let why = Unreachable::Refused {
            sqlstate: sqlstate.to_owned(),
            message: "no".to_owned(),
        };
        let report = unreachable("db:5432/app", &why);
        assert_eq!(report.state, State::Critical);
        let text = text(&report, false, Colours(false));
        assert!(text.contains(word) && text.contains(sqlstate), "{text}");
    }
}

const MANUAL: &str = include_str!("../../../docs/doctor.md");

#[test]
fn consoles_are_judged_by_their_tables() {
    let console = |answers: &[(&'static str, &str)]| {
        let mut console = Console {
            shown: "pooler:6432/pgbouncer".to_owned(),
            ..Console::default()
        };
        for (name, text) in answers {
            console.answers.insert(name, Answer::Rows(rows(text)));
        }
        console
    };
    let pools = |row: &str| {
        format!(
            "{row} database=app user=app pool_mode=transaction\ndatabase=pgbouncer user=pgbouncer pool_mode=statement"
        )
    };
    let config = "key=query_wait_timeout value=10\nkey=max_client_conn value=100\nkey=max_prepared_statements value=0";
    for (id, pool, databases, state, word) in [
        (
            "pool-waits",
            "cl_waiting=3 maxwait=0 maxwait_us=999999 sv_active=2",
            "",
            State::Ok,
            "",
        ),
        (
            "pool-waits",
            "cl_waiting=3 maxwait=1 sv_active=2",
            "",
            State::Warning,
            "every server",
        ),
        (
            "pool-waits",
            "cl_waiting=3 maxwait=5 sv_active=2",
            "",
            State::Critical,
            "3 clients wait",
        ),
        (
            "pool-waits",
            "cl_waiting=1 maxwait=2 sv_login=1",
            "",
            State::Warning,
            "does not let the pooler in",
        ),
        (
            "pooler-prepared-statements",
            "",
            "",
            State::Warning,
            "max_prepared_statements",
        ),
        ("pooler-timeouts", "", "", State::Ok, ""),
        (
            "pool-sum",
            "",
            "name=app pool_size=77 reserve_pool_size=0 max_connections=0",
            State::Ok,
            "77 of 97",
        ),
        (
            "pool-sum",
            "",
            "name=app pool_size=77 reserve_pool_size=1 max_connections=0",
            State::Warning,
            "78 of 97",
        ),
        (
            "pool-sum",
            "",
            "name=app pool_size=99 reserve_pool_size=0 max_connections=0",
            State::Critical,
            "99 of 97",
        ),
        (
            "pool-sum",
            "",
            "name=app pool_size=99 reserve_pool_size=9 max_connections=20",
            State::Ok,
            "20 of 97",
        ),
        (
            "pool-sum",
            "",
            "name=pgbouncer pool_size=99",
            State::Ok,
            "0 of 97",
        ),
        (
            "paused-databases",
            "",
            "name=app paused=1 disabled=0",
            State::Critical,
            "RESUME app",
        ),
        (
            "paused-databases",
            "",
            "name=app paused=0 disabled=1",
            State::Critical,
            "ENABLE app",
        ),
        (
            "pooler-chains",
            "",
            "name=app host=pooler port=6432",
            State::Warning,
            "looks like",
        ),
        (
            "pooler-chains",
            "",
            "name=app host=db port=5432",
            State::Ok,
            "",
        ),
    ] {
        let mut sample = sample(&[]);
        let version = ("version", "version=PgBouncer~1.21.0");
        sample.consoles = vec![console(&[
            ("config", config),
            ("pools", &pools(pool)),
            ("databases", databases),
            ("lists", "list=used_clients items=5"),
            version,
        ])];
        let report = one(id, &sample);
        assert_eq!(
            report.checks[0].state, state,
            "{id} {pool} {databases}: {report:#?}"
        );
        let text = text(&report, true, Colours(false));
        assert!(text.contains(word), "{word} in:\n{text}");
    }
    for (used, state) in [(79, State::Ok), (80, State::Warning), (95, State::Critical)] {
        let mut sample = sample(&[]);
        let lists = format!("list=used_clients items={used}");
        sample.consoles = vec![console(&[("config", config), ("lists", &lists)])];
        assert_eq!(
            one("pooler-clients", &sample).checks[0].state,
            state,
            "{used}"
        );
    }
    // A console that says nothing is not well, and without PostgreSQL only consoles are looked at.
    let alone = Sample {
        consoles: vec![Console {
            silent: Some("refused".to_owned()),
            ..console(&[])
        }],
        ..Sample::default()
    };
    let report = examine("pooler", &alone, all());
    assert_eq!(report.count(State::Ok), 0, "{report:#?}");
    assert!(
        report
            .checks
            .iter()
            .all(|checked| checked.about.id != "wraparound")
    );
    assert!(
        report
            .checks
            .iter()
            .any(|checked| checked.about.id == "pool-waits")
    );
}

#[test]
fn mends_touch_no_maintenance_replication_or_warm_connections_and_the_mildest_comes_first() {
    let server = format!("{} ", SERVER.1);
    let sessions = "\
        pid=1 role=a database=d kind=client~backend state=idle state_s=9999 started=1\n\
        pid=2 role=a database=d kind=client~backend state=idle~in~transaction state_s=90 started=2\n\
        pid=3 role=a database=d application=pg_dump kind=client~backend state=idle~in~transaction state_s=90 started=3\n\
        pid=4 role=a database=d kind=walsender state=active query_s=9999 transaction_s=9999 started=4\n\
        pid=5 role=a database=d kind=client~backend state=active query_s=90 started=5\n\
        pid=6 role=a database=d kind=autovacuum~worker state=active query_s=9999 transaction_s=9999 started=6\n\
        pid=7 role=a hidden=t";
    let limits = "role=a name=statement_timeout ms=0\nrole=a name=idle_session_timeout ms=5000";
    let locks = "pid=5 blockers=2 waited_s=70";
    let sample = sample(&[
        ("server", &server),
        ("sessions", sessions),
        ("role_limits", limits),
        ("locks", locks),
    ]);
    let shown = |named: bool| -> Vec<(&str, String)> {
        let mends = mends(&sample, all(), named);
        mends
            .iter()
            .map(|mend| (mend.rung.word(), mend.statements.join("; ")))
            .collect()
    };
    let proposed = shown(false);
    let rungs: Vec<&str> = proposed.iter().map(|(rung, _)| *rung).collect();
    // The session is found by two checks, whose conditions differ.
    assert_eq!(
        rungs,
        ["setting", "setting", "terminate", "terminate"],
        "{proposed:#?}"
    );
    for (rung, sql) in shown(true) {
        let is_of = |pid: u32| sql.contains(&format!("pid = {pid} "));
        match rung {
            "setting" => {}
            "terminate" => assert!(
                is_of(2) && sql.contains("state LIKE 'idle in transaction%'"),
                "{sql}"
            ),
            "cancel" => assert!(is_of(5) && sql.contains("state = 'active'"), "{sql}"),
            other => panic!("{other}: {sql}"),
        }
        if rung != "setting" {
            assert!(
                sql.contains("backend_start") && sql.contains("backend_type = 'client backend'"),
                "{sql}"
            );
        }
    }
    assert!(shown(true).iter().any(|(rung, _)| *rung == "cancel"));
    // A name is a name, whatever is in it.
    let odd = "role=a\"b';~drop name=statement_timeout ms=0";
    let sample = self::sample(&[("role_limits", odd)]);
    let mends = mends(&sample, &[named("missing-timeouts").unwrap()], true);
    assert_eq!(
        mends[0].statements,
        ["ALTER ROLE \"a\"\"b'; drop\" SET statement_timeout = '30s'"]
    );
}
