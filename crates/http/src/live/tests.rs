use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use pgweir_telemetry::window::Window;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Life, is_own_name};
use crate::feed::{STREAM_LIFE, STREAMS_MAX};
use crate::routes::router;
use crate::tests::{FakePooler, SECRET, keys};
use crate::view::View;

struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

fn view(pooler: Arc<FakePooler>, is_local: bool) -> View {
    pooler.view("/api/v1", is_local)
}

/// Asks; of a stream, gives the first event.
fn ask(view: &View, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let response: Response<Body> = router(view.clone()).oneshot(request).await.unwrap();
        let (parts, mut body) = response.into_parts();
        let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    })
}

fn token() -> String {
    let claims = json!({ "exp": 4_102_444_800u64 });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    format!(
        "Bearer {}",
        encode(&Header::default(), &claims, &key).unwrap()
    )
}

const HERE: (&str, &str) = ("host", "127.0.0.1:6433");
const BOTH: [&str; 2] = ["/api/v1/live", "/api/v1/live/events"];

#[test]
fn with_a_key_a_token_opens_it_wherever_it_is_asked_for() {
    for is_local in [true, false] {
        let view = view(
            FakePooler::with(|access| access.keys = keys(None)),
            is_local,
        );
        for path in BOTH {
            let got = ask(&view, path, &[HERE]);
            assert_eq!(got.status, 401, "{path}");
            assert_eq!(got.headers["www-authenticate"], "Bearer");
            let headers = [("host", "db.example:80"), ("authorization", &*token())];
            assert_eq!(ask(&view, path, &headers).status, 200, "{path}");
        }
    }
}

#[test]
fn without_a_key_it_is_for_this_machine_only() {
    for path in BOTH {
        let got = ask(&view(FakePooler::quiet(), false), path, &[HERE]);
        assert_eq!(got.status, 404);
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("http_jwt_secret_file"), "{detail}");
        let local = view(FakePooler::quiet(), true);
        assert_eq!(ask(&local, path, &[HERE]).status, 200);
        for elsewhere in [&[("host", "evil.example:6433")][..], &[]] {
            assert_eq!(ask(&local, path, elsewhere).status, 403);
        }
    }
}

#[test]
fn names_of_this_machine_are_told_from_others() {
    for (host, expected) in [
        ("127.0.0.1:6433", true),
        ("127.0.0.1", true),
        ("127.8.9.10:1", true),
        ("localhost:6433", true),
        ("LOCALHOST", true),
        ("[::1]:6433", true),
        ("[::1]", true),
        ("10.0.0.1:6433", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example:6433", false),
        ("evil.example:6433", false),
        ("", false),
    ] {
        assert_eq!(is_own_name(host), expected, "{host}");
    }
}

#[test]
fn everything_in_the_document_is_described() {
    let view = view(FakePooler::quiet(), true);
    let json = ask(&view, "/api/v1/live", &[HERE]).json();
    let described = ask(&view, "/api/v1/openapi.json", &[]).json();
    let schemas = &described["components"]["schemas"];
    let names = |object: &Value| -> Vec<String> {
        let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&json), names(&schemas["Live"]["properties"]));
    let pool = names(&schemas["LivePool"]["properties"]);
    assert_eq!(names(&json["pools"][0]), pool);
}

#[test]
fn a_stream_is_of_events_and_one_too_many_is_refused() {
    let view = view(FakePooler::quiet(), true);
    let got = ask(&view, "/api/v1/live/events", &[HERE]);
    assert_eq!(got.headers["content-type"], "text/event-stream");
    assert_eq!(got.headers["cache-control"], "no-store");
    let json = got.text.strip_prefix("data: ").unwrap();
    assert_eq!(serde_json::from_str::<Value>(json).unwrap()["ready"], true);
    let _open: Vec<_> = (0..STREAMS_MAX)
        .filter_map(|_| view.feed.subscribe(Window::Minute))
        .collect();
    let refused = ask(&view, "/api/v1/live/events", &[HERE]);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "10");
    assert_eq!(ask(&view, "/api/v1/live", &[HERE]).status, 200);
}

#[test]
fn only_a_stream_prolongs_its_connection() {
    let ordinary = std::time::Duration::from_secs(5);
    for (path, is_long) in [("/api/v1/live", false), ("/api/v1/live/events", true)] {
        let life = Life::default();
        let mut request = Request::builder().uri(path).header(HERE.0, HERE.1);
        request.extensions_mut().unwrap().insert(life.clone());
        let request = request.body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let router = router(view(FakePooler::quiet(), true));
        assert_eq!(
            runtime.block_on(router.oneshot(request)).unwrap().status(),
            200
        );
        assert_eq!(life.farewell(ordinary) > STREAM_LIFE, is_long, "{path}");
        assert_eq!(life.farewell(ordinary) == ordinary, !is_long, "{path}");
    }
}

#[test]
fn figures_are_of_the_window_that_is_asked_for() {
    let pooler = FakePooler::quiet();
    let view = view(pooler, true);
    let host = [("host", "localhost")];
    for (query, window) in [
        ("", "1min"),
        ("?window=5s", "5s"),
        ("?x=1&window=start", "start"),
    ] {
        let got = ask(&view, &format!("/api/v1/live{query}"), &host);
        assert_eq!((got.status, &got.json()["window"]), (200, &json!(window)));
        let got = ask(&view, &format!("/api/v1/live/events{query}"), &host);
        assert!(
            got.text.contains(&format!("\"window\":\"{window}\"")),
            "{}",
            got.text
        );
    }
    let got = ask(&view, "/api/v1/live?window=1h", &host);
    assert_eq!(got.status, 400);
    assert!(got.text.contains("5s, 1min, 15min, start"), "{}", got.text);
}
