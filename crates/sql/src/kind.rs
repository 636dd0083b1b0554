//! Classifies a statement by its first words.
//!
//! It does not check the rest of the statement; PostgreSQL does. A kind is correct for statements
//! that PostgreSQL accepts.

use crate::lexer::{Lexer, Token, TokenKind};
use crate::word::Lower;

/// Kind of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// No statement at all: only whitespace, comments and semicolons.
    Empty,
    /// `SELECT`, `VALUES` or `TABLE`, also in parentheses or after `WITH`. It may still write: in a
    /// function that it calls, or in a statement inside of its `WITH`.
    Select,
    /// `INSERT`, also after `WITH`.
    Insert,
    /// `UPDATE`, also after `WITH`.
    Update,
    /// `DELETE`, also after `WITH`.
    Delete,
    /// `MERGE`, also after `WITH`.
    Merge,
    /// `COPY`, in either direction.
    Copy,
    /// `BEGIN` or `START TRANSACTION`.
    Begin,
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT` of the transaction.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE SAVEPOINT`.
    Release,
    /// `ROLLBACK TO SAVEPOINT`.
    RollbackTo,
    /// `PREPARE TRANSACTION`, which ends the transaction.
    PrepareTransaction,
    /// `COMMIT PREPARED`.
    CommitPrepared,
    /// `ROLLBACK PREPARED`.
    RollbackPrepared,
    /// `SET`, in all forms that change a run-time setting.
    Set {
        /// How long the setting applies.
        scope: Scope,
        /// The setting.
        setting: Setting<'a>,
    },
    /// `SET TRANSACTION`.
    SetTransaction,
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetCharacteristics,
    /// `SET CONSTRAINTS`.
    SetConstraints,
    /// `RESET`, or `RESET ALL` if there is no setting.
    Reset(Option<Setting<'a>>),
    /// `SHOW`, or `SHOW ALL` if there is no setting.
    Show(Option<Setting<'a>>),
    /// `PREPARE` of a statement.
    Prepare,
    /// `EXECUTE`.
    Execute,
    /// `DEALLOCATE`.
    Deallocate,
    /// `LISTEN`.
    Listen,
    /// `UNLISTEN`.
    Unlisten,
    /// `NOTIFY`.
    Notify,
    /// `DECLARE ... CURSOR`.
    Declare {
        /// Whether the cursor outlives its transaction.
        hold: bool,
    },
    /// `FETCH` or `MOVE`.
    Fetch,
    /// `CLOSE` of a cursor.
    Close,
    /// `DISCARD`.
    Discard {
        /// Whether it is `DISCARD ALL`, which resets the whole session.
        all: bool,
    },
    /// `LOCK TABLE`.
    Lock,
    /// `CREATE`.
    Create {
        /// Whether the created object belongs to the session.
        temporary: bool,
    },
    /// `ALTER`.
    Alter,
    /// `DROP`.
    Drop,
    /// `TRUNCATE`.
    Truncate,
    /// `GRANT` or `REVOKE`.
    Grant,
    /// Another change of definitions: `COMMENT`, `SECURITY LABEL`, `REASSIGN OWNED`, `REFRESH
    /// MATERIALIZED VIEW`, `IMPORT FOREIGN SCHEMA`.
    Define,
    /// `EXPLAIN` of any statement. With `ANALYZE` it runs the statement.
    Explain,
    /// `CALL`.
    Call,
    /// `DO`.
    Do,
    /// `VACUUM`, `ANALYZE`, `CLUSTER`, `REINDEX` or `CHECKPOINT`.
    Maintain,
    /// `LOAD`.
    Load,
    /// Anything else.
    Other,
}

/// How long a `SET` applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Until the session ends, if the transaction commits.
    Session,
    /// Until the transaction ends (`SET LOCAL`).
    Local,
}

/// The name of a run-time setting, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<'a>(pub &'a [u8]);

impl Setting<'_> {
    /// Returns whether this is the setting `name`. As in PostgreSQL, letter case, quotes and
    /// whitespace do not matter.
    pub fn is(&self, name: &str) -> bool {
        let written = Lexer::new(self.0, true)
            .filter(|token| token.kind.significant())
            .flat_map(|token| match token.kind {
                TokenKind::QuotedIdentifier => {
                    let text = token.text(self.0);
                    let text = text.strip_prefix(b"\"").unwrap_or(text);
                    text.strip_suffix(b"\"").unwrap_or(text)
                }
                _ => token.text(self.0),
            });
        written
            .map(u8::to_ascii_lowercase)
            .eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
    }
}

impl<'a> Kind<'a> {
    /// Classifies the first statement of a text.
    pub fn of(sql: &'a [u8], standard_conforming_strings: bool) -> Self {
        let mut words = Words {
            sql,
            lexer: Lexer::new(sql, standard_conforming_strings),
        };
        let mut first = words.next();
        while first.is_some_and(|word| word.kind == TokenKind::Semicolon) {
            first = words.next();
        }
        let Some(mut word) = first else {
            return Self::Empty;
        };
        // Only a query can be in parentheses.
        while word.kind == TokenKind::Open {
            match words.next() {
                Some(next) => word = next,
                None => return Self::Other,
            }
        }
        words.classify(word)
    }

