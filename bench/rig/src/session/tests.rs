//! Claims about the fake server: letters of the messages it answers with.

use super::*;

fn logged_in() -> Session {
    let mut bytes = Vec::new();
    startup::encode_startup(
        &mut bytes,
        0,
        &[("user", "bench"), ("application_name", "rig")],
    );
    let mut session = Session::new(7);
    let mut out = Vec::new();
    assert_eq!(session.on_bytes(&bytes, &mut out), Ok(bytes.len()));
    assert_eq!(letters(&out), format!("R{}KZI", "S".repeat(REPORTED.len())));
    session
}

/// The letters of messages; ReadyForQuery with its status, an error with its code.
fn letters(bytes: &[u8]) -> String {
    let mut letters = String::new();
    let consumed = walk(bytes, |kind, body| {
        letters.push(char::from(kind));
        match kind {
            b'Z' => letters.push(char::from(body[0])),
            b'E' => letters.push_str(backend::ErrorView::parse(body).sqlstate().unwrap().as_str()),
            _ => {}
        }
        Ok(())
    });
    assert_eq!(consumed, Ok(bytes.len()));
    letters
}

fn answer(session: &mut Session, build: impl FnOnce(&mut Vec<u8>)) -> String {
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    build(&mut bytes);
    assert_eq!(session.on_bytes(&bytes, &mut out), Ok(bytes.len()));
    letters(&out)
}

#[test]
fn simple_queries_are_answered_with_the_state_of_the_transaction() {
    let mut session = logged_in();
    for (sql, expected) in [
        ("SELECT 1", "TDCZI"),
        ("", "IZI"),
        ("BEGIN", "CZT"),
        ("SELECT 1; SELECT 2", "TDCTDCZT"),
        ("INSERT INTO t VALUES (1)", "CZT"),
        ("COMMIT", "CZI"),
        ("SET application_name = 'other'", "SCZI"),
        ("SET application_name = 'other'", "CZI"),
        ("SET work_mem = '1MB'", "CZI"),
        ("SELECT set_config('timezone', 'CET', false)", "TDSCZI"),
        ("SHOW timezone", "TDCZI"),
        ("DISCARD ALL", "SSCZI"),
    ] {
        assert_eq!(
            answer(&mut session, |out| encode::query(out, sql)),
            expected,
            "{sql}"
        );
    }
}

#[test]
fn extended_queries_are_answered_and_skipped_after_an_error() {
    let mut session = logged_in();
    let got = answer(&mut session, |out| {
        encode::parse(out, "a", "SELECT 1");
        encode::describe_statement(out, "a");
        encode::bind(out, "", "a");
        encode::execute(out, "");
        encode::sync(out);
    });
    assert_eq!(got, "1tT2DCZI");
    let got = answer(&mut session, |out| {
        encode::bind(out, "", "missing");
        encode::execute(out, "");
        encode::sync(out);
        encode::parse(out, "a", "SELECT 1");
        encode::sync(out);
        encode::close_statement(out, "a");
        encode::parse(out, "a", "SELECT 1");
        encode::sync(out);
    });
    assert_eq!(got, "E26000ZIE42P05ZI31ZI");
}

#[test]
fn an_error_fails_the_transaction_until_it_ends() {
    let mut session = logged_in();
    answer(&mut session, |out| encode::query(out, "BEGIN"));
    let got = answer(&mut session, |out| {
        encode::execute(out, "missing");
        encode::sync(out);
    });
    assert_eq!(got, "E34000ZE");
    assert_eq!(
        answer(&mut session, |out| encode::query(out, "COMMIT")),
        "CZI"
    );
}

#[test]
fn any_split_of_the_bytes_gives_the_same_answer() {
    let mut bytes = Vec::new();
    startup::encode_ssl_request(&mut bytes);
    startup::encode_startup(&mut bytes, 0, &[("user", "bench")]);
    encode::query(&mut bytes, "SELECT 1");
    let mut whole = Vec::new();
    assert_eq!(
        Session::new(7).on_bytes(&bytes, &mut whole),
        Ok(bytes.len())
    );
    for split in 0..bytes.len() {
        let mut session = Session::new(7);
        let mut out = Vec::new();
        let first = session.on_bytes(&bytes[..split], &mut out).unwrap();
        assert_eq!(
            session.on_bytes(&bytes[first..], &mut out),
            Ok(bytes.len() - first)
        );
        assert_eq!(out, whole, "{split}");
    }
}

#[test]
fn goodbyes_and_nonsense_end_the_connection() {
    let mut bytes = Vec::new();
    encode::terminate(&mut bytes);
    assert_eq!(logged_in().on_bytes(&bytes, &mut Vec::new()), Err(Stop));
    assert_eq!(
        logged_in().on_bytes(b"Q\0\0\0\0", &mut Vec::new()),
        Err(Stop)
    );
    assert_eq!(
        logged_in().on_bytes(b"~\0\0\0\x04", &mut Vec::new()),
        Err(Stop)
    );
    assert_eq!(
        Session::new(7).on_bytes(b"GET / HTTP/1.1\r\n", &mut Vec::new()),
        Err(Stop)
    );
}
