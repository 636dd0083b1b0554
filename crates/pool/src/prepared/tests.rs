//! Scripts of the extended protocol: what a client says, what its server hears, what that answers and what the client
//! hears.
//!
//! `P s1 q1` is a Parse of the text `q1` as `s1`, `B s1` a Bind, `D s1` a Describe, `C s1` a Close, with `-` for
//! no name; `E` an Execute, `S` a Sync, `Q text` a Query. Answers are one letter each; `Ctag` is a command's end,
//! `Zi`, `Zt` and `Zf` a ReadyForQuery, `!` an error.

use std::sync::Arc;

use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::{backend, encode, frontend};

use crate::parameters::Parameters;
use crate::relay::{FromClient, Hold, Mode, Relay};
use crate::upstream::{FromServer, Refusal, Upstream, encode_stale};

fn client() -> Relay {
    client_of(&[])
}

fn client_of(settings: &[(&str, &str)]) -> Relay {
    let mut parameters = Parameters::default();
    for (name, value) in settings {
        parameters.set(name, value);
    }
    let mut relay = Relay::new(Mode::Transaction, Arc::new(parameters));
    relay.share(2);
    relay
}

fn server() -> Upstream {
    Upstream::new(Arc::new(Parameters::default()))
}

fn said(script: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for step in script.split("; ") {
        let (kind, rest) = step.split_at(1);
        let words: Vec<_> = rest.split_whitespace().collect();
        let name = |at: usize| words[at].replace('-', "");
        match kind {
            "P" => encode::parse(&mut out, name(0), words[1..].join(" ")),
            "B" => encode::bind(&mut out, "", name(0)),
            "D" => encode::describe_statement(&mut out, name(0)),
            "C" => encode::close_statement(&mut out, name(0)),
            "E" => encode::execute(&mut out, ""),
            "S" => encode::sync(&mut out),
            "H" => encode::message(&mut out, frontend::FLUSH, |_| {}),
            "Q" => encode::query(&mut out, rest.trim()),
            other => panic!("{other}"),
        }
    }
    out
}

