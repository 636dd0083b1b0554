//! Shortens lists by omitting elements that equal the one before: lists after `IN` and `ARRAY`,
//! and the rows of `VALUES`.

use super::piece::{Fixed, Piece, Role, Sink};
use super::{Folder, Last};
use crate::fingerprint::{digest, mix};
use crate::word::Lower;

/// Maximum depth of nested lists that are shortened; deeper ones keep every element.
pub(super) const LISTS_MAX: usize = 8;

/// A list that is being shortened.
#[derive(Clone, Copy)]
pub(super) struct List<M> {
    shape: Shape,
    /// Open parentheses and brackets within the list.
    depth: usize,
    /// Digest of the current element, and its number of pieces.
    element: u64,
    pieces: usize,
    /// Whether the current element is only `...`.
    ellipsis: bool,
    /// Digest of the previous element, unless that was empty.
    before: Option<u64>,
    /// Whether `...` has been written after the previous element.
    shortened: bool,
    /// State of the sink after the previous element. `None` only before the first.
    mark: Option<M>,
    /// Digest of the elements that were kept.
    kept: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Elements between a pair of parentheses or brackets.
    Elements,
    /// Rows, each in parentheses. The list ends when no comma follows.
    Rows,
}

impl<M> List<M> {
    pub(super) fn new(shape: Shape, mark: Option<M>) -> Self {
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
    /// Adds a piece to the lists that it belongs to.
    pub(super) fn place(&mut self, piece: Piece<'_>) {
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
                    // A list of rows was ended above if the piece is outside of its parentheses.
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

    /// Adds a piece to the current element of the innermost list.
    fn emit(&mut self, piece: Piece<'_>) {
        self.sink.piece(piece);
        if let Some(list) = self.list() {
            list.ellipsis = list.pieces == 0 && piece == Piece::Fixed(Fixed::Ellipsis);
            list.absorb(digest(piece));
        }
    }

    /// Handles an opening parenthesis or bracket that does not begin a list.
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
        // Whatever the last token was, the remaining element is an operand.
        self.last = Last::Operand;
    }

    pub(super) fn end_list(&mut self) {
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

/// Returns whether a piece outside of parentheses belongs to the rows of a `VALUES`.
fn continues_rows(row_expected: bool, piece: Piece<'_>) -> bool {
    match piece {
        Piece::Fixed(Fixed::Open | Fixed::Ellipsis) => row_expected,
        Piece::Fixed(Fixed::Comma) => !row_expected,
        _ => false,
    }
}
