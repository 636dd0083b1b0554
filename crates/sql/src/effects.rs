//! What a text may leave behind in its session, by its tokens.
//!
//! Nothing is parsed, so the answer is "may": PostgreSQL is asked what did change. A kind too many
//! costs a question; one too few would leave a client's state for the next. What a function does
//! inside of itself cannot be seen here.

mod plain;
mod set_config;

use crate::databases::wants_database;
use crate::kind::{Kind, Scope, Setting};
use crate::lexer::{Lexer, Token, TokenKind};

pub use plain::Plain;

/// Custom settings of one text that are named; of a text with more, [`Kinds::UNNAMED`] is said.
pub const NAMES_MAX: usize = 64;

/// What a text may leave behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// Of which kinds.
    pub kinds: Kinds,
    /// Custom settings (with a dot) that it may set, and any that it may take back, in lower case. At most
    /// [`NAMES_MAX`].
    pub names: Vec<String>,
}

/// A set of kinds of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u32);

impl Kinds {
    /// No effect outlives the transaction.
    pub const NONE: Self = Self(0);
    /// A setting, or the role.
    pub const SETTINGS: Self = Self(1);
    /// A setting goes back to what the session began with. Where that is all, as of `RESET`, it is no
    /// [`Kinds::SETTINGS`] too.
    pub const RESET: Self = Self(1 << 1);
    /// A setting whose name the text does not tell.
    pub const UNNAMED: Self = Self(1 << 2);
    /// A temporary object.
    pub const TEMPORARY: Self = Self(1 << 3);
    /// An advisory lock of the session is taken.
    pub const ADVISORY_LOCK: Self = Self(1 << 4);
    /// `LISTEN`.
    pub const LISTEN: Self = Self(1 << 5);
    /// A cursor `WITH HOLD`.
    pub const CURSOR: Self = Self(1 << 6);
    /// A loaded library.
    pub const LIBRARY: Self = Self(1 << 7);
    /// Something that a function keeps for the session: a connection of dblink, a temporary
    /// replication slot, an origin of replication.
    pub const FUNCTION: Self = Self(1 << 8);
    /// Anything: `CALL`, `DO`.
    pub const ANYTHING: Self = Self(1 << 9);
    /// Objects are dropped or discarded, perhaps temporary ones.
    pub const DROP: Self = Self(1 << 10);
    /// A cursor is closed.
    pub const CLOSE: Self = Self(1 << 11);
    /// `DISCARD ALL`.
    pub const DISCARD_ALL: Self = Self(1 << 12);
    /// The last number of a sequence is read: `currval`, `lastval`.
    pub const SEQUENCE_READ: Self = Self(1 << 13);
    /// A number of a sequence is taken or set by name.
    pub const SEQUENCE: Self = Self(1 << 14);
    /// `PREPARE`, `EXECUTE`, `DEALLOCATE`, or a word that may be one of them.
    pub const PREPARED: Self = Self(1 << 15);
    /// A database is dropped, renamed, moved, or is the template of another
    /// ([`crate::databases`]).
    pub const DATABASE: Self = Self(1 << 16);
    /// A relation is created, which is temporary if the search path says so.
    pub const CREATE: Self = Self(1 << 17);
    /// All settings go back to what the session began with.
    pub const RESET_ALL: Self = Self(1 << 18);
    /// An advisory lock of the session is released.
    pub const UNLOCK: Self = Self(1 << 19);
    /// `UNLISTEN`.
    pub const UNLISTEN: Self = Self(1 << 20);

    /// What may pin a server, or end that.
    pub const HELD: Self = Self(
        Self::TEMPORARY.0
            | Self::ADVISORY_LOCK.0
            | Self::LISTEN.0
            | Self::CURSOR.0
            | Self::LIBRARY.0
            | Self::FUNCTION.0
            | Self::UNNAMED.0,
    );

    /// All of both.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those that are not in `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether any is in both.
    pub const fn any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds others.
    pub fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }
}

impl Effects {
    /// What the statements of `sql` may leave behind. `standard_conforming_strings` is the
    /// session's setting.
    pub fn of(sql: &[u8], standard_conforming_strings: bool) -> Self {
        let mut scan = Scan {
            sql,
            strings: standard_conforming_strings,
            effects: Self::default(),
            updates: false,
            in_body: false,
        };
        scan.run();
        scan.effects
    }

    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        self.kinds.add(others.kinds);
        for name in &others.names {
            self.name(name.clone());
        }
    }

    /// Adds the name of a custom setting.
    fn name(&mut self, name: String) {
        if self.names.contains(&name) {
            return;
        }
        if self.names.len() < NAMES_MAX {
            self.names.push(name);
        } else {
            self.kinds.add(Kinds::UNNAMED);
        }
    }
}

/// The tokens before the one that is looked at, as far as they matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A statement begins.
    Nothing,
    /// `CREATE` and what may come between it and `TEMP`; or `INTO`.
    Creates,
    /// `INSERT` or `MERGE`, whose `INTO` creates nothing.
    Inserts,
    Other,
}

