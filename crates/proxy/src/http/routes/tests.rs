use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use pgweir_wire::sqlstate::SqlState;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{View, router};
use crate::http::access::Access;
use crate::http::feed::Feed;
use crate::http::tests::{SECRET, World, world};
use crate::texts::ClientError;

struct Got {
    status: u16,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let router = router(View {
            registry: world.registry.clone(),
            feed: std::sync::Arc::new(Feed::new(world.registry.clone())),
            access: std::sync::Arc::new(Access::new(world.registry.clone())),
            is_local: false,
        });
        let response: Response<Body> = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    })
}

fn get(world: &World, path: &str) -> Got {
    ask(world, "GET", path, &[])
}

/// The pool's only login to PostgreSQL failed.
fn fail_login(world: &World) {
    let pool = &world.pool;
    let error = ClientError::new(SqlState::CANNOT_CONNECT_NOW, "no");
    *pool.login_error.lock().unwrap() = Some(error);
}

fn token(audience: &str) -> String {
    let claims = json!({ "exp": 4_102_444_800u64, "aud": audience });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::default(), &claims, &key).unwrap();
    format!("Bearer {token}")
}

#[test]
fn an_idle_pooler_is_alive_and_ready() {
    let world = world("");
    for path in ["/livez", "/readyz"] {
        let got = get(&world, path);
        assert_eq!((got.status, got.text.as_str()), (200, "ok\n"));
        assert_eq!(got.header("cache-control"), "no-store");
        let head = ask(&world, "HEAD", path, &[]);
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
}

#[test]
fn a_pooler_that_drains_is_alive_and_not_ready() {
    let world = world("");
    world
        .registry
        .draining
        .store(true, std::sync::atomic::Ordering::Release);
    assert_eq!(get(&world, "/livez").status, 200);
    let got = get(&world, "/readyz");
    assert_eq!(
        (got.status, got.json()["status"].as_u64()),
        (503, Some(503))
    );
    let health = get(&world, "/api/v1/health");
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["data"]["healthy"], false);
}

#[test]
fn a_pooler_that_reaches_no_postgresql_is_not_ready_and_tries_again() {
    let mut world = world("");
    assert_eq!(world.opened(), 0);
    fail_login(&world);
    assert_eq!(get(&world, "/readyz").status, 503);
    assert_eq!(world.opened(), 1, "asking has it connect");
    assert_eq!(get(&world, "/readyz").status, 503);
    assert_eq!(world.opened(), 0, "but not twice at once");
    let pool = world.pool.clone();
    *pool.login_error.lock().unwrap() = None;
    assert_eq!(get(&world, "/readyz").status, 200);
}

