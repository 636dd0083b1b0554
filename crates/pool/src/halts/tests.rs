use super::{Halts, NAMES_MAX, Stop, Unfit};

#[test]
fn everything_is_stopped_in_one_way_at_a_time() {
    let mut halts = Halts::default();
    assert_eq!(halts.resume(), Err(Unfit::NotStopped));
    assert_eq!(halts.pause(), Ok(()));
    for again in [halts.pause(), halts.suspend(), halts.pause_database("app")] {
        assert_eq!(again, Err(Unfit::StoppedAlready));
    }
    assert!(halts.is_paused("any"));
    assert_eq!(halts.resume(), Ok(Stop::Pause));
    assert_eq!(halts.suspend(), Ok(()));
    assert_eq!(halts.everything(), Some(Stop::Suspend));
    assert!(
        !halts.is_paused("any"),
        "its clients are stopped, not its pools"
    );
    assert_eq!(halts.resume(), Ok(Stop::Suspend));
}

#[test]
fn a_database_paused_by_name_stays_so_when_everything_goes_on() {
    let mut halts = Halts::default();
    assert_eq!(halts.pause_database("app"), Ok(()));
    assert_eq!(halts.pause_database("app"), Ok(()));
    assert_eq!(halts.suspend(), Err(Unfit::DatabasesPaused));
    assert_eq!(halts.pause(), Ok(()));
    assert_eq!(halts.resume(), Ok(Stop::Pause));
    assert!(halts.is_paused("app") && !halts.is_paused("log"));
    assert_eq!(halts.resume_database("log"), Err(Unfit::NotPaused));
    assert_eq!(halts.resume_database("app"), Ok(()));
    assert!(!halts.is_paused("app"));
}

#[test]
fn a_database_is_disabled_whatever_else_is_stopped() {
    let mut halts = Halts::default();
    halts.pause().unwrap();
    assert_eq!(halts.disable("app"), Ok(()));
    assert!(halts.is_disabled("app") && !halts.is_disabled("log"));
    assert!(halts.knows("app") && !halts.knows("log"));
    halts.enable("app");
    halts.enable("never disabled");
    assert!(!halts.is_disabled("app"));
}

#[test]
fn names_are_bounded() {
    let mut halts = Halts::default();
    for number in 0..NAMES_MAX {
        halts.disable(&number.to_string()).unwrap();
    }
    assert_eq!(halts.disable("one more"), Err(Unfit::TooMany));
    assert_eq!(halts.disable("0"), Ok(()));
}