/// Messages of a client in the words of a script.
fn heard(mut bytes: &[u8]) -> String {
    let mut steps = Vec::new();
    while let Ok(Some(header)) = frame::header(bytes) {
        let body = &bytes[HEADER_LEN..header.message_len()];
        bytes = &bytes[header.message_len()..];
        let text = |bytes: Option<&[u8]>| {
            let text = String::from_utf8_lossy(bytes.expect("a string")).into_owned();
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        steps.push(match header.kind {
            frontend::PARSE => {
                let sql = text(frontend::parse_text(body));
                format!("P {} {sql}", text(frontend::parse_name(body)))
            }
            frontend::BIND => format!("B {}", text(frontend::bind_statement(body))),
            frontend::DESCRIBE => format!("D {}", text(frontend::target(body).map(|t| t.1))),
            frontend::CLOSE => format!("C {}", text(frontend::target(body).map(|t| t.1))),
            frontend::QUERY => format!("Q {}", text(frontend::query_text(body))),
            kind => char::from(kind).to_string(),
        });
    }
    assert!(bytes.is_empty(), "whole messages");
    steps.join("; ").replace("pgweir_", "#")
}

fn answered(script: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for word in script.split_whitespace() {
        let (kind, rest) = word.split_at(1);
        let body = match kind {
            "C" => format!("{}\0", rest.replace('_', " ")),
            "Z" => rest.to_uppercase().replace('F', "E"),
            "~" => "SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0RRevalidateCachedQuery\0\0".to_owned(),
            "?" => "SERROR\0VERROR\0C42883\0Mno\0\0".to_owned(),
            "!" => "SERROR\0VERROR\0C42601\0Mno\0\0".to_owned(),
            // Types of parameters, and of the one column.
            "t" if !rest.is_empty() => format!("\0\x01\0\0\0{rest}"),
            "t" => "\0\0".to_owned(),
            "T" => format!("\0\x01a\0\0\0\0\x07\0\x01\0\0\0{rest}\0\x04\0\0\0\0\0\0"),
            "^" => "SERROR\0VERROR\0C0A000\0Mx: \"pgweir rejects.session_state.stale_statement\"\0\0".to_owned(),
            _ => String::new(),
        };
        let kind = if matches!(kind, "!" | "?" | "~" | "^") {
            "E"
        } else {
            kind
        };
        encode::message(&mut out, kind.as_bytes()[0], |out| {
            out.extend_from_slice(body.as_bytes());
        });
    }
    out
}

/// Answers as one letter each.
fn letters(mut bytes: &[u8]) -> String {
    let mut letters = Vec::new();
    while let Ok(Some(header)) = frame::header(bytes) {
        bytes = &bytes[header.message_len()..];
        letters.push(match header.kind {
            backend::ERROR_RESPONSE => '!',
            kind => char::from(kind),
        });
    }
    letters
        .iter()
        .map(char::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Sends what a client says in pieces of `size`; what the server hears. What waits stays in `held`.
fn send(
    relay: &mut Relay,
    server: &mut Upstream,
    held: &mut Vec<u8>,
    size: usize,
    bytes: &[u8],
) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut pieces = bytes.chunks(size.max(1));
    loop {
        match relay.receive(Some(server), held) {
            FromClient::Forward(len) => sent.extend(held.drain(..len)),
            FromClient::Spliced(len) => {
                sent.append(&mut server.spliced);
                held.drain(..len);
            }
            FromClient::Incomplete => match pieces.next() {
                Some(piece) => held.extend(piece),
                None => break,
            },
            FromClient::Full => {
                held.extend(pieces.by_ref().flatten());
                break;
            }
            end => panic!("{end:?}"),
        }
    }
    sent
}

fn receive(relay: &mut Relay, server: &mut Upstream, mut bytes: Vec<u8>) -> Vec<u8> {
    let mut seen = Vec::new();
    while !bytes.is_empty() {
        match server.receive(Some(&mut relay.client), &mut bytes) {
            FromServer::Forward(len) => seen.extend(bytes.drain(..len)),
            FromServer::Swallow(len) => drop(bytes.drain(..len)),
            FromServer::Refused(len, refusal) => {
                assert_eq!(refusal, Refusal::Stale);
                bytes.drain(..len);
                encode_stale(&mut seen);
            }
            end => panic!("{end:?}"),
        }
    }
    seen
}

/// One exchange: says, expects to be heard, answers, expects to be heard.
#[track_caller]
fn exchange(relay: &mut Relay, server: &mut Upstream, steps: [&str; 4]) {
    let [says, hears, answers, told] = steps;
    let mut held = Vec::new();
    let sent = send(relay, server, &mut held, usize::MAX, &said(says));
    assert!(held.is_empty(), "{says}: {} wait", heard(&held));
    assert_eq!(heard(&sent), hears, "{says}");
    let seen = receive(relay, server, answered(answers));
    assert_eq!(letters(&seen), told, "{says}: {answers}");
}

#[track_caller]
fn is_free(relay: &Relay, server: &Upstream) {
    assert_eq!(relay.hold(server), Hold::Free);
}

/// What the server lacks is parsed, with what is closed for it, and described as the client knows it; only then is the rest
/// sent. `steps` are what is said, and what is heard before and after.
#[track_caller]
fn moved(relay: &mut Relay, server: &mut Upstream, steps: [&str; 3], answers: &str, told: &str) {
    let [says, parses, hears] = steps;
    let mut held = Vec::new();
    let sent = send(relay, server, &mut held, usize::MAX, &said(says));
    assert_eq!((&*heard(&sent), &*heard(&held)), (parses, says));
    assert!(relay.is_held_back(server));
    let closed = if parses.starts_with('C') { "3 " } else { "" };
    let described = format!("{closed}1 t n");
    let sent = described_to(relay, server, &mut held, &described);
    assert_eq!(sent, hears, "{says}");
    let seen = receive(relay, server, answered(answers));
    assert_eq!(letters(&seen), told, "{says}: {answers}");
}

/// PostgreSQL answers what a message waits for; what it hears then.
#[track_caller]
fn described_to(
    relay: &mut Relay,
    server: &mut Upstream,
    held: &mut Vec<u8>,
    answers: &str,
) -> String {
    let seen = receive(relay, server, answered(answers));
    assert_eq!(letters(&seen), "");
    assert!(!relay.is_held_back(server));
    heard(&send(relay, server, held, 1, &[]))
}

/// Prepares `q1` as `a`.
fn prepare(relay: &mut Relay, server: &mut Upstream) {
    exchange(
        relay,
        server,
        ["P a q1; S", "P #1 q1; D #1; S", "1 t n Zi", "1 Z"],
    );
}

#[test]
fn a_statement_is_found_on_every_server_and_pins_none() {
    let (mut relay, mut first, mut second) = (client(), server(), server());
    prepare(&mut relay, &mut first);
    is_free(&relay, &first);
    let again = ["B a; E; S", "B #1; E; S", "2 CSELECT_1 Zi", "2 C Z"];
    exchange(&mut relay, &mut first, again);
    let there = ["B a; E; S", "P #1 q1; D #1; H", "B #1; E; S"];
    moved(&mut relay, &mut second, there, "2 CSELECT_1 Zi", "2 C Z");
    exchange(&mut relay, &mut second, again);
    exchange(
        &mut relay,
        &mut second,
        ["D a; S", "D #1; S", "t n Zi", "t n Z"],
    );
    is_free(&relay, &second);
}

#[test]
fn a_statement_that_the_server_has_is_not_parsed_again_whoever_asks() {
    let (mut one, mut other, mut shared) = (client(), client(), server());
    prepare(&mut one, &mut shared);
    // Under another name, and answered at its place.
    exchange(
        &mut other,
        &mut shared,
        [
            "P b q1; D b; S",
            "D #1; C #; D #1; S",
            "t n 3 t n Zi",
            "1 t n Z",
        ],
    );
    // The same name is another statement.
    exchange(
        &mut other,
        &mut shared,
        ["P a q2; S", "P #2 q2; D #2; S", "1 t n Zi", "1 Z"],
    );
    let both = ["B a; E; S", "B #1; E; S", "2 CX Zi", "2 C Z"];
    exchange(&mut one, &mut shared, both);
    let both = [
        "B a; E; B b; E; S",
        "B #2; E; B #1; E; S",
        "2 CX 2 CX Zi",
        "2 C 2 C Z",
    ];
    exchange(&mut other, &mut shared, both);
    // What is closed is gone for this client alone.
    exchange(&mut other, &mut shared, ["C b; S", "C #; S", "3 Zi", "3 Z"]);
    exchange(&mut other, &mut shared, ["B b; S", "B b; S", "! Zi", "! Z"]);
    exchange(&mut one, &mut shared, ["B a; S", "B #1; S", "2 Zi", "2 Z"]);
}

#[test]
fn settings_by_which_a_text_is_read_make_another_statement() {
    let mut shared = server();
    prepare(&mut client(), &mut shared);
    let mut german = client_of(&[("datestyle", "German"), ("application_name", "x")]);
    exchange(
        &mut german,
        &mut shared,
        ["P a q1; S", "P #2 q1; D #2; S", "1 t n Zi", "1 Z"],
    );
    let mut named = client_of(&[("application_name", "y")]);
    exchange(
        &mut named,
        &mut shared,
        ["P a q1; S", "D #1; C #; S", "t n 3 Zi", "1 Z"],
    );
}

#[test]
fn what_the_server_skips_was_never_prepared_or_closed() {
    let (mut relay, mut first, mut second) = (client(), server(), server());
    prepare(&mut relay, &mut first);
    let failed = [
        "B x; P b q2; C a; S",
        "B x; P #2 q2; D #2; C #; S",
        "! Zi",
        "! Z",
    ];
    exchange(&mut relay, &mut first, failed);
    exchange(&mut relay, &mut first, ["B b; S", "B b; S", "! Zi", "! Z"]);
    exchange(&mut relay, &mut first, ["B a; S", "B #1; S", "2 Zi", "2 Z"]);
    exchange(
        &mut relay,
        &mut first,
        ["P b q2; S", "P #3 q2; D #3; S", "1 t n Zi", "1 Z"],
    );
    // A Parse put in front that fails is the failure of what it was put in front of.
    let mut held = Vec::new();
    let says = said("B a; E; S");
    let sent = send(&mut relay, &mut second, &mut held, usize::MAX, &says);
    assert_eq!(heard(&sent), "P #1 q1; D #1; H");
    let seen = receive(&mut relay, &mut second, answered("!"));
    assert_eq!(letters(&seen), "!");
    assert!(!relay.is_held_back(&second));
    let sent = send(&mut relay, &mut second, &mut held, 1, &[]);
    assert_eq!(heard(&sent), "B a; E; S");
    let seen = receive(&mut relay, &mut second, answered("Zi"));
    assert_eq!(letters(&seen), "Z");
    let again = ["B a; E; S", "P #2 q1; D #2; H", "B #2; E; S"];
    moved(&mut relay, &mut second, again, "2 CX Zi", "2 C Z");
    // What is sent after an error is known goes nowhere.
    exchange(&mut relay, &mut second, ["B x", "B x", "!", "!"]);
    exchange(
        &mut relay,
        &mut second,
        ["P c q3; C a; S", "P c q3; C a; S", "Zi", "Z"],
    );
    exchange(
        &mut relay,
        &mut second,
        ["B a; S", "B #2; S", "2 Zi", "2 Z"],
    );
    is_free(&relay, &second);
}

#[test]
fn a_name_that_is_taken_is_refused_by_postgresql() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    let taken = ["P a q2; S", "P a -; P a q2; S", "1 ! Zi", "! Z"];
    exchange(&mut relay, &mut first, taken);
    // What stands there is closed before somebody else gets the server.
    let mut out = Vec::new();
    assert!(first.close_stands(&mut out));
    assert_eq!(heard(&out), "C a; S");
    assert_eq!(
        letters(&receive(&mut relay, &mut first, answered("3 Zi"))),
        ""
    );
    is_free(&relay, &first);
    exchange(&mut relay, &mut first, ["B a; S", "B #1; S", "2 Zi", "2 Z"]);
}

#[test]
fn the_least_used_statement_makes_room_and_comes_back() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    exchange(
        &mut relay,
        &mut first,
        ["P b q2; S", "P #2 q2; D #2; S", "1 t n Zi", "1 Z"],
    );
    exchange(&mut relay, &mut first, ["B a; S", "B #1; S", "2 Zi", "2 Z"]);
    exchange(
        &mut relay,
        &mut first,
        ["P c q3; S", "C #2; P #3 q3; D #3; S", "3 1 t n Zi", "1 Z"],
    );
    let back = ["B b; S", "C #1; P #4 q2; D #4; H", "B #4; S"];
    moved(&mut relay, &mut first, back, "2 Zi", "2 Z");
    // A Close that is skipped closed nothing.
    let mut held = Vec::new();
    let says = said("B x; B a; S");
    let sent = send(&mut relay, &mut first, &mut held, usize::MAX, &says);
    assert_eq!(heard(&sent), "B x; C #3; P #5 q1; D #5; H");
    receive(&mut relay, &mut first, answered("!"));
    assert!(!relay.is_held_back(&first));
    let sent = send(&mut relay, &mut first, &mut held, 1, &[]);
    assert_eq!(heard(&sent), "B a; S");
    receive(&mut relay, &mut first, answered("Zi"));
    exchange(&mut relay, &mut first, ["B c; S", "B #3; S", "2 Zi", "2 Z"]);
    assert_eq!(first.prepared.shared.len(), 2);
}

