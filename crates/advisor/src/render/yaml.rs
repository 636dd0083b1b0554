//! Writes data as YAML: block style, keys in order, text in quotes unless it is a plain word.

use serde_json::Value;

/// The data as a YAML document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text
}

fn block(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                text.push_str(&format!("{indent}{}:", scalar_text(name)));
                below(text, field, depth);
            }
        }
        Value::Array(entries) if !entries.is_empty() => {
            for entry in entries {
                // An entry that is a mapping begins after its hyphen.
                let mut inner = String::new();
                block(&mut inner, entry, depth + 1);
                text.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        other => text.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

fn below(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            block(text, value, depth + 1);
        }
        Value::Array(entries) if !entries.is_empty() => {
            text.push('\n');
            block(text, value, depth + 1);
        }
        Value::String(lines) if lines.contains('\n') && literal(lines) => {
            text.push_str(" |\n");
            for line in lines.lines() {
                if line.is_empty() {
                    text.push('\n');
                } else {
                    text.push_str(&format!("{}{line}\n", "  ".repeat(depth + 1)));
                }
            }
        }
        other => text.push_str(&format!(" {}\n", scalar(other))),
    }
}

/// Whether a text can be a literal block: it ends with one line end, does not begin with a space, and
/// has no control characters.
fn literal(text: &str) -> bool {
    text.ends_with('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n'])
        && !text.chars().any(|c| c.is_control() && c != '\n')
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A word as it is, any other text as JSON, which YAML contains.
fn scalar_text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(plain)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if word {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

/// Words that readers of YAML 1.1 do not read as text.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

#[cfg(test)]
mod tests {
    use super::document;
    use serde_json::json;

    #[test]
    fn data_is_written_in_block_style() {
        let text = document(&json!({
            "a": {"b": [1, {"c": "x", "d": []}, [2, 3]], "e": {}},
            "on": "no",
            "lines": "one\n\ntwo\n",
            "number": "5",
            "null": null,
        }));
        let expected = "\
a:
  b:
    - 1
    - c: x
      d: []
    - - 2
      - 3
  e: {}
lines: |
  one

  two
\"null\": null
number: \"5\"
\"on\": \"no\"
";
        assert_eq!(text, expected);
    }
}
