//! Statements that need a database for themselves.

use pgweir_wire::backend::TxStatus;
use pgweir_wire::encode;

use super::{NOW, client_says, message, pair, query, server_says};
use crate::session::Need;

/// What a client sends that has a server, and what is told of it.
fn check(sent: &[u8], expected: &[&str]) {
    let mut scratch = vec![0; 32 * 1024];
    let (mut session, server) = pair(false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Checkout));
    let need = session.attach(NOW, server, super::place(), None, &mut scratch);
    assert!(matches!(need, Need::Nothing), "{need:?}");
    // In a transaction, so that the server stays.
    let mut begun = message(b'C', b"BEGIN\0");
    encode::ready_for_query(&mut begun, TxStatus::InTransaction);
    server_says(&mut session, &begun, false);
    assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
    // Twice, for a text that was seen is not looked at again if it does nothing.
    for _ in 0..2 {
        session.server().expect("held").stream.output.clear();
        client_says(&mut session, sent);
        let need = session.pump(NOW, &mut scratch);
        let databases = match need {
            Need::Vacate(databases) => databases,
            Need::Nothing => Vec::new(),
            need => panic!("{need:?}"),
        };
        assert_eq!(
            databases,
            expected
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect::<Vec<_>>()
        );
        assert!(matches!(session.pump(NOW, &mut scratch), Need::Nothing));
        assert_eq!(
            session.server().expect("held").stream.output,
            sent,
            "it went there"
        );
    }
}

#[test]
fn the_database_that_a_statement_needs_for_itself_is_told_when_it_is_sent() {
    check(&query("drop database \"App\""), &["App"]);
    check(&query("select 1; alter database a rename to b"), &["a"]);
    let mut parse = message(b'P', b"\0create database a template b\0\0\0");
    parse.extend(message(b'B', &[0; 8]));
    parse.extend(message(b'E', &[0; 5]));
    parse.extend(message(b'S', b""));
    check(&parse, &["b"]);
    check(&query("drop table database"), &[]);
    check(&query("select 'drop database a'"), &[]);
}
