//! A router for health, metrics and statistics.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use crate::health::Answer;
use crate::pool::Pool;

/// Endpoints of a pool. Nest them where you need them, such as in `/api/v1/accounts`.
///
/// | path | what | for |
/// |---|---|---|
/// | `/livez` | 200: the process lives | Kubernetes' liveness; it does not ask the database, because a restart would not help |
/// | `/readyz` | 200, or 503 without a database or after a close | readiness |
/// | `/health` | [`crate::Health`] in [`crate::Answer`]; 503 when not healthy | people, load balancers |
/// | `/metrics` | [`Pool::prometheus_text`] | Prometheus |
/// | `/stats/database` | [`crate::Statistics`] in [`crate::Answer`] | people who debug the service |
///
/// `/stats/database` shows places in the code and statements. It is a router of its own so that
/// you can put it behind the check of your tokens:
///
/// ```
/// # async fn serve(pool: pgweir_sqlx::Pool) {
/// use axum::{Router, middleware};
/// use axum::http::{StatusCode, header::AUTHORIZATION};
/// # async fn authorized(request: axum::extract::Request, next: middleware::Next)
/// #     -> Result<axum::response::Response, StatusCode> {
/// #     if !request.headers().contains_key(AUTHORIZATION) { return Err(StatusCode::UNAUTHORIZED); }
/// #     Ok(next.run(request).await)
/// # }
///
/// let (open, statistics) = pgweir_sqlx::router(&pool);
/// let app: Router = Router::new()
///     .nest("/api/v1/accounts", open)
///     .nest("/api/v1/accounts", statistics.layer(middleware::from_fn(authorized)));
/// # let _ = app;
/// # }
/// ```
pub fn router(pool: &Pool) -> (Router, Router) {
    let open = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(pool.clone());
    let statistics = Router::new()
        .route("/stats/database", get(stats))
        .with_state(pool.clone());
    (open, statistics)
}

async fn readyz(State(pool): State<Pool>) -> (StatusCode, &'static str) {
    if pool.health().await.healthy {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn health(State(pool): State<Pool>) -> Response {
    let health = pool.health().await;
    json(health.healthy, health)
}

async fn stats(State(pool): State<Pool>) -> Response {
    // It has to be readable when the pool is unhealthy, too.
    json(true, pool.statistics().await)
}

async fn metrics(State(pool): State<Pool>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        pool.prometheus_text(),
    )
}

fn json(success: bool, data: impl Serialize) -> Response {
    let status = if success {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(&Answer { success, data })
        .expect("numbers, texts and lists are JSON");
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
