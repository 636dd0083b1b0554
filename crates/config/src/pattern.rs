//! Names to compare others with: one name, or a regular expression.

use std::fmt;

use regex_automata::nfa::thompson::Config as Compiler;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax::Config as Syntax;

use super::records::Token;

/// What a name is compared with.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// The very name.
    Exact(String),
    /// What a regular expression finds somewhere in it.
    Expression(Expression),
}

impl Pattern {
    /// Reads a name, or `/` and a regular expression.
    ///
    /// # Errors
    /// A sentence: the expression cannot be used.
    pub(super) fn read(token: &Token) -> Result<Self, String> {
        match token.behind('/') {
            Some(text) => Expression::new(text).map(Self::Expression),
            None => Ok(Self::Exact(token.text.clone())),
        }
    }

    /// Whether it is about this name.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Expression(expression) => expression.find(name).is_some(),
        }
    }
}

/// A regular expression. Whatever it is, looking for it takes time in proportion to its own length and to
/// that of the name: there are no references back, and nothing is tried twice.
#[derive(Clone)]
pub(super) struct Expression {
    program: Box<PikeVM>,
    text: String,
}

impl Expression {
    fn new(text: &str) -> Result<Self, String> {
        // Without the tables of Unicode, which are large: classes such as \w are those of ASCII.
        let syntax = Syntax::new().unicode(false).utf8(false);
        let compiler = Compiler::new()
            .utf8(false)
            .nfa_size_limit(Some(PROGRAM_LEN_MAX));
        let program = PikeVM::builder()
            .syntax(syntax)
            .thompson(compiler)
            .build(text)
            .map_err(|error| {
                format!(
                    "has a regular expression that cannot be used: {}",
                    cause(&error)
                )
            })?;
        Ok(Self {
            program: Box::new(program),
            text: text.to_owned(),
        })
    }

    /// Whether it has a part in parentheses that `\1` can stand for.
    pub(super) fn has_group(&self) -> bool {
        self.program.get_nfa().group_info().group_len(FIRST_PATTERN) > 1
    }

    /// What its first part in parentheses is in `name`, empty where it has none; `None` if it is not found.
    pub(super) fn find<'a>(&self, name: &'a str) -> Option<&'a str> {
        let mut cache = self.program.create_cache();
        let mut found = self.program.create_captures();
        self.program.captures(&mut cache, name, &mut found);
        if !found.is_match() {
            return None;
        }
        let group = found.get_group(1);
        // Bytes are matched, so a part may end inside a character, and then it is the name of nobody.
        Some(group.and_then(|span| name.get(span.range())).unwrap_or(""))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.text)
    }
}

/// The innermost reason in one line.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The only expression of a program.
const FIRST_PATTERN: regex_automata::PatternID = regex_automata::PatternID::ZERO;
/// Bytes that an expression may take once it is compiled; each byte of a name is compared with all of it.
const PROGRAM_LEN_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::records::Token;

    fn read(text: &str) -> Result<Pattern, String> {
        Pattern::read(&Token {
            text: text.to_owned(),
            is_quoted: false,
        })
    }

    #[test]
    fn an_expression_is_found_anywhere_and_a_name_is_the_whole() {
        for (pattern, name, matches) in [
            ("bob", "bob", true),
            ("bob", "bobby", false),
            ("/bob", "bobby", true),
            ("/^bob$", "bobby", false),
            ("/^tenant_[0-9]+$", "tenant_17", true),
            ("/^tenant_[0-9]+$", "tenant_", false),
            ("/", "anything", true),
            ("/^(a|b)?é$", "bé", true),
        ] {
            assert_eq!(read(pattern).unwrap().matches(name), matches, "{pattern}");
        }
    }

    #[test]
    fn no_expression_takes_long() {
        let name = "a".repeat(63);
        for text in [
            "/^(a+)+$b",
            "/(a|a)*(a|a)*(a|a)*b",
            "/(.*)(.*)(.*)(.*)(.*)=b",
        ] {
            assert!(!read(text).unwrap().matches(&name));
        }
        let error = read("/(((a{1000}){1000}){1000}){1000}").unwrap_err();
        assert!(error.contains("cannot be used"), "{error}");
    }

    #[test]
    fn what_is_no_expression_is_said_in_one_line() {
        for text in ["/(", "/a**b(", "/[", "/(a)\\1", "/(?=a)"] {
            let error = read(text).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
