use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Breach, Handshake, Identity, LoginError, MESSAGE_MAX, MESSAGES_MAX, Method, Opened,
    REPORTED_MAX, Secrets, Turn,
};
use crate::auth::md5;
use crate::auth::scram::{self, Verifier, server};
use crate::backend::{self, TxStatus};
use crate::encode::{self, ErrorFields, Severity};
use crate::frame::{HEADER_LEN, header};
use crate::frontend;
use crate::sqlstate::SqlState;
use crate::startup::{self, FirstPacket};

const NONCE: &str = "client-nonce";
const SALT: [u8; 4] = [1, 2, 3, 4];

fn identity(secrets: Secrets) -> Identity {
    Identity {
        user: "alice".to_owned(),
        database: "shop".to_owned(),
        parameters: vec![("application_name".to_owned(), "test".to_owned())],
        secrets,
        weakest: Method::Cleartext,
        binding: None,
        requires_binding: false,
        minor: 2,
    }
}

fn password(password: &str) -> Secrets {
    Secrets {
        password: Some(password.to_owned()),
        ..Secrets::default()
    }
}

fn scram_keys(verifier: &Verifier, client_key: scram::ClientKey) -> Secrets {
    Secrets {
        scram_keys: Some((client_key, verifier.server_key)),
        ..Secrets::default()
    }
}

fn verifier(password: &str) -> Arc<Verifier> {
    Arc::new(Verifier::from_password(password, b"salt".to_vec(), 1))
}

/// Messages of a server that `write` appends.
fn said(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// A message of any type and body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn start(identity: &Identity) -> Handshake {
    Handshake::start(identity, NONCE.to_owned(), &mut Vec::new())
}

/// What a login comes to if the server says all this at once; it must take every byte.
fn hears(identity: &mut Identity, bytes: &[u8]) -> Result<(Turn, Vec<u8>), LoginError> {
    let mut out = Vec::new();
    let (consumed, turn) = start(identity).on_bytes(bytes, identity, &mut out)?;
    assert_eq!(consumed, bytes.len());
    Ok((turn, out))
}

fn check_error(secrets: Secrets, bytes: &[u8], expected: impl Into<LoginError>) {
    let got = hears(&mut identity(secrets), bytes).map(|_| ());
    assert_eq!(got, Err(expected.into()), "{}", bytes.escape_ascii());
}

/// The body of the only message in `bytes`, which has to be an answer to an authentication
/// request.
fn answer(bytes: &[u8]) -> &[u8] {
    let header = header(bytes).unwrap().unwrap();
    assert_eq!(header.kind, frontend::PASSWORD);
    assert_eq!(header.message_len(), bytes.len());
    &bytes[HEADER_LEN..]
}

fn settings(out: &mut Vec<u8>) {
    encode::authentication_ok(out);
    encode::parameter_status(out, "server_version", "17.2");
    encode::notice(out, &fields(Severity::Notice));
    encode::parameter_status(out, "TimeZone", "UTC");
    encode::backend_key_data(out, 7, b"key4");
    encode::ready_for_query(out, TxStatus::Idle);
}

fn fields(severity: Severity) -> ErrorFields<'static> {
    ErrorFields {
        severity,
        sqlstate: SqlState::TOO_MANY_CONNECTIONS,
        message: "too many clients",
        detail: None,
        hint: None,
    }
}

fn opened() -> Opened {
    let pair = |name: &str, value: &str| (name.to_owned(), value.into());
    Opened {
        reported: vec![pair("server_version", "17.2"), pair("TimeZone", "UTC")],
        cancel_key: Some((7, b"key4".to_vec())),
    }
}

