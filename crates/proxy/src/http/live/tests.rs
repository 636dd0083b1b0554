use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Life, is_own_name};
use crate::http::access::Access;
use crate::http::feed::{Feed, STREAM_LIFE, STREAMS_MAX};
use crate::http::routes::{View, router};
use crate::http::tests::{SECRET, World, world};

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

fn view(world: &World, is_local: bool) -> View {
    View {
        registry: world.registry.clone(),
        feed: Arc::new(Feed::new(world.registry.clone())),
        access: Arc::new(Access::new(world.registry.clone())),
        is_local,
    }
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
    let world = world("http_jwt_secret_file = \"secret\"");
    for is_local in [true, false] {
        let view = view(&world, is_local);
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
    let world = world("");
    for path in BOTH {
        let got = ask(&view(&world, false), path, &[HERE]);
        assert_eq!(got.status, 404);
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("http_jwt_secret_file"), "{detail}");
        let local = view(&world, true);
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
fn the_document_has_what_a_view_needs() {
    let world = world("reserve_pool_size = 3");
    let view = view(&world, true);
    world
        .pool
        .decide(world.registry.clock.now(), &mut Vec::new(), |shared| {
            shared.totals.queries = 4;
            shared.totals.query_times.record_many_us(2_000, 4);
        });
    let json = ask(&view, "/api/v1/live", &[HERE]).json();
    assert_eq!(json["ready"], true);
    assert_eq!(json["workers"][0]["clients"], 0);
    assert_eq!(json["events"], json!([]));
    assert_eq!(json["history"]["seconds"], json!([]));
    let pool = &json["pools"][0];
    for (name, value) in [
        ("database", json!("app")),
        ("user", json!("bob")),
        ("mode", json!("session")),
        ("limit", json!(50)),
        ("reserveLimit", json!(3)),
        ("waitLimitMs", json!(20_000.0)),
        ("queries", json!(4)),
        ("waiting", json!(0)),
        ("oldestWaitMs", Value::Null),
        ("queuedMs", Value::Null),
    ] {
        assert_eq!(pool[name], value, "{name}");
    }
    assert_eq!(pool["queryMs"]["mean"], 2.0);
    for section in [
        "statements",
        "slow",
        "nPlusOne",
        "holders",
        "waits",
        "blockers",
    ] {
        assert_eq!(json[section], json!([]), "{section}");
    }
}

#[test]
fn everything_in_the_document_is_described() {
    let view = view(&world(""), true);
    let json = ask(&view, "/api/v1/live", &[HERE]).json();
    let described = ask(&view, "/api/v1/openapi.json", &[]).json();
    let schemas = &described["components"]["schemas"];
    let names = |object: &Value| -> Vec<String> {
        let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&json), names(&schemas["Live"]["properties"]));
    let mut pool = names(&schemas["LivePool"]["properties"]);
    pool.extend(names(&schemas["Pool"]["properties"]));
    pool.sort();
    assert_eq!(names(&json["pools"][0]), pool);
}

#[test]
fn a_stream_is_of_events_and_one_too_many_is_refused() {
    let view = view(&world(""), true);
    let got = ask(&view, "/api/v1/live/events", &[HERE]);
    assert_eq!(got.headers["content-type"], "text/event-stream");
    assert_eq!(got.headers["cache-control"], "no-store");
    let json = got.text.strip_prefix("data: ").unwrap();
    assert_eq!(serde_json::from_str::<Value>(json).unwrap()["ready"], true);
    let _open: Vec<_> = (0..STREAMS_MAX)
        .filter_map(|_| view.feed.subscribe())
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
        let router = router(view(&world(""), true));
        assert_eq!(
            runtime.block_on(router.oneshot(request)).unwrap().status(),
            200
        );
        assert_eq!(life.farewell(ordinary) > STREAM_LIFE, is_long, "{path}");
        assert_eq!(life.farewell(ordinary) == ordinary, !is_long, "{path}");
    }
}
