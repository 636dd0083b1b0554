//! Reduces a statement to its common form: statements that differ only in literals, whitespace and
//! comments have the same one.
//!
//! [`fold`] passes the pieces of the common form to a [`Sink`]: text in [`crate::normalise`], a
//! hash in [`crate::fingerprint`]. Both therefore always agree on which statements are the same.
//! The rules are listed in [`crate::normalise`].
//!
//! The common form is a fixed point: folding its text again yields the same pieces.
//!
//! `piece` defines the pieces and `list` shortens lists. This module decides from the preceding
//! token whether a token is a word, a literal or a sign.

mod list;
mod piece;

use crate::lexer::{Lexer, Token, TokenKind};
use crate::word::Lower;
use list::{LISTS_MAX, List, Shape};
use piece::role;
pub(super) use piece::{Fixed, Piece, Role, Sink};

pub(super) fn fold<S: Sink>(sql: &[u8], standard_conforming_strings: bool, sink: &mut S) {
    let mut folder = Folder {
        sink,
        lists: [List::new(Shape::Elements, None); LISTS_MAX],
        open_lists: 0,
        last: Last::Start,
        head: Head::Start,
        semicolon: false,
        empty: true,
    };
    let mut lexer = Lexer::new(sql, standard_conforming_strings);
    let mut sign: Option<&[u8]> = None;
    while let Some(token) = lexer.next() {
        if !token.kind.significant() {
            continue;
        }
        if folder.open_lists == 0 && folder.sink.full() {
            return;
        }
        let text = token.text(sql);
        if let Some(sign) = sign.take()
            && token.kind != TokenKind::Number
        {
            folder.push(Piece::Operator(sign));
        }
        match token.kind {
            TokenKind::Operator if matches!(text, b"+" | b"-") && !folder.last.is_operand() => {
                sign = Some(text);
            }
            TokenKind::DotDot if ellipsis(sql, token) => {
                lexer.next();
                folder.fixed(Fixed::Ellipsis);
            }
            _ => folder.token(token.kind, text, token.terminated),
        }
    }
    if let Some(sign) = sign {
        folder.push(Piece::Operator(sign));
    }
    while folder.open_lists > 0 {
        folder.end_list();
    }
}

/// Returns whether the token begins `...`. PostgreSQL reads that as two tokens and accepts no
/// statement that contains it.
fn ellipsis(sql: &[u8], dots: Token) -> bool {
    sql.get(dots.end) == Some(&b'.') && !matches!(sql.get(dots.end + 1), Some(b'.' | b'0'..=b'9'))
}

struct Folder<'s, S: Sink> {
    sink: &'s mut S,
    lists: [List<S::Mark>; LISTS_MAX],
    open_lists: usize,
    last: Last,
    head: Head,
    /// The last token was a semicolon.
    semicolon: bool,
    /// There were only semicolons so far.
    empty: bool,
}

/// The last token, as far as it decides how the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Start,
    Word(Role),
    Operand,
    Operator,
    Open,
    OpenBracket,
    Comma,
    Dot,
    Other,
}

impl Last {
    /// Whether a sign after it is an operator between two operands.
    fn is_operand(self) -> bool {
        matches!(self, Self::Operand | Self::Word(Role::Name | Role::Array))
    }

    /// Whether `NULL` after it is a value.
    fn is_before_value(self) -> bool {
        matches!(
            self,
            Self::Operator | Self::Open | Self::OpenBracket | Self::Comma
        ) || self == Self::Word(Role::BeforeValue)
    }
}

/// Position in the beginning of a statement, which may name a savepoint, cursor or prepared
/// statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Start,
    Rollback,
    /// `SAVEPOINT` or a name may follow.
    Savepoint,
    /// `PREPARE`, `ALL` or a name may follow.
    Deallocate,
    /// A direction, `FROM`, `IN` or a name may follow.
    Fetch,
    Name,
    Body,
}

