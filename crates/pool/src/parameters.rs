//! Settings of a session: what a client believes they are, and what a server has.
//!
//! A client's settings travel with the client. When it gets a server whose settings differ, the
//! difference is applied before its query. Names are compared without case, as PostgreSQL does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::reported;

/// Settings that PostgreSQL reports but that no session can change for itself.
const FIXED: [&str; 5] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
];

/// Who the session is. These are changed last and taken back first, so that everything else happens
/// with the rights of the login; and in this order, for the first takes the second back.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// Settings by which PostgreSQL ends a session that is idle, as those of a pool are.
const UNFIT_TO_PARK: [&str; 1] = ["idle_session_timeout"];

/// Settings by which PostgreSQL reads the text of a statement that is prepared: one that was read by others is
/// another statement. What is looked up again when it runs (tables, by search_path) is here too, for a
/// prepared statement whose result changes its shape is refused.
const READING: [&str; 13] = [
    "array_nulls",
    "backslash_quote",
    "client_encoding",
    "datestyle",
    "intervalstyle",
    "lc_monetary",
    "role",
    "search_path",
    "session_authorization",
    "standard_conforming_strings",
    "timezone",
    "transform_null_equals",
    "xmloption",
];

/// Stands for a value that is not known. No client can ask for it: values end with a zero byte.
const UNKNOWN: &str = "\0";

/// Names, in lower case, and values of settings.
pub(crate) type Values = BTreeMap<Arc<str>, Arc<str>>;