#[test]
fn a_plan_that_went_stale_is_made_anew() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    exchange(
        &mut relay,
        &mut first,
        ["B a; E; S", "B #1; E; S", "~ Zi", "! Z"],
    );
    assert_eq!(first.observer.work.reshaped, 1);
    let anew = ["P b q1; S", "C #1; P #2 q1; D #2; S", "3 1 t n Zi", "1 Z"];
    exchange(&mut relay, &mut first, anew);
    exchange(&mut relay, &mut first, ["B a; S", "B #2; S", "2 Zi", "2 Z"]);
    // Tables that the client itself changes are known to have changed.
    let altered = [
        "Q alter table t",
        "Q alter table t",
        "CALTER_TABLE Zi",
        "C Z",
    ];
    exchange(&mut relay, &mut first, altered);
    let anew = ["B a; S", "C #2; P #3 q1; D #3; H", "B #3; S"];
    moved(&mut relay, &mut first, anew, "2 Zi", "2 Z");
    // And those that were changed elsewhere, when the server is given out.
    first.tables_as_of(3);
    let anew = ["B a; S", "C #3; P #4 q1; D #4; H", "B #4; S"];
    moved(&mut relay, &mut first, anew, "2 Zi", "2 Z");
    first.tables_as_of(3);
    exchange(&mut relay, &mut first, ["B a; S", "B #4; S", "2 Zi", "2 Z"]);
    // An error that says something else changes nothing.
    exchange(
        &mut relay,
        &mut first,
        ["B a; E; S", "B #4; E; S", "2 ! Zi", "2 ! Z"],
    );
    exchange(&mut relay, &mut first, ["B a; S", "B #4; S", "2 Zi", "2 Z"]);
}