/// Logs in by SCRAM at a server with `verifier`; gives what the login comes to, and the client's
/// key that the server saw.
fn log_in_by_scram(
    identity: &mut Identity,
    verifier: &Arc<Verifier>,
) -> Result<(Opened, scram::ClientKey), LoginError> {
    let mut out = Vec::new();
    let mut say = |login: Handshake, bytes: &[u8], identity: &mut Identity| {
        out.clear();
        let (consumed, turn) = login.on_bytes(bytes, identity, &mut out)?;
        assert_eq!(consumed, bytes.len());
        Ok::<_, LoginError>((turn, out.clone()))
    };
    let wait = |turn| match turn {
        Turn::Wait(login) => login,
        Turn::Ready(opened) => panic!("too early: {opened:?}"),
    };
    let offer = said(|out| encode::authentication_sasl(out, &["OTHER", scram::MECHANISM]));
    let (turn, first) = say(start(identity), &offer, identity)?;
    let (mechanism, data) = frontend::sasl_initial(answer(&first)).unwrap();
    assert_eq!(mechanism, scram::MECHANISM.as_bytes());
    let exchange = server::First::new(Arc::clone(verifier));
    let (challenge, exchange) = exchange.on_client_first(data.unwrap(), "server").unwrap();
    let bytes = said(|out| encode::authentication_sasl_continue(out, &challenge));
    let (turn, last) = say(wait(turn), &bytes, identity)?;
    let outcome = exchange.on_client_final(answer(&last));
    let (proof, client_key) = outcome.map_err(LoginError::Scram)?;
    let bytes = said(|out| {
        encode::authentication_sasl_final(out, &proof);
        settings(out);
    });
    match say(wait(turn), &bytes, identity)?.0 {
        Turn::Ready(opened) => Ok((opened, client_key)),
        Turn::Wait(login) => panic!("not ready: {login:?}"),
    }
}

#[test]
fn the_startup_packet_names_who_logs_in_where() {
    let mut out = Vec::new();
    Handshake::start(&identity(Secrets::default()), NONCE.to_owned(), &mut out);
    let Ok(Some((FirstPacket::Startup(startup), _))) = startup::parse(&out) else {
        panic!("not a startup packet");
    };
    assert_eq!((&*startup.user, &*startup.database), ("alice", "shop"));
    assert_eq!(startup.minor, 2);
    let sent = [("application_name".to_owned(), "test".to_owned())];
    assert_eq!(startup.parameters, sent);
}

#[test]
fn a_server_may_speak_an_older_version_and_no_newer_one() {
    let offers = |asked, minor, options: &[String]| {
        let mut anyone = identity(Secrets::default());
        anyone.minor = asked;
        let bytes = said(|out| {
            encode::negotiate_protocol_version(out, minor, options);
            settings(out);
        });
        hears(&mut anyone, &bytes).map(|(turn, _)| matches!(turn, Turn::Ready(_)))
    };
    let bad = |asked, minor| Err(Breach::Negotiation { asked, minor }.into());
    for (asked, minor) in [(0, 0), (2, 0), (2, 1), (2, 2)] {
        assert_eq!(offers(asked, minor, &[]), Ok(true));
    }
    assert_eq!(offers(0, 2, &[]), bad(0, 2));
    assert_eq!(offers(2, 3, &[]), bad(2, 3));
    assert_eq!(offers(2, 0, &["_pq_.x".to_owned()]), bad(2, 0));
    let kind = backend::NEGOTIATE_PROTOCOL_VERSION;
    let broken = message(kind, b"\0\x02\0\0\0\0\0\0");
    check_error(Secrets::default(), &broken, Breach::Malformed { kind });
    let late = said(|out| {
        encode::authentication_ok(out);
        encode::negotiate_protocol_version(out, 0, &[]);
        encode::ready_for_query(out, TxStatus::Idle);
    });
    assert!(
        hears(&mut identity(Secrets::default()), &late).is_ok(),
        "of no use any more"
    );
}

#[test]
fn keys_for_cancelling_may_have_256_bytes() {
    for len in [4, 32, 256] {
        let key = vec![7; len];
        let bytes = said(|out| {
            encode::authentication_ok(out);
            encode::backend_key_data(out, 9, &key);
            encode::ready_for_query(out, TxStatus::Idle);
        });
        let (turn, _) = hears(&mut identity(Secrets::default()), &bytes).unwrap();
        assert!(matches!(turn, Turn::Ready(got) if got.cancel_key == Some((9, key))));
    }
}

