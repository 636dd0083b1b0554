//! Settings of a startup packet, spelled as PostgreSQL reports them.
//!
//! A client is told its settings before it has a server, and drivers read them: some refuse a
//! `DateStyle` of `iso`. What is not known here a server is asked, before the client is greeted.

use crate::parameters::Parameters;

/// Bytes of a name in PostgreSQL (`NAMEDATALEN - 1`); a longer `application_name` is cut.
const NAME_MAX: usize = 63;

/// The version since which `application_name` shows bytes that are not ASCII as `\xc3`, not `?`.
const ESCAPES_SINCE: u32 = 16;

/// `value` of the setting `name` as a server would report it that has the settings `defaults`;
/// `version` is the first number of its version, if that is known. `None` where only PostgreSQL knows whether it
/// accepts it.
pub fn spelled(
    name: &str,
    value: &str,
    defaults: &Parameters,
    version: Option<u32>,
) -> Option<String> {
    match &*name.to_ascii_lowercase() {
        "application_name" => Some(application_name(value, version)),
        "client_encoding" => encoding(value).map(str::to_owned),
        "datestyle" => defaults
            .value("datestyle")
            .and_then(|default| date_style(value, default)),
        "intervalstyle" => INTERVAL_STYLES
            .iter()
            .find(|style| style.eq_ignore_ascii_case(value))
            .map(|&style| style.to_owned()),
        "timezone" => value.parse().ok().and_then(hours),
        "standard_conforming_strings" | "default_transaction_read_only" => {
            switch(value).map(|on| if on { "on" } else { "off" }.to_owned())
        }
        _ => None,
    }
}

const INTERVAL_STYLES: [&str; 4] = ["postgres", "postgres_verbose", "sql_standard", "iso_8601"];

fn application_name(value: &str, version: Option<u32>) -> String {
    let escapes = version.is_none_or(|version| version >= ESCAPES_SINCE);
    let mut len = value.len().min(NAME_MAX);
    while !value.is_char_boundary(len) {
        len -= 1;
    }
    let mut name = String::with_capacity(len);
    for byte in value[..len].bytes() {
        match byte {
            b' '..=b'~' => name.push(char::from(byte)),
            _ if escapes => name.push_str(&format!("\\x{byte:02x}")),
            _ => name.push('?'),
        }
    }
    name
}

/// PostgreSQL's name of a client encoding. Only letters and digits of `value` count.
fn encoding(value: &str) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    let value = plain(value);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == value);
    let by_name = || ENCODINGS.into_iter().find(|name| plain(name) == value);
    alias.map(|&(_, name)| name).or_else(by_name)
}

/// Encodings that a client can have.
const ENCODINGS: [&str; 42] = [
    "BIG5",
    "EUC_CN",
    "EUC_JP",
    "EUC_JIS_2004",
    "EUC_KR",
    "EUC_TW",
    "GB18030",
    "GBK",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "JOHAB",
    "KOI8R",
    "KOI8U",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "MULE_INTERNAL",
    "SJIS",
    "SHIFT_JIS_2004",
    "SQL_ASCII",
    "UHC",
    "UTF8",
    "WIN866",
    "WIN874",
    "WIN1250",
    "WIN1251",
    "WIN1252",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1256",
    "WIN1257",
    "WIN1258",
];

/// Other names of encodings, without what does not count.
const ALIASES: [(&str, &str); 21] = [
    ("unicode", "UTF8"),
    ("iso88591", "LATIN1"),
    ("iso88592", "LATIN2"),
    ("iso88593", "LATIN3"),
    ("iso88594", "LATIN4"),
    ("iso88599", "LATIN5"),
    ("iso885910", "LATIN6"),
    ("iso885913", "LATIN7"),
    ("iso885914", "LATIN8"),
    ("iso885915", "LATIN9"),
    ("iso885916", "LATIN10"),
    ("mskanji", "SJIS"),
    ("shiftjis", "SJIS"),
    ("windows949", "UHC"),
    ("windows950", "BIG5"),
    ("windows936", "GBK"),
    ("koi8", "KOI8R"),
    ("windows1250", "WIN1250"),
    ("windows1251", "WIN1251"),
    ("windows1252", "WIN1252"),
    ("win", "WIN1251"),
];

