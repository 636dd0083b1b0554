//! Settings of a session: what a client believes they are, and what a server has.
//!
//! A client's settings travel with the client. When it gets a server whose settings differ, the
//! difference is applied before its query. Names are compared without case, as PostgreSQL does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Settings that PostgreSQL reports but that no session can change for itself.
const FIXED: [&str; 6] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
];

/// Stands for a value that is not known. No client can ask for it: values end with a zero byte.
const UNKNOWN: &str = "\0";

/// A session's settings by lower-case name. A copy shares the texts with its original: each login
/// makes one, and changes a setting or two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(BTreeMap<Arc<str>, Arc<str>>);

impl Parameters {
    /// The value of `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(&*lower_case(name)).map(AsRef::as_ref)
    }

    /// Sets `name`; false if it had that value or cannot be changed by a session.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let name = lower_case(name);
        if FIXED.contains(&&*name) || self.value(&name) == Some(value) {
            return false;
        }
        self.0.insert(name.into(), value.into());
        true
    }

    /// Whether there are settings, with known values, that `others` has not.
    pub(crate) fn knows_more_than(&self, others: &Self) -> bool {
        self.0.len() > others.0.len()
            && self
                .iter()
                .any(|(name, value)| value != UNKNOWN && others.value(name).is_none())
    }

    /// Forgets the values of settings that `others` has not; that they were set is not forgotten.
    pub(crate) fn forget_beyond(&mut self, others: &Self) {
        for (name, value) in &mut self.0 {
            if others.value(name).is_none() {
                *value = UNKNOWN.into();
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// SQL that turns a session with these settings into one with those of `wanted`; `None` when
    /// they are the same. A simple query, so all of it applies or nothing.
    ///
    /// `set_config` takes any value as it is, lists like search_path included, which `SET` does
    /// not; its name is qualified, so that no search_path can put another function in its place.
    /// The text is ASCII: PostgreSQL reads it in the encoding of whoever had the session before.
    pub fn sql_to_become(&self, wanted: &Self) -> Option<String> {
        let mut sql = String::new();
        for (name, _) in self.iter() {
            if wanted.value(name).is_none() {
                push(&mut sql, "; ", format_args!("RESET {}", quoted_name(name)));
            }
        }
        let mut joint = if sql.is_empty() {
            "SELECT "
        } else {
            "; SELECT "
        };
        for (name, value) in wanted.iter() {
            if self.value(name) != Some(value) {
                // What the encoding of the client has no letter for cannot be answered with.
                let quiet = if value.is_ascii() { "" } else { " IS NULL" };
                let name = literal(name);
                let value = literal(value);
                let call = format_args!("pg_catalog.set_config({name}, {value}, false){quiet}")
                    .to_string();
                sql.push_str(joint);
                sql.push_str(&call);
                joint = ", ";
            }
        }
        (!sql.is_empty()).then_some(sql)
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return name.to_ascii_lowercase().into();
    }
    name.into()
}

/// Whether `name` can be the name of a setting: letters, digits, `_`, `$` and dots, as in
/// PostgreSQL's `valid_custom_variable_name`.
pub fn is_valid_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    !name.is_empty() && name.len() <= 63 * 2 + 1 && name.chars().all(plain)
}

fn push(sql: &mut String, joint: &str, what: std::fmt::Arguments<'_>) {
    if !sql.is_empty() {
        sql.push_str(joint);
    }
    sql.write_fmt(what)
        .expect("writing to a string does not fail");
}

fn quoted_name(name: &str) -> String {
    let parts: Vec<_> = name
        .split('.')
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
        .collect();
    parts.join(".")
}

/// An expression for a text that means the same whatever `standard_conforming_strings`,
/// `client_encoding` and the encoding of the database are.
fn literal(text: &str) -> String {
    if !text.is_ascii() {
        let mut hex = String::with_capacity(2 * text.len());
        for byte in text.bytes() {
            push(&mut hex, "", format_args!("{byte:02x}"));
        }
        // Unlike an escape `\u`, this does for a database in SQL_ASCII too.
        return format!("pg_catalog.convert_from(pg_catalog.decode('{hex}', 'hex'), 'UTF8')");
    }
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        return format!("E'{}'", quoted.replace('\\', "\\\\"));
    }
    format!("'{quoted}'")
}

#[cfg(test)]
mod tests {
    use super::{Parameters, is_valid_name};

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            parameters.set(name, value);
        }
        parameters
    }

    fn check(from: &[(&str, &str)], to: &[(&str, &str)], sql: Option<&str>) {
        assert_eq!(
            parameters(from).sql_to_become(&parameters(to)).as_deref(),
            sql
        );
    }

    #[test]
    fn equal_settings_need_no_sql_whatever_the_case_of_names() {
        check(&[("TimeZone", "UTC")], &[("timezone", "UTC")], None);
    }

    #[test]
    fn a_difference_is_set_and_a_surplus_is_reset() {
        check(
            &[("a", "1"), ("b", "1"), ("My.Var", "x")],
            &[("a", "2"), ("b", "1"), ("c", "3")],
            Some(
                "RESET \"my\".\"var\"; SELECT pg_catalog.set_config('a', '2', false), \
                 pg_catalog.set_config('c', '3', false)",
            ),
        );
    }

    #[test]
    fn a_value_cannot_end_its_literal() {
        check(
            &[],
            &[("application_name", r"x\'; drop table t; --")],
            Some(
                r"SELECT pg_catalog.set_config('application_name', E'x\\''; drop table t; --', false)",
            ),
        );
    }

    #[test]
    fn a_value_is_the_same_in_every_encoding() {
        check(
            &[("client_encoding", "LATIN1")],
            &[("client_encoding", "UTF8"), ("search_path", "\u{e9}")],
            Some(
                "SELECT pg_catalog.set_config('client_encoding', 'UTF8', false), \
                 pg_catalog.set_config('search_path', \
                 pg_catalog.convert_from(pg_catalog.decode('c3a9', 'hex'), 'UTF8'), false) IS NULL",
            ),
        );
        for text in [
            "plain",
            "it's",
            r"a\b",
            "\u{e9}",
            "'\u{4e2d}\\",
            "\u{1f600}",
        ] {
            let wanted = parameters(&[("search_path", text)]);
            let sql = Parameters::default().sql_to_become(&wanted).unwrap();
            assert!(sql.is_ascii(), "{sql}");
        }
    }

    #[test]
    fn what_a_session_cannot_change_is_not_tracked() {
        check(
            &[],
            &[("server_version", "16"), ("is_superuser", "on")],
            None,
        );
    }

    #[test]
    fn names_of_settings_are_plain() {
        assert!(is_valid_name("my_ext.flag"));
        for bad in ["", "a b", "a;b", "a'b", "\u{e9}"] {
            assert!(!is_valid_name(bad), "{bad:?}");
        }
    }
}
