//! How answers are made.

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem that another token would solve, and which one (RFC 6750, section 3).
pub(crate) fn challenge(status: StatusCode, detail: &str, wanted: HeaderValue) -> Response<Body> {
    let mut response = problem(status, detail);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, wanted);
    response
}

/// What is wrong (RFC 9457).
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ProblemObject {
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What happened, and what to do.
    detail: String,
}

/// Answers that something is wrong.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let text = encode(&ProblemObject {
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: detail.to_owned(),
    });
    respond(status, "application/problem+json", text)
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    respond(status, JSON, encode(value))
}

fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text as keys")
}

pub(crate) fn respond(
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

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