/// A session's settings by lower-case name. A copy shares the texts with its original: each login
/// makes one, and changes a setting or two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Values);

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

    /// The settings by which PostgreSQL reads a text, as bytes that are equal when they are.
    pub fn reading(&self) -> Vec<u8> {
        let mut reading = Vec::new();
        for name in READING {
            if let Some(value) = self.0.get(name) {
                reading.extend_from_slice(value.as_bytes());
            }
            reading.push(0);
        }
        reading
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

    /// Names of settings that `others` has other values of, but for who the session is.
    pub(crate) fn differing(&self, others: &Self) -> impl Iterator<Item = Arc<str>> {
        let differs = |(name, value): &(&Arc<str>, &Arc<str>)| {
            others.0.get(*name) != Some(*value) && !IDENTITY.contains(&&***name)
        };
        self.0.iter().filter(differs).map(|(name, _)| name.clone())
    }

    /// Takes what PostgreSQL answered about settings that it does not report: all that the session has of
    /// its own, custom ones among those in `asked`. Those of `defaults`, which the server had after login,
    /// it reports.
    pub(crate) fn learn(&mut self, settings: &Values, asked: &[Arc<str>], defaults: &Self) {
        let is_reported = |name: &Arc<str>| defaults.0.contains_key(name) || &**name == IDENTITY[0];
        let is_asked = |name: &Arc<str>| !name.contains('.') || asked.contains(name);
        self.0
            .retain(|name, _| is_reported(name) || !is_asked(name));
        for (name, value) in settings {
            let is_role = &**name == IDENTITY[1];
            let is_none = is_role && &**value == "none";
            if !is_reported(name) && !FIXED.contains(&&**name) && !is_none {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }

    /// Forgets that a setting was set.
    pub(crate) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Names of custom settings.
    pub(crate) fn custom(&self) -> impl Iterator<Item = Arc<str>> {
        self.0.keys().filter(|name| name.contains('.')).cloned()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// SQL that takes back the settings that `wanted` has no values for; `None` if there are none.
    /// It can fail where the server's configuration changed, or a limit that it takes back hits it.
    pub fn sql_to_take_back(&self, wanted: &Self) -> Option<String> {
        let names = self.iter().map(|(name, _)| name);
        let mut surplus: Vec<_> = names.filter(|name| wanted.value(name).is_none()).collect();
        // The rest with the rights of the login.
        surplus.sort_by_key(|name| *name != "role");
        let mut sql = String::new();
        for name in surplus {
            push(&mut sql, "; ", format_args!("RESET {}", quoted_name(name)));
        }
        (!sql.is_empty()).then_some(sql)
    }

    /// The settings of [`Self::sql_to_take_back`] are taken back.
    pub(crate) fn taken_back(&mut self, wanted: &Self) {
        self.0.retain(|name, _| wanted.value(name).is_some());
    }

    /// SQL that sets what is not as `wanted` has it; `None` when nothing differs. A simple query,
    /// so all of it applies or nothing.
    ///
    /// `set_config` takes any value as it is, lists like search_path included, which `SET` does
    /// not; its name is qualified, so that no search_path can put another function in its place.
    /// The text is ASCII: PostgreSQL reads it in the encoding that the session had before.
    pub fn sql_to_become(&self, wanted: &Self) -> Option<String> {
        let mut sql = String::new();
        let is_identity = |name: &str| IDENTITY.contains(&name);
        let last = IDENTITY.map(|name| Some((name, wanted.value(name)?)));
        let others = wanted.iter().filter(|(name, _)| !is_identity(name));
        for (name, value) in others.chain(last.into_iter().flatten()) {
            if self.value(name) != Some(value) {
                // What the encoding of the client has no letter for cannot be answered with.
                let is_ascii = value.is_ascii() && reported::parts(value).is_none();
                let quiet = if is_ascii { "" } else { " IS NULL" };
                let name = literal(name);
                let value = literal(value);
                sql.push_str(if sql.is_empty() { "SELECT " } else { ", " });
                push(
                    &mut sql,
                    "",
                    format_args!("pg_catalog.set_config({name}, {value}, false){quiet}"),
                );
            }
        }
        (!sql.is_empty()).then_some(sql)
    }

    /// SQL that takes back what a server must not be parked with; then [`Self::parked`] notes it.
    /// `defaults` is what the server had after login; `role` says that it may have another role.
    pub(crate) fn sql_to_park(&self, defaults: &Self, role: bool) -> Option<String> {
        let mut sql = String::new();
        if self.is_somebody_else(defaults) {
            push(&mut sql, "; ", format_args!("RESET SESSION AUTHORIZATION"));
        }
        if role || self.has_role() {
            push(&mut sql, "; ", format_args!("RESET ROLE"));
        }
        for name in self.unfit_to_park() {
            push(&mut sql, "; ", format_args!("RESET {name}"));
        }
        (!sql.is_empty()).then_some(sql)
    }

    /// Whether a server with these settings must not be parked.
    pub(crate) fn must_be_taken_back(&self, defaults: &Self) -> bool {
        self.is_somebody_else(defaults) || self.has_role() || self.unfit_to_park().next().is_some()
    }

    /// The session is the login's again, and may be parked.
    pub(crate) fn parked(&mut self) {
        for name in UNFIT_TO_PARK.iter().chain(&["role"]) {
            self.0.remove(*name);
        }
    }

    fn is_somebody_else(&self, defaults: &Self) -> bool {
        self.0.get(IDENTITY[0]) != defaults.0.get(IDENTITY[0])
    }

    fn has_role(&self) -> bool {
        self.0.contains_key(IDENTITY[1])
    }

    fn unfit_to_park(&self) -> impl Iterator<Item = &'static str> {
        let has = |name: &&str| self.0.contains_key(*name);
        UNFIT_TO_PARK.into_iter().filter(has)
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

/// An expression for `text` that means the same whatever standard_conforming_strings and
/// client_encoding are.
pub fn literal(text: &str) -> String {
    if let Some((encoding, hex)) = reported::parts(text) {
        let bytes = format!("pg_catalog.decode('{hex}', 'hex')");
        return format!("pg_catalog.convert_from({bytes}, {})", literal(encoding));
    }
    if !text.is_ascii() {
        let mut bytes = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            push(&mut bytes, "", format_args!("{byte:02x}"));
        }
        // Unlike an escape `\u`, this does for a database in SQL_ASCII too.
        return format!("pg_catalog.convert_from(pg_catalog.decode('{bytes}', 'hex'), 'UTF8')");
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
    use crate::reported;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let mut parameters = Parameters::default();
        for (name, value) in pairs {
            parameters.set(name, value);
        }
        parameters
    }

    fn check(from: &[(&str, &str)], to: &[(&str, &str)], sql: Option<&str>) {
        let (from, to) = (parameters(from), parameters(to));
        assert_eq!(from.sql_to_become(&to).as_deref(), sql);
    }

    #[test]
    fn equal_settings_need_no_sql_whatever_the_case_of_names() {
        check(&[("TimeZone", "UTC")], &[("timezone", "UTC")], None);
    }

    #[test]
    fn a_difference_is_set() {
        check(
            &[("a", "1"), ("b", "1"), ("My.Var", "x")],
            &[("a", "2"), ("b", "1"), ("c", "3")],
            Some(
                "SELECT pg_catalog.set_config('a', '2', false), \
                 pg_catalog.set_config('c', '3', false)",
            ),
        );
    }

    #[test]
    fn a_surplus_is_reset_with_the_rights_of_the_login() {
        let mut server = parameters(&[("a", "1"), ("My.Var", "x"), ("role", "bob")]);
        let client = parameters(&[("a", "2")]);
        let sql = server.sql_to_take_back(&client);
        let expected = r#"RESET "role"; RESET "my"."var""#;
        assert_eq!(sql.as_deref(), Some(expected));
        server.taken_back(&client);
        assert_eq!(server.sql_to_take_back(&client), None);
    }

    #[test]
    fn who_the_session_is_is_set_last() {
        let wanted = [("role", "bob"), ("session_authorization", "al"), ("x", "1")];
        check(
            &[],
            &wanted,
            Some(
                "SELECT pg_catalog.set_config('x', '1', false), \
                 pg_catalog.set_config('session_authorization', 'al', false), \
                 pg_catalog.set_config('role', 'bob', false)",
            ),
        );
    }

    #[test]
    fn a_value_means_the_same_in_any_encoding() {
        check(
            &[],
            &[("search_path", "caf\u{e9}")],
            Some(
                "SELECT pg_catalog.set_config('search_path', \
                 pg_catalog.convert_from(pg_catalog.decode('636166c3a9', 'hex'), 'UTF8'), false) IS NULL",
            ),
        );
    }

    #[test]
    fn a_value_in_another_encoding_is_set_as_it_was_reported() {
        let latin1 = reported::kept(b"caf\xe9", Some("LATIN1"));
        check(
            &[],
            &[("search_path", &latin1)],
            Some(
                "SELECT pg_catalog.set_config('search_path', \
                 pg_catalog.convert_from(pg_catalog.decode('636166e9', 'hex'), 'LATIN1'), false) IS NULL",
            ),
        );
    }

    #[test]
    fn a_server_is_parked_as_its_login_and_without_a_limit_on_idleness() {
        let defaults = parameters(&[("session_authorization", "app")]);
        for (own, role, sql) in [
            (("timezone", "UTC"), false, None),
            (("timezone", "UTC"), true, Some("RESET ROLE")),
            (
                ("session_authorization", "bob"),
                false,
                Some("RESET SESSION AUTHORIZATION"),
            ),
            (
                ("idle_session_timeout", "1"),
                false,
                Some("RESET idle_session_timeout"),
            ),
        ] {
            let mut server = defaults.clone();
            server.set(own.0, own.1);
            assert_eq!(server.sql_to_park(&defaults, role).as_deref(), sql);
            assert_eq!(server.must_be_taken_back(&defaults), sql.is_some() && !role);
        }
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
