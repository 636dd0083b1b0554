//! Reduces a statement to what it has in common with those that differ from it in literals,
//! whitespace and comments only.
//!
//! [`fold`] hands the pieces of that common form to a [`Sink`]: text in [`super::normalise`], a
//! hash in [`super::fingerprint`]. So both always agree about what is the same; the rules are
//! listed in [`super::normalise`].
//!
//! What comes out is a fixed point: as text, folded again, it yields the same pieces.

use super::fingerprint::{digest, mix};
use super::lexer::{Lexer, Token, TokenKind};
use super::word::Lower;

/// One piece of the common form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A word as it was written; its case does not matter.
    Word { text: &'a [u8], role: Role },
    /// A quoted identifier with its quotes, without the `U&` before it.
    Quoted { text: &'a [u8], unicode: bool },
    /// A literal or parameter.
    Placeholder,
    /// An operator, or a byte that PostgreSQL's grammar has no use for.
    Operator(&'a [u8]),
    /// A token that is always spelled the same.
    Fixed(Fixed),
}

/// What matters about a word to those that come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An identifier, or a keyword that can end an expression.
    Name,
    /// A keyword that a value can follow.
    BeforeValue,
    /// A keyword that a `NULL` after it belongs to, such as `IS`.
    Keyword,
    /// `IN`.
    In,
    /// `VALUES`.
    Values,
    /// `ARRAY`.
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixed {
    Cast,
    ColonEquals,
    Colon,
    DotDot,
    Ellipsis,
    Dot,
    Comma,
    Semicolon,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
}

impl Fixed {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cast => "::",
            Self::ColonEquals => ":=",
            Self::Colon => ":",
            Self::DotDot => "..",
            Self::Ellipsis => "...",
            Self::Dot => ".",
            Self::Comma => ",",
            Self::Semicolon => ";",
            Self::Open => "(",
            Self::Close => ")",
            Self::OpenBracket => "[",
            Self::CloseBracket => "]",
        }
    }
}

/// Where the pieces go. It can go back to an earlier state, as only the end of a list element
/// shows that it equals the one before it.
pub(super) trait Sink {
    /// A state to go back to.
    type Mark: Copy;

    fn piece(&mut self, piece: Piece<'_>);

    fn mark(&self) -> Self::Mark;

    fn rewind(&mut self, mark: Self::Mark);

    /// Tells that no further piece can change the result, unless it goes back.
    fn full(&self) -> bool;
}

/// Lists within lists that are shortened; in deeper ones every element is kept.
const LISTS_MAX: usize = 8;

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

/// Tells whether the token is the beginning of `...`, which PostgreSQL reads as two tokens and
/// which no statement contains that it accepts.
fn ellipsis(sql: &[u8], dots: Token) -> bool {
    sql.get(dots.end) == Some(&b'.') && !matches!(sql.get(dots.end + 1), Some(b'.' | b'0'..=b'9'))
}

struct Folder<'s, S: Sink> {
    sink: &'s mut S,
    lists: [List<S::Mark>; LISTS_MAX],
    open_lists: usize,
    last: Last,
    head: Head,
    /// A semicolon came and nothing after it.
    semicolon: bool,
    /// Nothing came but semicolons.
    empty: bool,
}

/// What came last, as far as it decides about what comes next.
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
    /// A sign after it is an operator between two operands.
    fn is_operand(self) -> bool {
        matches!(self, Self::Operand | Self::Word(Role::Name | Role::Array))
    }

    /// `NULL` after it is a value.
    fn is_before_value(self) -> bool {
        matches!(
            self,
            Self::Operator | Self::Open | Self::OpenBracket | Self::Comma
        ) || self == Self::Word(Role::BeforeValue)
    }
}

/// How far a statement has come in one that names a savepoint, cursor or prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Start,
    Rollback,
    /// `SAVEPOINT` may come, or a name.
    Savepoint,
    /// `PREPARE` or `ALL` may come, or a name.
    Deallocate,
    /// A direction and `FROM` or `IN` may come, or a name.
    Fetch,
    Name,
    Body,
}

