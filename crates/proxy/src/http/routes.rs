//! Which path shows what, and to whom.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde::Serialize;

use super::access::Access;
use super::admin;
use super::body::{Answer, Health, Stats};
use super::compat;
use super::exposition::{Exposition, Format};
use super::feed::Feed;
use super::jwt::{Bearer, Keys};
use super::live as live_document;
use super::metrics;
use super::page;
use crate::outbox::Outbox;
use crate::registry::Registry;
use crate::snapshot::{Readiness, Snapshot};

/// Failing pools that one look at readiness has connect again.
const RETRIES_MAX: usize = 8;

/// What all paths look at.
#[derive(Clone)]
pub(super) struct View {
    pub(super) registry: Arc<Registry>,
    pub(super) feed: Arc<Feed>,
    pub(super) access: Arc<Access>,
    /// Whether only this machine can connect.
    pub(super) is_local: bool,
}

impl FromRef<View> for Arc<Registry> {
    fn from_ref(view: &View) -> Self {
        view.registry.clone()
    }
}

/// All paths there are. Two of them change something, and take POST; the others GET and HEAD.
pub(super) fn router(view: View) -> Router {
    let prefix = view.registry.config().http.path_prefix.clone();
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
async fn ready(State(registry): State<Arc<Registry>>) -> Response<Body> {
    let readiness = Readiness::of(&registry);
    if readiness.draining {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    if readiness.is_cut_off() {
        knock(&registry);
        let text = "no server is open, and PostgreSQL cannot be reached or refuses the login";
        return problem(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    respond(StatusCode::OK, PLAIN, "ok\n")
}

/// Has failing pools connect again, as often as `server_login_retry` allows, and probes too. While nobody is sent
/// here because we are not ready, no client would do so, and we would never be ready again.
fn knock(registry: &Registry) {
    registry.probes.try_again();
    let failing = registry
        .pools()
        .into_iter()
        .filter(|pool| pool.is_login_failing());
    for pool in failing.take(RETRIES_MAX) {
        registry.decide(&pool, &mut Outbox::default(), |shared, now| {
            shared.core.warm(now);
        });
    }
}

async fn health(State(registry): State<Arc<Registry>>) -> Response<Body> {
    let snapshot = Snapshot::take(&registry);
    let healthy = snapshot.readiness.is_ready();
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &Answer::new(healthy, Health::of(&snapshot)))
}

async fn stats(State(view): State<View>, headers: HeaderMap) -> Response<Body> {
    let keys = view.access.keys();
    if keys.is_empty() {
        let text =
            "statistics are off: no key is configured (http_jwt_secret_file, http_jwks_file)";
        return problem(StatusCode::NOT_FOUND, text);
    }
    if let Err(refusal) = bearer(&keys, &headers) {
        return refusal;
    }
    let snapshot = Snapshot::take(&view.registry);
    json(StatusCode::OK, &Answer::new(true, Stats::of(&snapshot)))
}

async fn scrape(State(registry): State<Arc<Registry>>, headers: HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let snapshot = Snapshot::take(&registry);
    let config = registry.config();
    let mut out = Exposition::new(format);
    metrics::write(&snapshot, &mut out);
    compat::write_pgbouncer(&snapshot, &config, &mut out);
    compat::write_applications(&snapshot, config.http.compat, &mut out);
    let mut response = respond(StatusCode::OK, format.content_type(), out.finish());
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

async fn open_api(State(registry): State<Arc<Registry>>) -> Response<Body> {
    let text =
        include_str!("openapi.json").replace("{prefix}", &registry.config().http.path_prefix);
    respond(StatusCode::OK, JSON, text)
}

/// The token of a request, if these keys are good for it; else the answer.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
pub(super) fn bearer(keys: &Keys, headers: &HeaderMap) -> Result<Bearer, Response<Body>> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    keys.check(authorization).map_err(|_| {
        let bearer = HeaderValue::from_static("Bearer");
        challenge(StatusCode::UNAUTHORIZED, "a valid token is needed", bearer)
    })
}

/// A problem that another token would solve, and which one (RFC 6750, section 3).
pub(super) fn challenge(status: StatusCode, detail: &str, wanted: HeaderValue) -> Response<Body> {
    let mut response = problem(status, detail);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, wanted);
    response
}

/// Something is wrong, as a problem object (RFC 9457).
pub(super) fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        title: &'a str,
        status: u16,
        detail: &'a str,
    }
    let text = encode(&Problem {
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
    });
    respond(status, "application/problem+json", text)
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    respond(status, JSON, encode(value))
}

fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text as keys")
}

pub(super) fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

#[cfg(test)]
mod tests;