#[test]
fn a_server_that_asks_for_nothing_is_let_be() {
    let mut anyone = identity(Secrets::default());
    anyone.weakest = Method::Scram;
    let (turn, out) = hears(&mut anyone, &said(settings)).unwrap();
    assert!(matches!(turn, Turn::Ready(got) if got == opened()));
    assert_eq!(out, b"");
}

#[test]
fn a_password_answers_clear_text_and_md5() {
    let alice = &mut identity(password("secret"));
    let (turn, out) = hears(alice, &said(encode::authentication_cleartext)).unwrap();
    assert_eq!(frontend::password(answer(&out)), Some(&b"secret"[..]));
    assert!(matches!(turn, Turn::Wait(_)));

    let (_, out) = hears(alice, &said(|out| encode::authentication_md5(out, SALT))).unwrap();
    let response = frontend::password(answer(&out)).unwrap();
    assert!(md5::check(
        &md5::verifier("alice", "secret"),
        SALT,
        response
    ));
}

#[test]
fn an_md5_verifier_answers_md5() {
    let verifier = md5::verifier("alice", "secret");
    let secrets = Secrets {
        md5_verifier: Some(verifier.clone()),
        ..Secrets::default()
    };
    let asked = said(|out| encode::authentication_md5(out, SALT));
    let (_, out) = hears(&mut identity(secrets), &asked).unwrap();
    let response = frontend::password(answer(&out)).unwrap();
    assert!(md5::check(&verifier, SALT, response));
}

#[test]
fn scram_keeps_what_it_made_of_the_password() {
    let alice = &mut identity(password("secret"));
    alice.weakest = Method::Scram;
    let verifier = verifier("secret");
    let (got, client_key) = log_in_by_scram(alice, &verifier).unwrap();
    assert_eq!(got, opened());
    let cache = alice.secrets.cache.clone().unwrap();
    assert_eq!(cache.client_key, client_key);

    // The cache is used: with another password beside it the proof is still right.
    alice.secrets.password = Some("other".to_owned());
    assert!(log_in_by_scram(alice, &verifier).is_ok());
}

#[test]
fn keys_of_a_clients_login_pass_scram_and_are_not_cached() {
    let verifier = verifier("secret");
    let (_, client_key) = log_in_by_scram(&mut identity(password("secret")), &verifier).unwrap();
    let passed = &mut identity(scram_keys(&verifier, client_key));
    assert_eq!(log_in_by_scram(passed, &verifier).unwrap().0, opened());
    assert_eq!(passed.secrets.cache, None);
}

#[test]
fn a_server_that_does_not_know_the_verifier_is_not_believed() {
    let sasl = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
    let alice = &mut identity(password("secret"));
    let Ok((Turn::Wait(login), _)) = hears(alice, &sasl) else {
        panic!("SCRAM is answered");
    };
    let challenge = format!("r={NONCE}server,s=c2FsdA==,i=1");
    let wrong = format!("v={}=", "A".repeat(43));
    let rest = said(|out| {
        encode::authentication_sasl_continue(out, challenge.as_bytes());
        encode::authentication_sasl_final(out, wrong.as_bytes());
    });
    let got = login.on_bytes(&rest, alice, &mut Vec::new()).map(|_| ());
    assert_eq!(got, Err(scram::ScramError::ServerSignature.into()));
}

