//! Splits the script of `sh -c` into commands and words, and puts in the variables of the container.
//!
//! What a command would print (`$(nproc)`) is not known, and neither is a variable that only the image
//! sets.

use crate::inventory::{Text, Variable};

/// The commands of a script, each as its words.
pub(crate) fn commands(script: &Text, variables: &[Variable]) -> Vec<Vec<Text>> {
    let mut lexer = Lexer {
        script,
        variables,
        commands: vec![Vec::new()],
        word: None,
        quote: Quote::Outside,
    };
    lexer.run();
    lexer.commands.retain(|words| !words.is_empty());
    lexer.commands
}

/// The variables that a script sets: `A=b C="d"`.
pub(crate) fn assignments(script: &Text) -> Vec<Variable> {
    let words = commands(script, &[]).concat();
    let found = words.iter().filter_map(|word| {
        let sign = word.with_gaps().find('=')?;
        Some(Variable {
            name: word.with_gaps()[..sign].to_owned(),
            value: word.part(sign + 1..word.with_gaps().len()),
        })
    });
    found.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Outside,
    Single,
    Double,
}

struct Lexer<'a> {
    script: &'a Text,
    variables: &'a [Variable],
    commands: Vec<Vec<Text>>,
    word: Option<Text>,
    quote: Quote,
}

impl Lexer<'_> {
    fn run(&mut self) {
        let text = self.script.with_gaps();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let next = at + c.len_utf8();
            at = match (self.quote, c) {
                (Quote::Single, '\'') | (Quote::Double, '"') => {
                    self.quote = Quote::Outside;
                    next
                }
                (Quote::Single, _) => self.keep(at, next),
                (Quote::Outside, '\'') => self.open(Quote::Single, next),
                (Quote::Outside, '"') => self.open(Quote::Double, next),
                (_, '\\') => match text[next..].chars().next() {
                    // The line goes on.
                    Some('\n') => next + 1,
                    Some(escaped) => self.keep(next, next + escaped.len_utf8()),
                    None => next,
                },
                (_, '`') => {
                    let end = text[next..]
                        .find('`')
                        .map_or(text.len(), |end| next + end + 1);
                    self.gap(&text[at..end]);
                    end
                }
                (_, '$') => next + self.expand(&text[next..]),
                (Quote::Double, _) => self.keep(at, next),
                (Quote::Outside, '\n' | ';' | '|' | '(' | ')') => self.end_command(next),
                (Quote::Outside, '&') if !text[..at].ends_with('>') => self.end_command(next),
                (Quote::Outside, '#') if self.word.is_none() => {
                    text[next..].find('\n').map_or(text.len(), |end| next + end)
                }
                (Quote::Outside, c) if c.is_whitespace() => {
                    self.end_word();
                    next
                }
                (Quote::Outside, _) => self.keep(at, next),
            };
        }
        self.end_word();
    }

    /// Adds the letter between these two bytes to the word.
    fn keep(&mut self, at: usize, next: usize) -> usize {
        let letter = &self.script.with_gaps()[at..next];
        if letter.starts_with(Text::GAP) {
            let part = self.script.part(at..next);
            self.open_word().push(&part);
        } else {
            let letter = letter.to_owned();
            self.open_word().push_str(&letter);
        }
        next
    }

    fn open(&mut self, quote: Quote, next: usize) -> usize {
        self.quote = quote;
        self.open_word();
        next
    }

    fn gap(&mut self, what: &str) {
        let what = what.replace(Text::GAP, "…");
        self.open_word().push_gap(what);
    }

    fn open_word(&mut self) -> &mut Text {
        let origin = &self.script.origin;
        self.word
            .get_or_insert_with(|| Text::plain("", origin.clone()))
    }

    fn end_word(&mut self) {
        if let (Some(word), Some(words)) = (self.word.take(), self.commands.last_mut()) {
            words.push(word);
        }
    }

    fn end_command(&mut self, next: usize) -> usize {
        self.end_word();
        self.commands.push(Vec::new());
        next
    }

    /// Expands what begins with this after a dollar sign; returns how much of it that was.
    fn expand(&mut self, after: &str) -> usize {
        let name = name(after);
        if !name.is_empty() {
            self.variable(name, "");
            return name.len();
        }
        let closing = match after.chars().next() {
            Some('{') => '}',
            Some('(') => ')',
            _ => {
                self.open_word().push_str("$");
                return 0;
            }
        };
        let length = enclosed(after, closing);
        let inner = after[1..length].trim_end_matches(closing);
        if closing == '}' {
            let name = self::name(inner);
            self.variable(name, &inner[name.len()..]);
        } else {
            self.gap(&format!("${}", &after[..length]));
        }
        length
    }

    /// Puts in a variable, or what its expansion has for the case that there is none.
    fn variable(&mut self, name: &str, otherwise: &str) {
        let mut all = self.variables.iter();
        let value = all
            .find(|variable| variable.name == name)
            .map(|variable| variable.value.clone())
            .filter(|value| !value.is_empty());
        let default = [":-", ":=", "-", "="]
            .iter()
            .find_map(|sign| otherwise.strip_prefix(sign));
        let value = match (value, default) {
            (Some(value), _) => value,
            (None, Some(default)) if !default.contains(['$', '`', Text::GAP]) => Text::plain(
                default.trim_matches(['"', '\'']),
                self.script.origin.clone(),
            ),
            _ => return self.gap(&format!("${{{name}}}")),
        };
        // Without quotes each word of it is one.
        let split = self.quote == Quote::Outside && value.known().is_some();
        let mut first = true;
        if split {
            for word in value.with_gaps().split_whitespace() {
                if !std::mem::take(&mut first) {
                    self.end_word();
                }
                self.open_word().push_str(word);
            }
        } else {
            self.open_word().push(&value);
        }
    }
}

/// The name that a text begins with.
fn name(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The length of what is in brackets, both brackets included.
fn enclosed(text: &str, closing: char) -> usize {
    let opening = text.chars().next();
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if Some(c) == opening {
            depth += 1;
        } else if c == closing {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    text.len()
}
