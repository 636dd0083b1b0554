//! Source code of several languages, as far as plain values can be found in it: calls and their arguments,
//! fields of objects, assignments of constants.
//!
//! This is no parser. What it does not understand it says so, by a [`Text`] with a gap.

mod blank;
mod value;

use std::ops::Range;

use pgweir_advisor::facts::Origin;

use super::settings::Settings;

pub(crate) use blank::Language;

/// A source file.
pub(crate) struct Code<'a> {
    pub(crate) settings: Settings<'a>,
    /// Its text, with spaces for comments.
    plain: String,
    /// Its text, with spaces for comments and for what is between quotes.
    mask: String,
    /// Brackets that are closed, in their order: where they open, and where they close.
    brackets: Vec<(usize, usize)>,
}

/// A call: where its name is, and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: usize,
    pub(crate) arguments: Range<usize>,
}

/// A field of an object, a keyword argument, or an assignment.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) value: Range<usize>,
}

impl<'a> Code<'a> {
    pub(crate) fn new(settings: Settings<'a>, language: Language) -> Self {
        let (plain, mask) = blank::blanked(settings.text(), language);
        Self {
            settings,
            brackets: brackets(&mask),
            plain,
            mask,
        }
    }

    /// Where a byte is.
    pub(crate) fn origin(&self, at: usize) -> Origin {
        let line = self.plain.as_bytes()[..at].iter().filter(|b| **b == b'\n');
        self.settings.line(line.count() + 1)
    }

    /// The code without comments.
    pub(crate) fn plain(&self) -> &str {
        &self.plain
    }