/// `value` in full; what it leaves out is as in `default`, which is in full. `None` if PostgreSQL
/// would refuse it.
fn date_style(value: &str, default: &str) -> Option<String> {
    let (mut style, mut order) = (None, None);
    for word in value.split(',') {
        let word = word.trim().to_ascii_lowercase();
        let starts = |front: &str| word.starts_with(front);
        let (place, name) = match &*word {
            "iso" => (&mut style, "ISO"),
            "sql" => (&mut style, "SQL"),
            "german" => (&mut style, "German"),
            _ if starts("postgres") => (&mut style, "Postgres"),
            "ymd" => (&mut order, "YMD"),
            "dmy" => (&mut order, "DMY"),
            _ if starts("euro") => (&mut order, "DMY"),
            "mdy" | "us" => (&mut order, "MDY"),
            _ if starts("noneuro") => (&mut order, "MDY"),
            _ => return None,
        };
        if place.is_some_and(|earlier| earlier != name) {
            return None;
        }
        *place = Some(name);
    }
    let (default_style, default_order) = default.split_once(", ")?;
    // A German date has its day first, unless the client says otherwise.
    if style == Some("German") {
        order = order.or(Some("DMY"));
    }
    let style = style.unwrap_or(default_style);
    Some(format!("{style}, {}", order.unwrap_or(default_order)))
}

/// The zone so many hours east of Greenwich, whose offset POSIX counts to the west.
fn hours(east: i32) -> Option<String> {
    const MAX: i32 = 24 * 7 - 1;
    let is_zone = (-MAX..=MAX).contains(&east);
    is_zone.then(|| format!("<{east:+03}>{:+03}", -east))
}

/// PostgreSQL's spellings of true and false, of which a beginning does that only one of them has.
fn switch(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let begins = |words: [&str; 2]| words.iter().any(|word| word.starts_with(&value));
    match &*value {
        "" | "o" => None,
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        _ if begins(["true", "yes"]) => Some(true),
        _ if begins(["false", "no"]) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::spelled;
    use crate::parameters::Parameters;

    #[test]
    fn settings_are_spelled_as_postgresql_15_reports_them() {
        let mut defaults = Parameters::default();
        defaults.set("DateStyle", "SQL, DMY");
        let long = "x".repeat(80);
        for (name, value, expected) in [
            ("client_encoding", "'utf-8'", "UTF8"),
            ("client_encoding", "unicode", "UTF8"),
            ("client_encoding", "latin1", "LATIN1"),
            ("client_encoding", "sql-ascii", "SQL_ASCII"),
            ("DateStyle", "iso", "ISO, DMY"),
            ("datestyle", "us", "SQL, MDY"),
            ("datestyle", "ymd, postgresql", "Postgres, YMD"),
            ("datestyle", "german", "German, DMY"),
            ("IntervalStyle", "ISO_8601", "iso_8601"),
            ("standard_conforming_strings", "T", "on"),
            ("default_transaction_read_only", "off", "off"),
            ("application_name", "caf\u{e9}", "caf??"),
            ("application_name", &long, &long[..63]),
            ("TimeZone", "-3", "<-03>+03"),
            ("TimeZone", "12", "<+12>-12"),
        ] {
            let got = spelled(name, value, &defaults, Some(15));
            assert_eq!(got.as_deref(), Some(expected), "{name} = {value}");
        }
        let newer = spelled("application_name", "\u{e9}", &defaults, Some(17));
        assert_eq!(newer.as_deref(), Some(r"\xc3\xa9"));
    }

    #[test]
    fn only_postgresql_knows_of_the_rest_whether_it_is_right() {
        let defaults = Parameters::default();
        for (name, value) in [
            ("client_encoding", "klingon"),
            ("datestyle", "iso, sql"),
            ("default_transaction_read_only", "o"),
            ("TimeZone", "Asia/Tokyo"),
            ("search_path", "mine"),
        ] {
            assert_eq!(spelled(name, value, &defaults, Some(15)), None, "{name}");
        }
    }
}
