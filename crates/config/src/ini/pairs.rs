//! Lists of `key=value`, as libpq's connection strings have them: separated by spaces, values perhaps in
//! single quotes, of which two are one.

use pgweir_settings::text::quoted;

/// The pairs of a list, in their order.
///
/// # Errors
/// What is wrong with the form. The text is not quoted: there may be a password in it.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=');
        let (key, behind) = rest.split_at(end.ok_or(NO_VALUE)?);
        let behind = behind.trim_start().strip_prefix('=').ok_or(NO_VALUE)?;
        if key.is_empty() {
            return Err("has no name before a =");
        }
        let (value, behind) = value(behind.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start();
    }
    Ok(pairs)
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    if !text.starts_with('\'') {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    }
    let (value, rest) = quoted(text, '\'').ok_or("has a value whose quote is not closed")?;
    if rest.starts_with(|c: char| !c.is_whitespace()) {
        return Err("has something right behind a quote that ends a value");
    }
    Ok((value, rest))
}

const NO_VALUE: &str = "must be a list of name=value, values with spaces in single quotes";
