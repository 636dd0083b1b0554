//! Settings of the HTTP side: where it listens, whom it tells what.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pgweir_settings::{Origin, Problem};

use super::level::Chain;
use super::outside::{Outside, Unusable};
use super::tls::Pem;
use super::tokens::{self, TokenKeys};

/// What is served over HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where it is served (`http_listen`); `None` is nowhere. Not changed by a reload.
    pub listen: Option<SocketAddr>,
    /// Nobody asked for that address, so the pooler serves without HTTP if it is taken.
    pub listen_is_default: bool,
    /// What it is encrypted with (`http_tls_cert_file`, `http_tls_key_file`); `None` is not.
    pub tls: Option<Pem>,
    /// What stands before `/health` and `/stats/database` (`http_path_prefix`): empty, or a path
    /// that begins with a slash and does not end with one. Not changed by a reload.
    pub path_prefix: String,
    /// Keys of the tokens that statistics are shown for; without any they are shown to nobody.
    pub keys: TokenKeys,
    /// What a token must be good for before its bearer may do something to clients
    /// (`http_admin_scope`); `None` lets nobody.
    pub admin_scope: Option<String>,
    /// Names of metrics besides our own and those of pgbouncer_exporter (`metrics_compat`).
    pub compat: Compat,
    /// Where metrics are pushed to (`otlp_endpoint`); `None` is nowhere. Not changed by a reload.
    pub otlp: Option<Otlp>,
    /// Pause between pushes (`otlp_interval`); `None` is never. Not changed by a reload.
    pub otlp_interval: Option<Duration>,
}

/// A collector that takes OTLP over plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path that metrics are posted to; begins with a slash.
    pub path: String,
}

impl fmt::Display for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl Otlp {
    /// Host and port, as a URL and the header `Host` have them.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            return format!("[{host}]:{port}");
        }
        format!("{host}:{port}")
    }

    /// Reads a URL; `None` if it is not one, or not a plain one.
    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        // It becomes part of a request's head.
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>?#@\\".contains(c);
        if !rest.chars().all(is_plain) {
            return None;
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => OTLP_PORT,
            None => return None,
        };
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(OTLP_PATH).unwrap_or(path);
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            path: format!("{path}{OTLP_PATH}"),
        })
    }
}

/// Port of OTLP over HTTP, and the path of metrics there.
const OTLP_PORT: u16 = 4318;
const OTLP_PATH: &str = "/v1/metrics";

/// Names that applications give their own metrics, shown where a dashboard expects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compat {
    /// `prisma_pool_size` and the like.
    pub prisma: bool,
    /// `sqlx_pool_connections_active` and the like.
    pub sqlx: bool,
    /// `pg_stat_activity_count` and the like.
    pub postgres_exporter: bool,
}

/// Reads the settings and the keys they name.
pub(super) fn read(
    globals: &Chain<'_>,
    folder: &Path,
    outside: &Outside<'_>,
    problems: &mut Vec<Problem>,
) -> Http {
    let keys = tokens::keys(globals, &tokens::OF_HTTP, (folder, outside), problems);
    let mut reader = Reader {
        globals,
        folder,
        outside,
        problems,
    };
    Http {
        listen: reader.listen(),
        listen_is_default: *globals.find("http_listen").origin == Origin::Default,
        tls: reader.tls(),
        path_prefix: reader.path_prefix(),
        keys,
        admin_scope: reader.admin_scope(),
        compat: reader.compat(),
        otlp: reader.otlp(),
        otlp_interval: globals.get("otlp_interval"),
    }
}

