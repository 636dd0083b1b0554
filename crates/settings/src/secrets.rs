//! What may be a password and is not shown.

use std::borrow::Cow;

/// The text with dots in place of what may be a password: what stands before the host of a URL, and
/// what follows a word like `password`, or a line end. For values that are no secrets, in whose place one may have
/// landed.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let login = text.find("://").map(|at| at + "://".len());
    let login = login.or_else(|| text.find(':').map(|at| at + 1));
    // A password may hold an `@`, a host may not.
    if let (Some(from), Some(to)) = (login, text.rfind('@'))
        && from < to
    {
        text = format!("{}…{}", &text[..from], &text[to..]).into();
    }
    let lower = text.to_ascii_lowercase();
    let words = SECRET_WORDS
        .iter()
        .filter_map(|word| Some(lower.find(word)? + word.len()));
    // A quote that is never closed takes in the lines that follow, whatever they are.
    match words.chain(text.find("\\n")).min() {
        Some(end) if end < text.len() => format!("{}…", &text[..end]).into(),
        _ => text,
    }
}

/// What a password is called.
pub const SECRET_WORDS: [&str; 5] = ["password", "passwd", "pwd", "secret", "token"];

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for (text, shown) in [
            ("\"sqlx\"", "\"sqlx\""),
            ("postgres://app@db/x", "postgres://…@db/x"),
            ("postgres://app:hunter2@db/x", "postgres://…@db/x"),
            ("postgres://app:hunter2secret@db", "postgres://…@db"),
            ("postgres://app:hunt@er:2@db?a=b", "postgres://…@db?a=b"),
            ("postgres://a:b@c postgres://d:e@f", "postgres://…@f"),
            ("app:hunter2@db", "app:…@db"),
            ("host=db Password=hunter2 port=1", "host=db Password…"),
            (
                "postgres://db/x?sslpassword=hunter2",
                "postgres://db/x?sslpassword…",
            ),
            ("postgres://u:v@db/x?PWD=hunter2", "postgres://…@db/x?PWD…"),
            ("\"app\\npasswort = 'hunter2'\"", "\"app…"),
            ("pässwörd token", "pässwörd token"),
            ("[\"ä@b\", 1]", "[\"ä@b\", 1]"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