struct Scan<'a> {
    sql: &'a [u8],
    strings: bool,
    effects: Effects,
    /// There is an `UPDATE`: one of `pg_settings` sets settings.
    updates: bool,
    /// The text is the body of a `DO`, where a statement may begin anywhere.
    in_body: bool,
}

impl Scan<'_> {
    fn run(&mut self) {
        let mut lexer = Lexer::new(self.sql, self.strings);
        let mut before = Before::Nothing;
        let mut is_do = false;
        while let Some(token) = lexer.next() {
            if !token.kind.significant() {
                continue;
            }
            let text = token.text(self.sql);
            before = match token.kind {
                TokenKind::Word => {
                    if before == Before::Nothing || self.in_body {
                        is_do |= text.eq_ignore_ascii_case(b"do");
                        self.first_word(text, token);
                    }
                    self.name(text, &lexer);
                    self.word(text, before)
                }
                TokenKind::QuotedIdentifier => {
                    self.quoted(text, &lexer);
                    Before::Other
                }
                TokenKind::DollarString | TokenKind::String if is_do => {
                    self.body(text);
                    Before::Other
                }
                TokenKind::Semicolon => {
                    is_do = false;
                    Before::Nothing
                }
                // A query may be in parentheses.
                TokenKind::Open if before == Before::Nothing => Before::Nothing,
                _ => Before::Other,
            };
        }
    }

    fn add(&mut self, kinds: Kinds) {
        self.effects.kinds.add(kinds);
    }

    /// The first word of a statement, or one that may be.
    fn first_word(&mut self, word: &[u8], token: Token) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let kind = || Kind::of(&self.sql[token.start..], self.strings);
        match word.first().map_or(0, |first| first | 0x20) {
            b's' if is("set") => self.set(token),
            b'r' if is("reset") => {
                match kind() {
                    Kind::Reset(Some(setting)) => self.setting(setting),
                    _ => self.add(Kinds::RESET_ALL),
                }
                self.add(Kinds::RESET);
            }
            b'd' if is("discard") => {
                if kind() == (Kind::Discard { all: true }) {
                    self.add(Kinds::RESET.with(Kinds::RESET_ALL).with(Kinds::DISCARD_ALL));
                }
                self.add(Kinds::DROP);
            }
            b'd' if is("do") => self.add(Kinds::ANYTHING),
            b'c' if is("call") => self.add(Kinds::ANYTHING),
            b'd' if is("declare") && kind() == (Kind::Declare { hold: true }) => {
                self.add(Kinds::CURSOR);
            }
            b'c' if is("close") => self.add(Kinds::CLOSE),
            b'd' if is("drop") => {
                self.add(Kinds::DROP);
                self.database(token);
            }
            b'a' | b'c' if is("alter") || is("create") => self.database(token),
            b'l' if is("listen") => self.add(Kinds::LISTEN),
            b'u' if is("unlisten") => self.add(Kinds::UNLISTEN),
            b'l' if is("load") => self.add(Kinds::LIBRARY),
            b'p' if is("prepare") && kind() == Kind::Prepare => {
                self.add(Kinds::PREPARED);
            }
            b'd' if is("deallocate") => self.add(Kinds::PREPARED),
            _ => {}
        }
    }

    fn database(&mut self, token: Token) {
        if wants_database(&self.sql[token.start..], self.strings) {
            self.add(Kinds::DATABASE);
        }
    }

    fn set(&mut self, token: Token) {
        let rest = &self.sql[token.start..];
        match Kind::of(rest, self.strings) {
            Kind::Set {
                scope: Scope::Session,
                setting,
            } => {
                self.add(Kinds::SETTINGS);
                if takes_back(rest, self.strings) {
                    self.add(Kinds::RESET);
                    self.setting(setting);
                } else if setting.0.contains(&b'.') {
                    self.setting(setting);
                }
            }
            Kind::Set {
                scope: Scope::Local,
                ..
            }
            | Kind::SetTransaction
            | Kind::SetConstraints => {}
            // SET SESSION CHARACTERISTICS, and what is not understood.
            _ => self.add(Kinds::SETTINGS),
        }
    }

    /// Notes a setting by its name.
    fn setting(&mut self, setting: Setting<'_>) {
        let tokens = Lexer::new(setting.0, true).filter(|token| token.kind.significant());
        let mut name = String::new();
        for token in tokens {
            let text = token.text(setting.0);
            let text = match token.kind {
                TokenKind::QuotedIdentifier => match plainly_quoted(text) {
                    Some(text) => text,
                    None => return self.add(Kinds::UNNAMED),
                },
                _ => text,
            };
            name.push_str(&String::from_utf8_lossy(text).to_ascii_lowercase());
        }
        self.effects.name(name);
    }

    /// Any word, as a keyword in the middle of a statement; what it means for the next one.
    fn word(&mut self, word: &[u8], before: Before) -> Before {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        match (word.len(), word[0] | 0x20) {
            (6, b'c') if is("create") => {
                self.add(Kinds::CREATE);
                return Before::Creates;
            }
            (5 | 6, b'i' | b'm') if is("insert") || is("merge") => return Before::Inserts,
            (4, b'i') if before != Before::Inserts && is("into") => {
                self.add(Kinds::CREATE);
                return Before::Creates;
            }
            (2 | 5..=7, b'o' | b'r' | b'l' | b'g')
                if before == Before::Creates
                    && (is("or") || is("replace") || is("local") || is("global")) =>
            {
                return Before::Creates;
            }
            (4 | 9, b't') if before == Before::Creates && (is("temp") || is("temporary")) => {
                self.add(Kinds::TEMPORARY);
            }
            (6, b'u') if is("update") => self.updates = true,
            (7, b'e') if is("execute") => self.add(Kinds::PREPARED),
            _ => {}
        }
        Before::Other
    }

    /// Any word or quoted identifier, as the name of a function, schema or view.
    fn name(&mut self, name: &[u8], after: &Lexer<'_>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let begins = |known: &str| {
            let front = name.get(..known.len());
            front.is_some_and(|front| front.eq_ignore_ascii_case(known.as_bytes()))
        };
        if name.len() < 6 {
            return;
        }
        match name[0] | 0x20 {
            b's' if is("set_config") => {
                let found = set_config::read(self.sql, after.clone());
                self.add(found.kinds);
                if let Some(name) = found.name {
                    self.effects.name(name);
                }
            }
            b's' if is("setval") => self.add(Kinds::SEQUENCE),
            b'n' if is("nextval") => self.add(Kinds::SEQUENCE),
            b'c' if is("currval") => self.add(Kinds::SEQUENCE_READ),
            b'l' if is("lastval") => self.add(Kinds::SEQUENCE_READ),
            b'd' if begins("dblink_connect") => self.add(Kinds::FUNCTION),
            b'p' if begins("pg_temp") => self.add(Kinds::TEMPORARY),
            b'p' if begins("pg_advisory_unlock") => self.add(Kinds::UNLOCK),
            b'p' if (begins("pg_advisory_") || begins("pg_try_advisory_"))
                && !contains(name, b"xact") =>
            {
                self.add(Kinds::ADVISORY_LOCK);
            }
            b'p' if is("pg_settings") && self.updates => self.add(Kinds::SETTINGS),
            b'p' if SESSION_FUNCTIONS.iter().any(|known| is(known)) => self.add(Kinds::FUNCTION),
            _ => {}
        }
    }

    fn quoted(&mut self, text: &[u8], after: &Lexer<'_>) {
        match plainly_quoted(text) {
            Some(b"") => {}
            Some(name) => self.name(name, after),
            // It may be any name.
            None => self.add(Kinds::ANYTHING.with(Kinds::UNNAMED)),
        }
    }

    /// The body of a `DO`: for the names of settings, as the rest is asked about anyway.
    fn body(&mut self, text: &[u8]) {
        let delimiter = match text.first() {
            Some(b'$') => 2 + text[1..].iter().take_while(|&&b| b != b'$').count(),
            _ => 1,
        };
        let end = text.len().saturating_sub(delimiter).max(delimiter);
        let Some(inner) = text.get(delimiter..end).filter(|_| !self.in_body) else {
            return;
        };
        // In quotes, quotes are doubled.
        let inner = match text.first() {
            Some(b'$') => inner.to_vec(),
            _ => undoubled(inner),
        };
        let mut scan = Scan {
            sql: &inner,
            strings: self.strings,
            effects: Effects::default(),
            updates: false,
            in_body: true,
        };
        scan.run();
        // What its statements may leave, the question finds.
        self.effects.add(&scan.effects);
    }
}

/// Functions that keep something for their session.
const SESSION_FUNCTIONS: [&str; 5] = [
    "pg_replication_origin_session_setup",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_copy_logical_replication_slot",
];

/// Whether a token is this word.
fn is_word(token: &Token, sql: &[u8], word: &str) -> bool {
    token.kind == TokenKind::Word && token.text(sql).eq_ignore_ascii_case(word.as_bytes())
}

/// Whether a `SET` has a word that takes a setting back: `DEFAULT`, or `LOCAL` for a time zone.
fn takes_back(sql: &[u8], strings: bool) -> bool {
    Lexer::new(sql, strings)
        .take_while(|token| token.kind != TokenKind::Semicolon)
        .any(|token| is_word(&token, sql, "default") || is_word(&token, sql, "local"))
}

/// The inside of `"..."`; `None` if it may have escapes.
fn plainly_quoted(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"\"")?;
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    Some(inner)
}

fn undoubled(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut is_second = false;
    for &byte in text {
        is_second = byte == b'\'' && !is_second;
        if !is_second {
            out.push(byte);
        }
    }
    out
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
