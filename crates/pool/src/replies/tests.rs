//! Scripts: `>P` is a Parse sent, `<1` a ParseComplete received; `G` and friends as in the protocol.

use pgweir_sql::fingerprint::Fingerprint;

use super::{Received, Replies, Reply};

fn run(script: &str) -> Result<Replies, String> {
    let mut replies = Replies::default();
    for step in script.split_whitespace() {
        let (direction, kind) = step.split_at(1);
        if direction == ">" {
            replies.sent(match kind {
                "P" => Reply::Parse(None),
                "Pn" => Reply::Parse(Some((b"n"[..].into(), Fingerprint::NONE))),
                "B" => Reply::Bind,
                "D" => Reply::Describe,
                "E" => Reply::Execute(Fingerprint::NONE),
                "C" => Reply::Close(None),
                "S" => Reply::Sync,
                "Q" => Reply::Query(Fingerprint::NONE),
                "c" | "f" => Reply::CopyEnd(1),
                _ => panic!("{step}"),
            });
        } else if let Err(error) = replies.received(kind.as_bytes()[0]) {
            return Err(format!("{step}: {error:?}"));
        }
    }
    Ok(replies)
}

fn settles(script: &str) {
    let replies = run(script).unwrap();
    assert!(replies.is_settled(), "{script}: {replies:?}");
    assert!(replies.is_certain(), "{script}: {replies:?}");
}

fn owes(script: &str) {
    let replies = run(script).unwrap();
    assert!(!replies.is_settled(), "{script}: {replies:?}");
}

fn out_of_step(script: &str) {
    assert!(run(script).is_err(), "{script} must not be in step");
}

#[test]
fn every_message_is_answered_in_order() {
    settles(">Q <T <D <D <C <Z");
    settles(">P >B >D >E >S <1 <2 <T <D <C <Z");
    settles(">P >D >S <1 <t <n <Z");
    settles(">B >E >S >B >E >S <2 <C <Z <2 <C <Z");
    settles(">C >S <3 <Z");
    settles(">Q <I <Z >Q <C <C <Z");
    settles(">B >E >S <2 <D <s <Z");
}

#[test]
fn a_batch_is_owed_its_sync_even_when_all_else_is_answered() {
    owes(">P >B >E <1 <2 <C");
    settles(">P >B >E <1 <2 <C >S <Z");
    settles(">P >B >E <1 <2 <C >Q <C <Z");
}

#[test]
fn a_failed_batch_is_skipped_up_to_its_sync() {
    settles(">P >B >E >S <E <Z");
    settles(">P >B >E >S >Q <E <Z <C <Z");
    settles(">P >B >Q >S <E <Z");
    settles(">P <E >B >E >Q >S <Z");
    owes(">P <E >B >E");
    settles(">B >E >S <2 <C <E <Z");
}

#[test]
fn an_error_in_a_simple_query_does_not_skip_the_next() {
    settles(">Q >Q <E <Z <C <Z");
    settles(">B >E >Q >S <2 <C <E <Z <Z");
}

#[test]
fn copy_in_ignores_syncs_until_its_end() {
    settles(">Q <G >c <C <Z");
    settles(">B >E >S <2 <G >c >S <C <Z");
    settles(">B >E >S >c >S <2 <G <C <Z");
    settles(">Q <G >S >S >c <C <Z");
    owes(">B >E >S <2 <G");
}

#[test]
fn the_end_of_a_copy_that_never_began_is_owed_nothing() {
    settles(">Q >c <E <Z");
    settles(">B >E >S >c >S <E <Z <Z");
    settles(">c");
}

#[test]
fn a_copy_that_fails_is_answered_once() {
    settles(">Q <G <E <Z >c");
    settles(">Q <G >f <E <Z");
}

#[test]
fn a_sync_that_raced_with_a_failing_copy_makes_the_server_uncertain() {
    let replies = run(">B >E >S <2 <G <E >S <Z").unwrap();
    assert!(replies.is_settled() && !replies.is_certain());
}