#[test]
fn what_cannot_be_answered_is_named() {
    let cleartext = said(encode::authentication_cleartext);
    let md5 = said(|out| encode::authentication_md5(out, SALT));
    let sasl = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
    let md5_only = || Secrets {
        md5_verifier: Some(md5::verifier("alice", "secret")),
        ..Secrets::default()
    };
    let missing = |method| LoginError::NoSecret { method };
    check_error(Secrets::default(), &cleartext, missing(Method::Cleartext));
    check_error(Secrets::default(), &md5, missing(Method::Md5));
    check_error(Secrets::default(), &sasl, missing(Method::Scram));
    check_error(md5_only(), &cleartext, missing(Method::Cleartext));
    check_error(md5_only(), &sasl, missing(Method::Scram));
}

#[test]
fn weak_methods_are_refused_where_they_are_not_allowed() {
    let cases = [
        (Method::Cleartext, said(encode::authentication_cleartext)),
        (
            Method::Md5,
            said(|out| encode::authentication_md5(out, SALT)),
        ),
        (
            Method::Scram,
            said(|out| encode::authentication_sasl(out, &[scram::MECHANISM])),
        ),
    ];
    for weakest in [Method::Cleartext, Method::Md5, Method::Scram] {
        for (asked, bytes) in &cases {
            let mut alice = identity(password("secret"));
            alice.weakest = weakest;
            let asked = *asked;
            match hears(&mut alice, bytes) {
                Ok(_) => assert!(asked >= weakest),
                Err(error) => {
                    assert!(asked < weakest);
                    assert_eq!(error, LoginError::TooWeak { asked, weakest });
                }
            }
        }
    }
}

#[test]
fn a_refusal_is_told_apart_from_a_breach() {
    let error = said(|out| encode::error(out, &fields(Severity::Fatal)));
    let refused = || LoginError::Refused {
        sqlstate: Some(SqlState::TOO_MANY_CONNECTIONS),
        message: "too many clients".to_owned(),
    };
    check_error(Secrets::default(), &error, refused());
    // Also where it comes in place of settings.
    let late = [said(encode::authentication_ok), error].concat();
    check_error(Secrets::default(), &late, refused());
}

#[test]
fn breaches_are_named() {
    let ok = said(encode::authentication_ok);
    let after_ok = |bytes: &[u8]| [&ok[..], bytes].concat();
    let cleartext = said(encode::authentication_cleartext);
    let request = |number: u32| message(backend::AUTHENTICATION, &number.to_be_bytes());
    let kind = backend::READY_FOR_QUERY;
    let cases = [
        (
            b"R\0\0\0\x03".to_vec(),
            Breach::Length {
                kind: b'R',
                length: 3,
            },
        ),
        (message(kind, b"I"), Breach::Unexpected { kind }),
        (message(b'S', b"a\0b\0"), Breach::Unexpected { kind: b'S' }),
        (message(b'R', b"\0"), Breach::Malformed { kind: b'R' }),
        (
            after_ok(&message(b'S', b"a\0b")),
            Breach::Malformed { kind: b'S' },
        ),
        (after_ok(&message(kind, b"?")), Breach::Malformed { kind }),
        (request(2), Breach::UnknownMethod(2)),
        (
            said(|out| encode::authentication_sasl(out, &["OTHER"])),
            Breach::UnknownMechanisms,
        ),
        (
            said(|out| encode::authentication_sasl_continue(out, b"r=x")),
            Breach::OutOfOrder,
        ),
        (
            said(|out| encode::authentication_sasl_final(out, b"v=x")),
            Breach::OutOfOrder,
        ),
        ([cleartext.clone(), cleartext].concat(), Breach::OutOfOrder),
        (after_ok(&ok), Breach::OutOfOrder),
        (
            after_ok(&message(kind, b"T")),
            Breach::OpenTransaction {
                status: TxStatus::InTransaction,
            },
        ),
        (
            after_ok(&message(kind, b"E")),
            Breach::OpenTransaction {
                status: TxStatus::Failed,
            },
        ),
    ];
    for (bytes, breach) in cases {
        check_error(password("secret"), &bytes, breach);
    }
}

