//! A thousand clients over twenty servers, each of whose queries carries a tag that nobody else
//! has: whoever sees a tag that is not its own has seen somebody else's answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgweir_e2e::{Batch, Config, Pooler, Target, shared};
use pgweir_wire::backend;
use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::login::{Handshake, Turn};
use pgweir_wire::startup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CLIENTS: u32 = 1000;
const SERVERS: u16 = 20;
const TIME: Duration = Duration::from_secs(5);

/// Nobody has to prove anything here, so that it is never used.
const NONCE: &str = "none";

/// What was done, over all clients.
#[derive(Debug, Default)]
struct Tally {
    answers: AtomicU32,
    transactions: AtomicU32,
    copies: AtomicU32,
    departures: AtomicU32,
    cancelled: AtomicU32,
}

/// A client on its own stream. Every answer it reads is compared with what it asked.
struct Client {
    stream: TcpStream,
    inbox: Vec<u8>,
    pid: u32,
    key: Vec<u8>,
}

impl Client {
    async fn log_in(target: &Target) -> Self {
        let stream = TcpStream::connect((&*target.host, target.port))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream,
            inbox: Vec::new(),
            pid: 0,
            key: Vec::new(),
        };
        let mut identity = target.identity(&[]);
        let mut out = Vec::new();
        let mut login = Handshake::start(&identity, NONCE.to_owned(), &mut out);
        loop {
            client.stream.write_all(&out).await.unwrap();
            out.clear();
            let (kind, body) = client.receive().await;
            match login.on_message(kind, &body, &mut identity, &mut out) {
                Ok(Turn::Wait(next)) => login = next,
                Ok(Turn::Ready(opened)) => {
                    (client.pid, client.key) = opened.cancel_key.unwrap();
                    return client;
                }
                Err(error) => panic!("login failed: {error}"),
            }
        }
    }

    async fn send(&mut self, batch: &Batch) {
        self.stream.write_all(batch.bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some(header) = frame::header(&self.inbox).unwrap()
                && self.inbox.len() >= header.message_len()
            {
                let body = self.inbox[HEADER_LEN..header.message_len()].to_vec();
                self.inbox.drain(..header.message_len());
                return (header.kind, body);
            }
            let len = self.stream.read_buf(&mut self.inbox).await.unwrap();
            assert!(len > 0, "the session ended");
        }
    }

    /// Reads up to a ReadyForQuery: all texts in rows and COPY data, and the first error's code.
    async fn answer(&mut self) -> (Vec<String>, Option<String>) {
        let (mut texts, mut error) = (Vec::new(), None);
        loop {
            let (kind, body) = self.receive().await;
            match kind {
                backend::READY_FOR_QUERY => return (texts, error),
                // One column: the number of columns and a length come first.
                backend::DATA_ROW => texts.push(String::from_utf8(body[6..].to_vec()).unwrap()),
                backend::COPY_DATA => {
                    texts.push(String::from_utf8(body).unwrap().trim_end().to_owned());
                }
                backend::ERROR_RESPONSE => {
                    let view = backend::ErrorView::parse(&body);
                    error = view.sqlstate().map(|code| code.to_string());
                    assert!(error.is_some(), "an error without SQLSTATE");
                }
                _ => {}
            }
        }
    }

    /// Asks for `tag`, which must be all that comes back.
    async fn expect(&mut self, batch: Batch, tag: &str) {
        self.send(&batch).await;
        let (texts, error) = self.answer().await;
        assert_eq!((&*texts, error), (&[tag.to_owned()][..], None));
    }
}

