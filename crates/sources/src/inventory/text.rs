//! Text with references: what is known of it, and what is not.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use pgweir_advisor::facts::Origin;

/// A value as a file has it, after references were replaced by what they stand for. Where that is in none
/// of the files, there is a gap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The text, with [`Text::GAP`] for what is not known.
    text: String,
    /// What is not known, in words, such as `${POOL}` or `the key url of the Secret db`.
    gaps: Vec<String>,
    /// Where it is written.
    pub origin: Origin,
}

impl Text {
    /// Stands for something that is not known.
    pub const GAP: char = '\u{fffc}';

    /// A text that is known.
    pub fn plain(text: impl Into<String>, origin: Origin) -> Self {
        let text = text.into().replace(Self::GAP, "");
        let gaps = Vec::new();
        Self { text, gaps, origin }
    }

    /// A text of which nothing is known but what it refers to.
    pub fn gap(what: impl Into<String>, origin: Origin) -> Self {
        Self {
            text: Self::GAP.to_string(),
            gaps: vec![what.into()],
            origin,
        }
    }

    /// Adds what is known.
    pub fn push_str(&mut self, text: &str) {
        self.text.extend(text.chars().filter(|c| *c != Self::GAP));
    }

    /// Adds something that is not known.
    pub fn push_gap(&mut self, what: impl Into<String>) {
        self.text.push(Self::GAP);
        self.gaps.push(what.into());
    }

    /// Adds another text.
    pub fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.gaps.extend(other.gaps.iter().cloned());
    }

    /// A part of the text, by bytes, with the gaps that are in it.
    #[must_use]
    pub fn part(&self, bytes: Range<usize>) -> Self {
        let gaps = |text: &str| text.matches(Self::GAP).count();
        let before = gaps(&self.text[..bytes.start]);
        let text = &self.text[bytes];
        Self {
            text: text.to_owned(),
            gaps: self.gaps[before..before + gaps(text)].to_vec(),
            origin: self.origin.clone(),
        }
    }

    /// The text with percent signs decoded; what is not UTF-8 then stays as it is.
    #[must_use]
    pub fn decoded(mut self) -> Self {
        if let Some(decoded) = percent_decoded(&self.text) {
            self.text = decoded;
        }
        self
    }

    /// The text, with [`Text::GAP`] where it is not known.
    pub fn with_gaps(&self) -> &str {
        &self.text
    }

    /// The text, if all of it is known.
    pub fn known(&self) -> Option<&str> {
        self.gaps.is_empty().then_some(self.text.as_str())
    }

    /// What is not known of it.
    pub fn gaps(&self) -> &[String] {
        &self.gaps
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be a password in it.
        write!(f, "Text({} gaps, {})", self.gaps.len(), self.origin)
    }
}

/// A variable of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Text,
}

impl Variable {
    /// A variable whose value is known.
    pub fn new(name: impl Into<String>, value: impl Into<String>, origin: Origin) -> Self {
        Self {
            name: name.into(),
            value: Text::plain(value, origin),
        }
    }
}

/// `None` if nothing changes, or the result would be no text or have a gap of its own.
fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let decoded = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(16 * high + low).ok(),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    let gaps = |text: &str| text.matches(Text::GAP).count();
    let decoded = String::from_utf8(bytes).ok()?;
    (gaps(&decoded) == gaps(text)).then_some(decoded)
}

/// The variables, each name once, where its first stands and with the value of its last.
pub(crate) fn last_of_each(variables: impl IntoIterator<Item = Variable>) -> Vec<Variable> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<Variable> = Vec::new();
    for variable in variables {
        match places.get(&variable.name) {
            Some(at) => found[*at] = variable,
            None => {
                places.insert(variable.name.clone(), found.len());
                found.push(variable);
            }
        }
    }
    found
}
