//! References to variables in values: `$NAME`, `${NAME:-default}`, `$(NAME)`, `{{ a template }}`.

use pgweir_advisor::facts::Origin;

use crate::inventory::Text;

/// What a name stands for, if that is known.
pub(crate) type Lookup<'a> = dyn FnMut(&str) -> Option<Text> + 'a;

/// Replaces `$NAME` and `${NAME}` with their operators as the Compose specification has them; `$$` is a
/// dollar sign. What is not known becomes a gap.
pub(crate) fn expanded(text: &str, origin: &Origin, lookup: &mut Lookup<'_>) -> Text {
    if text.len() > EXPANDED_MAX {
        return Text::plain(text, origin.clone());
    }
    expand(text, origin, lookup, DEPTH_MAX)
}

fn expand(text: &str, origin: &Origin, lookup: &mut Lookup<'_>, depth: u32) -> Text {
    let mut whole = Text::plain("", origin.clone());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{']) {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(template) = rest.strip_prefix("{{")
            && let Some(end) = template.find("}}")
        {
            whole.push_gap(format!("{{{{{}}}}}", &template[..end]));
            rest = &template[end + 2..];
        } else if let Some(after) = rest.strip_prefix("$$") {
            whole.push_str("$");
            rest = after;
        } else if let Some(braced) = rest.strip_prefix("${")
            && depth > 0
            && let Some(end) = closing(braced)
        {
            whole.push(&braces(&braced[..end], origin, lookup, depth - 1));
            rest = &braced[end + 1..];
        } else if let Some(named) = rest.strip_prefix('$')
            && name_length(named) > 0
        {
            let (name, after) = named.split_at(name_length(named));
            match lookup(name) {
                Some(value) => whole.push(&value),
                None => whole.push_gap(format!("${{{name}}}")),
            }
            rest = after;
        } else {
            whole.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    whole.push_str(rest);
    whole
}

/// What is between `${` and `}`.
fn braces(inner: &str, origin: &Origin, lookup: &mut Lookup<'_>, depth: u32) -> Text {
    let (name, operator) = inner.split_at(name_length(inner));
    let mut gap = Text::plain("", origin.clone());
    gap.push_gap(format!("${{{name}}}"));
    if name.is_empty() {
        return gap;
    }
    let value = lookup(name);
    let (even_empty, operator) = match operator.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let value = value.filter(|value| !even_empty || !value.is_empty());
    match (operator.chars().next(), value) {
        (Some('-'), None) => expand(&operator[1..], origin, lookup, depth),
        (Some('+'), Some(_)) => expand(&operator[1..], origin, lookup, depth),
        // Whether it is set elsewhere is not known.
        (_, None) => gap,
        (_, Some(value)) => value,
    }
}

/// Where the brace is closed that was opened before.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    text.char_indices().find_map(|(at, c)| match c {
        '{' => {
            depth += 1;
            None
        }
        '}' if depth == 0 => Some(at),
        '}' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

fn name_length(text: &str) -> usize {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !letter(c)).unwrap_or(text.len())
}

/// Replaces `$(NAME)` as Kubernetes does: where there is no such variable it stays; `$$(` is a plain text.
/// `${NAME}` is what a tool would have replaced before, or a shell will.
pub(crate) fn in_parentheses(text: &Text, lookup: &mut Lookup<'_>) -> Text {
    let Some(known) = text.known() else {
        return text.clone();
    };
    let mut whole = Text::plain("", text.origin.clone());
    let mut rest = known;
    while let Some(at) = rest.find("$(") {
        if rest[..at].ends_with('$') {
            whole.push_str(&rest[..at - 1]);
            whole.push_str("$(");
            rest = &rest[at + 2..];
            continue;
        }
        whole.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find(')') else {
            rest = &rest[at..];
            break;
        };
        match lookup(&inner[..end]) {
            Some(value) => whole.push(&value),
            None => whole.push_gap(format!("$({})", &inner[..end])),
        }
        rest = &inner[end + 1..];
    }
    whole.push_str(rest);
    whole
}

/// The words of a command line, without the quotes that a shell removes.
pub(crate) fn words(line: &Text) -> Vec<Text> {
    let text = line.with_gaps();
    let mut words = Vec::new();
    let mut word: Option<Text> = None;
    let mut quote = None;
    let mut from = 0;
    let take = |word: &mut Option<Text>, from: usize, to: usize| {
        let part = line.part(from..to);
        match word {
            Some(word) => word.push(&part),
            None => *word = Some(part),
        }
    };
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => {
                take(&mut word, from, at);
                quote = None;
                from = at + c.len_utf8();
            }
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                if from < at {
                    take(&mut word, from, at);
                }
                quote = Some(c);
                from = at + 1;
            }
            (None, c) if c.is_whitespace() => {
                if from < at {
                    take(&mut word, from, at);
                }
                words.extend(word.take());
                from = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    if from < text.len() {
        take(&mut word, from, text.len());
    }
    words.extend(word);
    words
}

/// Values beyond this size, in bytes, are taken as they are: to look for the end of each reference takes
/// the square of it.
const EXPANDED_MAX: usize = 16 << 10;

/// Defaults of defaults.
const DEPTH_MAX: u32 = 16;

#[cfg(test)]
mod tests;
