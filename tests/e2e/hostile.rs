//! Clients that mean harm, by the hundred, on a pool of five: whoever comes next must meet nothing of it. Meanwhile
//! PostgreSQL is restarted, and its processes are killed and stopped.
//!
//! Acts are drawn from a seed that the test prints. `HOSTILE_SECONDS` and `HOSTILE_SEED` set length and seed;
//! `make test` runs it for a minute, `make hostile` for ten.

mod disasters;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Client, Config, Pooler, Postgres, Role, Target};

use disasters::Troubles;

/// Servers, clients that do harm, and clients that must not be hurt.
const SERVERS: i32 = 5;
const ATTACKERS: u64 = 6;
const CANARIES: u64 = 2;

/// Time for one answer to a canary. Its servers are busy or being cleaned, and two cores are shared.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A few numbers from a seed (`xorshift64*`).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// What an attacker does. Afterwards it is gone without a goodbye, unless the act says one.
type Act = (&'static str, fn(&mut Client, &mut Dice, &Target));

const ACTS: &[Act] = &[
    ("vanish amid a query", |client, dice, _| {
        client.send(Batch::new().query("select pg_sleep(30)").bytes());
        pause(dice);
    }),
    ("goodbye amid a query", |client, dice, _| {
        let batch = Batch::new().query("select pg_sleep(30)");
        client.send(batch.bytes());
        pause(dice);
        client.send(Batch::new().terminate().bytes());
    }),
    ("goodbye behind a query", |client, _, _| {
        client.send(Batch::new().query("select 1").terminate().bytes());
        client.until_end();
    }),
    ("vanish in a transaction", |client, _, _| {
        client.query("begin; create temp table lost (a int)");
    }),
    ("vanish in a failed transaction", |client, _, _| {
        client.query("begin; select 1/0");
    }),
    ("vanish in a batch without Sync", |client, dice, _| {
        let batch = Batch::new().run("select 1", &[]).flush();
        client.send(batch.bytes());
        pause(dice);
    }),
    ("vanish behind a batch that fails", |client, _, _| {
        let batch = Batch::new().run("select 1/0", &[]).run("select 2", &[]);
        client.send(batch.bytes());
    }),
    ("a Flush with a body", |client, dice, _| {
        client.query("begin");
        in_pieces(client, dice, Batch::new().message(b'H', b"xyz").bytes());
    }),
    ("a Sync with a body", |client, dice, _| {
        in_pieces(client, dice, Batch::new().message(b'S', b"x").bytes());
    }),
    ("CopyDone and CopyData of no COPY", |client, dice, _| {
        let batch = Batch::new().copy_done().copy_data("x").copy_fail("y");
        let batch = batch.query("select 1").copy_done();
        in_pieces(client, dice, batch.bytes());
    }),
    ("a CopyDone beyond what is read", |client, _, _| {
        let batch = Batch::new().query("select 1");
        client.send(batch.message(b'c', &[0; 20_000]).bytes());
    }),
    ("half a message", |client, dice, _| {
        let batch = Batch::new().run("select repeat('x', 5000)", &["a"]).sync();
        let len = 1 + dice.below(batch.bytes().len() as u64 - 1) as usize;
        client.send(&batch.bytes()[..len]);
        pause(dice);
    }),
    ("vanish amid COPY in", |client, dice, _| {
        let copy = "begin; create temp table lost (a text); copy lost from stdin";
        client.send(Batch::new().query(copy).copy_data("x\n").bytes());
        pause(dice);
    }),
    ("vanish amid COPY out", |client, dice, _| {
        let copy = "copy (select generate_series(1, 1000000)) to stdout";
        client.send(Batch::new().query(copy).bytes());
        pause(dice);
    }),
    ("rows that nobody reads", |client, dice, _| {
        let rows = "select repeat('x', 1000), generate_series(1, 100000)";
        client.send(Batch::new().query(rows).bytes());
        pause(dice);
    }),
    ("a hundred queries at once", |client, dice, _| {
        let many = (0..100).fold(Batch::new(), |batch, _| batch.query("select 'not yours'"));
        client.send(many.bytes());
        pause(dice);
    }),
    ("statements left behind", |client, _, _| {
        let parse = Batch::new().parse("canary", "select 'not yours'");
        client.ask(&parse.parse("", "select 'not yours'").sync());
    }),
    ("settings left behind", |client, _, _| {
        client.query("set timezone = 'Asia/Tokyo'; set datestyle = 'German'");
        client.query("set application_name = 'evil'; set client_encoding = 'LATIN1'");
        client.query("set standard_conforming_strings = off; set extra_float_digits = 0");
    }),
    ("settings in a transaction", |client, dice, _| {
        client.query("begin; set local timezone = 'Asia/Tokyo'; set intervalstyle = 'iso_8601'");
        if dice.below(2) == 0 {
            client.query("commit");
        }
    }),
    ("notices", |client, dice, _| {
        let notice = "do $$ begin raise warning 'not yours'; perform pg_sleep(0.2); end $$";
        client.send(Batch::new().query(notice).bytes());
        pause(dice);
    }),
    ("cancels with the right key", |client, dice, _| {
        client.send(Batch::new().query("select pg_sleep(2)").bytes());
        pause(dice);
        for _ in 0..=dice.below(3) {
            client.cancel();
        }
        // Requests that come before the query does cancel nothing, as with PostgreSQL.
        if dice.below(2) == 0 {
            client.until_ready();
        }
    }),
    ("cancels when nothing runs", |client, _, _| {
        client.query("select 1");
        client.cancel();
    }),
    ("cancels with a wrong key", |client, dice, _| {
        client.key = (0..4).map(|_| dice.below(256) as u8).collect();
        client.cancel();
        client.pid = dice.below(1 << 31) as u32;
        client.cancel();
    }),
    ("its server is killed", |client, _, _| {
        client.send(
            Batch::new()
                .query("select pg_terminate_backend(pg_backend_pid())")
                .bytes(),
        );
        client.until_end();
    }),
    ("nonsense", |client, dice, _| {
        let bytes: Vec<u8> = (0..1 + dice.below(400))
            .map(|_| dice.below(256) as u8)
            .collect();
        client.send(&bytes);
        pause(dice);
    }),
    ("wrong names at login", |_, dice, target| {
        let name = format!("nobody-{}", dice.below(50));
        let target = target.clone().database(&name);
        assert!(Client::try_log_in(&target, &[]).is_err());
    }),
    ("settings that are none", |_, _, target| {
        let wrong = [("timezone", "Nowhere/At all")];
        assert!(Client::try_log_in(target, &wrong).is_err());
    }),
    ("a stranger that is silent", |_, dice, target| {
        let _stranger = Client::connect(target).expect("the pooler listens");
        pause(dice);
    }),
];

/// Up to 20 ms, so that what follows comes at any moment of what was begun.
fn pause(dice: &mut Dice) {
    thread::sleep(Duration::from_micros(dice.below(20_000)));
}

fn in_pieces(client: &mut Client, dice: &mut Dice, bytes: &[u8]) {
    for piece in bytes.chunks(1 + dice.below(4) as usize) {
        client.send(piece);
    }
    pause(dice);
}

fn config(role: &Role) -> Config {
    role.config()
        .set("default_pool_size", SERVERS)
        .set("query_wait_timeout", 60)
        .set("server_login_retry", 0.1)
        .set("log_connections", false)
        .set("log_disconnections", false)
}

/// Logs in. In trouble it may be refused, and tried again.
fn enter(target: &Target, settings: &[(&str, &str)], troubles: &Troubles) -> Client {
    loop {
        let moment = troubles.moment();
        match Client::try_log_in(target, settings) {
            Ok(client) => return client,
            Err(refused) => assert!(troubles.since(&moment), "{refused:?}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn attack(
    target: &Target,
    (seed, end): (u64, Instant),
    troubles: &Troubles,
    counts: &Mutex<BTreeMap<&str, u64>>,
) {
    let mut dice = Dice::new(seed);
    while Instant::now() < end {
        let (name, act) = ACTS[dice.below(ACTS.len() as u64) as usize];
        let mut client = enter(target, &[], troubles);
        act(&mut client, &mut dice, target);
        drop(client);
        *counts.lock().unwrap().entry(name).or_default() += 1;
    }
}

/// A client that does everything right, and meets nothing of the others.
fn sing(target: &Target, number: u64, end: Instant, troubles: &Troubles, songs: &AtomicU64) {
    let name = format!("canary {number}");
    let own = [("application_name", name.as_str())];
    let mut client = enter(target, &own, troubles);
    let settings = client.parameters.clone();
    let state = "current_setting('timezone'), current_setting('datestyle'), \
                 current_setting('application_name'), current_setting('client_encoding')";
    let expected = [
        "TimeZone",
        "DateStyle",
        "application_name",
        "client_encoding",
    ];
    let expected: Vec<_> = expected.map(|name| settings[name].clone()).into();
    let mut song = 0;
    while Instant::now() < end {
        song += 1;
        let tag = format!("{number}-{song}");
        let (began, moment) = (Instant::now(), troubles.moment());
        let sql = format!("select '{tag}', {state}");
        let extended = Batch::new().run(&sql, &[]).sync();
        let row = format!("D({tag},{}) C(SELECT 1) ZI", expected.join(","));
        for (batch, before) in [(Batch::new().query(&sql), ""), (extended, "1 2 ")] {
            // The columns are described or not.
            let told = client.ask(&batch).to_string().replace("T D", "D");
            let is_right = told == format!("{before}{row}");
            assert!(is_right || troubles.since(&moment), "{tag}: {told}");
            if !is_right {
                is_lost(&told, &row);
                client = enter(target, &own, troubles);
            }
        }
        let took = began.elapsed();
        let is_late = took >= ANSWER_MAX && !troubles.since(&moment);
        assert!(!is_late, "{tag}: an answer took {took:?}");
        assert_eq!(client.parameters, settings, "{tag}: told of settings");
        songs.fetch_add(1, Ordering::Relaxed);
    }
}

/// A canary's session ended, with an error that drivers know, and nothing of another's came before.
#[track_caller]
fn is_lost(told: &str, row: &str) {
    const EXPECTED: [&str; 6] = ["57P01", "57P02", "57P03", "08006", "08003", "53300"];
    let mut codes = told.split("E(").skip(1).filter_map(|rest| rest.get(..5));
    assert!(codes.all(|code| EXPECTED.contains(&code)), "{told}");
    assert!(told.ends_with("end"), "{told}");
    let own = row.split(" C(").next().unwrap_or_default();
    assert!(!told.replace(own, "").contains("D("), "{told}");
}

fn from_environment(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
#[ignore = "takes both cores: make test and make hostile run it alone"]
fn whoever_comes_next_meets_nothing_of_those_who_mean_harm() {
    let seconds = from_environment("HOSTILE_SECONDS", 60);
    let seed = from_environment("HOSTILE_SEED", u64::from(std::process::id()));
    println!("HOSTILE_SEED={seed}");
    let mut postgres = Postgres::start();
    let role = postgres.role();
    // Commits are asynchronous here, and a crash would lose the role.
    postgres.sql("checkpoint");
    let pooler = Pooler::start(&config(&role));
    let target = role.through(&pooler);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (counts, songs) = (Mutex::default(), AtomicU64::new(0));
    let troubles = &Troubles::default();
    thread::scope(|scope| {
        for number in 0..ATTACKERS {
            let (target, counts) = (&target, &counts);
            scope.spawn(move || attack(target, (seed + number, end), troubles, counts));
        }
        for number in 0..CANARIES {
            let (target, songs) = (&target, &songs);
            scope.spawn(move || sing(target, number, end, troubles, songs));
        }
        let (pooler, role, counts) = (&pooler, &role, &counts);
        let postgres = &mut postgres;
        scope.spawn(move || {
            disasters::strike((postgres, role), troubles, (seed, end), counts);
        });
        scope.spawn(move || {
            let mut size = SERVERS;
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(700));
                size = if size == SERVERS {
                    SERVERS - 1
                } else {
                    SERVERS
                };
                pooler.reload(&config(role).set("default_pool_size", size));
            }
        });
    });
    let counts: BTreeMap<&str, u64> = counts.into_inner().unwrap();
    for (name, count) in &counts {
        println!("{count:7} {name}");
    }
    let (acts, songs) = (counts.values().sum::<u64>(), songs.into_inner());
    println!("{acts:7} acts, {songs} songs of {CANARIES} canaries");
    assert!(acts > 0 && songs > 0, "nothing was tried");
}
