use std::sync::Arc;

use pgweir_sql::effects::{Effects, Kinds};

use super::{RETRIES_MAX, State};
use crate::pin::Pin;

fn noted(kinds: Kinds) -> State {
    let mut state = State::default();
    state.client_changed(true);
    let names = Vec::new();
    state.note(&Effects { kinds, names });
    state
}

/// A row that says that the session holds what `letter` stands for.
fn row(letter: u8) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0, 0, 1, letter, 0, 0, 0, 0];
    body.extend((-1_i32).to_be_bytes());
    body
}

#[test]
fn what_failed_is_not_asked_about_unless_it_is_not_rolled_back() {
    for (kinds, is_asked) in [
        (Kinds::SETTINGS, false),
        (Kinds::TEMPORARY, false),
        (Kinds::LIBRARY, false),
        (Kinds::ADVISORY_LOCK, true),
        (Kinds::ANYTHING, true),
    ] {
        let mut state = noted(kinds);
        assert_eq!(state.ask(&[]).is_some(), is_asked, "{kinds:?}");
        assert_eq!(state.is_dirty(), is_asked, "{kinds:?}");
    }
}

#[test]
fn a_drop_is_asked_about_only_where_something_is_held() {
    assert!(noted(Kinds::DROP).is_quiet());
    let mut state = noted(Kinds::TEMPORARY);
    state.completed(b"");
    assert!(state.ask(&[]).is_some());
    state.row(&row(b't'));
    assert!(state.finish().is_some());
    assert_eq!(state.pin(), Some(Pin::TemporaryObject));
    state.note(&Effects {
        kinds: Kinds::DROP,
        names: Vec::new(),
    });
    state.completed(b"");
    assert!(state.ask(&[]).is_some());
    assert!(state.finish().is_some());
    assert_eq!(state.pin(), None);
    assert!(!state.is_dirty());
}

#[test]
fn what_cannot_be_asked_about_pins_until_the_end() {
    for (kinds, pin) in [
        (Kinds::LIBRARY, Pin::Library),
        (Kinds::FUNCTION, Pin::SessionFunction),
    ] {
        let mut state = noted(kinds);
        state.completed(b"");
        assert_eq!(state.ask(&[]), None, "nothing is left to ask");
        assert_eq!(state.pin(), Some(pin));
        state.discarded(false);
        assert_eq!(state.pin(), Some(pin));
        assert!(state.cannot_be_cleaned());
    }
    let mut state = noted(Kinds::UNNAMED.with(Kinds::SETTINGS));
    state.completed(b"");
    assert!(state.ask(&[]).is_some());
    assert!(state.finish().is_some());
    assert_eq!(state.pin(), Some(Pin::UnnamedSetting));
    state.discarded(false);
    assert_eq!(state.pin(), None);
}

#[test]
fn a_question_that_is_not_answered_is_asked_again_and_then_keeps_the_server() {
    let mut state = noted(Kinds::SETTINGS);
    state.completed(b"");
    for _ in 0..=RETRIES_MAX {
        assert!(state.ask(&[]).is_some());
        assert!(state.refused());
        assert!(state.finish().is_none());
        assert_eq!(state.pin(), Some(Pin::Uncertain));
    }
    assert_eq!(state.ask(&[]), None);
    state.note(&Effects {
        kinds: Kinds::SETTINGS,
        names: Vec::new(),
    });
    assert!(state.ask(&[]).is_some(), "another text is another chance");
}

#[test]
fn custom_settings_are_asked_about_by_name() {
    let mut state = State::default();
    state.note(&Effects {
        kinds: Kinds::SETTINGS.with(Kinds::RESET),
        names: vec!["app.x".to_owned(), "work_mem".to_owned()],
    });
    state.completed(b"");
    let known: Arc<str> = "app.y".into();
    let sql = state.ask(&[known]).expect("it is due");
    assert!(sql.contains("VALUES ('app.x'), ('app.y'))"), "{sql}");
    assert!(state.took_back("work_mem") && !state.took_back("timezone"));
}

#[test]
fn what_is_given_up_behind_a_question_is_asked_about_again() {
    for (takes, gives_up) in [
        (Kinds::TEMPORARY, Kinds::DROP),
        (Kinds::CURSOR, Kinds::CLOSE),
        (Kinds::ADVISORY_LOCK, Kinds::UNLOCK),
        (Kinds::LISTEN, Kinds::UNLISTEN),
        (Kinds::TEMPORARY, Kinds::DISCARD_ALL),
    ] {
        let mut state = noted(takes);
        state.completed(b"");
        assert!(state.ask(&[]).is_some());
        let names = Vec::new();
        state.note(&Effects {
            kinds: gives_up,
            names,
        });
        assert!(!state.is_clear(), "{takes:?}");
        assert!(state.finish().is_some());
        state.completed(b"");
        assert!(state.ask(&[]).is_some(), "{takes:?}");
    }
}
