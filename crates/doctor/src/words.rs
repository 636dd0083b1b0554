//! Numbers, names and statements as a person reads them.

use pgweir_sql::normalise::normalise;

/// So many of these, whose name has an `s` for more than one.
pub(crate) fn plural(many: usize, one: &str) -> String {
    match many {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}

/// Seconds in their two largest units.
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 10.0 && seconds.fract() != 0.0 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    // `as` clamps to the range of u64 and turns NaN into 0.
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds} s")
    } else if seconds.is_multiple_of(60) && hours == 0 {
        format!("{minutes} min")
    } else if hours == 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else if days == 0 {
        format!("{hours} h {} min", minutes % 60)
    } else {
        format!("{days} d {} h", hours % 24)
    }
}

/// Milliseconds as a setting shows them: `30s`, `500ms`, and `none` for 0.
pub(crate) fn limit(ms: f64) -> String {
    if ms <= 0.0 {
        return "none".to_owned();
    }
    pgweir_advisor::units::time_text(std::time::Duration::from_millis(ms as u64))
}

/// Bytes in the unit a person would say.
pub(crate) fn bytes(bytes: f64) -> String {
    // `as` clamps to the range of u64.
    pgweir_advisor::units::Bytes(bytes.max(0.0) as u64).to_string()
}

/// A share in whole percent.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "all".to_owned();
    }
    format!("{} %", (part * 100 + whole / 2) / whole)
}

/// A name that somebody else chose, on one line, without control characters, which a terminal would obey.
pub(crate) fn flat(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect())
        .collect();
    words.join(" ")
}

/// A statement without its literals, which may be anybody's data, and not too long.
pub(crate) fn statement(sql: &str) -> String {
    normalise(sql.as_bytes(), true, STATEMENT_MAX)
}

/// An identifier in SQL.
pub(crate) fn identifier(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = |c: char| c.is_ascii_lowercase() || c == '_';
    if name.starts_with(starts) && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text in SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The first of these, and how many there are besides.
pub(crate) fn some<T: AsRef<str>>(all: &[T], max: usize) -> String {
    let shown: Vec<&str> = all.iter().take(max).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(max) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

const STATEMENT_MAX: usize = 120;
