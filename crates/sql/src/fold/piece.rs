//! The pieces that the common form of a statement is made of, and where they go.

/// One piece of the common form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
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
pub(crate) enum Role {
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
pub(crate) enum Fixed {
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
    pub(crate) fn as_str(self) -> &'static str {
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
pub(crate) trait Sink {
    /// A state to go back to.
    type Mark: Copy;

    fn piece(&mut self, piece: Piece<'_>);

    fn mark(&self) -> Self::Mark;

    fn rewind(&mut self, mark: Self::Mark);

    /// Tells that no further piece can change the result, unless it goes back.
    fn full(&self) -> bool;
}

/// The role of a word outside of quotes; `lower` is empty where it is longer than any keyword.
pub(super) fn role(lower: &[u8]) -> Role {
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