#[test]
fn what_depends_on_answers_waits_for_them() {
    let (mut relay, mut first) = (client(), server());
    let mut held = Vec::new();
    let pipelined = said("P a q1; S; B a; S");
    let sent = send(&mut relay, &mut first, &mut held, usize::MAX, &pipelined);
    assert_eq!(
        (&*heard(&sent), &*heard(&held)),
        ("P #1 q1; D #1; S", "B a; S")
    );
    assert!(relay.is_held_back(&first));
    receive(&mut relay, &mut first, answered("! Zi"));
    assert!(!relay.is_held_back(&first));
    let sent = send(&mut relay, &mut first, &mut held, 1, &[]);
    assert_eq!(heard(&sent), "B a; S");
    receive(&mut relay, &mut first, answered("! Zi"));
    is_free(&relay, &first);
}

#[test]
fn in_a_transaction_that_may_have_failed_nothing_is_answered_for_postgresql() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    first.status = backend::TxStatus::Failed;
    let failed = ["P b q1; S", "C #1; P #2 q1; D #2; S", "3 ! Zf", "! Z"];
    exchange(&mut relay, &mut first, failed);
    exchange(
        &mut relay,
        &mut first,
        ["Q rollback", "Q rollback", "CROLLBACK Zi", "C Z"],
    );
    exchange(
        &mut relay,
        &mut first,
        ["P b q1; S", "P #3 q1; D #3; S", "1 t n Zi", "1 Z"],
    );
}

