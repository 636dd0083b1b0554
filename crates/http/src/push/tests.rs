use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::{Failure, push};
use crate::pooler::Collector;

fn at(listener: &TcpListener) -> Collector {
    Collector {
        host: "127.0.0.1".to_owned(),
        authority: listener.local_addr().unwrap().to_string(),
        port: listener.local_addr().unwrap().port(),
        path: "/v1/metrics".to_owned(),
    }
}

/// A collector that takes one request, and what it answers.
fn collector(answer: impl Into<String>) -> (Collector, std::thread::JoinHandle<String>) {
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
