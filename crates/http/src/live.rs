//! Who gets the live document, and how: once, or once per second.
//!
//! Names of databases and users are in it, so it is not for everybody: it needs a token, or, with
//! no key configured, a listener and a `Host` that are this machine's own.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use hyper::body::{Bytes, Frame};
use pgweir_telemetry::window::Window;
use tokio::sync::mpsc;

use crate::answers::{JSON, problem, respond};
use crate::feed::{STREAM_LIFE, STREAMS_MAX};
use crate::view::{View, bearer};

/// Answers with the document.
pub(super) async fn document(
    State(view): State<View>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    match admitted(&view, &headers, query.as_deref()) {
        Ok(window) => respond(StatusCode::OK, JSON, view.feed.document(window)),
        Err(refusal) => refusal,
    }
}

/// Answers with a stream of documents, one per second, as server-sent events.
pub(super) async fn stream(
    State(view): State<View>,
    life: Option<Extension<Life>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let window = match admitted(&view, &headers, query.as_deref()) {
        Ok(window) => window,
        Err(refusal) => return refusal,
    };
    let Some(inbox) = view.feed.subscribe(window) else {
        let text = format!("{STREAMS_MAX} streams are open already; close one, or poll /live");
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, &text);
        let seconds = HeaderValue::from_static("10");
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        return response;
    };
    if let Some(Extension(life)) = life {
        life.prolong();
    }
    let body = Body::new(EventStream { inbox });
    let mut response = respond(StatusCode::OK, "text/event-stream", body);
    // nginx would collect the events to send them by the dozen.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let no = HeaderValue::from_static("no");
    response.headers_mut().insert(unbuffered, no);
    response
}

/// Of which time the figures are to be (`?window=5s`), if this request may see the document.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
fn admitted(
    view: &View,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Window, Response<Body>> {
    admit(view, headers)?;
    let pairs = query.unwrap_or_default().split('&');
    let mut given = pairs.filter_map(|pair| pair.strip_prefix("window="));
    let Some(word) = given.next() else {
        return Ok(Window::default());
    };
    Window::of(word).ok_or_else(|| {
        let words = Window::ALL.map(Window::word).join(", ");
        let text = format!("window must be one of {words}");
        problem(StatusCode::BAD_REQUEST, &text)
    })
}

/// Whether this request may see the document.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
fn admit(view: &View, headers: &HeaderMap) -> Result<(), Response<Body>> {
    let access = view.pooler.access();
    if !access.keys.is_empty() {
        return bearer(&access.keys, headers).map(|_| ());
    }
    if !view.is_local {
        let text = "the live view is off: without a key it is shown on a loopback address only; \
                    set http_jwt_secret_file or http_jwks_file, or listen on 127.0.0.1";
        return Err(problem(StatusCode::NOT_FOUND, text));
    }
    // A page from elsewhere can have its own name lead here (DNS rebinding), and would be let in
    // as if it were ours.
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_own_name) {
        let text = "without a key the live view is shown to http://127.0.0.1 and http://localhost \
                    only; set http_jwt_secret_file or http_jwks_file to reach it by another name";
        return Err(problem(StatusCode::FORBIDDEN, text));
    }
    Ok(())
}

/// Whether a `Host` header names the machine itself.
fn is_own_name(host: &str) -> bool {
    let has_port = |(_, port): &(&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host
        .rsplit_once(':')
        .filter(has_port)
        .map_or(host, |(name, _)| name);
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address = bare.unwrap_or(name).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The body of a stream.
struct EventStream {
    inbox: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.inbox.poll_recv(context);
        event.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// How long the connection of a request may live.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    is_long: Arc<AtomicBool>,
}

impl Life {
    /// The connection carries a stream.
    fn prolong(&self) {
        self.is_long.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(super) fn is_long(&self) -> bool {
        self.is_long.load(Ordering::Relaxed)
    }

    /// Time for the response that is under way when the connection's ordinary life is over.
    pub(super) fn farewell(&self, ordinary: Duration) -> Duration {
        if self.is_long() {
            STREAM_LIFE + ordinary
        } else {
            ordinary
        }
    }
}

#[cfg(test)]
mod tests;