/// A list that is shortened.
#[derive(Clone, Copy)]
struct List<M> {
    shape: Shape,
    /// Parentheses and brackets opened since.
    depth: usize,
    /// Digest of the current element, and how many pieces it has.
    element: u64,
    pieces: usize,
    /// The current element consists of `...` alone.
    ellipsis: bool,
    /// Digest of the element before, if that was not empty.
    before: Option<u64>,
    /// The element before has its `...` already.
    shortened: bool,
    /// State after the element before. `None` only before the first.
    mark: Option<M>,
    /// Digest of what was kept.
    kept: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Elements between one pair of parentheses or brackets.
    Elements,
    /// Rows, each in parentheses; the list ends where no comma follows.
    Rows,
}

impl<M> List<M> {
    fn new(shape: Shape, mark: Option<M>) -> Self {
        Self {
            shape,
            depth: 0,
            element: 0,
            pieces: 0,
            ellipsis: false,
            before: None,
            shortened: false,
            mark,
            kept: 0,
        }
    }

    fn absorb(&mut self, digest: u64) {
        self.element = mix(self.element, digest);
        self.pieces += 1;
    }
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
                // It stands where the name would, unless it is how much to fetch.
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
        // What follows a dot is a name even where it looks like a keyword.
        let role = match self.last {
            Last::Dot => Role::Name,
            _ => role(lower),
        };
        if matches!(lower, b"null" | b"true" | b"false") && self.last.is_before_value() {
            return self.push(Piece::Placeholder);
        }
        self.push(Piece::Word { text, role });
    }

    /// Steps through the beginning of a statement and tells whether the word is a name there that
    /// a driver may have made up.
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
            // The mark of cut text stands for anything.
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

    /// Puts a piece into the lists that it belongs to.
    fn place(&mut self, piece: Piece<'_>) {
        while let Some(list) = self.list()
            && list.shape == Shape::Rows
            && list.depth == 0
            && !continues_rows(list.pieces == 0, piece)
        {
            self.end_list();
        }
        match piece {
            Piece::Fixed(Fixed::Open) => {
                match self.last {
                    Last::Word(Role::Values) => {
                        self.begin_list(Shape::Rows);
                        self.nest(piece);
                    }
                    Last::Word(Role::In) => {
                        self.emit(piece);
                        if !self.begin_list(Shape::Elements) {
                            self.deepen();
                        }
                    }
                    _ => self.nest(piece),
                }
                self.last = Last::Open;
            }
            Piece::Fixed(Fixed::OpenBracket) => {
                match self.last {
                    Last::Word(Role::Array) | Last::OpenBracket | Last::Comma => {
                        self.emit(piece);
                        if !self.begin_list(Shape::Elements) {
                            self.deepen();
                        }
                    }
                    _ => self.nest(piece),
                }
                self.last = Last::OpenBracket;
            }
            Piece::Fixed(Fixed::Close | Fixed::CloseBracket) => {
                if let Some(list) = self.list() {
                    // Rows outside of their parentheses were ended above.
                    match list.depth.checked_sub(1) {
                        Some(depth) => list.depth = depth,
                        None => self.end_list(),
                    }
                }
                self.emit(piece);
                self.last = Last::Operand;
            }
            Piece::Fixed(Fixed::Comma) => {
                match self.list() {
                    Some(list) if list.depth == 0 => {
                        self.end_element();
                        self.sink.piece(piece);
                    }
                    Some(_) | None => self.emit(piece),
                }
                self.last = Last::Comma;
            }
            Piece::Fixed(fixed) => {
                self.emit(piece);
                self.last = match fixed {
                    Fixed::Dot => Last::Dot,
                    Fixed::Ellipsis => Last::Operand,
                    _ => Last::Other,
                };
            }
            Piece::Word { text, role } => {
                // A query, not a list.
                if let Some(list) = self.list()
                    && list.shape == Shape::Elements
                    && list.kept == 0
                    && list.pieces == 0
                    && matches!(Lower::new(text).as_bytes(), b"select" | b"with" | b"table")
                {
                    self.open_lists -= 1;
                    self.deepen();
                }
                self.emit(piece);
                self.last = Last::Word(role);
            }
            Piece::Quoted { .. } | Piece::Placeholder => {
                self.emit(piece);
                self.last = Last::Operand;
            }
            Piece::Operator(_) => {
                self.emit(piece);
                self.last = Last::Operator;
            }
        }
    }

    fn list(&mut self) -> Option<&mut List<S::Mark>> {
        self.lists[..self.open_lists].last_mut()
    }

    /// A piece of the innermost list's current element.
    fn emit(&mut self, piece: Piece<'_>) {
        self.sink.piece(piece);
        if let Some(list) = self.list() {
            list.ellipsis = list.pieces == 0 && piece == Piece::Fixed(Fixed::Ellipsis);
            list.absorb(digest(piece));
        }
    }

    /// An opening parenthesis or bracket that begins no list.
    fn nest(&mut self, piece: Piece<'_>) {
        self.emit(piece);
        self.deepen();
    }

    fn deepen(&mut self) {
        if let Some(list) = self.list() {
            list.depth += 1;
        }
    }

    fn begin_list(&mut self, shape: Shape) -> bool {
        let mark = self.sink.mark();
        match self.lists.get_mut(self.open_lists) {
            Some(list) => {
                *list = List::new(shape, Some(mark));
                self.open_lists += 1;
                true
            }
            None => false,
        }
    }

    fn end_element(&mut self) {
        let Some(list) = self.lists[..self.open_lists].last_mut() else {
            return;
        };
        let repeats = list
            .before
            .is_some_and(|before| list.ellipsis || before == list.element);
        if list.pieces == 0 {
            list.before = None;
        } else if repeats && let Some(mark) = list.mark {
            self.sink.rewind(mark);
            if !list.shortened {
                self.sink.piece(Piece::Fixed(Fixed::Comma));
                self.sink.piece(Piece::Fixed(Fixed::Ellipsis));
                list.shortened = true;
                list.kept = mix(list.kept, digest(Piece::Fixed(Fixed::Ellipsis)));
            }
            list.mark = Some(self.sink.mark());
        } else {
            list.before = Some(list.element);
            list.shortened = false;
            list.kept = mix(list.kept, list.element);
            list.mark = Some(self.sink.mark());
        }
        list.element = 0;
        list.pieces = 0;
        list.ellipsis = false;
        // However an element ended, the one that is left of it and its like is an operand.
        self.last = Last::Operand;
    }

    fn end_list(&mut self) {
        self.end_element();
        let Some(list) = self.list() else {
            return;
        };
        let kept = list.kept;
        self.open_lists -= 1;
        if let Some(outer) = self.list() {
            outer.absorb(kept);
        }
    }
}

