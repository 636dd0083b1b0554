//! `odyssey.conf`: rules for databases and users, which name a storage.
//!
//! Source: the manual of Odyssey, chapters on its sections.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use pgweir_settings::toml::Leaf;
use pgweir_settings::{Given, Origin, Problem, Value};

use super::draft::{Act, Draft, Rules, To, Verdict};

/// Every value of a file, by the sections around it. `database default` is `*`, and so is `user default`.
pub(super) fn leaves(name: &str, text: &str) -> Result<Vec<Leaf>, Vec<Problem>> {
    let tokens = tokens(name, text)?;
    let mut leaves = Vec::new();
    let mut path = Vec::new();
    section(&mut tokens.into_iter().peekable(), &mut path, &mut leaves)
        .map_err(|(origin, message)| vec![Problem::new(&origin, "", message)])?;
    Ok(leaves)
}

enum Word {
    Open,
    Close,
    Bare(String),
    Quoted(String),
}

struct Token {
    word: Word,
    origin: Origin,
}

impl Token {
    /// Its text as the name of a section.
    fn name(&self) -> Option<String> {
        match &self.word {
            Word::Bare(word) if word == "default" => Some("*".to_owned()),
            Word::Bare(word) | Word::Quoted(word) => Some(word.clone()),
            Word::Open | Word::Close => None,
        }
    }
}

fn tokens(name: &str, text: &str) -> Result<Vec<Token>, Vec<Problem>> {
    let name: Arc<str> = name.into();
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let origin = Origin::line(name.clone(), number);
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next().filter(|c| *c != '#') {
            let (word, len) = match first {
                '{' => (Word::Open, 1),
                '}' => (Word::Close, 1),
                '"' => {
                    let end = rest[1..].find('"').ok_or_else(|| {
                        let message = "has a quote that is not closed on its line";
                        vec![Problem::new(&origin, "", message)]
                    })?;
                    (Word::Quoted(rest[1..=end].to_owned()), end + 2)
                }
                _ => {
                    let is_end = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"' | '#');
                    let end = rest.find(is_end).unwrap_or(rest.len());
                    (Word::Bare(rest[..end].to_owned()), end)
                }
            };
            let origin = origin.clone();
            tokens.push(Token { word, origin });
            rest = rest[len..].trim_start();
        }
    }
    Ok(tokens)
}

