//! The page: files that were built from `dashboard/` and are part of this program.
//!
//! They hold nothing of this pooler, so they are for everybody; what the page shows it asks for
//! like any other viewer. Scripts and styles are served under names that change with their
//! contents, and so may be kept for ever.

use std::hash::{DefaultHasher, Hasher};

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{MethodRouter, get};
use hyper::body::Bytes;

/// A file as it was built.
struct Built {
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    /// The same, compressed at build time.
    gzip: &'static [u8],
}

macro_rules! built {
    ($name:literal, $kind:literal) => {
        Built {
            name: $name,
            kind: $kind,
            plain: include_bytes!(concat!("../../../dashboard/dist/assets/", $name)),
            gzip: include_bytes!(concat!("../../../dashboard/dist/assets/", $name, ".gz")),
        }
    };
}

const ASSETS: [Built; 3] = [
    built!("app.js", "text/javascript; charset=utf-8"),
    built!("app.css", "text/css; charset=utf-8"),
    built!("icon.svg", "image/svg+xml"),
];

const INDEX: &str = include_str!("../../../dashboard/dist/index.html");

/// What [`INDEX`] says where the prefix of the paths goes.
const PREFIX_PLACE: &str = "content=\"api/v1\"";

/// Only what is served here, and no script or style in the document itself. Drawings of our own
/// set styles from scripts, which this allows.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file as it is served.
#[derive(Clone)]
struct File {
    kind: &'static str,
    plain: Bytes,
    /// `None` where it would save nothing worth having.
    gzip: Option<Bytes>,
    /// Of the contents, in quotes.
    tag: String,
    /// How long it may be kept.
    caching: &'static str,
}

/// The paths of the page, for a pooler whose own paths begin with `prefix`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(prefix: &str) -> Router<S> {
    // Relative, so that the page also works under a path of a proxy in front.
    let relative = prefix.trim_start_matches('/');
    let mut index = INDEX.replace(PREFIX_PLACE, &format!("content=\"{relative}\""));
    let mut router = Router::new();
    for asset in ASSETS {
        let hash = hash(asset.plain);
        let (stem, ending) = asset.name.split_once('.').expect("all names have one");
        let name = format!("assets/{stem}-{hash}.{ending}");
        index = index.replace(&format!("assets/{}", asset.name), &name);
        let file = File {
            kind: asset.kind,
            plain: Bytes::from_static(asset.plain),
            gzip: Some(Bytes::from_static(asset.gzip)),
            tag: format!("\"{hash}\""),
            caching: "public, max-age=31536000, immutable",
        };
        router = router.route(&format!("/{name}"), serve(file));
    }
    let index = File {
        kind: "text/html; charset=utf-8",
        tag: format!("\"{}\"", hash(index.as_bytes())),
        plain: Bytes::from(index),
        gzip: None,
        caching: "no-cache",
    };
    router.route("/", serve(index))
}

fn serve<S: Clone + Send + Sync + 'static>(file: File) -> MethodRouter<S> {
    get(move |headers: HeaderMap| std::future::ready(file.answer(&headers)))
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let known = text(header::IF_NONE_MATCH).unwrap_or_default();
        let is_known = known.split(',').any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag
        });
        let zipped = self
            .gzip
            .as_ref()
            .filter(|_| accepts_gzip(text(header::ACCEPT_ENCODING).unwrap_or_default()));
        let body = match (is_known, zipped) {
            (true, _) => Bytes::new(),
            (false, Some(zipped)) => zipped.clone(),
            (false, None) => self.plain.clone(),
        };
        let mut response = Response::new(Body::from(body));
        let mut set = |name: HeaderName, value: &str| {
            let value = HeaderValue::from_str(value).expect("our own values are plain ASCII");
            response.headers_mut().insert(name, value);
        };
        set(header::ETAG, &self.tag);
        set(header::CACHE_CONTROL, self.caching);
        set(header::VARY, "accept-encoding");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "no-referrer");
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            set(HeaderName::from_static(name), "same-origin");
        }
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        set(header::CONTENT_TYPE, self.kind);
        if zipped.is_some() {
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }
}

/// Whether an `Accept-Encoding` names gzip and does not refuse it.
fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let names_it = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = |part: &str| {
            let weight = part.strip_prefix("q=").map(str::parse::<f32>);
            matches!(weight, Some(Ok(0.0)))
        };
        names_it && !parts.any(refused)
    })
}

/// Tells contents apart; no secret is kept by it.
fn hash(contents: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(contents);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests;
