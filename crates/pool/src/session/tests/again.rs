//! A batch whose first Parse was answered by what the server had, which turned out to be out of date: it is sent again,
//! and the client sees nothing of it.

use pgweir_wire::backend;
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::frontend;

use super::reject::{sent, told};
use super::*;

const STALE: &str =
    "SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0RRevalidateCachedQuery\0\0";

fn parse(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::parse(&mut bytes, name, "select * from t");
    bytes
}

fn run(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::bind(&mut bytes, "", name);
    encode::execute(&mut bytes, "");
    bytes
}

fn sync() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::sync(&mut bytes);
    bytes
}

/// Kinds of messages, with names of statements.
fn kinds(mut bytes: &[u8]) -> String {
    let mut kinds = Vec::new();
    while let Ok(Some(header)) = frame::header(bytes) {
        let body = &bytes[HEADER_LEN..header.message_len()];
        bytes = &bytes[header.message_len()..];
        let name = match header.kind {
            frontend::PARSE => frontend::parse_name(body),
            frontend::BIND => frontend::bind_statement(body),
            frontend::DESCRIBE | frontend::CLOSE => frontend::target(body).map(|(_, name)| name),
            _ => None,
        };
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        kinds.push(format!("{}{name}", char::from(header.kind)));
    }
    assert!(bytes.is_empty(), "whole messages");
    kinds.join(" ").replace("pgweir_", "")
}

/// Answers by their letters, `!` for the error about a statement that is out of date.
fn answers(letters: &str) -> Vec<u8> {
    let each = letters.split(' ').map(|letter| match letter {
        "!" => message(backend::ERROR_RESPONSE, STALE.as_bytes()),
        "Z" => message(backend::READY_FOR_QUERY, b"I"),
        "t" => message(backend::PARAMETER_DESCRIPTION, b"\0\0"),
        "C" => message(backend::COMMAND_COMPLETE, b"SELECT 1\0"),
        other => message(other.as_bytes()[0], b""),
    });
    each.collect::<Vec<_>>().concat()
}

/// A client that begins with these bytes and has a server, which has what it prepares from before.
fn known(bytes: &[u8], scratch: &mut [u8]) -> Session<Stream, Stream> {
    let (mut session, server) = pair(false);
    session.relay.share(10);
    session.client.input = [parse("old"), sync()].concat().into();
    session.ready(true, false);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    server_says(&mut session, &answers("1 t n Z"), false);
    let Need::Checkin(mut server) = session.pump(NOW, scratch) else {
        panic!("the server goes back");
    };
    server.stream.output.clear();
    told(&mut session);
    client_says(&mut session, bytes);
    assert!(matches!(session.pump(NOW, scratch), Need::Checkout));
    let need = session.attach(NOW, server, place(), None, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    session
}

/// Pumps; what the client and the server hear.
#[track_caller]
fn heard(session: &mut Session<Stream, Stream>, scratch: &mut [u8]) -> (String, String) {
    let need = session.pump(NOW, scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    (told(session).join(" "), kinds(&sent(session)))
}

/// Pumps; what the client hears when it gives the server up.
#[track_caller]
fn ended(session: &mut Session<Stream, Stream>, scratch: &mut [u8]) -> String {
    let need = session.pump(NOW, scratch);
    assert!(matches!(need, Need::Checkin(_)), "{need:?}");
    told(session).join(" ")
}

#[test]
fn a_batch_that_met_an_old_statement_is_sent_again_unseen() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = known(&[parse("a"), sync()].concat(), &mut scratch);
    assert_eq!(kinds(&sent(&mut session)), "D1 C S");
    let refused = answers("! Z");
    for (at, byte) in refused.iter().enumerate() {
        server_says(&mut session, &[*byte], false);
        let (client, server) = heard(&mut session, &mut scratch);
        assert_eq!(client, "", "byte {at}");
        // The whole error was needed, and nothing else.
        let is_known = at + 1 == answers("!").len();
        assert_eq!(
            server,
            if is_known { "C1 P2 D2 S" } else { "" },
            "byte {at}"
        );
    }
    server_says(&mut session, &answers("3 1 t n Z"), false);
    assert_eq!(ended(&mut session, &mut scratch), "1 Z");
}

#[test]
fn all_of_the_batch_is_sent_again_and_what_follows_it_waits() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = known(&parse("a"), &mut scratch);
    assert_eq!(kinds(&sent(&mut session)), "D1 C");
    client_says(
        &mut session,
        &[run("a"), sync(), query("select 2")].concat(),
    );
    let to_server = |server: &str| (String::new(), server.to_owned());
    assert_eq!(heard(&mut session, &mut scratch), to_server("B1 E S"));
    server_says(&mut session, &answers("! Z"), false);
    assert_eq!(
        heard(&mut session, &mut scratch),
        to_server("C1 P2 D2 B2 E S Q")
    );
    server_says(&mut session, &answers("3 1 t n 2 C Z C Z"), false);
    assert_eq!(ended(&mut session, &mut scratch), "1 2 C Z C Z");
}