type Mistake = (Origin, &'static str);

/// Reads up to the end of a section. No section is deeper than [`DEPTH_MAX`].
fn section(
    tokens: &mut Peekable<IntoIter<Token>>,
    path: &mut Vec<String>,
    leaves: &mut Vec<Leaf>,
) -> Result<(), Mistake> {
    let mut unnamed = BTreeMap::<String, usize>::new();
    while let Some(token) = tokens.next() {
        let Some(key) = token.name() else {
            if matches!(token.word, Word::Close) && !path.is_empty() {
                return Ok(());
            }
            return Err((token.origin, "has a brace where a setting should stand"));
        };
        // One value or name; several settings may share a line.
        let is_value = |next: &Token| next.origin == token.origin && next.name().is_some();
        let value = tokens.next_if(is_value).and_then(|value| value.name());
        let depth = path.len();
        path.push(key.clone());
        if tokens
            .next_if(|next| matches!(next.word, Word::Open))
            .is_some()
        {
            path.push(value.unwrap_or_else(|| {
                let next = unnamed.entry(key).or_default();
                *next += 1;
                (*next - 1).to_string()
            }));
            if path.len() > DEPTH_MAX {
                return Err((token.origin, "has sections in sections too deep"));
            }
            section(tokens, path, leaves)?;
        } else {
            leaves.push(Leaf {
                path: path.clone(),
                given: Given {
                    value: Value::from(value.unwrap_or_default()),
                    origin: token.origin,
                },
            });
        }
        path.truncate(depth);
    }
    match path.last() {
        None => Ok(()),
        Some(_) => Err((Origin::Default, "ends within a section; a } is missing")),
    }
}

/// Names of sections around a value; Odyssey's own files have six.
const DEPTH_MAX: usize = 32;

pub(super) fn carry(leaves: &[Leaf], draft: &mut Draft) {
    let mut asked: Vec<&Leaf> = Vec::new();
    for leaf in leaves {
        let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
        match path[..] {
            ["listen", "0", "tls"] => tls(leaf, To::Global, "client_tls_sslmode", draft),
            ["listen", "0", _] => draft.carry(leaf, LISTEN, To::Global),
            ["listen", ..] => draft.drop(
                leaf,
                "pgweir listens at one port; list addresses in listen_addr",
            ),
            // Carried over with the rules that name them.
            ["storage", _, "host" | "port" | "tls" | "type"] => {}
            ["storage", _, key] if STORAGE.iter().any(|(name, _)| *name == key) => {}
            ["storage", ..] => draft.drop(leaf, "a database has one server, and no watchdog"),
            ["database", database, "user", user, key] => match key {
                "authentication" if is_console(leaves, &leaf.path) => {
                    draft.drop(leaf, CONSOLE);
                }
                "authentication" => asked.push(leaf),
                "storage" => storage(leaf, leaves, database, draft),
                _ if ROUTE_OF_USER.iter().any(|(name, _)| *name == key) && user != "*" => {
                    draft.carry(leaf, ROUTE_OF_USER, To::User(user));
                }
                _ => draft.carry(leaf, ROUTE, To::Database(database)),
            },
            [_] => draft.carry(leaf, GLOBAL, To::Global),
            _ => draft.unlike(leaf),
        }
    }
    auth_type(&asked, draft);
    draft.fill("listen_addr", "*", "listen.host (Odyssey's default)");
}

/// How clients are asked, which is one for all here.
fn auth_type(asked: &[&Leaf], draft: &mut Draft) {
    let method = |leaf: &Leaf| match &*leaf.given.value.bare() {
        "none" => Some("trust"),
        "clear_text" => Some("plain"),
        "md5" => Some("md5"),
        "scram-sha-256" => Some("scram-sha-256"),
        "cert" => Some("cert"),
        _ => None,
    };
    let mut methods: Vec<_> = asked.iter().filter_map(|leaf| method(leaf)).collect();
    methods.sort_unstable();
    methods.dedup();
    let (chosen, why) = match methods[..] {
        [] => return,
        [one] => (one, None),
        // Nobody gets in with less than before.
        _ if methods.contains(&"scram-sha-256") && !methods.contains(&"md5") => {
            ("scram-sha-256", Some(ONE_FOR_ALL))
        }
        _ => ("md5", Some(ONE_FOR_ALL)),
    };
    for leaf in asked {
        match method(leaf) {
            Some(_) => draft.place(leaf, To::Global, "auth_type", chosen.into(), why),
            None => draft.drop(
                leaf,
                "write a rule for it to a file and name that in auth_hba_file",
            ),
        }
    }
}

const ONE_FOR_ALL: &str =
    "is one for all clients; for different ones write rules to a file, named by auth_hba_file";

/// Whether a rule, by one of its settings, leads to Odyssey's console.
fn is_console(leaves: &[Leaf], path: &[String]) -> bool {
    let says = |path: &[&str]| {
        let found = leaves.iter().find(|leaf| leaf.path == path);
        found.map(|leaf| leaf.given.value.bare().into_owned())
    };
    let rule: Vec<&str> = path.iter().take(4).map(String::as_str).collect();
    let storage = says(&[&rule[..], &["storage"]].concat());
    let kind = storage.and_then(|name| says(&["storage", &name, "type"]));
    kind.as_deref() == Some("local")
}

const CONSOLE: &str = "the console is the database pgbouncer, for admin_users";

/// The storage that a rule names is the server of its database.
fn storage(leaf: &Leaf, leaves: &[Leaf], database: &str, draft: &mut Draft) {
    if is_console(leaves, &leaf.path) {
        return draft.drop(leaf, CONSOLE);
    }
    let name = leaf.given.value.bare().into_owned();
    let to = To::Database(database);
    draft.section(to);
    draft.note(leaf, Verdict::Carried(to.key("host")));
    let of_storage = |own: &&Leaf| own.path.len() == 3 && own.path[..2] == ["storage", &name];
    let mut own: Vec<&Leaf> = leaves.iter().filter(of_storage).collect();
    // A port that stands with the host counts.
    own.sort_by_key(|own| own.path[2] == "host");
    for own in own {
        match own.path[2].as_str() {
            "host" => host(own, To::Database(database), draft),
            "tls" => tls(own, To::Database(database), "server_tls_sslmode", draft),
            "type" => {}
            _ => draft.carry(own, STORAGE, To::Database(database)),
        }
    }
}

/// The first of the hosts, without the zone; a port that stands with it counts.
fn host(leaf: &Leaf, to: To<'_>, draft: &mut Draft) {
    let text = leaf.given.value.bare().into_owned();
    let (first, has_more) = match text.split_once(',') {
        Some((first, _)) => (first, true),
        None => (text.as_str(), false),
    };
    let first = first.trim_start_matches("tcp://");
    let (name, behind) = match first
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((name, behind)) => (name, behind.trim_start_matches(':')),
        None => first.split_once(':').unwrap_or((first, "")),
    };
    let port = behind.split(':').find(|part| part.parse::<u16>().is_ok());
    if let Some(port) = port {
        draft.set(to, "port", port);
    }
    let why = has_more.then_some("one server of a database is used, the first");
    draft.place(leaf, to, "host", name.into(), why);
}

fn tls(leaf: &Leaf, to: To<'_>, name: &'static str, draft: &mut Draft) {
    let mode = leaf.given.value.bare().replace('_', "-");
    draft.place(leaf, to, name, mode.into(), None);
}

const ALWAYS: Act = Act::Drop("is always so here");
const LOG: Act = Act::Drop("the log goes to standard error; see pgweir help logs");