    /// A short name in lower case from a fixed set, suitable as a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Copy => "copy",
            Self::Begin => "begin",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Savepoint => "savepoint",
            Self::Release => "release",
            Self::RollbackTo => "rollback to",
            Self::PrepareTransaction => "prepare transaction",
            Self::CommitPrepared => "commit prepared",
            Self::RollbackPrepared => "rollback prepared",
            Self::Set { .. } => "set",
            Self::SetTransaction => "set transaction",
            Self::SetCharacteristics => "set session characteristics",
            Self::SetConstraints => "set constraints",
            Self::Reset(_) => "reset",
            Self::Show(_) => "show",
            Self::Prepare => "prepare",
            Self::Execute => "execute",
            Self::Deallocate => "deallocate",
            Self::Listen => "listen",
            Self::Unlisten => "unlisten",
            Self::Notify => "notify",
            Self::Declare { .. } => "declare",
            Self::Fetch => "fetch",
            Self::Close => "close",
            Self::Discard { .. } => "discard",
            Self::Lock => "lock",
            Self::Create { .. } => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::Truncate => "truncate",
            Self::Grant => "grant",
            Self::Define => "define",
            Self::Explain => "explain",
            Self::Call => "call",
            Self::Do => "do",
            Self::Maintain => "maintain",
            Self::Load => "load",
            Self::Other => "other",
        }
    }
}

/// The significant tokens of a text, with words in lower case.
#[derive(Clone)]
struct Words<'a> {
    sql: &'a [u8],
    lexer: Lexer<'a>,
}

#[derive(Clone, Copy)]
struct Word {
    kind: TokenKind,
    token: Token,
    lower: Lower,
}