/// One client's life: it does a bit of everything until the time is over.
async fn live(target: Target, number: u32, until: Instant, tally: Arc<Tally>) {
    let mut client = Client::log_in(&target).await;
    let mut round = 0;
    while Instant::now() < until {
        round += 1;
        let tag = format!("{number}/{round}");
        // Every client begins elsewhere, and none of them repeats another's sequence.
        match (number * 7 + round * 13) % 20 {
            0..=6 => {
                client
                    .expect(Batch::new().query(&format!("select '{tag}'")), &tag)
                    .await;
            }
            7..=11 => {
                client
                    .expect(Batch::new().run("select $1::text", &[&tag]).sync(), &tag)
                    .await;
            }
            12 | 13 => {
                let batch = Batch::new()
                    .query("begin")
                    .run("select $1::text", &[&tag])
                    .sync();
                client.send(&batch).await;
                assert_eq!(client.answer().await, (vec![], None));
                assert_eq!(client.answer().await, (vec![tag.clone()], None));
                client
                    .expect(Batch::new().query(&format!("select '{tag}'")), &tag)
                    .await;
                client.send(&Batch::new().query("commit")).await;
                assert_eq!(client.answer().await, (vec![], None));
                tally.transactions.fetch_add(1, Ordering::Relaxed);
            }
            14 => {
                let copy = format!("copy (select '{tag}') to stdout");
                client.expect(Batch::new().query(&copy), &tag).await;
                tally.copies.fetch_add(1, Ordering::Relaxed);
            }
            15 => {
                let batch = Batch::new()
                    .query("copy crowd from stdin")
                    .copy_data(&format!("{tag}\n"))
                    .copy_done();
                client.send(&batch).await;
                assert_eq!(client.answer().await, (vec![], None));
                tally.copies.fetch_add(1, Ordering::Relaxed);
            }
            16 => {
                let sql = format!("select '{tag}' from generate_series(1, 300)");
                client.send(&Batch::new().query(&sql)).await;
                let (texts, error) = client.answer().await;
                assert_eq!((texts.len(), error), (300, None));
                assert!(texts.iter().all(|text| *text == tag), "{tag}: {texts:?}");
            }
            17 => {
                let batch = Batch::new()
                    .run("select 1 / (length($1) - length($1))", &[&tag])
                    .sync();
                client.send(&batch).await;
                assert_eq!(client.answer().await, (vec![], Some("22012".to_owned())));
            }
            // Gone in the middle of a query, or of a transaction, or of a batch.
            18 => {
                let batch = match round % 3 {
                    0 => Batch::new().query(&format!("select '{tag}' from pg_sleep(0.05)")),
                    1 => Batch::new()
                        .query("begin")
                        .query(&format!("select '{tag}'")),
                    _ => Batch::new().run("select $1::text", &[&tag]).flush(),
                };
                client.send(&batch).await;
                // So that departures hit every moment of a query's life.
                tokio::time::sleep(Duration::from_millis(u64::from(number % 10))).await;
                client = Client::log_in(&target).await;
                tally.departures.fetch_add(1, Ordering::Relaxed);
            }
            // Cancelled, in time or not.
            _ => {
                let sql = format!("select '{tag}' from pg_sleep(0.02)");
                client.send(&Batch::new().query(&sql)).await;
                let mut request = Vec::new();
                startup::encode_cancel(&mut request, client.pid, &client.key);
                let mut other = TcpStream::connect((&*target.host, target.port))
                    .await
                    .unwrap();
                other.write_all(&request).await.unwrap();
                let answer = client.answer().await;
                // Until this ends, the request may hit the next query: so it is with PostgreSQL.
                assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
                match answer {
                    (texts, None) => assert_eq!(texts, [&*tag]),
                    (texts, Some(code)) => {
                        assert_eq!((&*code, texts.len()), ("57014", 0));
                        tally.cancelled.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
        tally.answers.fetch_add(1, Ordering::Relaxed);
    }
}

fn crowd(workers: impl Fn(Config) -> Config) {
    let role = shared().role();
    pgweir_e2e::Client::log_in(&role.direct())
        .query("create table crowd (tag text)")
        .success();
    let config = workers(role.config())
        .set("default_pool_size", SERVERS)
        .set("max_client_conn", 3000)
        .set("listen_backlog", 2000)
        .set("log_connections", false)
        .set("log_disconnections", false);
    let pooler = Pooler::start(&config);
    let target = role.through(&pooler);
    let tally = Arc::new(Tally::default());
    let (done, counted) = (Arc::new(AtomicBool::new(false)), tally.clone());
    let until = Instant::now() + TIME;
    let stop = done.clone();
    let clients = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let outcome = runtime.block_on(async {
            let mut clients = JoinSet::new();
            for number in 0..CLIENTS {
                clients.spawn(live(target.clone(), number, until, counted.clone()));
            }
            let all = async {
                while let Some(client) = clients.join_next().await {
                    client.unwrap();
                }
            };
            tokio::time::timeout(TIME + Duration::from_secs(30), all).await
        });
        stop.store(true, Ordering::SeqCst);
        outcome.expect("all clients come to an end");
    });
    let mut most = 0;
    while !done.load(Ordering::SeqCst) && !clients.is_finished() {
        most = most.max(shared().pids(&role).len());
        // A sample at a time, while the crowd lasts: more would cost the machine too much.
        thread::sleep(Duration::from_millis(50));
    }
    clients.join().unwrap();
    assert!(most <= usize::from(SERVERS), "{most} servers");
    let counts = BTreeMap::from([
        ("answers", (&tally.answers, CLIENTS)),
        ("transactions", (&tally.transactions, CLIENTS / 20)),
        ("copies", (&tally.copies, CLIENTS / 20)),
        ("departures", (&tally.departures, CLIENTS / 50)),
        ("cancelled", (&tally.cancelled, 1)),
    ]);
    for (what, (count, least)) in counts {
        let count = count.load(Ordering::Relaxed);
        assert!(count >= least, "{what}: {count}");
    }
    // Whatever happened, the pool is whole and clean.
    let mut last: Vec<_> = (0..SERVERS)
        .map(|_| pgweir_e2e::Client::log_in(&role.through(&pooler)))
        .collect();
    for client in &mut last {
        client.query("begin").success();
        assert_eq!(client.value("select 'clean'"), "clean");
    }
}

#[test]
fn a_thousand_clients_on_one_worker() {
    crowd(|config| config.set("workers", 1));
}

#[test]
fn a_thousand_clients_on_two_workers() {
    crowd(|config| config.set("workers", 2));
}

#[test]
fn a_thousand_clients_on_workers_as_needed() {
    crowd(|config| config.set("workers", "auto"));
}
