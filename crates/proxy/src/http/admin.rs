//! What an administrator can do: cancel what a client does, and end a client.
//!
//! Only with a token that is good for it (`http_admin_scope`), however the pooler is reached: a
//! token is in a header that no page from elsewhere can set, so no browser can be made to do this.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::body::Answer;
use super::routes::{View, bearer, challenge, json, problem};
use crate::admin::{Action, Administrator, Outcome};

/// Time for a worker's answer. It has one within milliseconds unless it is badly overloaded.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Pause before a client that is between workers is looked for again.
const PAUSE: Duration = Duration::from_millis(10);

/// What was done to whom.
#[derive(Debug, Serialize)]
struct Done<'a> {
    client: &'a str,
    outcome: &'static str,
}

/// Cancels what a client runs or waits for.
pub(super) async fn cancel(
    State(view): State<View>,
    Path(client): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    act(&view, &client, &headers, Action::Cancel).await
}

/// Ends a client's session.
pub(super) async fn end(
    State(view): State<View>,
    Path(client): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    act(&view, &client, &headers, Action::End).await
}

async fn act(view: &View, client: &str, headers: &HeaderMap, action: Action) -> Response<Body> {
    let by = match administrator(view, headers) {
        Ok(by) => by,
        Err(refusal) => return refusal,
    };
    let nobody = || problem(StatusCode::NOT_FOUND, "no client has this number");
    let Ok(pid) = client.parse::<u32>() else {
        return nobody();
    };
    let answer = async {
        loop {
            let answered = view.registry.administer(pid, action, by.clone())?;
            if let Ok(outcome) = answered.await {
                return Some(outcome);
            }
            // It is on its way to a worker, or has just left.
            sleep(PAUSE).await;
        }
    };
    let outcome = match timeout(ANSWER_MAX, answer).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return nobody(),
        Err(_) => {
            let text = "the client's worker has not answered within 5 s; look whether it is done";
            return problem(StatusCode::SERVICE_UNAVAILABLE, text);
        }
    };
    let done = match outcome {
        Outcome::CancelSent | Outcome::WaitEnded => "was told to stop what it did",
        Outcome::Ended => "was ended",
        Outcome::NothingRuns => {
            let text = "the client runs nothing that could be cancelled; it can be ended";
            return problem(StatusCode::CONFLICT, text);
        }
    };
    view.feed.note(format!("client {pid} {done} by {by}"));
    let outcome = outcome.name();
    json(StatusCode::OK, &Answer::new(true, Done { client, outcome }))
}

/// Who asks, if it is an administrator; else the answer.
#[expect(
    clippy::result_large_err,
    reason = "the error is the answer, made once"
)]
fn administrator(view: &View, headers: &HeaderMap) -> Result<Administrator, Response<Body>> {
    let config = view.registry.config();
    let keys = view.access.keys();
    let scope = config.http.admin_scope.as_deref();
    let Some(scope) = scope.filter(|_| !keys.is_empty()) else {
        let text = "nothing can be changed here: that needs a key (http_jwt_secret_file, \
                    http_jwks_file) and http_admin_scope";
        return Err(problem(StatusCode::NOT_FOUND, text));
    };
    let bearer = bearer(&keys, headers)?;
    if bearer.has_scope(scope) {
        return Ok(Administrator::new(bearer.subject.as_deref()));
    }
    let text = format!("the token is good for reading only; its scope does not name {scope}");
    // RFC 6750, section 3.1.
    let wanted = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    let wanted = HeaderValue::from_str(&wanted).expect("a scope is plain ASCII");
    Err(challenge(StatusCode::FORBIDDEN, &text, wanted))
}
