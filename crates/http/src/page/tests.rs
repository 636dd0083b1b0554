use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{ASSETS, INDEX, PREFIX_PLACE, accepts_gzip, router};

/// The whole of what a browser loads for the page, compressed.
const LEN_MAX: usize = 150_000;

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn ask(prefix: &str, path: &str, headers: &[(&'static str, &str)]) -> Got {
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(*name, value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let response: Response<Body> = router::<()>(prefix).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    })
}

/// Paths of scripts, styles and pictures that the page names.
fn assets(index: &str) -> Vec<String> {
    let paths = index
        .split('"')
        .filter_map(|part| part.strip_prefix("./assets/"));
    paths.map(|name| format!("/assets/{name}")).collect()
}

#[test]
fn the_page_names_its_files_and_the_way_to_the_pooler() {
    let index = ask("/api/v2/accounts", "/", &[]);
    assert_eq!(index.status, 200);
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(index.header("cache-control"), "no-cache");
    assert!(index.text().contains("content=\"api/v2/accounts\""));
    assert_eq!(INDEX.matches(PREFIX_PLACE).count(), 1);
    let assets = assets(index.text());
    assert_eq!(assets.len(), ASSETS.len());
    for path in assets {
        let file = ask("", &path, &[]);
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("cache-control").ends_with("immutable"));
        assert_eq!(file.header("content-encoding"), "");
    }
}

#[test]
fn nothing_in_the_page_needs_more_than_its_policy_allows() {
    let index = ask("", "/", &[]);
    let policy = index.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"));
    assert!(!policy.contains("unsafe"));
    let text = index.text();
    for forbidden in ["<style", "style=", "onload", "http:", "https:"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    let scripts = text.matches("<script").count();
    assert_eq!(text.matches("src=\"./assets/").count(), scripts);
}

#[test]
fn files_are_sent_compressed_to_who_takes_it_and_are_small() {
    let index = ask("", "/", &[]);
    let mut len = index.body.len();
    for path in assets(index.text()) {
        let plain = ask("", &path, &[]);
        let zipped = ask("", &path, &[("accept-encoding", "gzip, deflate, br")]);
        assert_eq!(zipped.header("content-encoding"), "gzip");
        assert_eq!(zipped.header("vary"), "accept-encoding");
        assert_eq!(zipped.header("content-type"), plain.header("content-type"));
        assert_eq!(zipped.body[..2], [0x1f, 0x8b]);
        // Its last four bytes are the length of what was compressed (RFC 1952).
        let tail: [u8; 4] = zipped.body[zipped.body.len() - 4..].try_into().unwrap();
        assert_eq!(u32::from_le_bytes(tail) as usize, plain.body.len());
        len += zipped.body.len();
    }
    assert!(len < LEN_MAX, "{len} bytes");
}

#[test]
fn what_is_known_is_not_sent_again() {
    let index = ask("", "/", &[]);
    for path in std::iter::once("/".to_owned()).chain(assets(index.text())) {
        let tag = ask("", &path, &[]).header("etag").to_owned();
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let again = ask("", &path, &[("if-none-match", &known)]);
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), tag);
        }
        assert_eq!(ask("", &path, &[("if-none-match", "\"x\"")]).status, 200);
    }
}

#[test]
fn another_prefix_is_another_page() {
    let tags = ["/a", "/b"].map(|prefix| ask(prefix, "/", &[]).header("etag").to_owned());
    assert_ne!(tags[0], tags[1]);
}

#[test]
fn who_refuses_gzip_gets_none() {
    for (accepted, expected) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("gzip; q=0.0, br", false),
        ("identity", false),
        ("", false),
    ] {
        assert_eq!(accepts_gzip(accepted), expected, "{accepted}");
    }
}
