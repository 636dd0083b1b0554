//! Splits SQL text into tokens by the rules of PostgreSQL's scanner.
//!
//! The tokens of [`Lexer`] tile the text: each begins where the previous one ended. An unclosed
//! string, quoted identifier or block comment is one token up to the end of the text, with
//! `terminated` off. The lexer does not decode escapes and does not allocate.
//!
//! PostgreSQL 15 and later refuse a number or parameter that runs into a word (`1and`); older
//! versions read two tokens. This lexer reads one number, so that no part of a literal is mistaken
//! for a name. If the word is the prefix of a string (`1e'x'`), there are two tokens, because a
//! string must end where every version ends it.

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Spaces, tabs, form feeds, line ends.
    Whitespace,
    /// `-- ...` up to but excluding the line end.
    LineComment,
    /// `/* ... */`, including nested comments.
    BlockComment,
    /// An identifier or keyword without quotes; letters in either case.
    Word,
    /// `"..."` or `U&"..."`.
    QuotedIdentifier,
    /// `'...'` with any prefix (`E`, `B`, `X`, `N`, `U&`), including continuations on later lines.
    String,
    /// `$tag$ ... $tag$`.
    DollarString,
    /// An integer or decimal number in any base, without its sign.
    Number,
    /// `$1`.
    Parameter,
    /// One operator of one or more characters, as PostgreSQL would look it up.
    Operator,
    /// `::`.
    Cast,
    /// `:=`.
    ColonEquals,
    /// `:`.
    Colon,
    /// `..`.
    DotDot,
    /// `.`.
    Dot,
    /// `,`.
    Comma,
    /// `;`.
    Semicolon,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `[`.
    OpenBracket,
    /// `]`.
    CloseBracket,
    /// A byte that does not begin a token: `\`, `{`, a control character, or a `$` that begins
    /// neither a parameter nor a quote.
    Other,
}

impl TokenKind {
    /// Returns whether PostgreSQL's grammar sees the token: anything but whitespace and comments.
    pub fn significant(self) -> bool {
        !matches!(
            self,
            Self::Whitespace | Self::LineComment | Self::BlockComment
        )
    }
}

/// A token and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its kind.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte; larger than `start`.
    pub end: usize,
    /// False for a string, quoted identifier or block comment that is not closed.
    pub terminated: bool,
}

impl Token {
    /// The bytes of the token in its text.
    pub fn text<'a>(&self, sql: &'a [u8]) -> &'a [u8] {
        &sql[self.start..self.end]
    }
}