impl Word {
    fn is(&self, keyword: &[u8]) -> bool {
        self.kind == TokenKind::Word && self.lower.as_bytes() == keyword
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::QuotedIdentifier)
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let token = self.lexer.find(|token| token.kind.significant())?;
        let lower = match token.kind {
            TokenKind::Word => Lower::new(token.text(self.sql)),
            _ => Lower::new(b""),
        };
        Some(Word {
            kind: token.kind,
            token,
            lower,
        })
    }
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<Word> {
        self.clone().next()
    }

    fn next_is(&self, keyword: &[u8]) -> bool {
        self.peek().is_some_and(|word| word.is(keyword))
    }

    fn classify(self, first: Word) -> Kind<'a> {
        if first.kind != TokenKind::Word {
            return Kind::Other;
        }
        match first.lower.as_bytes() {
            b"select" | b"values" | b"table" => Kind::Select,
            b"with" => self.main_verb(),
            b"insert" => Kind::Insert,
            b"update" => Kind::Update,
            b"delete" => Kind::Delete,
            b"merge" => Kind::Merge,
            b"copy" => Kind::Copy,
            b"begin" | b"start" => Kind::Begin,
            b"commit" if self.next_is(b"prepared") => Kind::CommitPrepared,
            b"commit" | b"end" => Kind::Commit,
            b"rollback" if self.next_is(b"prepared") => Kind::RollbackPrepared,
            b"rollback" | b"abort" => self.rollback(),
            b"savepoint" => Kind::Savepoint,
            b"release" => Kind::Release,
            b"prepare" if self.next_is(b"transaction") => Kind::PrepareTransaction,
            b"prepare" => Kind::Prepare,
            b"execute" => Kind::Execute,
            b"deallocate" => Kind::Deallocate,
            b"set" => self.set(),
            b"reset" => self.setting().map_or(Kind::Other, Kind::Reset),
            b"show" => self.setting().map_or(Kind::Other, Kind::Show),
            b"listen" => Kind::Listen,
            b"unlisten" => Kind::Unlisten,
            b"notify" => Kind::Notify,
            b"declare" => self.declare(),
            b"fetch" | b"move" => Kind::Fetch,
            b"close" => Kind::Close,
            b"discard" => Kind::Discard {
                all: self.next_is(b"all"),
            },
            b"lock" => Kind::Lock,
            b"create" => self.create(),
            b"alter" => Kind::Alter,
            b"drop" => Kind::Drop,
            b"truncate" => Kind::Truncate,
            b"grant" | b"revoke" => Kind::Grant,
            b"comment" | b"security" | b"reassign" | b"refresh" | b"import" => Kind::Define,
            b"explain" => Kind::Explain,
            b"call" => Kind::Call,
            b"do" => Kind::Do,
            b"vacuum" | b"analyze" | b"analyse" | b"cluster" | b"reindex" | b"checkpoint" => {
                Kind::Maintain
            }
            b"load" => Kind::Load,
            _ => Kind::Other,
        }
    }

    /// The statement after `WITH [RECURSIVE] name AS (...), ...`: the first verb outside of
    /// parentheses that is not a name.
    fn main_verb(self) -> Kind<'a> {
        let mut depth = 0_usize;
        let mut name_expected = true;
        let mut closed = false;
        for word in self {
            match word.kind {
                // Of two pairs of parentheses in a row, the second contains the query.
                TokenKind::Open if depth == 0 && closed => return Kind::Select,
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            closed = word.kind == TokenKind::Close;
            if depth > 0 {
                continue;
            }
            if word.kind == TokenKind::Semicolon {
                break;
            }
            let verb = match word.lower.as_bytes() {
                b"select" | b"values" | b"table" => Some(Kind::Select),
                b"insert" => Some(Kind::Insert),
                b"update" => Some(Kind::Update),
                b"delete" => Some(Kind::Delete),
                b"merge" => Some(Kind::Merge),
                _ => None,
            };
            match verb {
                Some(verb) if !name_expected => return verb,
                Some(_) | None => {}
            }
            // In SEARCH and CYCLE, these words are followed by the name of a column. RECURSIVE is
            // followed by the name of a query, or is that name itself and followed by AS.
            name_expected = word.kind == TokenKind::Comma
                || matches!(
                    word.lower.as_bytes(),
                    b"recursive" | b"by" | b"set" | b"cycle" | b"using"
                );
        }
        Kind::Other
    }

    fn rollback(mut self) -> Kind<'a> {
        let mut word = self.next();
        if word.is_some_and(|word| word.is(b"work") || word.is(b"transaction")) {
            word = self.next();
        }
        match word {
            Some(word) if word.is(b"to") => Kind::RollbackTo,
            Some(_) | None => Kind::Rollback,
        }
    }

    fn declare(self) -> Kind<'a> {
        let mut with = false;
        for word in self.skip(1) {
            if word.is(b"for") || word.kind == TokenKind::Semicolon {
                break;
            }
            if with && word.is(b"hold") {
                return Kind::Declare { hold: true };
            }
            with = word.is(b"with");
        }
        Kind::Declare { hold: false }
    }

    fn create(mut self) -> Kind<'a> {
        let before = [&b"or"[..], b"replace", b"local", b"global"];
        let temporary = self
            .find(|word| !before.iter().any(|keyword| word.is(keyword)))
            .is_some_and(|word| word.is(b"temp") || word.is(b"temporary"));
        Kind::Create { temporary }
    }

    fn set(mut self) -> Kind<'a> {
        let mut scope = Scope::Session;
        let mut scoped = false;
        if let Some(word) = self.peek()
            && (word.is(b"session") || word.is(b"local"))
        {
            let mut after = self.clone();
            after.next();
            // In `SET local.name = ...` and the like, the word is part of the setting.
            let own_name = after
                .peek()
                .is_none_or(|next| !next.is_name() || next.is(b"to"));
            // The name of the setting is `session_authorization`.
            let authorization = word.is(b"session") && after.next_is(b"authorization");
            if !own_name && !authorization {
                scoped = true;
                self = after;
                if word.is(b"local") {
                    scope = Scope::Local;
                }
            }
        }
        let (Some(word), followed_by) = (self.peek(), self.clone().nth(1)) else {
            return Kind::Other;
        };
        let assigned = followed_by.is_some_and(|next| {
            next.is(b"to") || matches!(next.kind, TokenKind::Operator | TokenKind::Dot)
        });
        if !assigned && word.kind == TokenKind::Word {
            match word.lower.as_bytes() {
                b"transaction" => return Kind::SetTransaction,
                b"characteristics" if scoped => return Kind::SetCharacteristics,
                b"constraints" if !scoped => return Kind::SetConstraints,
                _ => {}
            }
        }
        match self.setting() {
            Some(Some(setting)) => Kind::Set { scope, setting },
            Some(None) | None => Kind::Other,
        }
    }

    /// The name of a setting; `Some(None)` for `ALL`, `None` if there is no name.
    fn setting(mut self) -> Option<Option<Setting<'a>>> {
        let first = self.next().filter(Word::is_name)?;
        let mut end = first.token.end;
        let mut next = self.next();
        // Settings with their own syntax in standard SQL, under their names in SHOW.
        let two_words = |second: &[u8]| next.is_some_and(|word| word.is(second));
        let assigned = next.is_some_and(|word| word.is(b"to") || word.kind == TokenKind::Operator);
        let special: Option<&[u8]> = match first.lower.as_bytes() {
            b"all" if next.is_none_or(|word| word.kind == TokenKind::Semicolon) => {
                return Some(None);
            }
            b"time" if two_words(b"zone") => Some(b"timezone"),
            b"session" if two_words(b"authorization") => Some(b"session_authorization"),
            b"transaction" if two_words(b"isolation") => Some(b"transaction_isolation"),
            b"xml" if two_words(b"option") => Some(b"xmloption"),
            b"names" if !assigned => Some(b"client_encoding"),
            b"schema" if !assigned => Some(b"search_path"),
            _ => None,
        };
        if let Some(special) = special {
            return Some(Some(Setting(special)));
        }
        while next.is_some_and(|word| word.kind == TokenKind::Dot) {
            match self.next().filter(Word::is_name) {
                Some(part) => end = part.token.end,
                None => break,
            }
            next = self.next();
        }
        Some(Some(Setting(&self.sql[first.token.start..end])))
    }
}

#[cfg(test)]
mod tests;
