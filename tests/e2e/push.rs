//! Metrics pushed to a collector, which may be slow: nobody but the push waits for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use pgweir_e2e::{Client, PATIENCE, Pooler, eventually, shared};

/// Reads a request and lets it be well.
fn take(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let len = stream.read(&mut chunk).expect("the pooler sends");
        text.extend(&chunk[..len]);
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let (_, length) = head.split_once("Content-Length: ").expect("a length");
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if len == 0 || body.len() == length {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .expect("the pooler listens");
            return so_far.into_owned();
        }
    }
}

#[test]
fn a_collector_that_hangs_delays_nobody_and_gets_all_of_it_later() {
    let role = shared().role();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (requests, taken) = mpsc::channel();
    let (hanging, hangs) = mpsc::channel();
    thread::spawn(move || {
        // This one says nothing, and nothing is read of it.
        let hung = listener.accept();
        hanging.send(()).expect("the test waits for it");
        while let Ok((mut stream, _)) = listener.accept() {
            if requests.send(take(&mut stream)).is_err() {
                break;
            }
        }
        drop(hung);
    });
    let config = role
        .config()
        .set("http_listen", "127.0.0.1:0")
        .set("otlp_endpoint", &format!("http://127.0.0.1:{port}/otlp"))
        .set("otlp_interval", 1);
    let pooler = Pooler::start(&config);
    let mut client = Client::log_in(&role.through(&pooler));
    hangs.recv_timeout(PATIENCE).expect("a push that hangs");
    for _ in 0..10 {
        assert_eq!(client.value("select 1"), "1");
        let ready = pooler.scrape().sum("pgweir_ready", &[]);
        assert_eq!(ready, Some(1.0));
    }
    assert_eq!(pooler.logged("metrics are pushed"), 0, "it still hangs");
    let request = taken.recv_timeout(PATIENCE).expect("a push");
    pooler.has_logged("metrics cannot be pushed", 1);
    eventually("it is well again", || {
        (pooler.logged("metrics are pushed") == 1).then_some(())
    });
    assert!(
        request.starts_with("POST /otlp/v1/metrics HTTP/1.0\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\"name\":\"pgweir_pool_queries_total\""),
        "{request}"
    );
    assert!(request.contains("\"asInt\":\"10\""), "{request}");
    assert!(!request.contains("pgbouncer_"), "{request}");
    assert!(!request.contains(&role.password), "{request}");
    taken.recv_timeout(PATIENCE).expect("and one each second");
}