/// Iterator over the tokens of a text.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    sql: &'a [u8],
    pos: usize,
    standard_conforming_strings: bool,
    /// Up to this position, every character is known to be a sign and a separate operator. Without
    /// it, a long row of signs would be searched once per sign.
    signs_end: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a text. `standard_conforming_strings` is the session's setting:
    /// if it is off, a backslash also escapes in strings without a prefix.
    pub fn new(sql: &'a [u8], standard_conforming_strings: bool) -> Self {
        Self {
            sql,
            pos: 0,
            standard_conforming_strings,
            signs_end: 0,
        }
    }

    fn at(&self, pos: usize) -> Option<u8> {
        self.sql.get(pos).copied()
    }

    /// End of the token that begins at `start`.
    fn scan(&mut self, start: usize, first: u8) -> (TokenKind, Result<usize, Unterminated>) {
        let second = self.at(start + 1);
        let one = |kind| (kind, Ok(start + 1));
        match (first, second) {
            (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => {
                (TokenKind::Whitespace, Ok(self.run_end(start, is_space)))
            }
            (b'-', Some(b'-')) => (
                TokenKind::LineComment,
                Ok(self.run_end(start, |byte| !is_newline(byte))),
            ),
            (b'/', Some(b'*')) => (TokenKind::BlockComment, self.block_comment(start)),
            (b'\'', _) => {
                let backslash = !self.standard_conforming_strings;
                (TokenKind::String, self.string(start, true, backslash))
            }
            (b'"', _) => (TokenKind::QuotedIdentifier, self.quoted(start)),
            (b'0'..=b'9', _) | (b'.', Some(b'0'..=b'9')) => {
                (TokenKind::Number, Ok(self.number(start)))
            }
            (b'$', Some(b'0'..=b'9')) => {
                let digits_end = self.run_end(start + 1, |byte| byte.is_ascii_digit());
                (TokenKind::Parameter, Ok(self.junk(digits_end)))
            }
            (b'$', _) => match self.dollar_delimiter(start) {
                Some(end) => (TokenKind::DollarString, self.dollar_string(start, end)),
                None => one(TokenKind::Other),
            },
            (b':', Some(b':')) => (TokenKind::Cast, Ok(start + 2)),
            (b':', Some(b'=')) => (TokenKind::ColonEquals, Ok(start + 2)),
            (b':', _) => one(TokenKind::Colon),
            (b'.', Some(b'.')) => (TokenKind::DotDot, Ok(start + 2)),
            (b'.', _) => one(TokenKind::Dot),
            (b',', _) => one(TokenKind::Comma),
            (b';', _) => one(TokenKind::Semicolon),
            (b'(', _) => one(TokenKind::Open),
            (b')', _) => one(TokenKind::Close),
            (b'[', _) => one(TokenKind::OpenBracket),
            (b']', _) => one(TokenKind::CloseBracket),
            _ if is_word_start(first) => self.word(start, first, second),
            _ if is_operator(first) => (TokenKind::Operator, Ok(self.operator(start))),
            _ => one(TokenKind::Other),
        }
    }

    /// First position from `pos` on with a byte that is not `in_class`.
    fn run_end(&self, pos: usize, in_class: impl Fn(u8) -> bool) -> usize {
        self.sql[pos..]
            .iter()
            .position(|&byte| !in_class(byte))
            .map_or(self.sql.len(), |len| pos + len)
    }

    /// A word, or a string or identifier whose prefix is a letter.
    fn word(
        &self,
        start: usize,
        first: u8,
        second: Option<u8>,
    ) -> (TokenKind, Result<usize, Unterminated>) {
        match (first | 0x20, second, self.at(start + 2)) {
            (b'e', Some(b'\''), _) => (TokenKind::String, self.string(start + 1, true, true)),
            // A doubled quote is not an escape in a bit string: it ends one and begins another.
            (b'b' | b'x', Some(b'\''), _) => {
                (TokenKind::String, self.string(start + 1, false, false))
            }
            (b'n', Some(b'\''), _) => {
                let backslash = !self.standard_conforming_strings;
                (TokenKind::String, self.string(start + 1, true, backslash))
            }
            (b'u', Some(b'&'), Some(b'\'')) => {
                (TokenKind::String, self.string(start + 2, true, false))
            }
            (b'u', Some(b'&'), Some(b'"')) => (TokenKind::QuotedIdentifier, self.quoted(start + 2)),
            _ => (TokenKind::Word, Ok(self.run_end(start, is_word_part))),
        }
    }

    /// End of a string whose opening quote is at `open`, including its continuations.
    fn string(&self, open: usize, doubling: bool, backslash: bool) -> Result<usize, Unterminated> {
        let mut pos = open + 1;
        loop {
            pos = self.run_end(pos, |byte| byte != b'\'' && !(backslash && byte == b'\\'));
            match self.at(pos) {
                None => return Err(Unterminated),
                Some(b'\\') => pos = (pos + 2).min(self.sql.len()),
                Some(_) if doubling && self.at(pos + 1) == Some(b'\'') => pos += 2,
                Some(_) => match self.continuation(pos + 1) {
                    Some(next) => pos = next,
                    None => return Ok(pos + 1),
                },
            }
        }
    }

    /// Position after the quote that continues the string that ended at `pos`. Only whitespace and
    /// line comments, with at least one line end, may be between the two.
    fn continuation(&self, mut pos: usize) -> Option<usize> {
        let mut newline = false;
        loop {
            match self.at(pos)? {
                b'\'' if newline => return Some(pos + 1),
                b'-' if self.at(pos + 1) == Some(b'-') => {
                    pos = self.run_end(pos, |byte| !is_newline(byte));
                }
                byte if is_space(byte) => {
                    newline |= is_newline(byte);
                    pos += 1;
                }
                _ => return None,
            }
        }
    }

    /// End of an identifier whose opening quote is at `open`.
    fn quoted(&self, open: usize) -> Result<usize, Unterminated> {
        let mut pos = open + 1;
        loop {
            pos = self.run_end(pos, |byte| byte != b'"');
            if pos == self.sql.len() {
                return Err(Unterminated);
            }
            if self.at(pos + 1) != Some(b'"') {
                return Ok(pos + 1);
            }
            pos += 2;
        }
    }

    fn block_comment(&self, start: usize) -> Result<usize, Unterminated> {
        let mut depth = 1_usize;
        let mut pos = start + 2;
        loop {
            pos = self.run_end(pos, |byte| byte != b'*' && byte != b'/');
            match (self.at(pos), self.at(pos + 1)) {
                (None, _) => return Err(Unterminated),
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    pos += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    pos += 2;
                    if depth == 0 {
                        return Ok(pos);
                    }
                }
                _ => pos += 1,
            }
        }
    }

    /// End of the `$tag$` that begins at `start`.
    fn dollar_delimiter(&self, start: usize) -> Option<usize> {
        let tag_end = match self.at(start + 1)? {
            byte if is_word_start(byte) => {
                self.run_end(start + 1, |byte| byte != b'$' && is_word_part(byte))
            }
            _ => start + 1,
        };
        (self.at(tag_end) == Some(b'$')).then_some(tag_end + 1)
    }

    fn dollar_string(&self, start: usize, body: usize) -> Result<usize, Unterminated> {
        let delimiter = &self.sql[start..body];
        let mut pos = body;
        loop {
            pos = self.run_end(pos, |byte| byte != b'$');
            // The delimiter contains no `$`, so no byte is compared twice and the search is linear.
            match self.sql.get(pos..pos + delimiter.len()) {
                None => return Err(Unterminated),
                Some(bytes) if bytes == delimiter => return Ok(pos + delimiter.len()),
                Some(_) => pos += 1,
            }
        }
    }

    fn number(&self, start: usize) -> usize {
        let radix_digit: Option<fn(&u8) -> bool> = match (self.sql[start], self.at(start + 1)) {
            (b'0', Some(b'x' | b'X')) => Some(u8::is_ascii_hexdigit),
            (b'0', Some(b'o' | b'O')) => Some(|byte| matches!(byte, b'0'..=b'7')),
            (b'0', Some(b'b' | b'B')) => Some(|byte| matches!(byte, b'0' | b'1')),
            _ => None,
        };
        if let Some(in_radix) = radix_digit {
            let end = self.digits(start + 2, true, in_radix);
            if end > start + 2 {
                return self.junk(end);
            }
        }
        let decimal = |pos| self.digits(pos, false, u8::is_ascii_digit);
        let mut end = decimal(start);
        // `1..2` is a range of two integers.
        if self.at(end) == Some(b'.') && self.at(end + 1) != Some(b'.') {
            end = decimal(end + 1);
        }
        if let Some(b'e' | b'E') = self.at(end) {
            let sign = usize::from(matches!(self.at(end + 1), Some(b'+' | b'-')));
            let exponent = end + 1 + sign;
            end = match decimal(exponent) {
                exponent_end if exponent_end > exponent => exponent_end,
                _ => end,
            };
        }
        self.junk(end)
    }

    /// End of the digits from `pos` on, with single underscores between them and, if allowed,
    /// before the first.
    fn digits(&self, mut pos: usize, leading_underscore: bool, in_radix: fn(&u8) -> bool) -> usize {
        let digit = |pos| self.at(pos).is_some_and(|byte| in_radix(&byte));
        let mut underscore = leading_underscore;
        loop {
            if digit(pos) {
                pos += 1;
            } else if underscore && self.at(pos) == Some(b'_') && digit(pos + 1) {
                pos += 2;
            } else {
                return pos;
            }
            underscore = true;
        }
    }

    /// End of a number or parameter, including a word that it runs into.
    fn junk(&self, pos: usize) -> usize {
        match (self.at(pos), self.at(pos + 1), self.at(pos + 2)) {
            (Some(b'e' | b'E' | b'b' | b'B' | b'x' | b'X' | b'n' | b'N'), Some(b'\''), _)
            | (Some(b'u' | b'U'), Some(b'&'), Some(b'\'' | b'"')) => pos,
            (Some(byte), _, _) if is_word_start(byte) => self.run_end(pos, is_word_part),
            _ => pos,
        }
    }

    fn operator(&mut self, start: usize) -> usize {
        if start < self.signs_end {
            return start + 1;
        }
        let mut end = start;
        let mut beyond_standard = false;
        while let Some(byte) = self.at(end) {
            let comment = matches!(
                (byte, self.at(end + 1)),
                (b'-', Some(b'-')) | (b'/', Some(b'*'))
            );
            if !is_operator(byte) || comment {
                break;
            }
            beyond_standard |= is_beyond_standard(byte);
            end += 1;
        }
        if beyond_standard {
            return end;
        }
        // In standard SQL, no operator of several characters ends with a sign, so that `a=-1` is
        // an equals sign and a negative number. PostgreSQL allows a sign at the end only in
        // operators with a character that standard SQL does not use.
        let signs = self.sql[start..end]
            .iter()
            .rev()
            .take_while(|&&byte| matches!(byte, b'+' | b'-'))
            .count();
        if signs > 0 {
            self.signs_end = end;
        }
        (end - signs).max(start + 1)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.pos;
        let first = self.at(start)?;
        let (kind, end) = self.scan(start, first);
        self.pos = end.unwrap_or(self.sql.len());
        Some(Token {
            kind,
            start,
            end: self.pos,
            terminated: end.is_ok(),
        })
    }
}

/// Marks a token that the end of the text cuts off.
#[derive(Clone, Copy)]
struct Unterminated;

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

const fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    CLASSES[byte as usize] & WORD_PART != 0
}

fn is_operator(byte: u8) -> bool {
    CLASSES[byte as usize] & OPERATOR != 0
}

fn is_beyond_standard(byte: u8) -> bool {
    CLASSES[byte as usize] & BEYOND_STANDARD != 0
}

/// The byte may continue a word.
const WORD_PART: u8 = 1;
/// The byte may be part of an operator.
const OPERATOR: u8 = 2;
/// The byte is in no operator of standard SQL.
const BEYOND_STANDARD: u8 = 4;

/// A table needs one load per byte, and most of a statement is words and operators.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = byte as u8;
        if is_word_start(letter) || letter.is_ascii_digit() || letter == b'$' {
            classes[byte] |= WORD_PART;
        }
        if matches!(letter, b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=') {
            classes[byte] |= OPERATOR;
        }
        if matches!(
            letter,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%'
        ) {
            classes[byte] |= OPERATOR | BEYOND_STANDARD;
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests;
