//! A statement as it may be shown: on one line, in lower case, bounded, and without any literal.
//!
//! * Literals and parameters are placeholders, and so is whatever may be a part of a literal:
//!   what is not terminated, what a number runs into. They are written `$1`, `$2`, ... as in
//!   `pg_stat_statements`, but parameters too are numbered in the order in which they appear: so
//!   `a = 5` sent as a simple query and `a = $1` prepared by a driver are the same statement.
//! * A sign belongs to its number where no operand stands before it. `NULL`, `TRUE` and `FALSE`
//!   are literals where a value stands, as after an operator or comma.
//! * Elements of `IN (...)`, `ARRAY[...]` and rows of `VALUES` that are equal to the one before
//!   them are left out: `in ($1, ...)` stands for two and more. One alone stays as it is, as it
//!   tells a loop over single rows from a batch.
//! * Names of savepoints, cursors and of what `DEALLOCATE` ends are placeholders: drivers make
//!   them up with numbers in them.
//! * Whitespace, comments, semicolons at the ends and the case of words do not matter.
//!
//! Only literals are hidden. What an application puts into names, or into double quotes where
//! PostgreSQL reads a name, is shown.

use crate::fold::{Fixed, Piece, Role, Sink, fold};

/// Shows a text of one or more statements in at most `len_max` bytes; text that does not fit with
/// four bytes to spare ends with `…` after a whole token. Quoted identifiers are shown as they are; what is not UTF-8 or not
/// printable in them is shown as U+FFFD.
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
    /// The text, or as much of its beginning as fits.
    shown: String,
    mark: Mark,
    /// Room for whole tokens: an ellipsis and the space before it fit behind.
    len_max: usize,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Length of the text if all of it were shown.
    len: usize,
    placeholders: usize,
    /// What was last shown.
    last: Last,
}

/// What was written last, as far as a space after it depends on that.
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
            // Its length does not matter: more cannot be shown unless it is taken back.
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
        // No more of a long name is looked at than shows that it does not fit: each byte of it
        // is shown in one byte or more.
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

/// What is written next, as far as a space before it depends on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Name,
    Placeholder,
    Operator,
    /// An operator that begins with `*`, as in `a.*`.
    Star,
    Fixed(Fixed),
}

/// Tells whether a space stands between two pieces. Where there is none, the two must be cut into
/// the same two tokens again.
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

/// Calls `show` for each character of a name as it may be shown: what is not UTF-8 and control
/// characters are U+FFFD.
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
