use pgweir_wire::frame::{HEADER_LEN, header};
use pgweir_wire::{encode, frontend};

use super::extended::{PORTALS_MAX, STATEMENTS_MAX};
use super::{Identity, PIECE, Session, Step, greeting};
use crate::command::Role;
use crate::order::{Done, Order, Refusal};
use crate::rows::{Cell, Row, Rows};
use crate::table::Table;

/// A session with a pooler behind it that has these rows for every table.
struct Console {
    session: Session,
    rows: Vec<Row>,
    outcome: Result<Done, Refusal>,
    ordered: Vec<Order>,
}

fn console(role: Role) -> Console {
    let session = Session::new(Identity {
        role,
        user: "bob".to_owned(),
        database: "pgbouncer".to_owned(),
        pid: 7,
        version: "1.2.3",
    });
    Console {
        session,
        rows: vec![
            vec!["active".into(), "yes".into()],
            vec!["paused".into(), "no".into()],
        ],
        outcome: Ok(Done::default()),
        ordered: Vec::new(),
    }
}

impl Console {
    /// Says this, and gives back what was answered: the types of messages, and what stands in some of them.
    fn say(&mut self, bytes: &[u8]) -> String {
        let (mut rest, mut out, mut sent) = (bytes, Vec::new(), Vec::new());
        while let Some(header) = header(rest).unwrap() {
            let body = &rest[HEADER_LEN..header.message_len()];
            let mut step = self.session.message(header.kind, body, &mut out);
            loop {
                step = match step {
                    Step::Show(query) => {
                        let width = query.table.columns().len();
                        let rows = self
                            .rows
                            .clone()
                            .into_iter()
                            .filter(move |row| row.len() == width);
                        self.session.show(Rows::new(rows, &query), &mut out)
                    }
                    Step::Order(order) => {
                        self.ordered.push(order);
                        self.session.ordered(self.outcome.clone(), &mut out)
                    }
                    Step::More => {
                        assert!(out.len() < PIECE + 4096, "a piece is not much longer");
                        sent.append(&mut out);
                        self.session.more(&mut out)
                    }
                    Step::Next | Step::Flush | Step::Leave => break,
                };
            }
            rest = &rest[header.message_len()..];
        }
        assert!(rest.is_empty());
        sent.append(&mut out);
        told(&sent)
    }

    fn ask(&mut self, sql: &str) -> String {
        let mut out = Vec::new();
        encode::query(&mut out, sql);
        self.say(&out)
    }
}

/// Messages in short: `T`, `D(active,yes)`, `C(SHOW)`, `E(08P01 text)`, `Z(I)`.
fn told(mut bytes: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some(header) = header(bytes).unwrap() {
        let body = &bytes[HEADER_LEN..header.message_len()];
        let kind = char::from(header.kind);
        words.push(match kind {
            'D' => format!("D({})", values(body).join(",")),
            'C' => format!("C({})", String::from_utf8_lossy(&body[..body.len() - 1])),
            'Z' => format!("Z({})", char::from(body[0])),
            'E' => {
                let field = |code| {
                    let mut fields = body.split(|byte| *byte == 0);
                    let found = fields.find(|field| field.first() == Some(&code)).unwrap();
                    String::from_utf8_lossy(&found[1..]).into_owned()
                };
                format!("E({} {})", field(b'C'), field(b'M'))
            }
            _ => kind.to_string(),
        });
        bytes = &bytes[header.message_len()..];
    }
    words.join(" ")
}

fn values(body: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = &body[2..];
    while let Some((len, behind)) = rest.split_first_chunk() {
        let len = usize::try_from(i32::from_be_bytes(*len)).unwrap_or(0);
        values.push(String::from_utf8_lossy(&behind[..len]).into_owned());
        rest = &behind[len..];
    }
    values
}