#[test]
fn the_unnamed_statement_is_the_clients_wherever_it_goes() {
    let (mut relay, mut first, mut second) = (client(), server(), server());
    exchange(
        &mut relay,
        &mut first,
        ["P - q1; D -; S", "P - q1; D -; S", "1 t n Zi", "1 t n Z"],
    );
    is_free(&relay, &first);
    relay.attach(&mut second, &mut Vec::new());
    let there = ["B -; E; S", "P - q1; B -; E; S", "1 2 CX Zi", "2 C Z"];
    exchange(&mut relay, &mut second, there);
    exchange(&mut relay, &mut second, ["B -; S", "B -; S", "2 Zi", "2 Z"]);
    // A query drops it; and a client that has none does not find another's.
    exchange(&mut relay, &mut second, ["Q x", "Q x", "CX Zi", "C Z"]);
    relay.attach(&mut first, &mut Vec::new());
    exchange(
        &mut relay,
        &mut first,
        ["B -; S", "C -; B -; S", "3 ! Zi", "! Z"],
    );
    // One that is not known to have been parsed is not used.
    exchange(
        &mut relay,
        &mut first,
        ["B x; P - q2; S", "B x; P - q2; S", "! Zi", "! Z"],
    );
    exchange(
        &mut relay,
        &mut first,
        ["B -; S", "C -; B -; S", "3 ! Zi", "! Z"],
    );
}