/// Tells whether a piece outside of parentheses belongs to the rows of a `VALUES`.
fn continues_rows(row_expected: bool, piece: Piece<'_>) -> bool {
    match piece {
        Piece::Fixed(Fixed::Open | Fixed::Ellipsis) => row_expected,
        Piece::Fixed(Fixed::Comma) => !row_expected,
        _ => false,
    }
}

fn role(lower: &[u8]) -> Role {
    match lower {
        b"in" => Role::In,
        b"values" => Role::Values,
        b"array" => Role::Array,
        b"select" | b"where" | b"and" | b"or" | b"case" | b"when" | b"then" | b"else"
        | b"between" | b"like" | b"ilike" | b"similar" | b"limit" | b"offset" | b"having"
        | b"return" | b"returning" | b"by" | b"from" | b"to" | b"using" | b"all" | b"any"
        | b"some" | b"distinct" | b"escape" | b"symmetric" => Role::BeforeValue,
        b"is" | b"not" | b"on" | b"as" | b"with" | b"default" | b"set" | b"into" | b"join"
        | b"union" | b"except" | b"intersect" | b"exists" | b"over" | b"filter" | b"within"
        | b"group" | b"order" | b"lateral" | b"only" | b"check" | b"key" | b"references"
        | b"conflict" | b"materialized" | b"partition" | b"for" | b"fetch" | b"increment" => {
            Role::Keyword
        }
        _ => Role::Name,
    }
}

#[cfg(test)]
mod tests;
