//! Filters of a search (RFC 4515): text that an operator wrote, read once, in which `$username`
//! stands for the user's name.

use std::iter::Peekable;
use std::str::CharIndices;

use super::ber::{OCTETS, SEQUENCE, put, put_with};

/// What stands for the user's name in a value.
const USER: &str = "$username";

/// How deep a filter may nest.
const DEPTH_MAX: usize = 32;

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUAL: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const AT_LEAST: u8 = 0xa5;
const AT_MOST: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const LIKE: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;

/// Which entries a search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// All of them, or one of them.
    Several(u8, Vec<Self>),
    Not(Box<Self>),
    /// An attribute that compares in this way with a value.
    Compare(u8, String, Value),
    Present(String),
    /// An attribute with parts of its value in their order: where it begins, what comes between, where it ends.
    Substrings(String, Vec<(u8, Value)>),
    Extensible {
        attribute: String,
        rule: String,
        in_names: bool,
        value: Value,
    },
}

/// A value in its parts.
type Value = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    User,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader {
            text,
            rest: text.char_indices().peekable(),
        };
        let node = match reader.peek() {
            Some('(') => reader.node(0)?,
            _ => reader.item()?,
        };
        match reader.rest.next() {
            None => Ok(Self(node)),
            Some((at, _)) => Err(format!("has \"{}\" behind its end", &text[at..])),
        }
    }

    /// The filter for entries whose attribute is the user's name.
    ///
    /// # Errors
    /// The attribute has no name of one.
    pub fn of_attribute(attribute: &str) -> Result<Self, String> {
        let value = vec![Part::User];
        Ok(Self(Node::Compare(EQUAL, description(attribute)?, value)))
    }

    /// Whether it says anything about the user.
    pub fn is_about_user(&self) -> bool {
        self.0.is_about_user()
    }

    /// Appends it with this user's name, of which nothing has a meaning.
    pub(super) fn encode(&self, out: &mut Vec<u8>, user: &str) {
        self.0.encode(out, user);
    }
}

impl Node {
    fn is_about_user(&self) -> bool {
        let has_user = |value: &Value| value.contains(&Part::User);
        match self {
            Self::Several(_, nodes) => nodes.iter().any(Self::is_about_user),
            Self::Not(node) => node.is_about_user(),
            Self::Compare(_, _, value) | Self::Extensible { value, .. } => has_user(value),
            Self::Present(_) => false,
            Self::Substrings(_, parts) => parts.iter().any(|(_, value)| has_user(value)),
        }
    }

    fn encode(&self, out: &mut Vec<u8>, user: &str) {
        match self {
            Self::Several(tag, nodes) => put_with(out, *tag, |out| {
                for node in nodes {
                    node.encode(out, user);
                }
            }),
            Self::Not(node) => put_with(out, NOT, |out| node.encode(out, user)),
            Self::Compare(tag, attribute, value) => put_with(out, *tag, |out| {
                put(out, OCTETS, attribute.as_bytes());
                put(out, OCTETS, &bytes(value, user));
            }),
            Self::Present(attribute) => put(out, PRESENT, attribute.as_bytes()),
            Self::Substrings(attribute, parts) => put_with(out, SUBSTRINGS, |out| {
                put(out, OCTETS, attribute.as_bytes());
                put_with(out, SEQUENCE, |out| {
                    for (tag, value) in parts {
                        put(out, *tag, &bytes(value, user));
                    }
                });
            }),
            Self::Extensible {
                attribute,
                rule,
                in_names,
                value,
            } => put_with(out, EXTENSIBLE, |out| {
                if !rule.is_empty() {
                    put(out, 0x81, rule.as_bytes());
                }
                if !attribute.is_empty() {
                    put(out, 0x82, attribute.as_bytes());
                }
                put(out, 0x83, &bytes(value, user));
                if *in_names {
                    put(out, 0x84, &[0xff]);
                }
            }),
        }
    }
}

fn bytes(value: &Value, user: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in value {
        match part {
            Part::Bytes(part) => bytes.extend_from_slice(part),
            Part::User => bytes.extend_from_slice(user.as_bytes()),
        }
    }
    bytes
}

