//! Numbers, times and names as short texts.

/// What stands where nothing is known.
pub const ABSENT: &str = "–";

/// A count with its thousands apart; from ten million on in millions.
pub fn count(value: impl Into<u64>) -> String {
    let value = value.into();
    if value >= 10_000_000_000 {
        return format!("{:.1} G", value as f64 / 1e9);
    }
    if value >= 10_000_000 {
        return format!("{:.1} M", value as f64 / 1e6);
    }
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, with a tenth while it is small.
pub fn rate(value: f64) -> String {
    if value > 0.0 && value < 10.0 {
        format!("{value:.1}")
    } else {
        count(value.round().max(0.0) as u64)
    }
}

/// Milliseconds in the unit a person would say.
pub fn duration(ms: Option<f64>) -> String {
    let Some(ms) = ms else {
        return ABSENT.to_owned();
    };
    match ms {
        _ if ms <= 0.0 => "0 ms".to_owned(),
        _ if ms < 0.1 => "<0.1 ms".to_owned(),
        _ if ms < 9.95 => format!("{ms:.1} ms"),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if ms < 59_950.0 => format!("{:.1} s", ms / 1e3),
        _ => span((ms / 1e3).round() as u64),
    }
}

/// Seconds in their two largest units.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds} s")
    } else if hours == 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else if days == 0 {
        format!("{hours} h {} min", minutes % 60)
    } else {
        format!("{days} d {} h", hours % 24)
    }
}

/// The time of day in a moment as the pooler writes it (RFC 3339, UTC).
pub fn time_of_day(moment: &str) -> &str {
    moment.get(11..19).unwrap_or(moment)
}

/// A text in one line: every run of white space is one space, control characters are left out.
/// What comes from a database must not move the cursor.
pub fn flat(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect())
        .collect();
    words.join(" ")
}

/// `1 client waits`, `2 clients wait`.
pub fn clients_wait(waiting: impl Into<u64>) -> String {
    match waiting.into() {
        1 => "1 client waits".to_owned(),
        more => format!("{} clients wait", count(more)),
    }
}

/// So many of these, whose name has an `s` for more than one.
pub fn plural(many: impl Into<u64>, one: &str) -> String {
    match many.into() {
        1 => format!("1 {one}"),
        more => format!("{} {one}s", count(more)),
    }
}

/// Database and user, and the application where it says.
pub fn who(database: &str, user: &str, application: &str) -> String {
    flat(&format!("{database}/{user} {application}"))
}

#[cfg(test)]
mod tests {
    use super::{count, duration, flat, rate, span, time_of_day};

    #[test]
    fn figures_are_written_as_people_read_them() {
        for (value, text) in [
            (0_u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (12_345_678, "12.3 M"),
            (40_000_000_000, "40.0 G"),
        ] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [(0.0, "0"), (0.42, "0.4"), (9.9, "9.9"), (1203.6, "1,204")] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn times_are_written_in_a_unit_that_fits() {
        for (ms, text) in [
            (0.0, "0 ms"),
            (0.04, "<0.1 ms"),
            (1.44, "1.4 ms"),
            (412.0, "412 ms"),
            (2_340.0, "2.3 s"),
            (84_300.0, "1 min 24 s"),
        ] {
            assert_eq!(duration(Some(ms)), text);
        }
        assert_eq!(duration(None), "–");
        assert_eq!(span(271_440), "3 d 3 h");
        assert_eq!(span(59), "59 s");
        assert_eq!(span(3_600), "1 h 0 min");
        assert_eq!(time_of_day("2025-10-30T12:01:02.000Z"), "12:01:02");
        assert_eq!(time_of_day("soon"), "soon");
    }

    #[test]
    fn texts_of_others_cannot_move_the_cursor() {
        assert_eq!(flat("SELECT\n  \x1b[2J1\t\x07;"), "SELECT [2J1 ;");
    }
}