    /// Whether a word is in the code, outside of strings and comments.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.places(word).next().is_some()
    }

    /// Calls of a function, by its name or the end of its path.
    pub(crate) fn calls(&self, name: &str) -> Vec<Call> {
        let places = self.places(name).take(PLACES_MAX);
        places
            .filter_map(|at| {
                let mut open = self.skip_space(at + name.len());
                // `postgres<Row[]>(…)`, `new Pool<X>(…)`.
                if self.mask[open..].starts_with('<') {
                    open = self.skip_space(self.end_of(open, b'<', b'>')?);
                }
                if !self.mask[open..].starts_with('(') {
                    return None;
                }
                let end = self.closing(open)?;
                Some(Call {
                    at,
                    arguments: open + 1..end,
                })
            })
            .collect()
    }

    /// Calls with `new` before them, also of a path such as `new pg.Pool(…)`.
    pub(crate) fn constructed(&self, name: &str) -> Vec<Call> {
        let mut calls = self.calls(name);
        calls.retain(|call| {
            let before = self.mask[..call.at]
                .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "._$".contains(c))
                .trim_end();
            // The path itself may begin with `new`.
            let path = &self.mask[before.len()..call.at];
            before.ends_with("new")
                || path.trim_start().starts_with("new ")
                || self.word_before(call.at) == "new"
        });
        calls
    }

    /// The word before a path that ends here.
    fn word_before(&self, at: usize) -> &str {
        let path = |c: char| c.is_ascii_alphanumeric() || "._$".contains(c);
        let before = self.mask[..at].trim_end();
        let before = match before.ends_with('.') {
            true => before.trim_end_matches(path).trim_end(),
            false => before,
        };
        let start = before
            .trim_end_matches(|c: char| c.is_ascii_alphanumeric())
            .len();
        &before[start..]
    }

    /// The parts between commas.
    pub(crate) fn items(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut items = Vec::new();
        let mut from = range.start;
        let mut depth = 0_i32;
        for (at, byte) in self.bytes(range.clone()) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                b',' if depth == 0 => {
                    items.push(from..at);
                    from = at + 1;
                }
                _ => {}
            }
        }
        items.push(from..range.end);
        let items = items.into_iter().map(|item| self.trim(item));
        items.filter(|item| !item.is_empty()).collect()
    }

    /// Fields, keyword arguments and their values. A spread `...base` or `**base` has that as its key.
    pub(crate) fn fields(&self, range: Range<usize>) -> Vec<Field> {
        let items = self.items(range).into_iter();
        items.filter_map(|item| self.field(item)).collect()
    }

    fn field(&self, item: Range<usize>) -> Option<Field> {
        let text = &self.plain[item.clone()];
        for spread in ["...", "**"] {
            if text.starts_with(spread) {
                return Some(Field {
                    key: spread.to_owned(),
                    value: item.start + spread.len()..item.end,
                });
            }
        }
        let mut depth = 0_i32;
        for (at, byte) in self.bytes(item.clone()) {
            let rest = &self.mask[at..item.end];
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ if depth != 0 => {}
                b'=' if rest.starts_with("=>") => return self.keyed(&item, at, 2),
                b':' if rest.starts_with("::") => return None,
                b':' if at > item.start => return self.keyed(&item, at, 1),
                b'=' if rest.starts_with("==") => return None,
                b'=' => return self.keyed(&item, at, 1),
                _ => {}
            }
        }
        // `{ max }` of JavaScript.
        is_name(text).then(|| Field {
            key: text.to_owned(),
            value: item,
        })
    }

    fn keyed(&self, item: &Range<usize>, at: usize, length: usize) -> Option<Field> {
        let key = self.plain[item.start..at].trim();
        let key = key.trim_matches(['"', '\'', '`']).trim_start_matches(':');
        let plain = |c: char| c.is_alphanumeric() || "_-.:$ ".contains(c);
        let known = !key.is_empty() && key.chars().all(plain);
        known.then(|| Field {
            key: key.to_owned(),
            value: self.trim(at + length..item.end),
        })
    }

    /// What is inside of an object or a list; `None` if this is neither.
    pub(crate) fn inside(&self, range: Range<usize>) -> Option<Range<usize>> {
        let range = self.trim(range);
        let text = &self.mask[range.clone()];
        let open = text.find(['{', '[', '('])?;
        let before = text[..open].trim();
        let plain = ["", "array", "dict", "%", "&", "Object.freeze"].contains(&before)
            // A struct of Go, such as `pgxpool.Config{…}`.
            || (text[open..].starts_with('{') && before.chars().all(|c| c.is_alphanumeric() || "_.&".contains(c)));
        let end = self.closing(range.start + open)?;
        let whole = self.trim(end + 1..range.end);
        let rest = &self.mask[whole];
        (plain && (rest.is_empty() || rest.starts_with("as ") || rest.starts_with("satisfies ")))
            .then(|| range.start + open + 1..end)
    }

    /// Assignments to a name: their right sides. The name may end a path.
    pub(crate) fn assignments(&self, name: &str) -> Vec<Range<usize>> {
        let places: Vec<usize> = self.places(name).take(PLACES_MAX).collect();
        let values = places.into_iter().filter_map(|at| {
            let after = self.skip_space(at + name.len());
            let rest = &self.mask[after..];
            let start = if rest.starts_with(":=") {
                after + 2
            } else if rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=>") {
                after + 1
            } else if let Some(typed) = rest.strip_prefix(':') {
                // `const max: number = 5`.
                let line = typed.find('\n').unwrap_or(typed.len());
                let sign = typed[..line].find('=')?;
                let of_type = |c: char| c.is_alphanumeric() || " _.<>[]|".contains(c);
                let plain = typed[..sign].chars().all(of_type) && !typed[sign..].starts_with("=>");
                plain.then_some(after + 1 + sign + 1)?
            } else {
                return None;
            };
            Some(self.trim(start..self.statement_end(start)))
        });
        values.collect()
    }

    /// What is inside of an object, or of one that a constant of this file names.
    pub(crate) fn object(&self, range: Range<usize>) -> Option<Range<usize>> {
        if let Some(inside) = self.inside(range.clone()) {
            return Some(inside);
        }
        if let Some((function, _)) = self.call(&range) {
            return self.returned_by(function);
        }
        let name = self.plain[self.trim(range)].to_owned();
        if !is_name(&name) {
            return None;
        }
        let mut values = self.assignments(&name).into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.inside(value),
            _ => None,
        }
    }

    /// What is inside of the object that a function of this file returns.
    fn returned_by(&self, function: &str) -> Option<Range<usize>> {
        if !is_name(function) {
            return None;
        }
        let defined = self
            .places(function)
            .find(|at| self.word_before(*at) == "function")?;
        let open = self.skip_space(defined + function.len());
        let parameters = self
            .closing(open)
            .filter(|_| self.mask[open..].starts_with('('))?;
        let body = parameters + self.mask[parameters..].find('{')?;
        let end = self.closing(body)?;
        let mut returns = self.statements("return").into_iter();
        let last = returns.rfind(|range| body < range.start && range.end <= end)?;
        self.inside(last)
    }

    /// What the file exports, if it is an object or a list; a file of JSON is one.
    pub(crate) fn exported(&self) -> Option<Range<usize>> {
        let assigned = self.assignments("module.exports").pop();
        let default = || self.statements("export default").pop();
        let config = || self.assignments("config").pop();
        match assigned.or_else(default).or_else(config) {
            Some(exported) => self.object(exported),
            None => self.inside(0..self.plain.len()),
        }
    }

    /// The name that what begins here is assigned to.
    pub(crate) fn assigned(&self, at: usize) -> Option<String> {
        let line = self.mask[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = &self.mask[line..at];
        let (left, _) = before.split_once('=')?;
        // `export const pool: Pool = new Pool(…)`.
        let left = left.split(':').next().unwrap_or(left).trim_end();
        let name = left.rsplit([' ', '.', '\t']).next().unwrap_or(left);
        is_name(name).then(|| name.to_owned())
    }

    /// A keyword argument: `name=value`, and not a value that has such a sign in it.
    pub(crate) fn keyword(&self, item: Range<usize>) -> Option<Field> {
        let field = self.field(item.clone())?;
        let is_keyword = is_name(&field.key) && field.value != item;
        (is_keyword && self.plain[item].trim_start().starts_with(&field.key)).then_some(field)
    }

    /// Assignments to an entry, `name["key"] = …`: keys, and the right sides.
    pub(crate) fn indexed(&self, name: &str) -> Vec<(String, Range<usize>)> {
        let places = self.places(name).take(PLACES_MAX).filter_map(|at| {
            let open = at + name.len();
            if !self.mask[open..].starts_with('[') {
                return None;
            }
            let end = self.closing(open)?;
            let key = self.plain[open + 1..end].trim().trim_matches(['"', '\'']);
            let sign = self.skip_space(end + 1);
            let rest = &self.mask[sign..];
            if !rest.starts_with('=') || rest.starts_with("==") {
                return None;
            }
            let value = self.trim(sign + 1..self.statement_end(sign + 1));
            Some((key.to_owned(), value))
        });
        places.collect()
    }

    /// Calls without brackets, as Ruby has them: `workers 2`. The argument, without the condition behind
    /// it.
    pub(crate) fn statements(&self, name: &str) -> Vec<Range<usize>> {
        let places = self.places(name).filter(|at| {
            let before = self.mask[..*at].trim_end_matches([' ', '\t']);
            before.is_empty() || before.ends_with(['\n', ';']) || before.ends_with("<?php")
        });
        let arguments = places.take(PLACES_MAX).filter_map(|at| {
            let start = at + name.len();
            let range = start..self.statement_end(start);
            let text = &self.mask[range.clone()];
            if text.trim_start().starts_with('=') {
                return None;
            }
            let end = [" if ", " unless "]
                .iter()
                .filter_map(|word| text.find(word))
                .min();
            let range = self.trim(range.start..end.map_or(range.end, |end| start + end));
            (!range.is_empty()).then_some(range)
        });
        arguments.collect()
    }

    /// Where a statement that goes on here ends.
    pub(crate) fn statement_end(&self, from: usize) -> usize {
        let mut last = b'=';
        let mut at = from;
        while let Some(byte) = self.mask.as_bytes().get(at).copied() {
            match byte {
                b'(' | b'[' | b'{' => match self.closing(at) {
                    Some(end) => at = end,
                    None => return self.mask.len(),
                },
                b')' | b']' | b'}' | b';' => return at,
                b'\n' => {
                    let next = self.mask[at..].trim_start();
                    let goes_on = b"=,|&?:+\\".contains(&last)
                        || ["||", "??", "|>", ".", "?", ":"]
                            .iter()
                            .any(|sign| next.starts_with(sign));
                    if !goes_on {
                        return at;
                    }
                    at = self.mask.len() - next.len();
                    continue;
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                last = self.mask.as_bytes()[at];
            }
            at += 1;
        }
        self.mask.len()
    }

    /// Where a word is, outside of strings and comments.
    fn places<'b>(&'b self, word: &'b str) -> impl Iterator<Item = usize> + 'b {
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        self.mask.match_indices(word).filter_map(move |(at, _)| {
            let before = self.mask[..at].chars().next_back().is_some_and(part);
            let after = self.mask[at + word.len()..]
                .chars()
                .next()
                .is_some_and(part);
            (!before && !after).then_some(at)
        })
    }

    /// The closing bracket of the one that opens here.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let found = self.brackets.binary_search_by_key(&open, |(open, _)| *open);
        found.ok().map(|at| self.brackets[at].1)
    }

    /// Behind the angle bracket that closes the one here, if it is near.
    fn end_of(&self, open: usize, opening: u8, closing: u8) -> Option<usize> {
        let mut depth = 0_i32;
        let last = self.mask.len().min(open + ANGLE_MAX);
        self.bytes(open..last).find_map(|(at, byte)| {
            if byte == opening {
                depth += 1;
            } else if byte == closing {
                depth -= 1;
            }
            (depth == 0).then_some(at + 1)
        })
    }

    fn skip_space(&self, at: usize) -> usize {
        self.mask.len() - self.mask[at..].trim_start().len()
    }

    /// A range without the space around it.
    pub(crate) fn trim(&self, range: Range<usize>) -> Range<usize> {
        let text = &self.plain[range.clone()];
        let start = range.start + text.len() - text.trim_start().len();
        start..start + text.trim().len()
    }

    fn bytes(&self, range: Range<usize>) -> impl Iterator<Item = (usize, u8)> {
        let from = range.start;
        let bytes = self.mask.as_bytes()[range].iter().enumerate();
        bytes.map(move |(at, byte)| (from + at, *byte))
    }
}

/// Brackets of all kinds and where they close.
fn brackets(mask: &str) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut found = Vec::new();
    for (at, byte) in mask.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => open.push(at),
            b')' | b']' | b'}' => found.extend(open.pop().map(|open| (open, at))),
            _ => {}
        }
    }
    found.sort_unstable();
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// So many places of a name are looked at: each may need the whole text.
const PLACES_MAX: usize = 200;

/// Type arguments are not longer than this, in bytes.
const ANGLE_MAX: usize = 200;

#[cfg(test)]
mod tests;