const GLOBAL: Rules = &[
    ("unix_socket_dir", Act::Same("unix_socket_dir")),
    ("unix_socket_mode", Act::Same("unix_socket_mode")),
    ("log_session", Act::Same("log_connections")),
    ("log_stats", Act::Same("log_stats")),
    ("stats_interval", Act::Same("stats_period")),
    ("workers", Act::Same("workers")),
    ("keepalive", Act::Same("tcp_keepidle")),
    ("keepalive_keep_interval", Act::Same("tcp_keepintvl")),
    ("keepalive_probes", Act::Same("tcp_keepcnt")),
    ("keepalive_usr_timeout", Act::Same("tcp_user_timeout")),
    ("client_max", Act::Same("max_client_conn")),
    (
        "client_max_routing",
        Act::Drop("logins are bounded by themselves"),
    ),
    ("graceful_shutdown_timeout_ms", Act::Ms("shutdown_timeout")),
    (
        "backend_connect_timeout_ms",
        Act::Ms("server_connect_timeout"),
    ),
    ("cancel_timeout_ms", Act::Ms("cancel_wait_timeout")),
    (
        "promhttp_server_port",
        Act::Drop("metrics are at http_listen, 127.0.0.1:6433 by default"),
    ),
    (
        "hba_file",
        Act::But(
            "auth_hba_file",
            "its last column says how a client proves who it is",
        ),
    ),
    ("nodelay", ALWAYS),
    ("log_format", LOG),
    ("log_to_stdout", LOG),
    ("log_file", LOG),
    ("log_syslog", LOG),
    ("log_syslog_ident", LOG),
    ("log_syslog_facility", LOG),
    ("log_debug", Act::Drop("log_level = \"debug\" does that")),
    (
        "log_query",
        Act::Drop("texts are logged without their literals where they are slow"),
    ),
    (
        "daemonize",
        Act::Drop("let systemd or a container keep it running"),
    ),
    (
        "pid_file",
        Act::Drop("let systemd or a container keep it running"),
    ),
    (
        "include",
        Act::Drop("import the files that it includes each by itself"),
    ),
];

const LISTEN: Rules = &[
    ("host", Act::Same("listen_addr")),
    ("port", Act::Same("listen_port")),
    ("backlog", Act::Same("listen_backlog")),
    ("tls_ca_file", Act::Same("client_tls_ca_file")),
    ("tls_key_file", Act::Same("client_tls_key_file")),
    ("tls_cert_file", Act::Same("client_tls_cert_file")),
    ("tls_protocols", Act::Same("client_tls_protocols")),
    ("client_login_timeout", Act::Ms("client_login_timeout")),
    ("compression", Act::Drop("Odyssey ignores it, too")),
];

const STORAGE: Rules = &[
    ("port", Act::Same("port")),
    ("tls_ca_file", Act::Same("server_tls_ca_file")),
    ("tls_key_file", Act::Same("server_tls_key_file")),
    ("tls_cert_file", Act::Same("server_tls_cert_file")),
    ("tls_protocols", Act::Same("server_tls_protocols")),
];

/// What a user may have for itself.
const ROUTE_OF_USER: Rules = &[
    ("password", Act::Same("password")),
    ("pool", Act::Same("pool_mode")),
    ("pool_size", Act::Same("pool_size")),
    ("pool_timeout", Act::Ms("query_wait_timeout")),
    ("pool_client_idle_timeout", Act::Same("client_idle_timeout")),
    (
        "pool_idle_in_transaction_timeout",
        Act::Same("idle_transaction_timeout"),
    ),
    ("client_max", Act::Same("max_user_client_connections")),
];

const ROUTE: Rules = &[
    ("pool", Act::Same("pool_mode")),
    ("pool_size", Act::Same("pool_size")),
    ("min_pool_size", Act::Same("min_pool_size")),
    ("pool_timeout", Act::Ms("query_wait_timeout")),
    ("pool_ttl", Act::Same("server_idle_timeout")),
    ("pool_client_idle_timeout", Act::Same("client_idle_timeout")),
    (
        "pool_idle_in_transaction_timeout",
        Act::Same("idle_transaction_timeout"),
    ),
    ("client_max", Act::Same("max_db_client_connections")),
    ("server_lifetime", Act::Same("server_lifetime")),
    ("storage_db", Act::Same("dbname")),
    ("storage_user", Act::Same("user")),
    ("storage_password", Act::Same("password")),
    (
        "auth_query",
        Act::But("auth_query", "its row has the name and the secret"),
    ),
    ("auth_query_user", Act::Same("auth_user")),
    (
        "auth_query_db",
        Act::But("auth_dbname", "names an entry of [databases]"),
    ),
    (
        "pool_discard",
        Act::Drop("what a client set is always taken back"),
    ),
    (
        "pool_smart_discard",
        Act::Drop("what a client set is always taken back"),
    ),
    ("pool_cancel", ALWAYS),
    ("pool_rollback", ALWAYS),
    ("client_fwd_error", ALWAYS),
    ("pool_reserve_prepared_statement", ALWAYS),
    (
        "application_name_add_host",
        Act::Drop("application_name_add_host of [pgweir] is for all"),
    ),
    (
        "pool_notice_after_waiting_ms",
        Act::Drop("query_wait_notify of [pgweir] is for all"),
    ),
    (
        "role",
        Act::Drop("who may use the console is said by admin_users"),
    ),
];