#[test]
fn success_before_the_servers_proof_is_a_breach() {
    let sasl = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
    let early = [sasl.clone(), said(encode::authentication_ok)].concat();
    check_error(password("secret"), &early, Breach::OutOfOrder);
    let challenge = format!("r={NONCE}server,s=c2FsdA==,i=1");
    let early = said(|out| {
        out.extend(&sasl);
        encode::authentication_sasl_continue(out, challenge.as_bytes());
        encode::authentication_ok(out);
    });
    check_error(password("secret"), &early, Breach::OutOfOrder);
}

#[test]
fn a_set_up_query_reports_what_it_changed() {
    let mut out = Vec::new();
    let login = Handshake::set_up("set timezone to 'Asia/Tokyo'", &mut out);
    assert_eq!(out[0], frontend::QUERY);
    let answer = said(|out| {
        encode::parameter_status(out, "TimeZone", "Asia/Tokyo");
        out.extend(message(backend::DATA_ROW, b"\0\0"));
        out.extend(message(backend::COMMAND_COMPLETE, b"SET\0"));
        encode::ready_for_query(out, TxStatus::Idle);
    });
    let alice = &mut identity(Secrets::default());
    let (consumed, turn) = login.on_bytes(&answer, alice, &mut out).unwrap();
    assert_eq!(consumed, answer.len());
    let Turn::Ready(opened) = turn else {
        panic!("not ready");
    };
    let tokyo = ("TimeZone".to_owned(), b"Asia/Tokyo".to_vec());
    assert_eq!(opened.reported, [tokyo]);
}

#[test]
fn bytes_after_ready_are_left_alone() {
    let bytes = said(settings);
    let more = [&bytes[..], b"N\0\0"].concat();
    let alice = &mut identity(Secrets::default());
    let (consumed, turn) = start(alice)
        .on_bytes(&more, alice, &mut Vec::new())
        .unwrap();
    assert_eq!(consumed, bytes.len());
    assert!(matches!(turn, Turn::Ready(_)));
}

#[test]
fn the_bounds_hold_and_no_more() {
    // Length of a message: the header alone decides.
    let header_of = |len: usize| {
        let length = u32::try_from(len - 1).unwrap();
        ([&b"N"[..], &length.to_be_bytes()].concat(), length)
    };
    let (bytes, _) = header_of(MESSAGE_MAX);
    let alice = &mut identity(Secrets::default());
    let waits = start(alice).on_bytes(&bytes, alice, &mut Vec::new());
    assert!(matches!(waits, Ok((0, Turn::Wait(_)))));
    let (bytes, length) = header_of(MESSAGE_MAX + 1);
    check_error(
        Secrets::default(),
        &bytes,
        Breach::Length { kind: b'N', length },
    );

    // Number of messages.
    let notice = message(backend::NOTICE_RESPONSE, b"\0");
    let most = notice.repeat(MESSAGES_MAX);
    assert!(hears(alice, &most).is_ok());
    let more = [most, notice].concat();
    check_error(Secrets::default(), &more, Breach::TooManyMessages);

    // Bytes of settings.
    let values = |last: usize| {
        said(|out| {
            encode::authentication_ok(out);
            for len in [REPORTED_MAX / 4, REPORTED_MAX / 4, REPORTED_MAX / 4, last] {
                encode::parameter_status(out, "a", "x".repeat(len - 1));
            }
        })
    };
    assert!(hears(alice, &values(REPORTED_MAX / 4)).is_ok());
    let more = values(REPORTED_MAX / 4 + 1);
    check_error(Secrets::default(), &more, Breach::TooManySettings);
}

#[test]
fn debug_output_has_no_secrets() {
    let mut alice = identity(password("hunter2"));
    alice.secrets.md5_verifier = Some("md5hunter2".to_owned());
    let sasl = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
    let (turn, _) = hears(&mut alice, &sasl).unwrap();
    let shown = format!("{alice:?} {turn:?} {:?}", opened());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", b"key4")), "{shown}");
}

