//! Names to bind as.

/// What has a meaning in a distinguished name (RFC 4514, section 2.4).
const SPECIAL: &[char] = &['"', '+', ',', ';', '<', '>', '\\', '='];

/// The name to bind as: the user's, with what is before and behind it. Behind `=` it is a value of a
/// distinguished name, and what has a meaning there loses it. Elsewhere (`EXAMPLE\user`,
/// `user@example.com`) nothing can be escaped, so a name with such characters is nobody's: `None`.
pub fn bind_name(prefix: &str, user: &str, suffix: &str) -> Option<String> {
    if prefix.trim_end().ends_with('=') {
        return Some(format!("{prefix}{}{suffix}", escaped(user)));
    }
    let is_plain = !user.contains(|c: char| SPECIAL.contains(&c) || c.is_control());
    is_plain.then(|| format!("{prefix}{user}{suffix}"))
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            '\0' => escaped.push_str("\\00"),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '#' if at == 0 => escaped.push_str("\\#"),
            c if SPECIAL.contains(&c) => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}
