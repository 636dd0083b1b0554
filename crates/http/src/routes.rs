//! Which path shows what, and to whom.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use pgweir_telemetry::exposition::{Exposition, TextFormat};
use pgweir_telemetry::report::{Answer, Health, Stats};
use pgweir_telemetry::{compat, metrics};

use crate::admin;
use crate::answers::{JSON, PLAIN, json, problem, respond};
use crate::live as live_document;
use crate::openapi;
use crate::page;
use crate::view::{View, bearer};

/// All paths there are. Two of them change something, and take POST; the others GET and HEAD.
pub(super) fn router(view: View) -> Router {
    let prefix = view.prefix.clone();
    page::router(&prefix)
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .route(&format!("{prefix}/health"), get(health))
        .route(&format!("{prefix}/stats/database"), get(stats))
        .route(&format!("{prefix}/live"), get(live_document::document))
        .route(&format!("{prefix}/live/events"), get(live_document::stream))
        .route(&format!("{prefix}/openapi.json"), get(open_api))
        .route(
            &format!("{prefix}/clients/{{client}}/cancel"),
            post(admin::cancel),
        )
        .route(
            &format!("{prefix}/clients/{{client}}/end"),
            post(admin::end),
        )
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            // The header Allow comes with the path.
            let text =
                "this path does not understand the method; the header Allow names those it does";
            problem(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .with_state(view)
}

/// The process lives: it answers.
async fn live() -> Response<Body> {
    respond(StatusCode::OK, PLAIN, "ok\n")
}

/// Clients should come here.
async fn ready(State(view): State<View>) -> Response<Body> {
    let readiness = view.pooler.readiness();
    if readiness.draining {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    if readiness.is_cut_off() {
        let text = "no server is open, and PostgreSQL cannot be reached or refuses the login";
        return problem(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    respond(StatusCode::OK, PLAIN, "ok\n")
}

async fn health(State(view): State<View>) -> Response<Body> {
    let snapshot = view.pooler.snapshot();
    let healthy = snapshot.readiness.is_ready();
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &Answer::new(healthy, Health::of(&snapshot)))
}

async fn stats(State(view): State<View>, headers: HeaderMap) -> Response<Body> {
    let access = view.pooler.access();
    if access.keys.is_empty() {
        let text =
            "statistics are off: no key is configured (http_jwt_secret_file, http_jwks_file)";
        return problem(StatusCode::NOT_FOUND, text);
    }
    if let Err(refusal) = bearer(&access.keys, &headers) {
        return refusal;
    }
    let stats = Stats::of(&view.pooler.snapshot());
    json(StatusCode::OK, &Answer::new(true, stats))
}

async fn scrape(State(view): State<View>, headers: HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    let format = TextFormat::accepted(accept.unwrap_or_default());
    let snapshot = view.pooler.snapshot();
    let mut out = Exposition::new(format);
    metrics::write(&snapshot, &mut out);
    compat::write_pgbouncer(&snapshot, &mut out);
    compat::write_applications(&snapshot, view.pooler.access().names, &mut out);
    let mut response = respond(StatusCode::OK, format.content_type(), out.finish());
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

async fn open_api(State(view): State<View>) -> Response<Body> {
    respond(StatusCode::OK, JSON, openapi::document(&view.prefix))
}

#[cfg(test)]
mod tests;
