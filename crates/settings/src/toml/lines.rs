//! Where the lines of a text start, and where in them something stands.

use std::ops::Range;

use crate::{Columns, Span};

/// A text with its lines.
pub(super) struct Lines<'t> {
    pub(super) text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = (1..).zip(text.bytes()).filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(behind, _)| behind));
        Self {
            text,
            starts: starts.collect(),
        }
    }

    /// The line of the name, counted from 1, and where in it name and value stand. Of a value that goes
    /// on in further lines only its part in this one counts; one in another line does not.
    pub(super) fn place(&self, name: Range<usize>, value: Range<usize>) -> (u32, Columns) {
        let line = self.number(name.start);
        let bounds = self.bounds(line);
        let span = |range: Range<usize>| {
            let inside = bounds.contains(&range.start) && !range.is_empty();
            let start = u16::try_from(range.start.wrapping_sub(bounds.start));
            let end = u16::try_from(range.end.min(bounds.end).wrapping_sub(bounds.start));
            match (inside, start, end) {
                (true, Ok(start), Ok(end)) => Span { start, end },
                _ => Span::default(),
            }
        };
        let columns = Columns {
            name: span(name),
            value: span(value),
        };
        (u32::try_from(line).unwrap_or(u32::MAX), columns)
    }

    /// The line that a byte belongs to, without its end.
    pub(super) fn around(&self, offset: usize) -> Range<usize> {
        self.bounds(self.number(offset))
    }

    /// The line of a byte, counted from 1.
    fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn bounds(&self, line: usize) -> Range<usize> {
        let start = self.starts[line - 1];
        let end = self
            .starts
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        let carriage_return = self.text[start..end].ends_with('\r');
        start..end - usize::from(carriage_return)
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn names_and_values_are_found_in_their_line() {
        let text = "a = 1\r\n\nbb = [1,\n 2]\n  c = \"x\" # y";
        let lines = Lines::new(text);
        let place = |name: &str, value: &str| {
            let range = |part: &str| {
                let start = text.find(part).unwrap();
                start..start + part.len()
            };
            let (line, columns) = lines.place(range(name), range(value));
            let (name, value) = (columns.name, columns.value);
            (line, [name.start, name.end, value.start, value.end])
        };
        assert_eq!(place("a", "1"), (1, [0, 1, 4, 5]));
        assert_eq!(place("bb", "[1,\n 2]"), (3, [0, 2, 5, 8]));
        assert_eq!(place("bb", "2]"), (3, [0, 2, 0, 0]));
        assert_eq!(place("c", "\"x\""), (5, [2, 3, 6, 9]));
        assert_eq!(lines.place(text.len()..text.len(), 0..0).0, 5);
        assert_eq!(lines.around(6), 0..5);
    }

    #[test]
    fn a_line_too_long_for_columns_has_none() {
        let text = format!("{}= 1", "a".repeat(70_000));
        let (line, columns) = Lines::new(&text).place(0..70_000, 70_002..70_003);
        assert_eq!((line, columns), (1, Default::default()));
    }
}
