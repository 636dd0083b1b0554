//! Asking the pooler over HTTP.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use pgweir_settings::text::printable;
use pgweir_telemetry::Live;
use pgweir_telemetry::window::Window;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::act::Act;
use super::tls::Tls;

/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest document that is read: 200 pools and full tables of everything are below 1 MiB.
const LEN_MAX: usize = 8 << 20;

/// Where the pooler's paths begin unless the URL says otherwise.
const PREFIX: &str = "/api/v1";

/// A pooler that can be asked.
pub(crate) struct Pooler {
    host: String,
    port: u16,
    prefix: String,
    /// `None` of a plain URL only.
    tls: Option<Tls>,
    token: Option<String>,
}

/// Why there is no document.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// Nobody can be reached at the address.
    Unreachable(io::Error),
    /// What answers there speaks no TLS, or is not trusted.
    NoTls(io::Error),
    /// No answer in time.
    Timeout,
    /// The connection broke in the middle of the answer.
    Broken(String),
    /// The pooler wants a token, or another one.
    Token {
        /// Whether one was shown.
        shown: bool,
    },
    /// The pooler answered, but not with a document; its reason.
    Refused(StatusCode, String),
    /// Something that is no pgweir answered, or one of a version without this.
    Foreign(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(
                f,
                "the pooler cannot be reached: {error}; is it running, with http_listen set, and \
                 is --url right?"
            ),
            Self::NoTls(error) => write!(
                f,
                "no encrypted connection to the pooler: {error}; has it http_tls_cert_file, is the \
                 certificate for this name, and who signed it in --ca-file?"
            ),
            Self::Timeout => write!(f, "the pooler has not answered in {} s", TIMEOUT.as_secs()),
            Self::Broken(error) => write!(f, "the connection to the pooler broke: {error}"),
            Self::Token { shown: false } => {
                write!(
                    f,
                    "the pooler wants a token: use --token-file or PGWEIR_TOKEN"
                )
            }
            Self::Token { shown: true } => write!(
                f,
                "the pooler does not accept the token: it may have expired, or be for another"
            ),
            Self::Refused(status, reason) => write!(f, "the pooler answered {status}: {reason}"),
            Self::Foreign(what) => write!(f, "what answers is no pgweir that `top` knows: {what}"),
        }
    }
}

impl std::error::Error for FetchError {}

impl Pooler {
    /// A pooler by its URL, of which an encrypted one trusts what `ca_file` or the system does.
    ///
    /// # Errors
    /// A sentence on what is wrong with the URL, the token or the file.
    pub(crate) fn parse(
        url: &str,
        token: Option<String>,
        ca_file: Option<&Path>,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("is no URL: {error}"))?;
        let tls = match (uri.scheme_str(), ca_file) {
            (Some("http"), None) => None,
            (Some("http"), Some(_)) => return Err("needs https:// with --ca-file".to_owned()),
            (Some("https"), _) => Some(Tls::trusting(ca_file)?),
            _ => return Err("must begin with http:// or https://".to_owned()),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or("names no host")?;
        if uri.query().is_some() {
            return Err("must not have a query".to_owned());
        }
        if token
            .as_deref()
            .is_some_and(|token| header(token).is_none())
        {
            return Err("cannot be asked with this token: it has a character no token has".into());
        }
        let prefix = match uri.path().trim_end_matches('/') {
            "" => PREFIX,
            prefix => prefix,
        };
        Ok(Self {
            host: host.to_owned(),
            port: uri
                .port_u16()
                .unwrap_or(if tls.is_some() { 443 } else { 80 }),
            prefix: prefix.to_owned(),
            tls,
            token,
        })
    }

    /// The document.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn live(&self, window: Window) -> Result<Live, FetchError> {
        let text = self.text(window).await?;
        let live = serde_json::from_str(&text).and_then(|mut document| {
            make_printable(&mut document);
            serde_json::from_value::<Live>(document)
        });
        live.map(Live::completed)
            .map_err(|error| FetchError::Foreign(error.to_string()))
    }

    /// The document as it came.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn text(&self, window: Window) -> Result<String, FetchError> {
        let path = format!("live?window={}", window.word());
        self.ask(Method::GET, &path).await
    }

    /// Has something done to a client.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn act(&self, act: &Act) -> Result<(), FetchError> {
        let path = format!("clients/{}/{}", act.client, act.action.path());
        self.ask(Method::POST, &path).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &str) -> Result<String, FetchError> {
        let asked = async {
            let request = self.request(method, path)?;
            let host = self.bare_host();
            let stream = TcpStream::connect((host, self.port))
                .await
                .map_err(FetchError::Unreachable)?;
            let (status, body) = match &self.tls {
                Some(tls) => {
                    let stream = tls.connect(host, stream).await;
                    exchange(stream.map_err(FetchError::NoTls)?, request).await?
                }
                None => exchange(stream, request).await?,
            };
            self.judge(status, &body)
        };
        tokio::time::timeout(TIMEOUT, asked)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn request(&self, method: Method, path: &str) -> Result<Request<Empty<Bytes>>, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        let path = format!("{}/{path}", self.prefix);
        // A client's number is the pooler's, and may be anything if that is none.
        *request.uri_mut() = path
            .parse()
            .map_err(|_| FetchError::Foreign(format!("it led to the path {path}")))?;
        let headers = request.headers_mut();
        let host = format!("{}:{}", self.host, self.port);
        headers.insert(
            HOST,
            HeaderValue::from_str(&host).expect("it came out of a URL"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(value) = self.token.as_deref().and_then(header) {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn judge(&self, status: StatusCode, body: &Bytes) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let shown = self.token.is_some();
        match status {
            StatusCode::OK => String::from_utf8(body.to_vec())
                .map_err(|_| FetchError::Foreign("its answer is no text".to_owned())),
            StatusCode::UNAUTHORIZED => Err(FetchError::Token { shown }),
            _ => Err(match serde_json::from_slice::<Problem>(body) {
                Ok(problem) => FetchError::Refused(status, printable(&problem.detail)),
                Err(_) => {
                    FetchError::Foreign(format!("it answered {status} under {}", self.prefix))
                }
            }),
        }
    }
}

/// Escapes what could steer the terminal, in all texts of a document: most are names that clients
/// chose.
fn make_printable(document: &mut Value) {
    match document {
        Value::String(text) => *text = printable(text),
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(fields) => fields.values_mut().for_each(make_printable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Sends a request on a new connection; gives the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let broken = |error: hyper::Error| FetchError::Broken(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LEN_MAX).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::Foreign(format!("it sends more than {LEN_MAX} bytes"))
            } else {
                FetchError::Broken(error.to_string())
            }
        })?;
        Ok((status, body.to_bytes()))
    };
    // How the connection ended is in the answer too, if it ended before that.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

/// The header of a token; `None` if it cannot be one.
fn header(token: &str) -> Option<HeaderValue> {
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::make_printable;
    use serde_json::json;

    #[test]
    fn no_name_in_a_document_steers_the_terminal() {
        let mut document =
            json!({"pools": [{"name": "a\u{202e}b\u{1b}[2J\n", "clients": 1}], "ready": true});
        make_printable(&mut document);
        let shown =
            json!({"pools": [{"name": "a\\u{202e}b\\u{1b}[2J\\n", "clients": 1}], "ready": true});
        assert_eq!(document, shown);
    }
}
