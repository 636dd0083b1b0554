use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use pgweir_pool::budget::PoolId;
use pgweir_pool::id::ServerId;
use pgweir_pool::time::Time;

use super::{ASKED_MAX, BATCH, Chains, Ends};
use crate::locks::{LockOwner, Root, Stranger};
use crate::probe::activity::tests::row;

/// Sessions from 100 on are strangers' in these tests; session `n` has run its statement for
/// `1000 - n` milliseconds.
fn is_ours(pid: u32) -> bool {
    pid < 100
}

fn blocked(pids: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Duration> {
    let time = |pid: u32| (pid, Duration::from_millis(1_000 - u64::from(pid)));
    pids.into_iter().map(time).collect()
}

/// The numbers in a question.
fn asked(question: &str) -> Vec<u32> {
    let (_, list) = question.split_once('{').unwrap();
    let (list, _) = list.split_once('}').unwrap();
    list.split(',').map(|pid| pid.parse().unwrap()).collect()
}

/// Asks until nothing is asked any more, of a PostgreSQL where `graph` says who waits for whom.
/// Gives how many were asked about besides.
fn ask(graph: &BTreeMap<u32, Vec<u32>>) -> (Ends, usize) {
    let mut chains = Chains::new(&blocked(graph.keys().copied()), is_ours);
    let mut questions = BTreeSet::new();
    while let Some(question) = chains.question() {
        let pids = asked(&question);
        assert!(pids.len() <= BATCH);
        let rows: Vec<Vec<u8>> = pids
            .iter()
            .map(|pid| {
                assert!(questions.insert(*pid), "{pid} was asked about already");
                let blockers: Vec<String> = graph[pid].iter().map(u32::to_string).collect();
                let blockers = blockers.join(",");
                row(&format!("{pid}|{blockers}"))
            })
            .collect();
        chains.answer(&rows).unwrap();
    }
    (chains.ends(), questions.len())
}

/// Who waits for whom, as `2>1 3>2,1`.
fn graph(text: &str) -> BTreeMap<u32, Vec<u32>> {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let pairs = text.split(' ').map(|pair| {
        let (pid, blockers) = pair.split_once('>').unwrap();
        let blockers = blockers.split(',').filter(|pid| !pid.is_empty());
        (number(pid), blockers.map(number).collect())
    });
    pairs.collect()
}

#[test]
fn chains_are_followed_to_who_holds_the_lock() {
    for (text, roots, of) in [
        // Nobody is blocked by name.
        ("1>", vec![], vec![]),
        ("1>9", vec![(9, 1)], vec![(1, 9)]),
        // The first waits for the holder's transaction, the others for the first and each other.
        (
            "1>9 2>1 3>1,2 4>1,2,3",
            vec![(9, 4)],
            vec![(1, 9), (2, 9), (3, 9), (4, 9)],
        ),
        // Through sessions from elsewhere, to one from elsewhere.
        ("1>101 101>102", vec![(102, 2)], vec![(1, 102), (101, 102)]),
        // Two hold a row for sharing, and one of them another.
        ("1>8,9 2>9", vec![(9, 2), (8, 1)], vec![(1, 9), (2, 9)]),
        // A circle has no end; who waits for somebody in it waits for none that is to blame.
        ("1>2 2>1 3>1", vec![], vec![]),
        ("1>2,9 2>1", vec![(9, 2)], vec![(1, 9), (2, 9)]),
        // The one before has the lock by now, and so holds it.
        ("1> 2>1", vec![(1, 1)], vec![(2, 1)]),
        // A prepared transaction.
        ("1>0", vec![(0, 1)], vec![(1, 0)]),
        // What strangers wait for is asked about only if one of ours waits for them.
        ("1>9 101>102", vec![(9, 1)], vec![(1, 9)]),
    ] {
        let (ends, _) = ask(&graph(text));
        assert_eq!(ends.roots, roots, "{text}");
        assert_eq!(ends.of, BTreeMap::from_iter(of), "{text}");
    }
    assert_eq!(ask(&graph("1> 2>1")).0.released, BTreeSet::from([1]));
}

#[test]
fn a_crowd_is_asked_about_in_part_and_the_end_is_found_all_the_same() {
    let mut crowd: BTreeMap<u32, Vec<u32>> = (2..99).map(|pid| (pid, (1..pid).collect())).collect();
    crowd.insert(1, vec![999]);
    let (ends, asked) = ask(&crowd);
    assert_eq!(asked, ASKED_MAX);
    assert_eq!(ends.roots, [(999, 64)]);
    let ours = HashMap::from_iter((1..99).map(|pid| (pid, ServerId(pid.into()))));
    let locks = ends.locks(Time(7), &blocked(1..99), &ours, &[]).unwrap();
    assert_eq!(locks.blocked.len(), 98, "all of them wait for a lock");
    let known = locks.blocked.values().filter(|root| **root == Some(0));
    assert_eq!(known.count(), 64);
}

#[test]
fn who_holds_locks_is_ours_or_asked_about() {
    let graph = graph("1>9 2>9 3>200 4>0 5>201 6>1");
    let (ends, _) = ask(&graph);
    let ours = HashMap::from_iter([1, 2, 3, 4, 5, 9].map(|pid| (pid, ServerId(pid.into()))));
    let question = ends.question(&ours).unwrap();
    assert_eq!(asked(&question), [200, 201]);
    let rows = [row(
        "200|bank|carol|psql|idle in transaction|12000000|select * from t where n = 'secret",
    )];
    let locks = ends.locks(Time(7), &blocked(1..7), &ours, &rows).unwrap();
    let root = |pid, session, sessions, longest| Root {
        pid,
        session,
        sessions,
        longest: Duration::from_millis(longest),
    };
    let carol = Stranger {
        database: "bank".to_owned(),
        user: "carol".to_owned(),
        application: "psql".to_owned(),
        state: "idle in transaction".to_owned(),
        since: Some(Duration::from_secs(12)),
        text: "select * from t where n = $1".to_owned(),
    };
    let expected = [
        root(Some(9), LockOwner::Ours(ServerId(9)), 3, 999),
        root(None, LockOwner::Prepared, 1, 996),
        root(Some(200), LockOwner::Stranger(carol), 1, 997),
        root(Some(201), LockOwner::Gone, 1, 995),
    ];
    assert_eq!(locks.roots, expected);
    let of = |pid: u64| locks.blocked.get(&ServerId(pid)).copied();
    assert_eq!(of(1), Some(Some(0)));
    assert_eq!(of(3), Some(Some(2)));
    assert_eq!(of(6), None, "a stranger");
    assert_eq!(of(9), None, "it waits for nothing");
    let all = HashMap::from_iter([9, 200, 201].map(|pid| (pid, ServerId(1))));
    assert_eq!(ends.question(&all), None);
}

#[test]
fn what_a_stranger_does_may_be_hidden() {
    let (ends, _) = ask(&graph("1>200"));
    let ours = HashMap::from([(1, ServerId(1))]);
    let locks = |text: &str| ends.locks(Time(0), &blocked([1]), &ours, &[row(text)]);
    let hidden = locks("200|-|-|psql|-|-|-").unwrap();
    let LockOwner::Stranger(stranger) = &hidden.roots[0].session else {
        panic!("{hidden:?}");
    };
    assert_eq!(stranger.application, "psql");
    assert_eq!(
        (&*stranger.state, &*stranger.text, stranger.since),
        ("", "", None)
    );
    for text in [
        "200|-|-|-|-|-",
        "-|-|-|-|-|-|-",
        "200|-|-|-|-|soon|-",
        "x|-|-|-|-|-|-",
    ] {
        assert_eq!(locks(text), None, "{text}");
    }
}

#[test]
fn what_is_no_answer_is_none() {
    for text in ["1", "1|2|3", "-|2", "1|-", "x|2", "1|x", "1|2,"] {
        let mut chains = Chains::new(&blocked([1]), is_ours);
        let is_answer = chains.answer(&[row(text)]).is_some();
        assert_eq!(is_answer, text == "1|2,", "{text}");
    }
}

#[test]
fn waits_of_moments_are_counted_by_pool() {
    let ms = |ms| Duration::from_millis(ms);
    let blocked = BTreeMap::from([
        (1, ms(99)),
        (2, ms(0)),
        (3, ms(100)),
        (4, ms(5)),
        (200, ms(5)),
    ]);
    let server = |pool: u64, number| ServerId(pool << 40 | number);
    let ours = HashMap::from([
        (1, server(0, 7)),
        (2, server(0, 8)),
        (3, server(0, 9)),
        (4, server(6, 7)),
    ]);
    let expected = BTreeMap::from([(PoolId(0), 2), (PoolId(6), 1)]);
    assert_eq!(super::crowded(&blocked, &ours), expected);
}