/// The name of an attribute, with its options (`cn;lang-de`), or a number in dots.
fn description(name: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("has \"{name}\" for the name of an attribute"));
    }
    Ok(name.to_owned())
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, c)| *c)
    }

    fn take(&mut self, wanted: char) -> Result<(), String> {
        match self.rest.next() {
            Some((_, c)) if c == wanted => Ok(()),
            Some((at, _)) => Err(format!(
                "has \"{}\" where \"{wanted}\" has to be",
                &self.text[at..]
            )),
            None => Err(format!("ends where \"{wanted}\" has to be")),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEPTH_MAX {
            return Err(format!("nests more than {DEPTH_MAX} deep"));
        }
        self.take('(')?;
        let node = match self.peek() {
            Some(sign @ ('&' | '|')) => {
                self.rest.next();
                let mut nodes = Vec::new();
                while self.peek() == Some('(') {
                    nodes.push(self.node(depth + 1)?);
                }
                let tag = if sign == '&' { AND } else { OR };
                Node::Several(tag, nodes)
            }
            Some('!') => {
                self.rest.next();
                Node::Not(Box::new(self.node(depth + 1)?))
            }
            _ => self.item()?,
        };
        self.take(')')?;
        Ok(node)
    }

    /// A comparison, up to the parenthesis behind it.
    fn item(&mut self) -> Result<Node, String> {
        let mut left = String::new();
        while let Some((at, c)) = self.rest.next() {
            match c {
                '=' => return self.compared(&left),
                '(' | ')' => {
                    return Err(format!(
                        "has \"{}\" where \"=\" has to be",
                        &self.text[at..]
                    ));
                }
                c => left.push(c),
            }
        }
        Err("has a comparison without \"=\"".to_owned())
    }

    fn compared(&mut self, left: &str) -> Result<Node, String> {
        if let Some(left) = left.strip_suffix(':') {
            return self.extensible(left);
        }
        let (left, tag) = match left.as_bytes().last() {
            Some(b'~') => (&left[..left.len() - 1], LIKE),
            Some(b'>') => (&left[..left.len() - 1], AT_LEAST),
            Some(b'<') => (&left[..left.len() - 1], AT_MOST),
            _ => (left, EQUAL),
        };
        let attribute = description(left)?;
        let mut values = self.values()?;
        if values.len() == 1 {
            let value = values.pop().expect("there is one");
            return Ok(Node::Compare(tag, attribute, value));
        }
        if tag != EQUAL {
            return Err("has a * in a value that is compared by size or likeness".to_owned());
        }
        if values.len() == 2 && values.iter().all(Vec::is_empty) {
            return Ok(Node::Present(attribute));
        }
        let last = values.len() - 1;
        let between = 1..last;
        if values[between].iter().any(Vec::is_empty) {
            return Err("has two * beside each other".to_owned());
        }
        let tag = |at| match at {
            0 => 0x80,
            at if at == last => 0x82,
            _ => 0x81,
        };
        let parts = values.into_iter().enumerate();
        let parts = parts.map(|(at, value)| (tag(at), value));
        let parts = parts.filter(|(_, value)| !value.is_empty()).collect();
        Ok(Node::Substrings(attribute, parts))
    }

    /// `attribute:dn:rule` is to the left of `:=`.
    fn extensible(&mut self, left: &str) -> Result<Node, String> {
        let mut words = left.split(':').peekable();
        let attribute = words.next().unwrap_or_default();
        let in_names = words
            .next_if(|word| word.eq_ignore_ascii_case("dn"))
            .is_some();
        let rule = words.next().unwrap_or_default();
        if words.next().is_some() || (attribute.is_empty() && rule.is_empty()) {
            return Err(format!("has \"{left}:=\", which is no comparison"));
        }
        let optional = |name: &str| match name {
            "" => Ok(String::new()),
            name => description(name),
        };
        let (attribute, rule) = (optional(attribute)?, optional(rule)?);
        let mut values = self.values()?;
        let value = values.pop().expect("there is one at least");
        if !values.is_empty() {
            return Err("has a * behind \":=\"".to_owned());
        }
        Ok(Node::Extensible {
            attribute,
            rule,
            in_names,
            value,
        })
    }

    /// A value, up to the parenthesis behind it, in the parts that `*` makes of it.
    fn values(&mut self) -> Result<Vec<Value>, String> {
        let mut values = vec![Value::new()];
        while let Some(&(at, c)) = self.rest.peek() {
            if c == ')' {
                break;
            }
            self.rest.next();
            let value = values.last_mut().expect("there is one at least");
            match c {
                '*' => values.push(Value::new()),
                '(' => return Err("has a \"(\" in a value; write \\28".to_owned()),
                '\\' => push(value, &[self.escaped()?]),
                '$' if self.text[at..].starts_with(USER) => {
                    value.push(Part::User);
                    for _ in 1..USER.len() {
                        self.rest.next();
                    }
                }
                c => push(value, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(values)
    }

    /// The byte that two digits behind a backslash stand for.
    fn escaped(&mut self) -> Result<u8, String> {
        let mut digit = || self.rest.next().and_then(|(_, c)| c.to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => Ok(u8::try_from(high << 4 | low).expect("two digits")),
            _ => Err("has a backslash without two hexadecimal digits behind it".to_owned()),
        }
    }
}

fn push(value: &mut Value, bytes: &[u8]) {
    match value.last_mut() {
        Some(Part::Bytes(last)) => last.extend_from_slice(bytes),
        _ => value.push(Part::Bytes(bytes.to_vec())),
    }
}