#[test]
fn sql_finds_statements_by_the_clients_names() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    let runs = [
        "Q execute a",
        "P a q1; S; Q execute a",
        "1 Zi CSELECT_1 Zi",
        "C Z",
    ];
    exchange(&mut relay, &mut first, runs);
    let dropped = ["Q deallocate a", "Q deallocate a", "CDEALLOCATE Zi", "C Z"];
    exchange(&mut relay, &mut first, dropped);
    is_free(&relay, &first);
    assert!(!first.prepared.has_stands());
    exchange(&mut relay, &mut first, ["B a; S", "B a; S", "! Zi", "! Z"]);
    // What SQL prepares is the server's alone.
    let made = ["Q prepare a as q", "Q prepare a as q", "CPREPARE Zi", "C Z"];
    exchange(&mut relay, &mut first, made);
    assert!(matches!(relay.hold(&first), Hold::Pinned(_)));
    exchange(
        &mut relay,
        &mut first,
        ["P a q1; S", "P a q1; S", "! Zi", "! Z"],
    );
    exchange(
        &mut relay,
        &mut first,
        ["B a; C a; S", "B a; C a; S", "2 3 Zi", "2 3 Z"],
    );
    is_free(&relay, &first);
}

#[test]
fn sql_in_the_extended_protocol_drops_what_the_client_has() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    let dropped = [
        "P - deallocate a; B -; E; S",
        "P a -; P - deallocate a; B -; E; S",
        "1 1 2 CDEALLOCATE Zi",
        "1 2 C Z",
    ];
    exchange(&mut relay, &mut first, dropped);
    exchange(
        &mut relay,
        &mut first,
        ["P a q1; S", "D #1; C #; S", "t n 3 Zi", "1 Z"],
    );
}

#[test]
fn discarding_all_drops_what_was_sent_before_it_and_nothing_else() {
    for (text, tag) in [
        ("discard all", "CDISCARD_ALL"),
        ("deallocate all", "CDEALLOCATE_ALL"),
    ] {
        let (mut relay, mut first) = (client(), server());
        prepare(&mut relay, &mut first);
        let (query, answer) = (format!("Q {text}"), format!("{tag} Zi"));
        exchange(&mut relay, &mut first, [&query, &query, &answer, "C Z"]);
        exchange(&mut relay, &mut first, ["B a; S", "B a; S", "! Zi", "! Z"]);
        exchange(
            &mut relay,
            &mut first,
            ["P a q1; S", "P #2 q1; D #2; S", "1 t n Zi", "1 Z"],
        );
        // In one batch: the statement is parsed anew whatever becomes of the other.
        let says = format!("P - {text}; B -; E; P b q1; B b; S");
        let hears =
            format!("P - {text}; B -; E; C #2; P #3 q1; D #3; C #3; P #4 q1; D #4; B #4; S");
        let answers = format!("1 2 {tag} 3 1 t n 3 1 t n 2 Zi");
        exchange(
            &mut relay,
            &mut first,
            [&says, &hears, &answers, "1 2 C 1 2 Z"],
        );
        exchange(&mut relay, &mut first, ["B a; S", "B a; S", "! Zi", "! Z"]);
        exchange(&mut relay, &mut first, ["B b; S", "B #4; S", "2 Zi", "2 Z"]);
    }
}

