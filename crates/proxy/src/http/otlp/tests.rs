use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Failure, push, render};
use crate::http::tests::world;
use pgweir_config::Otlp;

/// What is pushed of a pooler that did something.
fn pushed() -> Value {
    let world = world("");
    world
        .pool
        .decide(world.registry.clock.now(), &mut Vec::new(), |shared| {
            shared.totals.queries = 3;
            for us in [90, 890, 90_000_000] {
                shared.totals.query_times.record_us(us);
            }
        });
    let text = render(&world.registry, UNIX_EPOCH + Duration::from_nanos(7));
    serde_json::from_str(&text).unwrap()
}

fn metric<'a>(pushed: &'a Value, name: &str) -> &'a Value {
    let metrics = &pushed["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let mut found = metrics
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["name"] == name);
    let metric = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    metric
}

#[test]
fn metrics_have_the_shape_of_otlp() {
    let pushed = pushed();
    let resource = &pushed["resourceMetrics"][0]["resource"]["attributes"][0];
    assert_eq!(
        *resource,
        json!({"key": "service.name", "value": {"stringValue": "pgweir"}})
    );

    let queries = metric(&pushed, "pgweir_pool_queries_total");
    assert_eq!(queries["sum"]["isMonotonic"], true);
    assert_eq!(queries["sum"]["aggregationTemporality"], 2);
    let point = &queries["sum"]["dataPoints"][0];
    assert_eq!(point["asInt"], "3");
    assert_eq!(point["startTimeUnixNano"], "7");
    assert_eq!(
        point["attributes"],
        json!([
            {"key": "database", "value": {"stringValue": "app"}},
            {"key": "user", "value": {"stringValue": "bob"}},
        ])
    );
    let now: u128 = point["timeUnixNano"].as_str().unwrap().parse().unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now <= since.as_nanos() && now + 60_000_000_000 > since.as_nanos());

    let times = metric(&pushed, "pgweir_pool_query_seconds");
    assert_eq!(times["unit"], "s");
    let point = &times["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], "3");
    assert_eq!(point["sum"], 90.00098);
    let bounds = point["explicitBounds"].as_array().unwrap();
    let counts = point["bucketCounts"].as_array().unwrap();
    assert_eq!(counts.len(), bounds.len() + 1);
    let number = |count: &Value| count.as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(counts.iter().map(number).sum::<u64>(), 3);
    assert_eq!((number(&counts[0]), number(&counts[bounds.len()])), (1, 1));

    let uptime = metric(&pushed, "pgweir_uptime_seconds");
    assert!(uptime["gauge"]["dataPoints"][0]["asDouble"].is_f64());
}

fn at(listener: &TcpListener) -> Otlp {
    Otlp {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        path: "/v1/metrics".to_owned(),
    }
}

/// A collector that takes one request, and what it answers.
fn collector(answer: impl Into<String>) -> (Otlp, std::thread::JoinHandle<String>) {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let otlp = at(&listener);
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let end = stream.read(&mut [0; 16]);
        assert!(matches!(end, Ok(0)), "the connection is closed: {end:?}");
        request
    });
    (otlp, thread)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let len = stream.read(&mut chunk).unwrap();
        text.extend(&chunk[..len]);
        let so_far = String::from_utf8_lossy(&text);
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let (_, rest) = head.split_once("Content-Length: ").unwrap();
            let expected: usize = rest.lines().next().unwrap().parse().unwrap();
            if body.len() >= expected || len == 0 {
                return so_far.into_owned();
            }
        }
    }
}

#[tokio::test]
async fn a_push_is_one_request_and_its_status_is_heeded() {
    let (otlp, request) = collector("HTTP/1.1 200 OK\r\n\r\n{}");
    push(&otlp, "{\"a\": 1}").await.unwrap();
    let request = request.join().unwrap();
    assert!(
        request.starts_with("POST /v1/metrics HTTP/1.0\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\nContent-Type: application/json\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n{\"a\": 1}"), "{request}");
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "",
    ] {
        let (otlp, request) = collector(answer);
        let outcome = push(&otlp, "{}").await;
        assert!(matches!(outcome, Err(Failure::Refused(_))), "{answer}");
        request.join().unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = at(&listener);
    drop(listener);
    assert!(matches!(push(&nobody, "{}").await, Err(Failure::Io(_))));
}

#[tokio::test]
async fn the_answer_is_read_to_its_end_so_that_no_connection_is_reset() {
    // More than one read takes, and less than a collector may send.
    let body = "x".repeat(20_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n{body}");
    let (otlp, request) = collector(answer);
    push(&otlp, "{}").await.unwrap();
    request.join().unwrap();
}

#[tokio::test]
async fn a_collector_that_stays_connected_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let otlp = at(&listener);
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}").unwrap();
        // Until the other side closes, as it does of its own.
        stream.read(&mut [0; 16]).unwrap()
    });
    push(&otlp, "{}").await.unwrap();
    assert_eq!(peer.join().unwrap(), 0);
}
