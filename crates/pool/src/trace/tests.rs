use super::samples::SAMPLES_MAX;
use super::{Finding, Sample, Slowness, Thresholds, Trace, rows};
use crate::parameters::Parameters;
use crate::text::Text;
use crate::time::Time;
use pgweir_sql::fingerprint::Fingerprint;
use pgweir_wire::encode;
use std::time::Duration;

fn trace() -> Trace {
    let mut trace = Trace::default();
    let thresholds = Thresholds {
        slow: Duration::from_secs(1),
        very_slow: Duration::from_secs(3),
    };
    trace.attach(Some(thresholds), Duration::from_millis(7));
    trace
}

fn ms(ms: u64) -> Time {
    Time(ms * 1000)
}

/// Runs `sql` as simple queries that are all answered at `until`, each with 100 bytes.
fn run(trace: &mut Trace, from: Time, until: Time, sql: &[&str]) {
    trace.resume(from);
    trace.begin();
    let statements: Vec<_> = sql
        .iter()
        .map(|sql| trace.query(Text::of_query(sql.as_bytes()), &Parameters::default()))
        .collect();
    for (at, statement) in statements.into_iter().enumerate() {
        trace.completed(b"SELECT 3\0");
        trace.ended(statement, trace.answered + 100, at % 2 == 1);
    }
    trace.read(until);
}

#[test]
fn statements_that_end_together_share_the_time() {
    let mut trace = trace();
    let sql = ["select 1 from a", "select 2 from b", "select 3 from a"];
    run(&mut trace, ms(0), ms(30), &sql);
    run(&mut trace, ms(100), ms(110), &["SELECT 4 FROM a"]);
    let sample = |sql: &str, calls, errors, us| Sample {
        statement: Fingerprint::of(sql.as_bytes(), true),
        calls,
        errors,
        rows: 3 * calls,
        bytes: 100 * calls,
        us,
    };
    let expected = [
        sample("select 9 from a", 3, 0, 30_000),
        sample("select 9 from b", 1, 1, 10_000),
    ];
    assert_eq!(*trace.samples(), expected);
    let texts: Vec<_> = trace.texts.fresh.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["select $1 from a", "select $1 from b"]);
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let mut trace = trace();
    let sql: Vec<_> = (0..100).map(|n| format!("select * from t{n}")).collect();
    let sql: Vec<_> = sql.iter().map(String::as_str).collect();
    for _ in 0..3 {
        run(&mut trace, ms(0), ms(500_000), &sql);
    }
    assert_eq!(trace.samples().len(), SAMPLES_MAX);
    assert_eq!(trace.samples().iter().map(|s| s.calls).sum::<u64>(), 300);
    assert_eq!(trace.texts.fresh.len(), 16);
    trace.texts.fresh.clear();
    run(&mut trace, ms(0), ms(1), &sql[16..32]);
    assert_eq!(trace.texts.fresh.len(), 16, "those there was no room for");
    assert_eq!(trace.take_findings().len(), 8);
    assert_eq!(trace.found.very_slow, 300);
}

#[test]
fn slow_statements_are_found_with_wait_and_time() {
    let mut trace = trace();
    for (took, slowness) in [
        (999, None),
        (1_000, Some(Slowness::Slow)),
        (2_999, Some(Slowness::Slow)),
        (3_000, Some(Slowness::VerySlow)),
    ] {
        trace.attach(trace.thresholds, Duration::from_millis(7));
        run(&mut trace, ms(5), ms(5 + took), &["select pg_sleep(1)"]);
        let expected = slowness.map(|slowness| Finding::Slow {
            statement: Fingerprint::of(b"select pg_sleep(2)", true),
            slowness,
            waited: Duration::from_millis(7),
            took: Duration::from_millis(took),
        });
        assert_eq!(trace.take_findings(), Vec::from_iter(expected), "{took}");
    }
    assert_eq!((trace.found.slow, trace.found.very_slow), (2, 1));
}

