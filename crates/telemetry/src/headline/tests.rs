use crate::live::tests::{calm, sample};
use crate::live::{Headline, Live};

fn headline(live: &Live) -> Headline {
    let mut live = live.clone();
    live.judge(&[]);
    live.headline.unwrap()
}

#[test]
fn all_is_well_only_while_nobody_waits_for_a_lock_or_has_forgotten_a_server() {
    let well = "All is well: nobody waits.";
    let said = |live: &Live| {
        let headline = headline(live);
        assert_eq!(headline.is_well, headline.line == well, "{}", headline.line);
        headline.line
    };
    assert_eq!(said(&calm()), well);

    let mut locked = calm();
    locked.blockers = sample().blockers;
    let by_importer = "sessions wait for locks of shop/web importer, idle in transaction for";
    assert_eq!(said(&locked), format!("18 {by_importer} 1 min 24 s."));
    locked.holders = sample().holders;
    let leak = "1 probable leak.";
    assert_eq!(
        said(&locked),
        format!("18 {by_importer} 1 min 24 s; {leak}")
    );

    let mut leaking = calm();
    leaking.holders = sample().holders;
    let leak = "1 probable leak: shop/web importer for 1 min 24 s.";
    assert_eq!(said(&leaking), leak);
    leaking.holders.as_mut().unwrap()[2].leak = true;
    let leaks = "2 probable leaks, the oldest shop/jobs importer for 10 min 12 s.";
    assert_eq!(said(&leaking), leaks);

    let mut foreign = calm();
    foreign.blockers = serde_json::from_str(
        r#"[{"kind": "elsewhere", "database": "shop", "user": "root", "applicationName": "psql",
             "state": "", "sinceMs": null, "lockWaiters": 1},
            {"kind": "client", "lockWaiters": 0}]"#,
    )
    .unwrap();
    let session = "1 session waits for a lock of a session from elsewhere (shop/root psql).";
    assert_eq!(said(&foreign), session);

    let mut short = calm();
    short.pools[0].stats.waiting = 2;
    let queue = headline(&short);
    assert_eq!(
        (queue.is_well, &*queue.line),
        (true, "2 clients wait; no alarm.")
    );
}

#[test]
fn a_sentence_says_what_is_most_wrong_or_that_nothing_is() {
    let text = |change: fn(&mut Live)| {
        let mut live = calm();
        change(&mut live);
        headline(&live).text
    };
    for (change, expected) in [
        (
            (|_| {}) as fn(&mut Live),
            "All is well. 3 pools serve 471 clients; nobody waits.",
        ),
        (
            |live| live.pools.truncate(1),
            "All is well. 1 pool serves 471 clients; nobody waits.",
        ),
        (
            |live| {
                for pool in &mut live.pools {
                    (pool.stats.active, pool.transactions_per_second) = (0, 0.0);
                }
            },
            "All is quiet. 3 pools, nobody waits.",
        ),
        (
            |live| live.pools.clear(),
            "No client has come yet, so there is no pool.",
        ),
        (
            |live| live.pools[0].stats.login_failing = true,
            "ledger/api cannot log in to PostgreSQL.",
        ),
        (
            |live| {
                for pool in &mut live.pools {
                    pool.stats.login_failing = true;
                }
            },
            "3 of 3 pools cannot log in to PostgreSQL.",
        ),
        (
            |live| {
                live.pools[0].stats.waiting = 8;
                live.pools[0].stats.oldest_wait_ms = Some(2_340.0);
            },
            "8 clients wait in ledger/api, the first for 2.3 s.",
        ),
        (
            |live| {
                live.pools.truncate(1);
                live.pools[0].stats.waiting = 40;
                live.pools[0].stats.oldest_wait_ms = Some(900.0);
            },
            "40 clients wait, the first for 900 ms.",
        ),
        (
            |live| {
                live.blockers = sample().blockers;
                live.holders = sample().holders;
            },
            "18 sessions wait for the locks of one; 1 client has probably leaked a server.",
        ),
    ] {
        assert_eq!(text(change), expected);
    }
}
