//! The router.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::{Setup, block_on, connect, ms};

async fn get(app: &Router, path: &str) -> (StatusCode, String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let content_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (
        status,
        content_type,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[test]
fn endpoints_answer_while_the_pool_is_open_and_say_so_when_it_is_not() {
    let setup = Setup::new();
    for settings in setup.both() {
        block_on(async {
            let pool = connect(settings).await;
            let (open, statistics) = pgweir_sqlx::router(&pool);
            let app = Router::new().nest("/api/v1/accounts", open.merge(statistics));
            let at = |path: &str| format!("/api/v1/accounts{path}");

            let (status, kind, body) = get(&app, &at("/health")).await;
            assert_eq!(
                (status, kind.as_str()),
                (StatusCode::OK, "application/json")
            );
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["success"], true);
            assert_eq!(body["data"]["healthy"], true);
            let (status, _, body) = get(&app, &at("/stats/database")).await;
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (status, &body["data"]["acquireTimeouts"]),
                (StatusCode::OK, &0.into())
            );
            let (status, kind, body) = get(&app, &at("/metrics")).await;
            assert_eq!(status, StatusCode::OK);
            assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
            assert!(
                body.contains("sqlx_pool_connections_active{service=\"real\"} 0\n"),
                "{body}"
            );
            for path in ["/livez", "/readyz"] {
                assert_eq!(get(&app, &at(path)).await.0, StatusCode::OK, "{path}");
            }

            pool.close_with_timeout(ms(10_000)).await.unwrap();
            for (path, expected) in [
                ("/livez", StatusCode::OK),
                ("/readyz", StatusCode::SERVICE_UNAVAILABLE),
                ("/health", StatusCode::SERVICE_UNAVAILABLE),
                ("/stats/database", StatusCode::OK),
            ] {
                assert_eq!(get(&app, &at(path)).await.0, expected, "{path}");
            }
        });
    }
}
