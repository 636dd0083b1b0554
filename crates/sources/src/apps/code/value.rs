//! What an expression is: a plain value, a reference to a variable with its default, or nothing that is
//! known.

use std::ops::Range;

use super::{Code, is_name};
use crate::apps::settings::at;
use crate::inventory::Text;

impl Code<'_> {
    /// The value of an expression; a gap where it is not plain.
    pub(crate) fn value(&self, range: Range<usize>) -> Text {
        self.evaluate(range, DEPTH_MAX)
    }

    fn evaluate(&self, range: Range<usize>, depth: u32) -> Text {
        let range = self.without_casts(self.trim(range));
        let text = &self.plain[range.clone()];
        let mask = &self.mask[range.clone()];
        let origin = self.origin(range.start);
        let Some(depth) = depth.checked_sub(1) else {
            return Text::gap(EXPRESSION, origin);
        };
        if let Some(number) = literal(text) {
            return Text::plain(number, origin);
        }
        if let Some(alternatives) = self.split(&range, &["||", "??", "?:", " or "]) {
            let first = self.evaluate(alternatives.0, depth);
            if first.known().is_some_and(|first| !first.is_empty()) {
                return first;
            }
            let second = self.evaluate(alternatives.1, depth);
            return if second.known().is_some() {
                second
            } else {
                first
            };
        }
        if let Some((condition, branches)) = self.split(&range, &["?"])
            && let Some((then, otherwise)) = self.split(&branches, &[":"])
        {
            // `process.env.X ? Number(process.env.X) : 10`; of anything else nobody knows which counts.
            let variable = self.plain[condition.clone()].contains("env");
            let set = self.evaluate(condition, depth);
            return match (variable, set.known()) {
                (true, Some(known)) if !known.is_empty() => self.evaluate(then, depth),
                (true, _) => self.evaluate(otherwise, depth),
                (false, _) => Text::gap(EXPRESSION, origin),
            };
        }
        if let Some(found) = self.string(&range, depth) {
            return found;
        }
        if let Some(found) = self.reference(&range, depth) {
            return found;
        }
        if mask.starts_with('(') && self.closing(range.start) == Some(range.end - 1) {
            return self.evaluate(range.start + 1..range.end - 1, depth);
        }
        if let Some((callee, arguments)) = self.call(&range)
            && CONVERSIONS.contains(&callee)
            && let Some(first) = self.items(arguments).first()
        {
            return self.evaluate(first.clone(), depth);
        }
        if is_name(text) {
            let mut values = self.assignments(text).into_iter();
            // A name with two values is left to a compiler.
            if let (Some(value), None) = (values.next(), values.next())
                && !value.contains(&range.start)
            {
                let found = self.evaluate(value, depth);
                return at(found, origin);
            }
        }
        // `settings.DATABASE_URL` is the variable as a rule.
        let last = text.rsplit('.').next().unwrap_or(text);
        if is_name(last) && text.contains('.') {
            let mut all = self.settings.variables.iter();
            if let Some(variable) = all.find(|variable| variable.name.eq_ignore_ascii_case(last)) {
                return at(variable.value.clone(), origin);
            }
        }
        Text::gap(shown(text), origin)
    }

    /// Without what only changes the type: `(int) x`, `+x`, `x.to_i`, `x as number`, `x |> String.to_integer()`.
    fn without_casts(&self, range: Range<usize>) -> Range<usize> {
        let mut range = range;
        for cast in ["(int)", "(string)", "+", "await "] {
            if self.mask[range.clone()].starts_with(cast) {
                range = self.trim(range.start + cast.len()..range.end);
            }
        }
        for sign in ["|>", " as ", ".to_i", ".to_s", ".presence"] {
            let mut depth = 0_i32;
            let cut = self.bytes(range.clone()).find(|(at, byte)| {
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth -= 1,
                    _ => {}
                }
                let after = self.mask[*at..range.end].strip_prefix(sign);
                let whole = |after: &str| !after.starts_with(|c: char| c.is_ascii_alphanumeric());
                // Behind a space a word begins anyway.
                depth == 0 && after.is_some_and(|after| sign.ends_with(' ') || whole(after))
            });
            if let Some((at, _)) = cut {
                range = self.trim(range.start..at);
            }
        }
        let text = self.plain[range.clone()].trim_end_matches(['!', ';', ',']);
        range.start..range.start + text.len()
    }

    /// The two sides of an operator outside of brackets.
    fn split(&self, range: &Range<usize>, signs: &[&str]) -> Option<(Range<usize>, Range<usize>)> {
        let mut depth = 0_i32;
        self.bytes(range.clone()).find_map(|(at, byte)| {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
            let rest = &self.mask.as_bytes()[at..range.end];
            let sign = signs.iter().find(|sign| {
                depth == 0 && rest.starts_with(sign.as_bytes()) && !rest.starts_with(b"?.")
            })?;
            Some((range.start..at, at + sign.len()..range.end))
        })
    }

    /// `name(arguments)` and nothing else.
    pub(crate) fn call(&self, range: &Range<usize>) -> Option<(&str, Range<usize>)> {
        let range = self.trim(range.clone());
        let mask = &self.mask[range.clone()];
        let open = range.start + mask.find('(')?;
        let callee = self.plain[range.start..open].trim();
        let path = |c: char| c.is_ascii_alphanumeric() || "_.!:\\$".contains(c);
        let plain = !callee.is_empty() && callee.chars().all(path);
        let whole = self.closing(open)? + 1 == range.end;
        (plain && whole).then_some((callee, open + 1..range.end - 1))
    }

    /// A string, with what is put into it.
    fn string(&self, range: &Range<usize>, depth: u32) -> Option<Text> {
        let text = &self.plain[range.clone()];
        let prefix = text.len() - text.trim_start_matches(['f', 'r', 'b', 'u']).len();
        let quoted = &text[prefix..];
        let quote = quoted.chars().next().filter(|c| "\"'`".contains(*c))?;
        let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        let start = range.start + prefix + 1;
        // Two strings, or one that goes on.
        if self.mask[start..start + inner.len()].contains(quote) {
            return None;
        }
        let opening = match quote {
            '`' => "${",
            '"' if text.starts_with("\"") && inner.contains("#{") => "#{",
            _ if text[..prefix].contains('f') => "{",
            _ => {
                return Some(Text::plain(inner.replace("\\\"", "\""), self.origin(start)));
            }
        };
        let mut whole = Text::plain("", self.origin(range.start));
        let mut at = 0;
        for _ in 0..PARTS_MAX {
            let Some(open) = inner[at..].find(opening).map(|open| at + open) else {
                break;
            };
            let Some(close) = inner[open..].find('}').map(|close| open + close) else {
                break;
            };
            whole.push_str(&inner[at..open]);
            whole.push(&self.evaluate(start + open + opening.len()..start + close, depth));
            at = close + 1;
        }
        whole.push_str(&inner[at..]);
        Some(whole)
    }

    /// A reference to a variable: `process.env.X`, `os.environ.get("X", "5")`, `ENV.fetch("X") { 5 }`,
    /// `env('X', 5)`.
    fn reference(&self, range: &Range<usize>, depth: u32) -> Option<Text> {
        let text = &self.plain[range.clone()];
        let origin = self.origin(range.start);
        for start in ["process.env.", "import.meta.env.", "Bun.env.", "env."] {
            if let Some(name) = text.strip_prefix(start).filter(|name| is_name(name)) {
                return Some(self.settings.variable(name, None, origin));
            }
        }
        for start in [
            "process.env[",
            "os.environ[",
            "environ[",
            "ENV[",
            "$_ENV[",
            "$_SERVER[",
        ] {
            if let Some(name) = text
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(']'))
            {
                let name = name.trim().trim_matches(['"', '\'']);
                return is_name(name).then(|| self.settings.variable(name, None, origin));
            }
        }
        // The block of Ruby's `fetch` is behind the call.
        let mut end = range.end;
        let mut default = None;
        if text.ends_with('}')
            && let Some(open) = self.mask[range.clone()].find('{')
        {
            default = Some(range.start + open + 1..end - 1);
            end = self.trim(range.start..range.start + open).end;
        }
        let (callee, arguments) = self.call(&(range.start..end))?;
        if !GETTERS.contains(&callee) {
            return None;
        }
        let items = self.items(arguments);
        let name = self.plain[items.first()?.clone()]
            .trim_matches(['"', '\'', '`'])
            .to_owned();
        if !is_name(&name) {
            return None;
        }
        for item in items.into_iter().skip(1) {
            match self
                .field(item.clone())
                .filter(|_| literal(&self.plain[item.clone()]).is_none())
            {
                Some(field) if field.key == "default" => default = Some(field.value),
                Some(field) if field.value != item => {}
                Some(_) | None => default = default.or(Some(item)),
            }
        }
        let default = default.map(|default| self.evaluate(default, depth));
        Some(self.settings.variable(&name, default, origin))
    }
}