#[test]
fn answers_that_nobody_asked_for_are_out_of_step() {
    for script in [
        "<Z",
        "<D",
        "<C",
        "<1",
        ">Q <1",
        ">P <2",
        ">B >S <Z",
        ">S <C",
        ">Q <R",
        ">Q <K",
        ">B >E <2 <W",
        "<W",
    ] {
        out_of_step(script);
    }
}

#[test]
fn a_stream_goes_both_ways_until_both_have_ended_it() {
    let streams = |script: &str| run(script).unwrap().is_streaming();
    assert!(streams(">Q <W <d <d"));
    assert!(streams(">Q <W <d >c <d <c <C"));
    assert!(streams(">Q <W <c >c <T <D <C"));
    for script in [
        ">Q <W <d >c <d <c <C <C <Z",
        ">Q <W <c >c <T <D <C <C <Z",
        ">Q <W <d <E <Z >c",
        ">Q <W >f <E <Z >Q <C <Z",
        ">Q >c <W <c <C <Z",
    ] {
        settles(script);
        assert!(!streams(script), "{script}");
    }
    owes(">Q <W >c <c <C");
}

#[test]
fn what_belongs_to_nobody_is_taken_at_any_time() {
    settles("<N <S <A");
    settles(">P <N <1 <S >S <A <Z");
}

#[test]
fn an_error_that_nobody_asked_for_makes_a_server_uncertain() {
    let replies = run("<E").unwrap();
    assert!(!replies.is_certain(), "{replies:?}");
}

#[test]
fn ends_of_copies_that_never_began_do_not_fill_the_queue() {
    let mut replies = run(">P").unwrap();
    for _ in 0..=super::OUTSTANDING_MAX {
        replies.sent(Reply::CopyEnd(1));
    }
    assert!(!replies.is_full());
    settles(">P >c >c >S <1 <Z");
    settles(">B >E >c >c >S <2 <G <C <Z");
    settles(">Q >c >c >c <G <C <G <C <Z");
}

#[test]
fn long_names_fill_the_queue_early_and_leave_nothing_behind() {
    let name = || Reply::Parse(Some((vec![b'x'; 1024].into(), Fingerprint::NONE)));
    let mut replies = Replies::default();
    let mut count = 0;
    while !replies.is_full() {
        replies.sent(name());
        count += 1;
    }
    assert_eq!(count, 8 * 1024);
    replies.received(b'1').unwrap();
    assert!(!replies.is_full());
    replies.sent(name());
    assert!(replies.is_full());
    replies.received(b'E').unwrap();
    assert!(replies.is_empty());
    assert!(!replies.is_full());
}

#[test]
fn names_are_reported_when_the_server_confirms_them() {
    let mut replies = run(">Pn >S").unwrap();
    assert_eq!(
        replies.received(b'1'),
        Ok(Received::Prepared(b"n"[..].into(), Fingerprint::NONE))
    );
}

#[test]
fn a_sync_amid_a_failed_copy_makes_a_server_uncertain() {
    for script in [
        ">Q <G >S <E <Z",
        ">Q >S >c <G <E <Z",
        ">E >S <G >S <E",
        // The answer may be that of the first Sync or of the second.
        ">P >B >E >S <1 <2 <G >c >S <E <Z",
    ] {
        let replies = run(script).unwrap();
        assert!(!replies.is_certain(), "{script}: {replies:?}");
    }
}

#[test]
fn the_next_answer_after_a_failed_copy_makes_a_server_certain() {
    // The COPY had read the Sync, or had not; then comes a query.
    settles(">Q >S >c <G <E <Z >Q <C <Z");
    settles(">Q >S >c <G <E <Z <Z >Q <C <Z");
    settles(">Q >S >c <G <E <Z >Q <Z <C <Z");
    settles(">P >B >E >S <1 <2 <G >c >S <E <Z >Q <C <Z");
    settles(">P >B >E >S <1 <2 <G >c >S <E <Z <Z");
    settles(">P >B >E >S <1 <2 <G >c >S <E <Z >P >S <Z <1 <Z");
    settles(">P >B >E >S <1 <2 <G >c >S <E <Z >P >S <1 <Z");
    settles(">P >B >E >S <1 <2 <G <E <Z >c >Q <C <Z");
    // Nothing is let through beyond that.
    assert!(run(">Q >S >c <G <E <Z <Z <Z").is_err());
}
