use super::*;

fn slow(
    application: &str,
    statement: u64,
    slowness: Slowness,
    at: u64,
    took: u64,
) -> SlowStatement {
    let author = Author {
        database: "shop".into(),
        user: "web".into(),
        client: 7,
        application: application.to_owned(),
    };
    let times = (Duration::ZERO, Duration::from_secs(took));
    let text = "select $1".to_owned();
    let slow = SlowStatement::new(author, Fingerprint(statement), text, slowness, times);
    SlowStatement {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + at),
        ..slow
    }
}

#[test]
fn a_statement_of_an_application_is_one_entry_with_the_worst() {
    let mut ring = Ring::new(3, 10);
    slow("till", 1, Slowness::Slow, 0, 2).tell(&mut ring);
    slow("till", 1, Slowness::VerySlow, 1, 9).tell(&mut ring);
    slow("till", 2, Slowness::Slow, 2, 1).tell(&mut ring);
    slow("admin", 1, Slowness::Slow, 3, 3).tell(&mut ring);
    slow("till", 1, Slowness::Slow, 4, 3).tell(&mut ring);
    let kept = ring.latest().into_iter().map(|one| {
        let (worst, took) = (one.worst.as_secs(), one.took.as_secs());
        (one.author.application, one.times, worst, took, one.slowness)
    });
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [
            ("till".to_owned(), 3, 9, 3, Slowness::VerySlow),
            ("admin".to_owned(), 1, 3, 3, Slowness::Slow),
            ("till".to_owned(), 1, 1, 1, Slowness::Slow),
        ]
    );
}

#[test]
fn a_line_comes_every_ten_seconds_and_at_the_first_that_is_very_slow() {
    let mut ring = Ring::new(3, 10);
    let told: Vec<(u64, u64)> = [
        (0, Slowness::Slow),
        (1, Slowness::Slow),
        (2, Slowness::VerySlow),
        (3, Slowness::VerySlow),
        (11, Slowness::Slow),
        (12, Slowness::Slow),
        (13, Slowness::Slow),
    ]
    .into_iter()
    .map(|(at, slowness)| {
        slow("till", 1, slowness, at, 2).tell(&mut ring);
        let told = ring.latest()[0].told;
        let since = told.at.duration_since(SystemTime::UNIX_EPOCH);
        (since.unwrap_or_default().as_secs() - 1_000_000, told.untold)
    })
    .collect();
    assert_eq!(
        told,
        [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2), (12, 0), (12, 1)]
    );
}