#[test]
fn every_split_says_and_tells_the_same() {
    let says = said("P b q1; P c q2; B b; D c; E; C b; S");
    let mut expected = None;
    for size in 1..says.len() {
        let (mut relay, mut first) = (client(), server());
        prepare(&mut relay, &mut first);
        let mut held = Vec::new();
        let sent = send(&mut relay, &mut first, &mut held, size, &says);
        let sent = heard(&sent);
        assert_eq!(
            *expected.get_or_insert(sent.clone()),
            sent,
            "pieces of {size}"
        );
        let mut told = Vec::new();
        let mut bytes = Vec::new();
        for piece in answered("t n 3 1 t n 2 t n CX 3 Zi").chunks(size) {
            bytes.extend(piece);
            loop {
                match first.receive(Some(&mut relay.client), &mut bytes) {
                    FromServer::Forward(len) => told.extend(bytes.drain(..len)),
                    FromServer::Swallow(len) => drop(bytes.drain(..len)),
                    FromServer::Incomplete => break,
                    end => panic!("{end:?}"),
                }
            }
        }
        assert_eq!(letters(&told), "1 1 2 t n C 3 Z", "pieces of {size}");
        is_free(&relay, &first);
    }
    assert_eq!(
        expected.as_deref(),
        Some("D #1; C #; P #2 q2; D #2; B #1; D #2; E; C #; S")
    );
}

#[test]
fn the_rest_of_a_message_follows_its_new_front() {
    let (mut relay, mut first) = (client(), server());
    prepare(&mut relay, &mut first);
    let mut bind = Vec::new();
    let values = vec![7; 3000];
    encode::message(&mut bind, frontend::BIND, |out| {
        out.extend_from_slice(b"portal\0a\0");
        out.extend_from_slice(&values);
    });
    for size in [1, 10, 1000, bind.len()] {
        let sent = send(&mut relay, &mut first, &mut Vec::new(), size, &bind);
        let mut expected = Vec::new();
        encode::message(&mut expected, frontend::BIND, |out| {
            out.extend_from_slice(b"portal\0pgweir_1\0");
            out.extend_from_slice(&values);
        });
        assert_eq!(sent, expected, "pieces of {size}");
    }
}

/// Prepares `q1` as `a`, with a parameter of the type `x` and a column of the type `y`.
fn prepare_typed(relay: &mut Relay, server: &mut Upstream) {
    exchange(
        relay,
        server,
        ["P a q1; S", "P #1 q1; D #1; S", "1 tx Ty Zi", "1 Z"],
    );
}

#[test]
fn a_statement_with_another_result_than_the_client_knows_is_refused() {
    for (says, told) in [("B a; E; S", "! Z"), ("D a; S", "! Z")] {
        let (mut relay, mut first, mut second) = (client(), server(), server());
        prepare_typed(&mut relay, &mut first);
        relay.attach(&mut second, &mut Vec::new());
        let mut held = Vec::new();
        let sent = send(&mut relay, &mut second, &mut held, usize::MAX, &said(says));
        assert_eq!(heard(&sent), "P #1 q1; D #1; H");
        let sent = described_to(&mut relay, &mut second, &mut held, "1 tx Tz");
        let rest = says.split_once(' ').expect("two words").1;
        let rest = rest.split_once("; ").expect("more").1;
        let refused = "P # SELECT FROM \"pgweir rejects\".\"session_state\".\"stale_statement\"";
        assert_eq!(sent, format!("{refused}; {rest}"));
        let seen = receive(&mut relay, &mut second, answered("^ Zi"));
        assert_eq!(letters(&seen), told);
        let text = String::from_utf8_lossy(&seen);
        assert!(
            text.contains("cached plan must not change result type"),
            "{text}"
        );
        assert!(text.contains("RRevalidateCachedQuery\0"), "{text}");
        // It is asked again, for the table may be as it was.
        let sent = send(&mut relay, &mut second, &mut held, usize::MAX, &said(says));
        assert_eq!(heard(&sent), "C #1; P #2 q1; D #2; H");
        let sent = described_to(&mut relay, &mut second, &mut held, "3 1 tx Ty");
        assert!(sent.contains("#2"), "{sent}");
        is_refreshed(&mut second);
    }
}

/// What was sent is answered somehow, and holds nothing.
fn is_refreshed(server: &mut Upstream) {
    let mut bytes = answered("! Zi");
    while !bytes.is_empty() {
        match server.receive(None, &mut bytes) {
            FromServer::Swallow(len) => drop(bytes.drain(..len)),
            end => panic!("{end:?}"),
        }
    }
    assert!(server.is_at_rest());
}