/// A number as it is, without separators; true, false and nothing as words.
fn literal(text: &str) -> Option<String> {
    match text {
        "true" | "True" => return Some("true".to_owned()),
        "false" | "False" => return Some("false".to_owned()),
        "None" | "null" | "nil" | "undefined" => return Some(String::new()),
        _ => {}
    }
    let negative = text.strip_prefix('-');
    let digits = negative.unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '_');
    plain.then(|| text.replace('_', ""))
}

/// An expression in a message: its name if it has a short one.
fn shown(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.$@".contains(c);
    if !text.is_empty() && text.len() <= SHOWN_MAX && text.chars().all(plain) {
        text.to_owned()
    } else {
        EXPRESSION.to_owned()
    }
}

const EXPRESSION: &str = "an expression";

/// Parts of a string that are looked at.
const PARTS_MAX: usize = 32;

/// The longest name in a message.
const SHOWN_MAX: usize = 40;

/// Constants of constants, defaults of defaults.
const DEPTH_MAX: u32 = 12;

/// Functions that turn a value into one of another type.
const CONVERSIONS: [&str; 22] = [
    "int",
    "float",
    "str",
    "Integer",
    "Float",
    "String",
    "Number",
    "Number.parseInt",
    "parseInt",
    "parseFloat",
    "Math.floor",
    "String.to_integer",
    "String.to_atom",
    "strconv.Atoi",
    "intval",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "uint",
    "toInt",
    "Object.freeze",
];

/// Functions that get a variable: by its name, perhaps with a default.
// `take` is that of what `pgweir render prisma` writes.
const GETTERS: [&str; 23] = [
    "take",
    "os.getenv",
    "os.environ.get",
    "environ.get",
    "getenv",
    "config",
    "env",
    "env.int",
    "env.str",
    "env.db_url",
    "env.number",
    "env.get",
    "os.Getenv",
    "ENV.fetch",
    "ENV.get",
    "System.get_env",
    "System.fetch_env!",
    "Deno.env.get",
    "Env.get",
    "Env::get",
    "decouple.config",
    "getEnv",
    "env.fetch",
];
