use std::sync::Arc;

use pgweir_sql::effects::Kinds;
use pgweir_sql::fingerprint::Fingerprint;

use super::{Audit, Suspects, TEXTS_MAX};
use crate::question::Answer;
use crate::text::Text;
use crate::upstream::Upstream;

fn lease(audit: &mut Audit, interval: u32, is_wanted: bool) -> bool {
    audit.given(&Suspects::default(), is_wanted);
    audit.joined(interval);
    audit.ran(Text::of_query(b"select f()"), Fingerprint::NONE);
    audit.is_due()
}

fn answer(held: Kinds) -> Answer {
    Answer {
        held,
        ..Answer::default()
    }
}

#[test]
fn one_lease_in_so_many_is_audited_and_any_that_the_pool_wants() {
    for (interval, expected) in [(0, "......"), (1, "!!!!!!"), (3, "..!..!")] {
        let mut audit = Audit::default();
        let due = (0..6).map(|_| lease(&mut audit, interval, false));
        let due: String = due.map(|due| if due { '!' } else { '.' }).collect();
        assert_eq!(due, expected);
    }
    let mut audit = Audit::default();
    assert!(lease(&mut audit, 1000, true));
    assert!(!lease(&mut audit, 0, true), "the operator wants none");
}

#[test]
fn what_is_found_is_the_clients_if_the_session_was_known_before() {
    for (unaudited, is_clients) in [(0, true), (1, false)] {
        let mut server = Upstream::new(Arc::default());
        for _ in 0..unaudited {
            lease(&mut server.audit, 1000, false);
        }
        lease(&mut server.audit, 1000, true);
        let found = answer(Kinds::ADVISORY_LOCK);
        assert_eq!(server.audited(&found), is_clients);
        assert_eq!(server.audit.is_tainted(), !is_clients);
        let news = server.audit.take_news().unwrap();
        assert_eq!(news.suspects.is_empty(), !is_clients);
        assert_eq!(news.hunts, !is_clients);
    }
}

#[test]
fn a_session_is_known_after_an_audit_until_a_lease_without_one() {
    let mut server = Upstream::new(Arc::default());
    lease(&mut server.audit, 1000, false);
    lease(&mut server.audit, 1000, true);
    assert!(server.audited(&answer(Kinds::NONE)));
    assert!(!server.audit.is_due() && server.audit.take_news().is_none());
    lease(&mut server.audit, 1000, true);
    assert!(server.audited(&answer(Kinds::LISTEN)), "known again");
    let mut server = Upstream::new(Arc::default());
    lease(&mut server.audit, 1000, false);
    server.audit.discarded();
    lease(&mut server.audit, 1000, true);
    assert!(server.audited(&answer(Kinds::LISTEN)), "all was discarded");
}

#[test]
fn a_question_that_is_not_answered_is_asked_again_and_then_costs_the_server() {
    let mut audit = Audit::default();
    assert!(lease(&mut audit, 1, false));
    for _ in 0..3 {
        audit.failed();
        assert!(audit.is_due() && !audit.is_tainted());
    }
    audit.failed();
    assert!(!audit.is_due() && audit.is_tainted());
}

#[test]
fn of_a_lease_with_very_many_texts_none_is_a_suspect() {
    let mut server = Upstream::new(Arc::default());
    lease(&mut server.audit, 1, false);
    for n in 0..=TEXTS_MAX {
        let text = format!("select f{n}()");
        server
            .audit
            .ran(Text::of_query(text.as_bytes()), Fingerprint::NONE);
    }
    assert!(server.audited(&answer(Kinds::TEMPORARY)));
    assert!(server.audit.take_news().unwrap().suspects.is_empty());
}
