//! What all paths look at, and whose token opens them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::answers::challenge;
use crate::feed::Feed;
use crate::jwt::{Bearer, Keys};
use crate::pooler::Pooler;

/// What all paths look at.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) pooler: Arc<dyn Pooler>,
    pub(crate) feed: Arc<Feed>,
    /// What stands before most paths.
    pub(crate) prefix: Arc<str>,
    /// Whether only this machine can connect.
    pub(crate) is_local: bool,
}

/// The token of a request, if these keys are good for it; else the answer.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
pub(crate) fn bearer(keys: &Keys, headers: &HeaderMap) -> Result<Bearer, Response<Body>> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    keys.check(authorization).map_err(|_| {
        let bearer = HeaderValue::from_static("Bearer");
        challenge(StatusCode::UNAUTHORIZED, "a valid token is needed", bearer)
    })
}
