//! The pieces of a statement's common form, and the trait for their destination.

/// One piece of the common form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A word as written; its case does not matter.
    Word { text: &'a [u8], role: Role },
    /// A quoted identifier with its quotes but without its prefix `U&`.
    Quoted { text: &'a [u8], unicode: bool },
    /// A literal or parameter.
    Placeholder,
    /// An operator, or a byte that PostgreSQL's grammar does not use.
    Operator(&'a [u8]),
    /// A token with a single spelling.
    Fixed(Fixed),
}

/// How a word affects the pieces after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An identifier, or a keyword that can end an expression.
    Name,
    /// A keyword that may be followed by a value.
    BeforeValue,
    /// A keyword whose following `NULL` is not a value, such as `IS`.
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

/// The destination of pieces. It can return to an earlier state, because only at the end of a list
/// element is it known whether the element equals the previous one.
pub(crate) trait Sink {
    /// A state to return to.
    type Mark: Copy;

    fn piece(&mut self, piece: Piece<'_>);

    fn mark(&self) -> Self::Mark;

    fn rewind(&mut self, mark: Self::Mark);

    /// Returns whether no further piece can change the result, unless the sink returns to a mark.
    fn full(&self) -> bool;
}

/// The role of an unquoted word. `lower` is empty if the word is longer than any keyword.
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