#[test]
fn parameters_keep_the_types_that_the_client_was_told() {
    let (mut relay, mut first, mut second) = (client(), server(), server());
    prepare_typed(&mut relay, &mut first);
    relay.attach(&mut second, &mut Vec::new());
    let mut held = Vec::new();
    let sent = send(
        &mut relay,
        &mut second,
        &mut held,
        usize::MAX,
        &said("B a; S"),
    );
    assert_eq!(heard(&sent), "P #1 q1; D #1; H");
    let seen = receive(&mut relay, &mut second, answered("1 tw Ty"));
    assert_eq!(letters(&seen), "");
    let sent = send(&mut relay, &mut second, &mut held, 1, &[]);
    let mut typed = Vec::new();
    encode::message(&mut typed, frontend::PARSE, |out| {
        out.extend_from_slice(b"pgweir_2\0q1\0\0\x01\0\0\0x");
    });
    assert!(sent.starts_with(&typed), "{sent:?}");
    assert_eq!(heard(&sent), "P #2 q1; D #2; H");
    let sent = described_to(&mut relay, &mut second, &mut held, "1 tx Ty");
    assert_eq!(sent, "B #2; S");
    receive(&mut relay, &mut second, answered("2 Zi"));
    // From then on it is there.
    exchange(
        &mut relay,
        &mut second,
        ["B a; S", "B #2; S", "2 Zi", "2 Z"],
    );
}

#[test]
fn a_table_that_was_made_again_alike_is_the_same() {
    let (mut relay, mut first, mut second) = (client(), server(), server());
    prepare_typed(&mut relay, &mut first);
    let mut held = Vec::new();
    let sent = send(
        &mut relay,
        &mut second,
        &mut held,
        usize::MAX,
        &said("B a; S"),
    );
    assert_eq!(heard(&sent), "P #1 q1; D #1; H");
    let mut row = answered("1 tx Ty");
    let table = row.len() - 18 + 3;
    row[table] ^= 0xff;
    receive(&mut relay, &mut second, row);
    assert!(!relay.is_held_back(&second));
    let sent = send(&mut relay, &mut second, &mut held, 1, &[]);
    assert_eq!(heard(&sent), "B #1; S");
}

#[test]
fn two_that_prepared_the_same_before_and_after_a_change_do_not_mix() {
    let (mut old, mut new) = (client(), client());
    let (mut first, mut second) = (server(), server());
    prepare_typed(&mut old, &mut first);
    let known = ["P b q1; S", "P #1 q1; D #1; S", "1 tx Tz Zi", "1 Z"];
    exchange(&mut new, &mut second, known);
    // Each finds what the other left.
    for (relay, server, says, is_same) in [
        (&mut new, &mut first, "B b; S", true),
        (&mut old, &mut second, "B a; S", false),
    ] {
        let mut held = Vec::new();
        let sent = send(relay, server, &mut held, usize::MAX, &said(says));
        assert_eq!(heard(&sent), "C #1; P #2 q1; D #2; H");
        let sent = described_to(relay, server, &mut held, "3 1 tx Tz");
        assert_eq!(sent.starts_with("B #2"), is_same, "{says}: {sent}");
    }
}

#[test]
fn what_fits_the_tables_no_longer_is_parsed_anew_next_time() {
    for (says, hears) in [("B a; S", "B #1; S"), ("D a; S", "D #1; S")] {
        let (mut relay, mut first) = (client(), server());
        prepare(&mut relay, &mut first);
        exchange(&mut relay, &mut first, [says, hears, "? Zi", "! Z"]);
        let anew = ["P b q1; S", "C #1; P #2 q1; D #2; S", "3 1 t n Zi", "1 Z"];
        exchange(&mut relay, &mut first, anew);
        // What fails when it runs says nothing of the kind.
        let fails = ["B b; E; S", "B #2; E; S", "2 ? Zi", "2 ! Z"];
        exchange(&mut relay, &mut first, fails);
        exchange(&mut relay, &mut first, ["B b; S", "B #2; S", "2 Zi", "2 Z"]);
    }
}
