use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::router;
use crate::pooler::Access;
use crate::tests::{FakePooler, SECRET, keys};

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

fn ask(pooler: &Arc<FakePooler>, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
    ask_under("/api/v1", pooler, method, path, headers)
}

fn ask_under(
    prefix: &str,
    pooler: &Arc<FakePooler>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Got {
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
        let router = router(pooler.view(prefix, false));
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

fn get(pooler: &Arc<FakePooler>, path: &str) -> Got {
    ask(pooler, "GET", path, &[])
}

fn token(audience: &str) -> String {
    let claims = json!({ "exp": 4_102_444_800u64, "aud": audience });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::default(), &claims, &key).unwrap();
    format!("Bearer {token}")
}

#[test]
fn an_idle_pooler_is_alive_and_ready() {
    let pooler = FakePooler::quiet();
    for path in ["/livez", "/readyz"] {
        let got = get(&pooler, path);
        assert_eq!((got.status, got.text.as_str()), (200, "ok\n"));
        assert_eq!(got.header("cache-control"), "no-store");
        let head = ask(&pooler, "HEAD", path, &[]);
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
}

#[test]
fn a_pooler_that_drains_is_alive_and_not_ready() {
    let pooler = FakePooler::quiet();
    pooler.change(|snapshot| snapshot.readiness.draining = true);
    assert_eq!(get(&pooler, "/livez").status, 200);
    let got = get(&pooler, "/readyz");
    assert_eq!(
        (got.status, got.json()["status"].as_u64()),
        (503, Some(503))
    );
    let health = get(&pooler, "/api/v1/health");
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["data"]["healthy"], false);
}

#[test]
fn a_pooler_that_reaches_no_postgresql_is_not_ready_until_it_does() {
    let pooler = FakePooler::quiet();
    pooler.change(|snapshot| snapshot.readiness.failing = 1);
    let got = get(&pooler, "/readyz");
    assert_eq!(got.status, 503);
    let detail = got.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("cannot be reached"), "{detail}");
    pooler.change(|snapshot| snapshot.readiness.reachable = 1);
    assert_eq!(get(&pooler, "/readyz").status, 200);
}

#[test]
fn health_is_open_and_says_no_names() {
    let pooler = FakePooler::quiet();
    let prefix = "/api/v1/accounts";
    let got = ask_under(prefix, &pooler, "GET", "/api/v1/accounts/health", &[]);
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), "application/json");
    let json = got.json();
    assert_eq!(json["success"], true);
    assert_eq!(json["data"]["healthy"], true);
    assert!(json["data"]["timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(!got.text.contains("app") && !got.text.contains("bob"));
    let elsewhere = ask_under(prefix, &pooler, "GET", "/api/v1/health", &[]);
    assert_eq!(elsewhere.status, 404);
}

#[test]
fn statistics_need_a_key_and_then_a_token_for_it() {
    let stats = "/api/v1/stats/database";
    assert_eq!(get(&FakePooler::quiet(), stats).status, 404);
    let pooler = FakePooler::with(|access| access.keys = keys(Some("pgweir")));
    for headers in [
        vec![],
        vec![("authorization", "Bearer nonsense".to_owned())],
        vec![("authorization", token("other"))],
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let got = ask(&pooler, "GET", stats, &headers);
        assert_eq!(got.status, 401);
        assert_eq!(got.header("www-authenticate"), "Bearer");
        assert_eq!(got.header("content-type"), "application/problem+json");
        assert_eq!(got.json()["detail"], "a valid token is needed");
    }
    let token = token("pgweir");
    let got = ask(&pooler, "GET", stats, &[("authorization", &token)]);
    assert_eq!(got.status, 200);
}

#[test]
fn statistics_have_the_documented_body_and_pools_beside_it() {
    let pooler = FakePooler::with(|access| access.keys = keys(None));
    pooler.change(|snapshot| {
        snapshot.errors = vec![("53300".to_owned(), 1)];
        let totals = &mut snapshot.pools[0].totals;
        totals.queries = 15_234;
        totals.errors = 1;
        totals.query_times.record_us(2_000);
    });
    let stats = "/api/v1/stats/database";
    let got = ask(&pooler, "GET", stats, &[("authorization", &token("x"))]);
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
    let pooler = FakePooler::quiet();
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
        let got = ask(&pooler, method, path, &[]);
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
    let pooler = FakePooler::with(|access| {
        (access.names.prisma, access.names.sqlx) = (true, true);
    });
    let got = get(&pooler, "/metrics");
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").contains("version=0.0.4"));
    assert!(got.text.contains("\nprisma_pool_size 50\n"));
    assert!(got.text.contains("\nsqlx_pool_connections_idle 0\n"));
    let accept = [("accept", "application/openmetrics-text; version=1.0.0")];
    let got = ask(&pooler, "GET", "/metrics", &accept);
    assert!(got.header("content-type").contains("openmetrics-text"));
    assert!(got.text.ends_with("# EOF\n"));
}

#[test]
fn the_open_api_document_names_every_path() {
    let pooler = FakePooler::quiet();
    let json = ask_under("/x", &pooler, "GET", "/x/openapi.json", &[]).json();
    let paths: Vec<_> = json["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 11);
    for path in paths {
        let (method, described) = json["paths"][path]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        let got = ask_under("/x", &pooler, &method.to_uppercase(), path, &[]);
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
    let access = |has_key: bool, admin_scope: Option<&str>| {
        FakePooler::with(|access| {
            *access = Access {
                keys: if has_key { keys(None) } else { Arc::default() },
                admin_scope: admin_scope.map(str::to_owned),
                ..Access::default()
            };
        })
    };
    let usual = Some("pgweir:admin");
    for (has_key, admin_scope, scope, status) in [
        // However local the listener is, nobody changes anything without a key.
        (false, usual, "pgweir:admin", 404),
        (true, None, "pgweir:admin off", 404),
        (true, usual, "", 403),
        (true, usual, "pgweir:administrator read", 403),
        (true, Some("ops"), "pgweir:admin", 403),
    ] {
        let pooler = access(has_key, admin_scope);
        for path in paths {
            let token = bearer(scope);
            let got = ask(&pooler, "POST", path, &[("authorization", &token)]);
            assert_eq!(got.status, status, "{admin_scope:?} {scope} {path}");
            assert_ne!(got.json()["detail"], "no client has this number");
        }
    }
    let pooler = access(true, usual);
    for path in paths {
        let got = ask(&pooler, "POST", path, &[]);
        assert_eq!(
            (got.status, got.header("www-authenticate")),
            (401, "Bearer")
        );
        let token = bearer("read");
        let got = ask(&pooler, "POST", path, &[("authorization", &token)]);
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"pgweir:admin\"";
        assert_eq!(
            (got.status, got.header("www-authenticate")),
            (403, challenge)
        );
        let token = bearer("read pgweir:admin");
        let got = ask(&pooler, "POST", path, &[("authorization", &token)]);
        let detail = "no client has this number";
        assert_eq!(
            (got.status, got.json()["detail"].as_str()),
            (404, Some(detail))
        );
    }
    for number in ["x", "-1", "4294967296", "7%2F8"] {
        let token = bearer("pgweir:admin");
        let path = format!("/api/v1/clients/{number}/end");
        let got = ask(&pooler, "POST", &path, &[("authorization", &token)]);
        assert_eq!(got.status, 404, "{number}");
    }
}
