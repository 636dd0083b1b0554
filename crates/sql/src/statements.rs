//! Splits the text of a simple query into statements.
//!
//! A semicolon ends a statement unless it is in parentheses (`CREATE RULE`) or in the body of a
//! function in standard SQL (`BEGIN ATOMIC ... END`). For text that PostgreSQL would refuse, the
//! result is arbitrary.

use crate::lexer::{Lexer, TokenKind};
use crate::word::Lower;

/// Iterator over the statements of a text, without semicolons and without surrounding whitespace
/// and comments. It skips empty statements, because PostgreSQL does not answer them.
#[derive(Debug, Clone)]
pub struct Statements<'a> {
    sql: &'a [u8],
    lexer: Lexer<'a>,
}

impl<'a> Statements<'a> {
    /// Starts at the beginning of a text.
    pub fn new(sql: &'a [u8], standard_conforming_strings: bool) -> Self {
        Self {
            sql,
            lexer: Lexer::new(sql, standard_conforming_strings),
        }
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut found: Option<(usize, usize)> = None;
        let mut depth = 0_usize;
        let mut body = Body::Start;
        for token in self.lexer.by_ref() {
            if !token.kind.significant() {
                continue;
            }
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                TokenKind::Semicolon if depth == 0 && !body.open() => {
                    if found.is_some() {
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                body = match token.kind {
                    TokenKind::Word => body.on_word(token.text(self.sql)),
                    TokenKind::Semicolon => body.on_semicolon(),
                    _ => body.on_other(),
                };
            }
            let start = found.map_or(token.start, |(start, _)| start);
            found = Some((start, token.end));
        }
        found.map(|(start, end)| &self.sql[start..end])
    }
}

/// Position in `CREATE [OR REPLACE] {FUNCTION | PROCEDURE} ... BEGIN ATOMIC statement; ... END`.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Before the first word.
    Start,
    /// After `CREATE [OR [REPLACE]]`.
    Create,
    /// In a function or procedure, before its body.
    Routine,
    /// After a `BEGIN` there.
    Begin,
    /// In the body, where a statement or `END` may follow. No statement of a body can begin with
    /// `END`, and `CASE ... END` contains no semicolon.
    StatementStart,
    /// Inside a statement of the body.
    Statement,
    /// After any other word: there is no body.
    None,
}

impl Body {
    fn open(self) -> bool {
        matches!(self, Self::StatementStart | Self::Statement)
    }

    fn on_word(self, word: &[u8]) -> Self {
        let word = Lower::new(word);
        match (self, word.as_bytes()) {
            (Self::Start, b"create") | (Self::Create, b"or" | b"replace") => Self::Create,
            (Self::Create, b"function" | b"procedure") => Self::Routine,
            (Self::Begin, b"atomic") => Self::StatementStart,
            (Self::Routine | Self::Begin, b"begin") => Self::Begin,
            (Self::Routine | Self::Begin, _) => Self::Routine,
            (Self::StatementStart | Self::Statement, word) => match (self, word) {
                (Self::StatementStart, b"end") => Self::None,
                _ => Self::Statement,
            },
            (Self::Start | Self::Create | Self::None, _) => Self::None,
        }
    }

    fn on_semicolon(self) -> Self {
        if self.open() {
            Self::StatementStart
        } else {
            self.on_other()
        }
    }

    fn on_other(self) -> Self {
        match self {
            Self::Start | Self::Create | Self::None => Self::None,
            Self::Routine | Self::Begin => Self::Routine,
            Self::StatementStart | Self::Statement => Self::Statement,
        }
    }
}

#[cfg(test)]
mod tests;