impl<S: Sink> Folder<'_, S> {
    fn token(&mut self, kind: TokenKind, text: &[u8], terminated: bool) {
        match kind {
            TokenKind::Word => self.word(text),
            TokenKind::QuotedIdentifier if terminated && !self.names_something_brief(b"") => {
                let unicode = text[0] != b'"';
                self.push(Piece::Quoted {
                    text: if unicode { &text[2..] } else { text },
                    unicode,
                });
            }
            TokenKind::QuotedIdentifier
            | TokenKind::String
            | TokenKind::DollarString
            | TokenKind::Number
            | TokenKind::Parameter => {
                // It is in the position of the name, unless it is the number of rows to fetch.
                if let Head::Savepoint | Head::Deallocate | Head::Name = self.head {
                    self.head = Head::Body;
                }
                self.push(Piece::Placeholder);
            }
            TokenKind::Operator => self.push(Piece::Operator(text)),
            TokenKind::Other if text[0].is_ascii_graphic() => self.push(Piece::Operator(text)),
            TokenKind::Other => self.push(Piece::Operator(b"?")),
            TokenKind::Cast => self.fixed(Fixed::Cast),
            TokenKind::ColonEquals => self.fixed(Fixed::ColonEquals),
            TokenKind::Colon => self.fixed(Fixed::Colon),
            TokenKind::DotDot => self.fixed(Fixed::DotDot),
            TokenKind::Dot => self.fixed(Fixed::Dot),
            TokenKind::Comma => self.fixed(Fixed::Comma),
            TokenKind::Semicolon => {
                self.semicolon = !self.empty;
                self.head = Head::Start;
                self.last = Last::Start;
            }
            TokenKind::Open => self.fixed(Fixed::Open),
            TokenKind::Close => self.fixed(Fixed::Close),
            TokenKind::OpenBracket => self.fixed(Fixed::OpenBracket),
            TokenKind::CloseBracket => self.fixed(Fixed::CloseBracket),
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment => {}
        }
    }

    fn word(&mut self, text: &[u8]) {
        let lower = Lower::new(text);
        let lower = lower.as_bytes();
        if self.names_something_brief(if lower.is_empty() { text } else { lower }) {
            return self.push(Piece::Placeholder);
        }
        // After a dot, even a keyword is a name.
        let role = match self.last {
            Last::Dot => Role::Name,
            _ => role(lower),
        };
        if matches!(lower, b"null" | b"true" | b"false") && self.last.is_before_value() {
            return self.push(Piece::Placeholder);
        }
        self.push(Piece::Word { text, role });
    }

    /// Advances in the beginning of a statement. Returns whether the word is a name that a driver
    /// may have generated.
    fn names_something_brief(&mut self, lower: &[u8]) -> bool {
        let (head, name) = match (self.head, lower) {
            (Head::Body, _) => return false,
            (Head::Start, b"savepoint" | b"declare") => (Head::Name, false),
            (Head::Start, b"release") => (Head::Savepoint, false),
            (Head::Start, b"rollback" | b"abort") => (Head::Rollback, false),
            (Head::Start, b"deallocate" | b"close") => (Head::Deallocate, false),
            (Head::Start, b"fetch" | b"move") => (Head::Fetch, false),
            (Head::Start, _) => (Head::Body, false),
            (Head::Rollback, b"work" | b"transaction") => (Head::Rollback, false),
            (Head::Rollback, b"to") => (Head::Savepoint, false),
            (Head::Rollback, _) => (Head::Body, false),
            (Head::Savepoint, b"savepoint") => (Head::Name, false),
            (Head::Deallocate, b"prepare") => (Head::Deallocate, false),
            (Head::Deallocate, b"all") => (Head::Body, false),
            (
                Head::Fetch,
                b"next" | b"prior" | b"first" | b"last" | b"absolute" | b"relative" | b"all"
                | b"forward" | b"backward" | b"from" | b"in",
            ) => (Head::Fetch, false),
            // The mark of truncated text may replace anything.
            (Head::Fetch, name) => (Head::Fetch, name != "…".as_bytes()),
            (Head::Name | Head::Savepoint | Head::Deallocate, name) => {
                (Head::Body, name != "…".as_bytes())
            }
        };
        self.head = head;
        name
    }

    fn fixed(&mut self, fixed: Fixed) {
        self.push(Piece::Fixed(fixed));
    }

    fn push(&mut self, piece: Piece<'_>) {
        if self.semicolon {
            self.semicolon = false;
            let last = self.last;
            self.place(Piece::Fixed(Fixed::Semicolon));
            self.last = last;
        }
        self.empty = false;
        if self.head == Head::Start {
            self.head = Head::Body;
        }
        self.place(piece);
    }
}

#[cfg(test)]
mod tests;