#[test]
fn a_simple_query_is_answered_with_rows_a_tag_and_a_notice_or_an_error() {
    for (sql, answer) in [
        ("SHOW STATE", "T D(active,yes) D(paused,no) C(SHOW) Z(I)"),
        (
            "SHOW STATE WHERE value = 'no';",
            "T D(paused,no) C(SHOW) Z(I)",
        ),
        ("SHOW HELP", "N C(SHOW) Z(I)"),
        ("PAUSE app", "C(PAUSE) Z(I)"),
        ("SELECT 1", "T D(1) C(SHOW) Z(I)"),
        (
            "SELECT version()",
            "T D(PostgreSQL 9.6 (pgweir 1.2.3, admin console)) C(SHOW) Z(I)",
        ),
        ("SHOW server_version", "T D(1.2.3/bouncer) C(SHOW) Z(I)"),
        ("SELECT current_user", "T D(bob) C(SHOW) Z(I)"),
        ("SELECT pg_backend_pid()", "T D(7) C(SHOW) Z(I)"),
        ("SELECT pg_is_in_recovery()", "T D(f) C(SHOW) Z(I)"),
        ("SET client_encoding = 'utf8'", "C(SET) Z(I)"),
        ("", "I Z(I)"),
        (";", "I Z(I)"),
        (
            "BEGIN; SHOW STATE; COMMIT",
            "C(BEGIN) T D(active,yes) D(paused,no) C(SHOW) C(COMMIT) Z(I)",
        ),
        ("BEGIN", "C(BEGIN) Z(T)"),
        (
            "VACUUM",
            "E(08P01 invalid command 'VACUUM', use SHOW HELP;) Z(I)",
        ),
        (
            "RELOAD; NOTHING; PAUSE",
            "C(RELOAD) E(08P01 invalid command 'NOTHING', use SHOW HELP;) Z(I)",
        ),
        ("DISCARD ALL", "C(DISCARD ALL) Z(I)"),
    ] {
        assert_eq!(console(Role::Admin).ask(sql), answer, "{sql}");
    }
    let many = "SHOW STATE;".repeat(65);
    let answer = console(Role::Admin).ask(&many);
    assert_eq!(answer, "E(54000 a query may have at most 64 commands) Z(I)");
}

#[test]
fn an_order_that_is_refused_is_an_error_with_its_code() {
    let mut console = console(Role::Admin);
    for (refusal, answer) in [
        (
            Refusal::NoSuchDatabase("x".to_owned()),
            "E(08P01 no such database: x) Z(I)",
        ),
        (
            Refusal::ReloadFailed("why".to_owned()),
            "E(F0000 RELOAD failed, see logs for additional details) Z(I)",
        ),
    ] {
        console.outcome = Err(refusal);
        assert_eq!(console.ask("RELOAD"), answer);
    }
    console.outcome = Ok(Done {
        notice: Some("so it is".to_owned()),
    });
    assert_eq!(console.ask("RELOAD"), "N C(RELOAD) Z(I)");
}

/// CVE-2026-6667 was KILL_CLIENT by users that may only look.
#[test]
fn orders_of_who_may_only_look_are_refused_in_both_protocols() {
    for order in [
        "KILL_CLIENT 1",
        "PAUSE",
        "RESUME",
        "DISABLE a",
        "ENABLE a",
        "RECONNECT",
        "KILL",
        "SUSPEND",
        "WAIT_CLOSE",
        "RELOAD",
        "SHUTDOWN",
        "SET log_connections = 0",
        "SHOW FDS",
    ] {
        let mut console = console(Role::Stats);
        let refused = "E(08P01 admin access needed)";
        assert_eq!(console.ask(order), format!("{refused} Z(I)"), "{order}");
        let mut batch = Vec::new();
        encode::parse(&mut batch, "", order);
        encode::bind(&mut batch, "", "");
        encode::execute(&mut batch, "");
        encode::sync(&mut batch);
        assert_eq!(
            console.say(&batch),
            format!("1 2 {refused} Z(I)"),
            "{order}"
        );
        assert_eq!(console.ordered, []);
        assert_eq!(
            console.ask("SHOW STATE"),
            "T D(active,yes) D(paused,no) C(SHOW) Z(I)"
        );
    }
}

