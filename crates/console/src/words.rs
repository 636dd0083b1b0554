//! The words of a command, one after the other.

use pgweir_sql::lexer::{Lexer, Token, TokenKind};

/// A reader of a command.
#[derive(Clone)]
pub(crate) struct Words<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<Significant<'a>>,
}

/// Tokens without spaces and comments.
#[derive(Clone)]
struct Significant<'a>(Lexer<'a>);

impl Iterator for Significant<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.0.by_ref().find(|token| token.kind.significant())
    }
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let tokens = Significant(Lexer::new(text.as_bytes(), true)).peekable();
        Self { text, tokens }
    }

    fn text(&self, token: Token) -> &'a str {
        // Tokens end at ASCII characters, or where the text does.
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn next_if(&mut self, is_it: impl Fn(TokenKind) -> bool) -> Option<Token> {
        self.tokens.next_if(|token| is_it(token.kind))
    }

    /// Whether this word, which is in lower case, is among those that follow.
    pub(crate) fn have(&self, word: &str) -> bool {
        let mut ahead = self.tokens.clone();
        ahead.any(|token| {
            token.kind == TokenKind::Word && self.text(token).eq_ignore_ascii_case(word)
        })
    }

    /// Whether there is a parameter among them.
    pub(crate) fn have_parameters(&self) -> bool {
        let mut tokens = self.tokens.clone();
        tokens.any(|token| token.kind == TokenKind::Parameter)
    }

    /// Whether nothing follows.
    pub(crate) fn is_over(&mut self) -> bool {
        self.tokens.peek().is_none()
    }

    /// The next word without quotes, in lower case, if there is one.
    pub(crate) fn word(&mut self) -> Option<String> {
        let token = self.next_if(|kind| kind == TokenKind::Word)?;
        Some(self.text(token).to_ascii_lowercase())
    }

    /// Whether the next word is this one, which is in lower case; then it is behind us.
    pub(crate) fn is(&mut self, word: &str) -> bool {
        let text = self.text;
        let is_it = |token: &Token| {
            let range = token.start..token.end;
            let its = text.get(range).unwrap_or_default();
            token.kind == TokenKind::Word && its.eq_ignore_ascii_case(word)
        };
        self.tokens.next_if(is_it).is_some()
    }

    /// Whether these words are the next ones; then they are behind us.
    pub(crate) fn are(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.clone();
        let are_they = words.iter().all(|word| ahead.is(word));
        if are_they {
            *self = ahead;
        }
        are_they
    }

    /// Whether the next token is of this kind; then it is behind us.
    pub(crate) fn takes(&mut self, kind: TokenKind) -> bool {
        self.next_if(|its| its == kind).is_some()
    }

    /// The next operator, if there is one.
    pub(crate) fn operator(&mut self) -> Option<&'a str> {
        let token = self.next_if(|kind| kind == TokenKind::Operator)?;
        Some(self.text(token))
    }

    /// A name: a word as it stands, or what is in double quotes.
    pub(crate) fn name(&mut self) -> Option<String> {
        let token =
            self.next_if(|kind| matches!(kind, TokenKind::Word | TokenKind::QuotedIdentifier))?;
        let text = self.text(token);
        match token.kind {
            TokenKind::QuotedIdentifier => unquoted(text, '"').filter(|_| token.terminated),
            _ => Some(text.to_owned()),
        }
    }

    /// A value: a string, a number with its sign, or a name.
    pub(crate) fn value(&mut self) -> Option<String> {
        let mut ahead = self.clone();
        let sign = match ahead.operator() {
            Some("-") => "-",
            Some("+") | None => "",
            Some(_) => return None,
        };
        let is_number = |kind| kind == TokenKind::Number;
        if let Some(token) = ahead.next_if(is_number) {
            let number = format!("{sign}{}", ahead.text(token));
            *self = ahead;
            return Some(number);
        }
        if let Some(token) = self.next_if(|kind| kind == TokenKind::String) {
            let text = self.text(token);
            return unquoted(text, '\'').filter(|_| token.terminated);
        }
        self.name()
    }

    /// A number without a sign.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let token = self.next_if(|kind| kind == TokenKind::Number)?;
        self.text(token).parse().ok()
    }

    /// All that follows, as it stands, without a semicolon at its end.
    pub(crate) fn rest(&mut self) -> &'a str {
        let start = self
            .tokens
            .peek()
            .map_or(self.text.len(), |next| next.start);
        self.tokens.by_ref().for_each(drop);
        let rest = self.text.get(start..).unwrap_or_default();
        rest.trim_end().trim_end_matches(';').trim_end()
    }
}

/// What stands in quotes, where two of them stand for one. `None` for anything else, as a string with a prefix.
fn unquoted(text: &str, quote: char) -> Option<String> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let twice = format!("{quote}{quote}");
    Some(inner.replace(&twice, &quote.to_string()))
}
