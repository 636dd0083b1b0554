//! Shows a statement on one line, in lower case, without literals, and with a bounded length.
//!
//! * Literals and parameters become placeholders, and so does anything that may be part of a
//!   literal: unterminated tokens, and words that a number runs into. Placeholders are written
//!   `$1`, `$2`, ... as in `pg_stat_statements`, but parameters are also numbered in order of
//!   appearance, so `a = 5` in a simple query and `a = $1` prepared by a driver are the same.
//! * A sign belongs to its number if no operand is before it. `NULL`, `TRUE` and `FALSE` are
//!   literals in the position of a value, such as after an operator or comma.
//! * Elements of `IN (...)`, `ARRAY[...]` and rows of `VALUES` that equal the one before them are
//!   omitted: `in ($1, ...)` stands for two or more. A single element is not changed, which
//!   distinguishes a loop over single rows from a batch.
//! * Names of savepoints and cursors, and names in `DEALLOCATE`, become placeholders, because
//!   drivers generate them with numbers.
//! * Whitespace, comments, leading and trailing semicolons and the case of words do not matter.
//!
//! Only literals are hidden. Anything that an application puts into a name, or into double quotes
//! where PostgreSQL reads a name, is shown.

use crate::fold::{Fixed, Piece, Role, Sink, fold};

/// Normalises a text of one or more statements to at most `len_max` bytes. A text that does not fit
/// with four bytes to spare is cut after a whole token and ends with `…`. Quoted identifiers keep
/// their case; bytes that are not UTF-8 and control characters in them become U+FFFD.
///
/// Normalising the result again yields the same text.
pub fn normalise(sql: &[u8], standard_conforming_strings: bool, len_max: usize) -> String {
    let mut text = Text {
        shown: String::new(),
        mark: Mark {
            len: 0,
            placeholders: 0,
            last: Last::Start,
        },
        len_max: len_max.saturating_sub(1 + ELLIPSIS.len()),
    };
    fold(sql, standard_conforming_strings, &mut text);
    text.finish(len_max)
}

const ELLIPSIS: &str = "…";

struct Text {
    /// The text, or the beginning of it that fits.
    shown: String,
    mark: Mark,
    /// Room for whole tokens, so that an ellipsis and the space before it fit after them.
    len_max: usize,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Length of the whole text.
    len: usize,
    placeholders: usize,
    /// The last piece written.
    last: Last,
}

/// The last piece written, as far as it decides about a space after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Start,
    Name,
    Keyword,
    Placeholder,
    Operator,
    Fixed(Fixed),
}

impl Text {
    fn fits(&self) -> bool {
        self.mark.len == self.shown.len()
    }

    fn finish(mut self, len_max: usize) -> String {
        if !self.fits() && self.shown.len() + ELLIPSIS.len() < len_max {
            if space(self.mark.last, Next::Name) {
                self.shown.push(' ');
            }
            self.shown.push_str(ELLIPSIS);
        }
        self.shown
    }
}

impl Sink for Text {
    type Mark = Mark;

    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::Placeholder = piece {
            self.mark.placeholders += 1;
        }
        if !self.fits() {
            // Its length does not matter: no more can be shown unless the sink returns to a mark.
            self.mark.len += 1;
            return;
        }
        let before = self.shown.len();
        let (next, last) = match piece {
            Piece::Word { role, .. } => (
                Next::Name,
                match role {
                    Role::Name | Role::Array => Last::Name,
                    Role::BeforeValue | Role::Keyword | Role::In | Role::Values => Last::Keyword,
                },
            ),
            Piece::Quoted { .. } => (Next::Name, Last::Name),
            Piece::Placeholder => (Next::Placeholder, Last::Placeholder),
            Piece::Operator(text) if text[0] == b'*' => (Next::Star, Last::Operator),
            Piece::Operator(_) => (Next::Operator, Last::Operator),
            Piece::Fixed(fixed) => (Next::Fixed(fixed), Last::Fixed(fixed)),
        };
        if space(self.mark.last, next) {
            self.shown.push(' ');
        }
        let room = self.len_max.saturating_sub(self.shown.len());
        let shown = &mut self.shown;
        // A long name is read only until it is clear that it does not fit: each of its bytes
        // takes at least one byte in the result.
        let cut = |text| <[u8]>::get(text, ..=room).unwrap_or(text);
        match piece {
            Piece::Word { text, .. } => {
                printable(cut(text), |letter| shown.push(letter.to_ascii_lowercase()));
            }
            Piece::Quoted { text, unicode } => {
                if unicode {
                    shown.push_str("u&");
                }
                printable(cut(text), |letter| shown.push(letter));
            }
            Piece::Placeholder => {
                shown.push('$');
                shown.push_str(&self.mark.placeholders.to_string());
            }
            Piece::Operator(text) => printable(cut(text), |letter| shown.push(letter)),
            Piece::Fixed(fixed) => shown.push_str(fixed.as_str()),
        }
        if self.shown.len() > self.len_max {
            self.mark.len = self.shown.len();
            self.shown.truncate(before);
        } else {
            self.mark.len = self.shown.len();
            self.mark.last = last;
        }
    }

    fn mark(&self) -> Mark {
        self.mark
    }

    fn rewind(&mut self, mark: Mark) {
        self.mark = mark;
        self.shown.truncate(mark.len);
    }

    fn full(&self) -> bool {
        !self.fits()
    }
}

/// The next piece, as far as it decides about a space before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Name,
    Placeholder,
    Operator,
    /// An operator that begins with `*`, as in `a.*`.
    Star,
    Fixed(Fixed),
}

/// Returns whether there is a space between two pieces. Without one, the lexer must still split the
/// two into the same tokens.
fn space(last: Last, next: Next) -> bool {
    let after_operand = matches!(
        last,
        Last::Name | Last::Placeholder | Last::Fixed(Fixed::Close | Fixed::CloseBracket)
    );
    match (last, next) {
        (Last::Start | Last::Fixed(Fixed::Open | Fixed::OpenBracket), _) => false,
        (_, Next::Fixed(Fixed::Comma | Fixed::Semicolon | Fixed::Close | Fixed::CloseBracket)) => {
            false
        }
        (Last::Name, Next::Fixed(Fixed::Open)) => false,
        (_, Next::Fixed(Fixed::OpenBracket | Fixed::Dot | Fixed::Cast)) => !after_operand,
        (Last::Fixed(Fixed::Dot), Next::Name | Next::Placeholder | Next::Star) => false,
        (Last::Fixed(Fixed::Cast), Next::Name | Next::Placeholder) => false,
        _ => true,
    }
}

/// Calls `show` for each character of a name. Bytes that are not UTF-8 and control characters
/// become U+FFFD.
pub(super) fn printable(text: &[u8], mut show: impl FnMut(char)) {
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            show(if letter.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                letter
            });
        }
        if !chunk.invalid().is_empty() {
            show(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests;
