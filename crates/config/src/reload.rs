//! What a reload can and cannot change.

use super::Config;

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
    new.workers = old.workers;
    new.http.listen = old.http.listen;
    new.http.path_prefix.clone_from(&old.http.path_prefix);
    new.http.otlp.clone_from(&old.http.otlp);
    new.http.otlp_interval = old.http.otlp_interval;
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
        ("workers", old.workers != new.workers),
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