/// What a driver sends that prepares a statement.
fn prepared(sql: &str, rows: i32) -> Vec<u8> {
    let mut batch = Vec::new();
    encode::parse(&mut batch, "s", sql);
    encode::describe_statement(&mut batch, "s");
    encode::sync(&mut batch);
    encode::bind(&mut batch, "", "s");
    execute(&mut batch, "", rows);
    encode::sync(&mut batch);
    encode::close_statement(&mut batch, "s");
    encode::sync(&mut batch);
    batch
}

fn execute(out: &mut Vec<u8>, portal: &str, rows: i32) {
    encode::message(out, frontend::EXECUTE, |out| {
        out.extend_from_slice(portal.as_bytes());
        out.push(0);
        out.extend_from_slice(&rows.to_be_bytes());
    });
}

#[test]
fn the_extended_protocol_is_spoken() {
    for (sql, answer) in [
        (
            "SHOW STATE",
            "1 t T Z(I) 2 D(active,yes) D(paused,no) C(SHOW) Z(I) 3 Z(I)",
        ),
        ("PAUSE", "1 t n Z(I) 2 C(PAUSE) Z(I) 3 Z(I)"),
        ("SHOW HELP", "1 t n Z(I) 2 N C(SHOW) Z(I) 3 Z(I)"),
        ("SELECT 1", "1 t T Z(I) 2 D(1) C(SHOW) Z(I) 3 Z(I)"),
        ("", "1 t n Z(I) 2 I Z(I) 3 Z(I)"),
        ("BEGIN", "1 t n Z(I) 2 C(BEGIN) Z(T) 3 Z(T)"),
        (
            "SHOW STATE WHERE key = $1",
            "E(0A000 the console takes no parameters) Z(I) \
             E(26000 prepared statement \"s\" does not exist) Z(I) 3 Z(I)",
        ),
    ] {
        assert_eq!(console(Role::Admin).say(&prepared(sql, 0)), answer, "{sql}");
    }
}

#[test]
fn rows_are_fetched_in_parts() {
    let mut console = console(Role::Admin);
    console.ask("BEGIN");
    let mut batch = Vec::new();
    encode::parse(&mut batch, "", "SHOW STATE");
    encode::bind(&mut batch, "p", "");
    execute(&mut batch, "p", 1);
    execute(&mut batch, "p", 1);
    execute(&mut batch, "p", 1);
    execute(&mut batch, "p", 1);
    encode::sync(&mut batch);
    let answer = "1 2 D(active,yes) s D(paused,no) s C(SHOW) \
                  E(55000 portal \"p\" cannot be run) Z(T)";
    assert_eq!(console.say(&batch), answer);
}

#[test]
fn a_portal_ends_with_its_transaction() {
    let mut console = console(Role::Admin);
    let mut batch = Vec::new();
    encode::parse(&mut batch, "", "SHOW STATE");
    encode::bind(&mut batch, "p", "");
    encode::sync(&mut batch);
    execute(&mut batch, "p", 0);
    encode::sync(&mut batch);
    assert_eq!(
        console.say(&batch),
        "1 2 Z(I) E(34000 portal \"p\" does not exist) Z(I)"
    );
}