#[test]
fn health_is_open_and_says_no_names() {
    let world = world("http_path_prefix = \"/api/v1/accounts\"");
    let got = get(&world, "/api/v1/accounts/health");
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), "application/json");
    let json = got.json();
    assert_eq!(json["success"], true);
    assert_eq!(json["data"]["healthy"], true);
    assert!(json["data"]["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(!got.text.contains("app") && !got.text.contains("bob"));
    assert_eq!(get(&world, "/api/v1/health").status, 404);
}

#[test]
fn statistics_need_a_key_and_then_a_token_for_it() {
    let stats = "/api/v1/stats/database";
    assert_eq!(get(&world(""), stats).status, 404);
    let world = world("http_jwt_secret_file = \"secret\"\nhttp_jwt_audience = \"pgweir\"");
    for headers in [
        vec![],
        vec![("authorization", "Bearer nonsense".to_owned())],
        vec![("authorization", token("other"))],
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let got = ask(&world, "GET", stats, &headers);
        assert_eq!(got.status, 401);
        assert_eq!(got.header("www-authenticate"), "Bearer");
        assert_eq!(got.header("content-type"), "application/problem+json");
        assert_eq!(got.json()["detail"], "a valid token is needed");
    }
    let got = ask(&world, "GET", stats, &[("authorization", &token("pgweir"))]);
    assert_eq!(got.status, 200);
}

#[test]
fn statistics_have_the_documented_body_and_pools_beside_it() {
    let world = world("http_jwt_secret_file = \"secret\"");
    world
        .pool
        .decide(world.registry.clock.now(), &mut Vec::new(), |shared| {
            shared.totals.queries = 15_234;
            shared.totals.errors = 1;
            shared.totals.query_times.record_us(2_000);
        });
    world.registry.errors.count(SqlState::TOO_MANY_CONNECTIONS);
    let token = token("x");
    let got = ask(
        &world,
        "GET",
        "/api/v1/stats/database",
        &[("authorization", &token)],
    );
    let json = got.json();
    assert_eq!(json["success"], true);
    let data = &json["data"];
    assert_eq!(data["healthy"], true);
    assert_eq!(data["totalQueries"], 15_234);
    assert_eq!(data["totalErrors"], 2);
    assert_eq!(
        data["poolInfo"],
        "Limit: 50, Pool Timeout: 20s, Connect Timeout: 10s"
    );
    let timestamp = data["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2025-10-30T12:00:00.000Z".len());
    let pool = &data["pools"][0];
    assert_eq!(
        (&pool["database"], &pool["user"]),
        (&json!("app"), &json!("bob"))
    );
    assert_eq!(pool["limit"], 50);
    assert_eq!(pool["queryMs"]["mean"], 2.0);
    assert_eq!(pool["waitMs"]["p99"], Value::Null);
}

#[test]
fn what_is_not_there_is_a_problem_object() {
    let world = world("");
    for (method, path, status) in [
        ("GET", "/assets/app.js", 404),
        ("GET", "/api/v1", 404),
        ("POST", "/nothing", 404),
        ("POST", "/livez", 405),
        ("DELETE", "/metrics", 405),
        ("POST", "/", 405),
        ("POST", "/api/v1/live", 405),
        ("PUT", "/api/v1/stats/database", 405),
        ("OPTIONS", "/api/v1/health", 405),
        ("GET", "/api/v1/clients/7/end", 405),
        ("DELETE", "/api/v1/clients/7/end", 405),
    ] {
        let got = ask(&world, method, path, &[]);
        assert_eq!(got.status, status, "{method} {path}");
        assert_eq!(got.header("content-type"), "application/problem+json");
        assert_eq!(got.json()["status"], status);
        if status == 405 {
            let allowed = if path.ends_with("/end") {
                "POST"
            } else {
                "GET,HEAD"
            };
            assert_eq!(got.header("allow"), allowed);
        }
    }
}

#[test]
fn metrics_are_text_in_the_format_that_is_asked_for() {
    let world = world("metrics_compat = \"prisma, sqlx\"");
    let got = get(&world, "/metrics");
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").contains("version=0.0.4"));
    assert!(got.text.contains("\nprisma_pool_size 50\n"));
    assert!(got.text.contains("\nsqlx_pool_connections_idle 0\n"));
    let accept = [("accept", "application/openmetrics-text; version=1.0.0")];
    let got = ask(&world, "GET", "/metrics", &accept);
    assert!(got.header("content-type").contains("openmetrics-text"));
    assert!(got.text.ends_with("# EOF\n"));
}

#[test]
fn the_open_api_document_names_every_path() {
    let world = world("http_path_prefix = \"/x\"");
    let json = get(&world, "/x/openapi.json").json();
    let paths: Vec<_> = json["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 11);
    for path in paths {
        let (method, described) = json["paths"][path]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        let got = ask(&world, &method.to_uppercase(), path, &[]);
        let responses = &described["responses"];
        let answer = &responses[got.status.to_string()];
        // What several paths have in common is described once.
        let answer = match answer["$ref"].as_str() {
            Some(pointer) => json.pointer(pointer.trim_start_matches('#')).unwrap(),
            None => answer,
        };
        assert!(answer.is_object(), "{path} answered {}", got.status);
        let kind = got.header("content-type").split(';').next().unwrap();
        assert!(answer["content"][kind].is_object(), "{path}: {kind}");
    }
}

#[test]
fn clients_are_done_something_to_only_with_a_token_that_is_good_for_it() {
    let paths = ["/api/v1/clients/7/cancel", "/api/v1/clients/7/end"];
    let bearer = |scope: &str| {
        let claims = json!({ "exp": 4_102_444_800u64, "sub": "eve", "scope": scope });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        format!(
            "Bearer {}",
            encode(&Header::default(), &claims, &key).unwrap()
        )
    };
    let keys = "http_jwt_secret_file = \"secret\"";
    for (settings, scope, status) in [
        // However local the listener is, nobody changes anything without a key.
        ("", "pgweir:admin", 404),
        (
            &format!("{keys}\nhttp_admin_scope = \"off\""),
            "pgweir:admin off",
            404,
        ),
        (keys, "", 403),
        (keys, "pgweir:administrator read", 403),
        (
            &format!("{keys}\nhttp_admin_scope = \"ops\""),
            "pgweir:admin",
            403,
        ),
    ] {
        let world = world(settings);
        for path in paths {
            let token = bearer(scope);
            let got = ask(&world, "POST", path, &[("authorization", &token)]);
            assert_eq!(got.status, status, "{settings} {scope} {path}");
            assert_ne!(got.json()["detail"], "no client has this number");
        }
    }
    let world = world(keys);
    for path in paths {
        let got = ask(&world, "POST", path, &[]);
        assert_eq!(
            (got.status, got.header("www-authenticate")),
            (401, "Bearer")
        );
        let token = bearer("read");
        let got = ask(&world, "POST", path, &[("authorization", &token)]);
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"pgweir:admin\"";
        assert_eq!(
            (got.status, got.header("www-authenticate")),
            (403, challenge)
        );
        let token = bearer("read pgweir:admin");
        let got = ask(&world, "POST", path, &[("authorization", &token)]);
        let detail = "no client has this number";
        assert_eq!(
            (got.status, got.json()["detail"].as_str()),
            (404, Some(detail))
        );
    }
    for number in ["x", "-1", "4294967296", "7%2F8"] {
        let token = bearer("pgweir:admin");
        let path = format!("/api/v1/clients/{number}/end");
        let got = ask(&world, "POST", &path, &[("authorization", &token)]);
        assert_eq!(got.status, 404, "{number}");
    }
}