#[test]
fn errors_say_what_was_expected() {
    let no_secret = LoginError::NoSecret {
        method: Method::Md5,
    };
    assert_eq!(
        no_secret.to_string(),
        "the server asks for an MD5 digest of the password, and there is no plain or md5 password \
         to answer with"
    );
    let open = LoginError::from(Breach::OpenTransaction {
        status: TxStatus::Failed,
    });
    assert_eq!(
        open.to_string(),
        "the server is ready with transaction status \"E\", expected \"I\""
    );
}

/// Says `bytes` in pieces that end at `cuts`; gives what was answered and what it came to.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Opened) {
    let alice = &mut identity(password("secret"));
    let mut login = start(alice);
    let (mut out, mut kept) = (Vec::new(), Vec::new());
    let mut from = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        kept.extend_from_slice(&bytes[from..cut]);
        from = cut;
        let (consumed, turn) = login.on_bytes(&kept, alice, &mut out).unwrap();
        kept.drain(..consumed);
        match turn {
            Turn::Wait(next) => login = next,
            Turn::Ready(opened) => {
                assert_eq!((from, kept.len()), (bytes.len(), 0));
                return (out, opened);
            }
        }
    }
    panic!("not ready: {login:?}");
}

/// Everything that a server says in a login by SCRAM. The client's nonce is fixed, so that it can
/// be said again.
fn conversation() -> Vec<u8> {
    let alice = &mut identity(password("secret"));
    let offer = said(|out| encode::authentication_sasl(out, &[scram::MECHANISM]));
    let (turn, first) = hears(alice, &offer).unwrap();
    let (_, data) = frontend::sasl_initial(answer(&first)).unwrap();
    let exchange = server::First::new(verifier("secret"));
    let (challenge, exchange) = exchange.on_client_first(data.unwrap(), "server").unwrap();
    let challenge = said(|out| encode::authentication_sasl_continue(out, &challenge));
    let Turn::Wait(login) = turn else {
        panic!("too early");
    };
    let mut last = Vec::new();
    login.on_bytes(&challenge, alice, &mut last).unwrap();
    let (proof, _) = exchange.on_client_final(answer(&last)).unwrap();
    said(|out| {
        encode::negotiate_protocol_version(out, 0, &[]);
        out.extend([offer, challenge].concat());
        encode::authentication_sasl_final(out, &proof);
        settings(out);
    })
}

#[test]
fn every_split_of_a_conversation_gives_the_same_answers() {
    let bytes = conversation();
    let whole = in_pieces(&bytes, &[]);
    assert_eq!(whole.1, opened());
    for cut in 0..bytes.len() {
        assert_eq!(in_pieces(&bytes, &[cut]), whole, "{cut}");
    }
}

proptest! {
    #[test]
    fn any_pieces_of_a_conversation_give_the_same_answers(
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)
            .prop_map(|cuts| {
                let len = conversation().len() + 1;
                cuts.iter().map(|cut| cut.index(len)).collect::<Vec<_>>()
            }),
    ) {
        cuts.sort_unstable();
        let bytes = conversation();
        // Nothing is said to a client that is ready.
        cuts.retain(|&cut| cut < bytes.len());
        prop_assert_eq!(in_pieces(&bytes, &cuts), in_pieces(&bytes, &[]));
    }

    #[test]
    fn nothing_that_a_server_says_panics(
        messages in prop::collection::vec(
            (prop::sample::select(&b"RSKZEN?"[..]), prop::collection::vec(0..14_u8, 0..12)),
            0..12,
        ),
    ) {
        let mut bytes = Vec::new();
        for (kind, body) in messages {
            bytes.extend(message(kind, &body));
        }
        let alice = &mut identity(password("secret"));
        let mut out = Vec::new();
        if let Ok((consumed, Turn::Ready(_))) = start(alice).on_bytes(&bytes, alice, &mut out) {
            // Without a proof the client gives, the server must have said that none is needed.
            prop_assert!(consumed >= HEADER_LEN + 4);
        }
    }
}
