//! The language of the fake PostgreSQL: what clients and the pooler ask of it.
//!
//! A client's statement is a verb, arguments and its tag: `select 5 100 0 'c3.17'`. What may leave
//! something behind in its session is real SQL up to the tag. What does not end in a tag is the
//! pooler's and is real SQL.

use std::fmt;

use super::held::{THINGS, Thing};

/// Names one request of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tag {
    pub(super) client: u64,
    pub(super) number: u32,
}

/// In a tag, stands for any client: statements that many prepare.
pub(super) const SHARED: u64 = 1_000_000;

/// What the pooler sends in place of a message that must fail begins with this.
pub(super) const REFUSED: &str = "SELECT FROM \"pgweir rejects\"";

const INSERT: &str = "insert into t default values";
const LAST_NUMBER: &str = "select lastval()";

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
    /// Takes something for the session, or gives it up.
    Hold(Thing, bool),
    /// Takes a number of a sequence, which its text does not tell.
    Insert,
    /// Reads the number that was taken last.
    LastNumber,
    DiscardSequences,
    /// Takes something by a function, whose text does not tell.
    Unseen(Thing),
    /// The pooler asks what the session has.
    Ask {
        /// Settings, and custom ones of these names.
        settings: Option<Vec<String>>,
        held: Vec<Thing>,
    },
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

    /// Whether it takes something for the session.
    pub(super) fn keeps_server(&self) -> bool {
        matches!(self.verb, Verb::Hold(_, true))
    }

    /// Whether it returns rows.
    pub(super) fn has_rows(&self) -> bool {
        matches!(
            self.verb,
            Verb::Select { .. }
                | Verb::Set { selects: true, .. }
                | Verb::Hold(Thing::Lock, _)
                | Verb::LastNumber
                | Verb::Unseen(_)
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
                write!(f, "{verb} {rows} {size} {slow} '{tag}'")
            }
            Verb::Syntax => write!(f, "syntax '{tag}'"),
            Verb::Begin => write!(f, "begin '{tag}'"),
            Verb::Commit => write!(f, "commit '{tag}'"),
            Verb::Rollback => write!(f, "rollback '{tag}'"),
            Verb::Set {
                pairs,
                local,
                selects,
            } => {
                let (name, value) = &pairs[0];
                let value = quoted(value);
                match (selects, local) {
                    (true, _) => write!(f, "select set_config('{name}', {value}, {local}) '{tag}'"),
                    (false, true) => write!(f, "set local {name} to {value} '{tag}'"),
                    (false, false) => write!(f, "set {name} to {value} '{tag}'"),
                }
            }
            Verb::Reset(names) => write!(f, "reset {} '{tag}'", names[0]),
            Verb::DiscardAll => write!(f, "discard all '{tag}'"),
            Verb::DeallocateAll => write!(f, "deallocate '{tag}'"),
            Verb::CopyIn { bad } => write!(f, "copyin {bad} {slow} '{tag}'"),
            Verb::CopyOut { rows, size } => write!(f, "copyout {rows} {size} {slow} '{tag}'"),
            Verb::Defer => write!(f, "defer '{tag}'"),
            Verb::Hold(thing, takes) => {
                write!(f, "{} '{tag}'", thing.sql()[usize::from(!takes)])
            }
            Verb::Unseen(thing) => write!(f, "{} '{tag}'", thing.unseen()),
            Verb::Insert => write!(f, "{INSERT} '{tag}'"),
            Verb::LastNumber => write!(f, "{LAST_NUMBER} '{tag}'"),
            Verb::DiscardSequences => write!(f, "discard sequences '{tag}'"),
            Verb::Ask { .. } => unreachable!("only the pooler asks"),
        }
    }
}

/// Reads the statements of a query string.
///
/// # Panics
/// On what neither clients nor the pooler write.
pub(super) fn parse(text: &str) -> Vec<Statement> {
    if split_tag(text).is_none() {
        return own(text);
    }
    text.split(';').map(client_statement).collect()
}