#[test]
fn a_bind_is_of_the_statement_it_names() {
    let mut trace = trace();
    let parse = |trace: &mut Trace, name: &str, sql: &str| {
        let text = Text::of_parse(sql.as_bytes());
        trace.parse(name.as_bytes(), text, &Parameters::default())
    };
    let a = parse(&mut trace, "a", "select 1");
    let unnamed = parse(&mut trace, "", "select 1, 2");
    let b = parse(&mut trace, "b", "select 1, 2, 3");
    let mut executed = |name: &[u8], prepared: Option<Fingerprint>| {
        trace.bind(name, prepared);
        trace.execute()
    };
    // The last one parsed is known before it was answered, those before it by their names.
    assert_eq!(executed(b"b", None), b);
    assert_eq!(executed(b"a", Some(a)), a);
    assert_eq!(executed(b"", None), unnamed);
    assert_eq!(executed(b"never", None), Fingerprint::NONE);
}

#[test]
fn prepared_texts_are_known_as_they_are_and_by_their_skeletons() {
    let mut trace = trace();
    let parse = |trace: &mut Trace, sql: &str| {
        trace.parse(b"", Text::of_parse(sql.as_bytes()), &Parameters::default())
    };
    let of = |sql: &str| Fingerprint::of(sql.as_bytes(), true);
    for sql in ["select 1", "select 1", "select 22", "select $1"] {
        assert_eq!(parse(&mut trace, sql), of("select 7"), "{sql}");
    }
    assert_eq!(trace.texts.fresh.len(), 1);

    let names: Vec<_> = (0..40).map(|n| format!("select a from t{n}")).collect();
    let mut kept = vec![of("select 7")];
    for _ in 0..4 {
        for sql in &names {
            assert_eq!(parse(&mut trace, sql), of(sql));
        }
        kept.extend(trace.texts.fresh.drain(..).map(|(id, _)| id));
    }
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(
        kept.len(),
        41,
        "texts there was no room for are kept when they come again"
    );
}

#[test]
fn a_round_trip_is_known_by_what_it_does() {
    let mut trace = trace();
    let mut opening = |sql: &[&str]| {
        run(&mut trace, ms(0), ms(1), sql);
        trace.opening()
    };
    let get = Fingerprint::of(b"select * from a where id = 1", true);
    assert_eq!(
        opening(&["begin", "select * from a where id = 7"]),
        Some(get)
    );
    assert_eq!(
        opening(&["select * from a where id = 8", "commit"]),
        Some(get)
    );
    assert_eq!(opening(&["begin"]), None);
    assert_eq!(opening(&["set a.b = 1"]), None);
}

#[test]
fn tags_are_those_of_the_statement_that_is_repeated() {
    let mut trace = trace();
    let sql = "select 1 /*route='%2Forders'*/";
    let (mut simple, mut extended) = (Vec::new(), Vec::new());
    encode::query(&mut simple, sql);
    encode::sync(&mut extended);
    let body = format!("\0{sql}\0\0\0");
    extended.push(b'P');
    extended.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    extended.extend_from_slice(body.as_bytes());
    for (bytes, expected) in [
        (&simple, Some("/orders")),
        (&extended, Some("/orders")),
        (&Vec::new(), None),
    ] {
        trace.repeated(Fingerprint(1), 10, bytes);
        let findings = trace.take_findings();
        let [
            Finding::Repeated {
                tags, times: 10, ..
            },
        ] = &findings[..]
        else {
            panic!("{findings:?}");
        };
        assert_eq!(tags.first().map(|tag| &*tag.value), expected);
    }
    assert_eq!(trace.found.repeated, 3);
}

#[test]
fn rows_are_the_last_word_of_a_tag() {
    for (tag, expected) in [
        (&b"SELECT 12\0"[..], 12),
        (b"INSERT 0 5\0", 5),
        (b"COPY 18446744073709551615\0", 0),
        (b"BEGIN\0", 0),
        (b"\0", 0),
        (b"", 0),
        (b"7", 0),
    ] {
        assert_eq!(rows(tag), expected, "{tag:?}");
    }
}

#[test]
fn nothing_is_followed_when_it_is_off() {
    let mut trace = Trace::default();
    run(&mut trace, ms(0), ms(9_000), &["select 1", "select 2"]);
    assert_eq!(*trace.samples(), []);
    assert_eq!(trace.take_findings(), []);
    assert!(trace.texts.fresh.is_empty());
}
