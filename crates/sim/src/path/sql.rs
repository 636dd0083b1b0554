//! The language of the fake PostgreSQL: what clients and the pooler ask of it.
//!
//! A client's statement is its tag, a verb and arguments: `c3.17 select 5 100 0`. What does not
//! begin with a tag is the pooler's and is real SQL.

use std::fmt;

/// Names one request of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tag {
    pub(super) client: u64,
    pub(super) number: u32,
}

/// In a tag, stands for any client: statements that many prepare.
pub(super) const SHARED: u64 = 1_000_000;

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    /// Answers so many rows with so many bytes of padding; then fails, if asked to.
    Select {
        rows: u32,
        size: u32,
        fails: bool,
    },
    /// Fails when it is parsed.
    Syntax,
    Begin,
    Commit,
    Rollback,
    Set {
        pairs: Vec<(String, String)>,
        local: bool,
        /// By set_config, so it returns a row.
        selects: bool,
    },
    /// The settings that get their default back.
    Reset(Vec<String>),
    DiscardAll,
    DeallocateAll,
    /// Reads data and fails at the given one, counted from 1.
    CopyIn {
        bad: u32,
    },
    CopyOut {
        rows: u32,
        size: u32,
    },
    /// Makes the commit fail, as a deferred constraint does.
    Defer,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Who asks for it; the pooler if none.
    pub(super) tag: Option<Tag>,
    pub(super) verb: Verb,
    /// Microseconds that each step of it takes.
    pub(super) slow: u64,
}

impl Statement {
    /// Whether it ends a transaction, and so is allowed in a failed one.
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self.verb, Verb::Commit | Verb::Rollback)
    }

    /// Whether it returns rows.
    pub(super) fn has_rows(&self) -> bool {
        matches!(
            self.verb,
            Verb::Select { .. } | Verb::Set { selects: true, .. }
        )
    }
}

impl Tag {
    /// Reads `c3.17` at the front of `text`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let word = text.split([' ', '|']).next()?;
        let (client, number) = word.strip_prefix('c')?.split_once('.')?;
        Some(Self {
            client: client.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}.{}", self.client, self.number)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.tag.expect("clients write statements, with a tag");
        let slow = self.slow;
        match &self.verb {
            Verb::Select { rows, size, fails } => {
                let verb = if *fails { "fail" } else { "select" };
                write!(f, "{tag} {verb} {rows} {size} {slow}")
            }
            Verb::Syntax => write!(f, "{tag} syntax"),
            Verb::Begin => write!(f, "{tag} begin"),
            Verb::Commit => write!(f, "{tag} commit"),
            Verb::Rollback => write!(f, "{tag} rollback"),
            Verb::Set {
                pairs,
                local,
                selects,
            } => {
                let verb = match (local, selects) {
                    (true, _) => "local",
                    (false, true) => "config",
                    (false, false) => "set",
                };
                let (name, value) = &pairs[0];
                write!(f, "{tag} {verb} {name} {value}")
            }
            Verb::Reset(names) => write!(f, "{tag} reset {}", names[0]),
            Verb::DiscardAll => write!(f, "{tag} discard"),
            Verb::DeallocateAll => write!(f, "{tag} deallocate"),
            Verb::CopyIn { bad } => write!(f, "{tag} copyin {bad} {slow}"),
            Verb::CopyOut { rows, size } => write!(f, "{tag} copyout {rows} {size} {slow}"),
            Verb::Defer => write!(f, "{tag} defer"),
        }
    }
}

/// Reads the statements of a query string.
///
/// # Panics
/// On what neither clients nor the pooler write.
pub(super) fn parse(text: &str) -> Vec<Statement> {
    if Tag::parse(text).is_none() {
        return own(text);
    }
    text.split(';').map(client_statement).collect()
}

fn client_statement(text: &str) -> Statement {
    let tag = Tag::parse(text.trim());
    let words: Vec<_> = text.split_whitespace().skip(1).collect();
    let number = |at: usize| -> u32 { words[at].parse().expect("a number") };
    let slow = |at: usize| u64::from(number(at));
    let set = |local, selects| Verb::Set {
        pairs: vec![(words[1].into(), words[2].into())],
        local,
        selects,
    };
    let (verb, slow) = match words[0] {
        "select" | "fail" => {
            let fails = words[0] == "fail";
            let (rows, size) = (number(1), number(2));
            (Verb::Select { rows, size, fails }, slow(3))
        }
        "syntax" => (Verb::Syntax, 0),
        "begin" => (Verb::Begin, 0),
        "commit" => (Verb::Commit, 0),
        "rollback" => (Verb::Rollback, 0),
        "set" => (set(false, false), 0),
        "config" => (set(false, true), 0),
        "local" => (set(true, false), 0),
        "reset" => (Verb::Reset(vec![words[1].into()]), 0),
        "discard" => (Verb::DiscardAll, 0),
        "deallocate" => (Verb::DeallocateAll, 0),
        "copyin" => (Verb::CopyIn { bad: number(1) }, slow(2)),
        "copyout" => {
            let (rows, size) = (number(1), number(2));
            (Verb::CopyOut { rows, size }, slow(3))
        }
        "defer" => (Verb::Defer, 0),
        other => panic!("no verb: {other:?}"),
    };
    Statement { tag, verb, slow }
}

/// The pooler's SQL.
fn own(text: &str) -> Vec<Statement> {
    let mut rest = text.trim();
    let mut statements = Vec::new();
    while !rest.is_empty() {
        let verb;
        (verb, rest) = own_statement(rest);
        statements.push(Statement {
            tag: None,
            verb,
            slow: 0,
        });
        rest = rest.trim_start_matches([';', ' ']);
    }
    statements
}

fn own_statement(text: &str) -> (Verb, &str) {
    if let Some(rest) = text.strip_prefix("ROLLBACK") {
        return (Verb::Rollback, rest);
    }
    if let Some(rest) = text.strip_prefix("DISCARD ALL") {
        return (Verb::DiscardAll, rest);
    }
    if let Some(rest) = text.strip_prefix("SELECT 1") {
        let (rows, size, fails) = (1, 0, false);
        return (Verb::Select { rows, size, fails }, rest);
    }
    if let Some(rest) = text.strip_prefix("RESET ") {
        let end = rest.find(';').unwrap_or(rest.len());
        let name = rest[..end].replace('"', "");
        return (Verb::Reset(vec![name]), &rest[end..]);
    }
    let mut pairs = Vec::new();
    let mut rest = text
        .strip_prefix("SELECT ")
        .unwrap_or_else(|| panic!("the pooler asked {text:?}"));
    loop {
        let call = rest.strip_prefix("pg_catalog.set_config(");
        let (name, after) = literal(call.expect("the pooler only calls set_config"));
        let (value, after) = literal(after.strip_prefix(", ").expect("a second argument"));
        pairs.push((name, value));
        let after = after.strip_prefix(", false)").expect("a third argument");
        match after.strip_prefix(", ") {
            Some(more) => rest = more,
            None => {
                let set = Verb::Set {
                    pairs,
                    local: false,
                    selects: true,
                };
                return (set, after);
            }
        }
    }
}

/// A string literal at the front of `text`, plain or `E''`, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let (escapes, body) = match text.strip_prefix("E'") {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('\'').expect("a literal")),
    };
    let mut value = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => value.push(chars.next().expect("an escaped character").1),
            '\'' if chars.peek().is_some_and(|&(_, next)| next == '\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => return (value, &body[at + 1..]),
            c => value.push(c),
        }
    }
    panic!("a literal without end: {text:?}")
}
