//! What a reload can and cannot change.

use std::fmt;
use std::sync::Arc;

use pgweir_settings::{Origin, Value};

use super::raw::Raw;
use super::settings::{self, Scope};
use super::{Config, GlobalSetting};

/// Why a setting cannot be changed while the pooler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unchangeable {
    /// There is none of this name.
    Unknown(String),
    /// It takes effect after a restart only.
    NeedsRestart(&'static str),
}

impl fmt::Display for Unchangeable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "{name} is not a known setting"),
            Self::NeedsRestart(name) => write!(f, "{name} takes effect after a restart only"),
        }
    }
}

/// What was written with one setting of the whole pooler changed, as `SET` on the console does it.
///
/// # Errors
/// It cannot be changed. Whether the value will do is seen when it is resolved.
pub fn set(raw: &Raw, name: &str, value: &str) -> Result<Raw, Unchangeable> {
    let (name, value) = match (name, value) {
        // PgBouncer's name for it has numbers.
        ("verbose", "0") => ("log_level", "info"),
        ("verbose", "1") => ("log_level", "debug"),
        ("verbose", "2" | "3") => ("log_level", "trace"),
        other => other,
    };
    let mut global = settings::in_scope(Scope::Global);
    let is_it =
        |it: &&settings::Setting| it.name_in(Scope::Global) == name || it.alias == Some(name);
    let Some(setting) = global.find(is_it) else {
        return Err(Unchangeable::Unknown(name.to_owned()));
    };
    if !setting.reload {
        return Err(Unchangeable::NeedsRestart(setting.name_in(Scope::Global)));
    }
    let mut raw = raw.clone();
    // Under the name that it was given by: two names for one setting would be a mistake.
    let given = setting.alias.filter(|alias| raw.globals.has(alias));
    let name = given.unwrap_or(setting.name_in(Scope::Global));
    raw.globals
        .give(name, Value::from(value.to_owned()), Origin::named("SET"));
    Ok(raw)
}

/// Whether a setting of TLS may be set before others that it needs: its value can be read.
pub fn may_be_drafted(name: &str, value: &str) -> bool {
    let is_tls = ["client_tls", "server_tls"]
        .iter()
        .any(|start| name.starts_with(start));
    let setting = settings::find(Scope::Global, name).filter(|_| is_tls);
    setting.is_some_and(|it| it.kind.parse(&Value::from(value.to_owned())).is_ok())
}

/// What became of a changed configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Settings that differ but keep their old value until a restart.
    pub needs_restart: Vec<&'static str>,
}

/// The configuration just read as it can run: what takes effect after a restart only is that of the
/// configuration that runs, so that it is told of until it is true, and not when it is put back.
pub fn merge(old: &Config, mut new: Config) -> (Config, Reload) {
    let reload = diff(old, &new);
    new.listen = old.listen.clone();
    new.service.clone_from(&old.service);
    new.workers = old.workers;
    new.log.format = old.log.format;
    new.http.listen = old.http.listen;
    new.http.path_prefix.clone_from(&old.http.path_prefix);
    new.http.otlp.clone_from(&old.http.otlp);
    new.http.otlp_interval = old.http.otlp_interval;
    let kept = |setting: &GlobalSetting| {
        let mut before = old.globals.iter();
        let before = before.find(|before| before.name == setting.name && !setting.changeable);
        before.unwrap_or(setting).clone()
    };
    new.globals = Arc::new(new.globals.iter().map(kept).collect());
    (new, reload)
}

/// Compares the configuration that runs with the one just read.
fn diff(old: &Config, new: &Config) -> Reload {
    // In full, so that a field more cannot be forgotten here.
    let super::Listen {
        addresses,
        port,
        unix_socket_dir,
        unix_socket_mode,
        unix_socket_group,
        backlog,
        reuses_port,
    } = &old.listen;
    let changes = [
        ("listen_addr", *addresses != new.listen.addresses),
        ("listen_port", *port != new.listen.port),
        (
            "unix_socket_dir",
            *unix_socket_dir != new.listen.unix_socket_dir,
        ),
        (
            "unix_socket_mode",
            *unix_socket_mode != new.listen.unix_socket_mode,
        ),
        (
            "unix_socket_group",
            *unix_socket_group != new.listen.unix_socket_group,
        ),
        ("listen_backlog", *backlog != new.listen.backlog),
        ("so_reuseport", *reuses_port != new.listen.reuses_port),
        ("workers", old.workers != new.workers),
        ("pidfile", old.service.pidfile != new.service.pidfile),
        ("run_as", old.service.user != new.service.user),
        ("log_format", old.log.format != new.log.format),
        ("http_listen", old.http.listen != new.http.listen),
        (
            "http_path_prefix",
            old.http.path_prefix != new.http.path_prefix,
        ),
        ("otlp_endpoint", old.http.otlp != new.http.otlp),
        (
            "otlp_interval",
            old.http.otlp_interval != new.http.otlp_interval,
        ),
    ];
    let changed = changes.into_iter().filter(|(_, differs)| *differs);
    Reload {
        needs_restart: changed.map(|(name, _)| name).collect(),
    }
}