struct Reader<'a> {
    globals: &'a Chain<'a>,
    folder: &'a Path,
    outside: &'a Outside<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn listen(&mut self) -> Option<SocketAddr> {
        let text = self.address()?;
        let address = text.replacen("localhost:", "127.0.0.1:", 1).parse();
        if address.is_err() {
            let message =
                "must be off or an address with a port, such as 127.0.0.1:6433 or [::]:6433";
            self.report("http_listen", message.to_owned());
        }
        address.ok()
    }

    /// The address as it was written, unless there shall be none.
    fn address(&self) -> Option<String> {
        let text = self.globals.get::<Option<String>>("http_listen");
        text.filter(|text| text != "off")
    }

    fn path_prefix(&mut self) -> String {
        let prefix = self.globals.get::<String>("http_path_prefix");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        let is_path = prefix.starts_with('/') && !prefix.ends_with('/');
        let is_usable = prefix.is_empty() || (is_path && prefix.chars().all(allowed));
        // What browsers and other clients take out of a path before they ask for it (RFC 3986,
        // section 5.2.4), and what begins with two slashes they take for a host.
        let is_normal = !prefix
            .split('/')
            .skip(1)
            .any(|part| matches!(part, "" | "." | ".."));
        let message = if !is_usable {
            "must be empty, or begin with a slash, not end with one, and hold nothing but letters, \
             digits and -._~"
        } else if !is_normal {
            "must have no empty part and no part . or .., for clients take these out of a path"
        } else {
            return prefix;
        };
        self.report("http_path_prefix", message.to_owned());
        String::new()
    }

    fn admin_scope(&mut self) -> Option<String> {
        let scope = self.globals.get::<Option<String>>("http_admin_scope");
        let scope = scope.filter(|scope| scope != "off")?;
        // RFC 6749, section 3.3: what a scope can be.
        let is_scope = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        if !scope.chars().all(is_scope) {
            let message = "must be off or one word of ASCII without quotes, such as pgweir:admin";
            self.report("http_admin_scope", message.to_owned());
            return None;
        }
        Some(scope)
    }

    fn tls(&mut self) -> Option<Pem> {
        const NAMES: [&str; 2] = ["http_tls_cert_file", "http_tls_key_file"];
        let [certificate, key] = NAMES.map(|name| self.globals.get::<Option<String>>(name));
        let (certificate, key) = match (certificate, key) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                self.report(NAMES[0], format!("needs {} beside it", NAMES[1]));
                return None;
            }
            (None, Some(_)) => {
                self.report(NAMES[1], format!("needs {} beside it", NAMES[0]));
                return None;
            }
        };
        let [certificate, key] = [(NAMES[0], certificate), (NAMES[1], key)]
            .map(|(name, written)| self.good(name, self.outside.read(self.folder, &written)));
        let pem = Pem {
            certificate: certificate?,
            key: key?,
        };
        match (self.outside.pem)(&pem) {
            Ok(()) => return Some(pem),
            Err(Unusable::Certificate(message)) => self.report(NAMES[0], message),
            Err(Unusable::Key(message)) => self.report(NAMES[1], message),
        }
        None
    }

    fn compat(&mut self) -> Compat {
        let mut compat = Compat::default();
        let text = self.globals.get::<String>("metrics_compat");
        for name in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            match name {
                "prisma" => compat.prisma = true,
                "sqlx" => compat.sqlx = true,
                "postgres_exporter" => compat.postgres_exporter = true,
                _ => self.report(
                    "metrics_compat",
                    "knows the names prisma, sqlx and postgres_exporter, comma separated"
                        .to_owned(),
                ),
            }
        }
        compat
    }

    fn otlp(&mut self) -> Option<Otlp> {
        let url = self.globals.get::<Option<String>>("otlp_endpoint")?;
        let otlp = Otlp::parse(&url);
        if otlp.is_none() {
            let message = "must be a plain URL such as http://127.0.0.1:4318";
            self.report("otlp_endpoint", message.to_owned());
        } else if self.address().is_none() {
            let message = "needs http_listen, whose thread pushes";
            self.report("otlp_endpoint", message.to_owned());
        }
        otlp
    }

    /// The value, or a problem with the setting.
    fn good<T>(&mut self, name: &str, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|message| self.report(name, message)).ok()
    }

    fn report(&mut self, name: &str, message: String) {
        let problem = self.globals.problem(name, message);
        self.problems.push(problem);
    }
}