#[test]
fn a_batch_without_its_end_is_ended_before_it_is_sent_again() {
    let mut scratch = vec![0; 32 * 1024];
    let mut flush = Vec::new();
    encode::message(&mut flush, frontend::FLUSH, |_| {});
    let mut session = known(&[parse("a"), flush].concat(), &mut scratch);
    assert_eq!(kinds(&sent(&mut session)), "D1 C H");
    server_says(&mut session, &answers("!"), false);
    let again = (String::new(), "S C1 P2 D2 H".to_owned());
    assert_eq!(heard(&mut session, &mut scratch), again);
    server_says(&mut session, &answers("Z 3 1 t n"), false);
    let parsed = ("1".to_owned(), String::new());
    assert_eq!(heard(&mut session, &mut scratch), parsed);
    client_says(&mut session, &sync());
    assert_eq!(
        heard(&mut session, &mut scratch),
        (String::new(), "S".to_owned())
    );
    server_says(&mut session, &answers("Z"), false);
    assert_eq!(ended(&mut session, &mut scratch), "Z");
}

#[test]
fn what_is_too_long_to_be_kept_waits_until_the_statement_is_known_to_be_right() {
    let mut scratch = vec![0; 128 * 1024];
    let mut long = Vec::new();
    encode::message(&mut long, frontend::BIND, |out| {
        out.extend_from_slice(b"\0a\0");
        out.resize(40_000, 0);
    });
    for (answer, server) in [("t n 3", "B1 S"), ("!", "S C1 P2 D2 B2 S")] {
        let batch = [parse("a"), long.clone(), sync()].concat();
        let mut session = known(&batch, &mut scratch);
        assert_eq!(kinds(&sent(&mut session)), "D1 C H");
        server_says(&mut session, &answers(answer), false);
        let client = if answer == "!" { "" } else { "1" };
        let expected = (client.to_owned(), server.to_owned());
        assert_eq!(heard(&mut session, &mut scratch), expected);
    }
}

#[test]
fn another_error_and_one_that_comes_later_are_the_clients() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = known(&[parse("a"), run("a"), sync()].concat(), &mut scratch);
    sent(&mut session);
    let gone = message(backend::ERROR_RESPONSE, b"SERROR\0VERROR\0C42P01\0Mno\0\0");
    server_says(&mut session, &[gone, answers("Z")].concat(), false);
    assert_eq!(ended(&mut session, &mut scratch), "42P01 no Z");
    // What was right when the client prepared it is PostgreSQL's to refuse.
    let mut session = known(&[parse("a"), run("a"), sync()].concat(), &mut scratch);
    sent(&mut session);
    server_says(&mut session, &answers("t n 3 ! Z"), false);
    let told = ended(&mut session, &mut scratch);
    assert_eq!(told, "1 0A000 cached plan must not change result type Z");
}

#[test]
fn amid_a_transaction_and_a_batch_a_statement_is_parsed() {
    let mut scratch = vec![0; 32 * 1024];
    let mut session = known(&query("begin"), &mut scratch);
    sent(&mut session);
    let begun = [
        message(backend::COMMAND_COMPLETE, b"BEGIN\0"),
        message(backend::READY_FOR_QUERY, b"T"),
    ];
    server_says(&mut session, &begun.concat(), false);
    heard(&mut session, &mut scratch);
    client_says(&mut session, &[parse("a"), sync()].concat());
    let (_, server) = heard(&mut session, &mut scratch);
    assert_eq!(server, "C1 P2 D2 S");
    let batch = [parse(""), run(""), parse("a"), sync()].concat();
    let mut session = known(&batch, &mut scratch);
    assert_eq!(kinds(&sent(&mut session)), "P B E C1 P2 D2 S");
}