/// A client's statement without its tag.
fn split_tag(text: &str) -> Option<(&str, Tag)> {
    let (statement, tag) = text.trim().strip_suffix('\'')?.rsplit_once(" '")?;
    Some((statement, Tag::parse(tag)?))
}

/// A literal of this value.
fn quoted(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') {
        return format!("E'{}'", quoted.replace('\\', "\\\\"));
    }
    format!("'{quoted}'")
}

fn client_statement(text: &str) -> Statement {
    let (text, tag) = split_tag(text).expect("every statement has a tag");
    let (verb, slow) = session_verb(text).map_or_else(|| plain_verb(text), |verb| (verb, 0));
    Statement {
        tag: Some(tag),
        verb,
        slow,
    }
}

/// A verb that may leave something behind in its session.
fn session_verb(text: &str) -> Option<Verb> {
    for thing in THINGS {
        let [takes, gives_up] = thing.sql();
        if text == takes || text == gives_up {
            return Some(Verb::Hold(thing, text == takes));
        }
    }
    for thing in THINGS {
        if text == thing.unseen() {
            return Some(Verb::Unseen(thing));
        }
    }
    let set = |name: &str, value, local, selects| Verb::Set {
        pairs: vec![(name.to_owned(), value)],
        local,
        selects,
    };
    if let Some(call) = text.strip_prefix("select set_config(") {
        let (name, rest) = literal(call);
        let (value, rest) = literal(rest.strip_prefix(", ")?);
        return Some(set(&name, value, rest == ", true)", true));
    }
    if let Some(rest) = text.strip_prefix("set ") {
        let (name, value) = rest.split_once(" to ")?;
        let local = name.strip_prefix("local ");
        return Some(set(
            local.unwrap_or(name),
            literal(value).0,
            local.is_some(),
            false,
        ));
    }
    if let Some(name) = text.strip_prefix("reset ") {
        return Some(Verb::Reset(vec![name.to_owned()]));
    }
    match text {
        "discard all" => Some(Verb::DiscardAll),
        "discard sequences" => Some(Verb::DiscardSequences),
        INSERT => Some(Verb::Insert),
        LAST_NUMBER => Some(Verb::LastNumber),
        _ => None,
    }
}

fn plain_verb(text: &str) -> (Verb, u64) {
    let words: Vec<_> = text.split_whitespace().collect();
    let number = |at: usize| -> u32 { words[at].parse().expect("a number") };
    let slow = |at: usize| u64::from(number(at));
    match words[0] {
        "select" | "fail" => {
            let fails = words[0] == "fail";
            let (rows, size) = (number(1), number(2));
            (Verb::Select { rows, size, fails }, slow(3))
        }
        "syntax" => (Verb::Syntax, 0),
        "begin" => (Verb::Begin, 0),
        "commit" => (Verb::Commit, 0),
        "rollback" => (Verb::Rollback, 0),
        "deallocate" => (Verb::DeallocateAll, 0),
        "copyin" => (Verb::CopyIn { bad: number(1) }, slow(2)),
        "copyout" => {
            let (rows, size) = (number(1), number(2));
            (Verb::CopyOut { rows, size }, slow(3))
        }
        "defer" => (Verb::Defer, 0),
        other => panic!("no verb: {other:?}"),
    }
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
    if let Some(rest) = text.strip_prefix("DISCARD SEQUENCES") {
        return (Verb::DiscardSequences, rest);
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
    if text.starts_with("SELECT '") {
        return (question(text), "");
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

/// What the pooler asks behind a transaction.
fn question(text: &str) -> Verb {
    let has = |thing: &&Thing| text.contains(&format!("SELECT '{}', '', NULL", thing.letter()));
    let names = || {
        let list = text.split_once("(VALUES (").map_or("", |(_, rest)| rest);
        let list = list.split_once(')').map_or("", |_| list);
        let mut names = Vec::new();
        let mut rest = list;
        while rest.starts_with('\'') {
            let (name, after) = literal(rest);
            names.push(name);
            rest = after.strip_prefix("), (").unwrap_or_default();
        }
        names
    };
    Verb::Ask {
        settings: text.contains("pg_settings").then(names),
        held: THINGS.iter().filter(has).copied().collect(),
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
