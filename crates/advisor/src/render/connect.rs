//! How services connect: host, port, URL, roles, and the variables that hold passwords.

use crate::facts::{Kind, PoolMode, Service, Via};
use crate::plan::Plan;

/// Where a service connects to: host and port.
pub(super) fn address<'a>(plan: &'a Plan, service: &Service) -> (&'a str, u16) {
    match (&plan.facts.pooler, service.via) {
        (Some(pooler), Via::Pooler) => (&pooler.host, pooler.port),
        (None, _) | (_, Via::Direct) => (&plan.facts.database.host, plan.facts.database.port),
    }
}

/// Whether a service shares servers with others, so that session state does not outlast a transaction.
pub(super) fn shares_servers(plan: &Plan, service: &Service) -> bool {
    service.via == Via::Pooler
        && plan
            .facts
            .pooler
            .as_ref()
            .is_some_and(|pooler| pooler.pool_mode != PoolMode::Session)
}

/// The services of these kinds.
pub(super) fn of_kind<'a>(plan: &'a Plan, kinds: &'a [Kind]) -> impl Iterator<Item = &'a Service> {
    plan.facts
        .services
        .iter()
        .filter(move |service| kinds.contains(&service.kind))
}

/// Roles and the databases they use, each pair once. With `pooled`, only those of services behind the
/// pooler.
pub(super) fn pairs(plan: &Plan, pooled: bool) -> Vec<(&str, &str)> {
    let mut pairs: Vec<(&str, &str)> = plan
        .facts
        .services
        .iter()
        .filter(|service| !pooled || service.via == Via::Pooler)
        .map(|service| (service.user.as_str(), service.database.as_str()))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Each name once, in order.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The variable that holds the password of a role: `APP_PASSWORD` for `app`.
pub(super) fn password_variable(user: &str) -> String {
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = user.chars().map(upper).collect();
    let start = if name.starts_with(|c: char| c.is_ascii_digit()) {
        "_"
    } else {
        ""
    };
    format!("{start}{name}_PASSWORD")
}

/// The variable with the same password as it stands in a URL, percent-encoded.
pub(super) fn password_in_url(user: &str) -> String {
    format!("{}_IN_URL", password_variable(user))
}

/// A part of a URL, percent-encoded.
fn url_part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A URL whose password is a reference to a variable.
pub(super) fn database_url(user: &str, host: &str, port: u16, database: &str) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        url_part(host)
    };
    format!(
        "postgresql://{}:${{{}}}@{host}:{port}/{}",
        url_part(user),
        password_variable(user),
        url_part(database)
    )
}