#[test]
fn results_have_the_formats_that_were_asked_for() {
    let mut console = console(Role::Admin);
    console.rows = vec![vec!["pools".into(), Cell::Number(0x6162_6364)]];
    let bind = |formats: &[u16]| {
        let mut batch = Vec::new();
        encode::parse(&mut batch, "", "SHOW LISTS");
        encode::message(&mut batch, frontend::BIND, |out| {
            // Portal, statement, no formats of parameters, no parameters.
            out.extend_from_slice(&[0; 6]);
            let count = u16::try_from(formats.len()).unwrap();
            out.extend_from_slice(&count.to_be_bytes());
            formats
                .iter()
                .for_each(|one| out.extend_from_slice(&one.to_be_bytes()));
        });
        encode::execute(&mut batch, "");
        encode::sync(&mut batch);
        batch
    };
    for (formats, answer) in [
        (&[][..], "1 2 D(pools,1633837924) C(SHOW) Z(I)"),
        (&[1], "1 2 D(pools,abcd) C(SHOW) Z(I)"),
        (&[0, 1], "1 2 D(pools,abcd) C(SHOW) Z(I)"),
        (&[1, 0], "1 2 D(pools,1633837924) C(SHOW) Z(I)"),
        (&[2], "1 E(22023 unsupported format code: 2) Z(I)"),
        (
            &[0, 0, 0],
            "1 E(08P01 bind message has 3 result formats but query has 2 columns) Z(I)",
        ),
    ] {
        assert_eq!(console.say(&bind(formats)), answer, "{formats:?}");
    }
}

#[test]
fn what_a_session_keeps_has_a_bound() {
    let mut console = console(Role::Admin);
    let mut batch = Vec::new();
    for number in 0..=STATEMENTS_MAX {
        encode::parse(&mut batch, number.to_string(), "SHOW STATE");
    }
    encode::sync(&mut batch);
    let answer = console.say(&batch);
    assert!(answer.ends_with(
        "E(54000 a session of the console may have at most 512 prepared statements) Z(I)"
    ));
    let mut batch = Vec::new();
    for number in 0..=PORTALS_MAX {
        encode::bind(&mut batch, number.to_string(), "0");
    }
    encode::sync(&mut batch);
    let answer = console.say(&batch);
    assert!(answer.ends_with("E(54000 a session of the console may have at most 64 portals) Z(I)"));
}

#[test]
fn a_long_answer_comes_in_pieces() {
    let mut console = console(Role::Admin);
    let row: Row = vec!["x".repeat(1000).into(), "yes".into()];
    console.rows = vec![row; 1000];
    let answer = console.ask("SHOW STATE");
    assert_eq!(answer.matches("D(x").count(), 1000);
    assert!(answer.ends_with("C(SHOW) Z(I)"));
}

#[test]
fn nonsense_is_an_error_and_the_session_goes_on() {
    let kinds = [b'P', b'B', b'D', b'E', b'C', b'Q', b'F', b'd', b'z', 0];
    for kind in kinds {
        for body in [
            &b""[..],
            b"\0",
            b"\xff\xff\xff",
            b"\xff\0\xff\0\0\0",
            b"S",
            b"Sx",
            b"\0\0\0\x01",
        ] {
            let mut console = console(Role::Admin);
            let mut batch = Vec::new();
            encode::message(&mut batch, kind, |out| out.extend_from_slice(body));
            encode::sync(&mut batch);
            let answer = console.say(&batch);
            assert!(answer.ends_with("Z(I)"), "{kind} {body:?}: {answer}");
            assert_eq!(console.ask("PAUSE"), "C(PAUSE) Z(I)");
        }
    }
}

#[test]
fn a_client_is_greeted_as_drivers_expect_it() {
    let identity = console(Role::Admin).session.identity;
    let mut out = Vec::new();
    greeting(&identity, &[1, 2, 3, 4], &mut out);
    assert_eq!(told(&out), "R S S S S S S S S S S S S K Z(I)");
    let said = String::from_utf8_lossy(&out);
    for (name, value) in [
        ("server_version", "1.2.3/bouncer"),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "GMT"),
        ("is_superuser", "on"),
        ("standard_conforming_strings", "on"),
    ] {
        assert!(said.contains(&format!("{name}\0{value}\0")), "{name}");
    }
}

#[test]
fn every_table_can_be_described() {
    for table in Table::ALL {
        let mut console = console(Role::Admin);
        let answer = console.say(&prepared(&format!("SHOW {}", table.word()), 0));
        assert!(answer.starts_with("1 t T Z(I) 2"), "{answer}");
    }
}
