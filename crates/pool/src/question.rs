//! What PostgreSQL is asked after a transaction that may have left something in its session.
//!
//! One query of one statement, whose names are all qualified: the client's search_path, role and
//! encoding are in effect. Values come as hexadecimal UTF-8, because the client's encoding may
//! have no letter for one.

use std::fmt::Write;
use std::sync::Arc;

use pgweir_sql::effects::Kinds;

use crate::parameters::{Values, literal};

/// Bytes of the answer that are kept. A session that has set more keeps its server.
const ANSWER_MAX: usize = 64 * 1024;

/// Settings that end with their transaction, although PostgreSQL lists them as the session's.
const OF_TRANSACTION: [&str; 3] = [
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

/// A question that is under way.
#[derive(Debug)]
pub(crate) struct Question {
    kinds: Kinds,
    answer: Answer,
    len: usize,
    has_failed: bool,
}

/// What PostgreSQL said.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What was asked about.
    pub(crate) kinds: Kinds,
    /// Settings that the session has of its own; custom ones of those that were asked about.
    pub(crate) settings: Values,
    /// Custom settings that were asked about.
    pub(crate) names: Vec<Arc<str>>,
    /// What the session holds.
    pub(crate) held: Kinds,
}

impl Question {
    /// A question about these kinds, and about custom settings by these names.
    pub(crate) fn new(kinds: Kinds, names: Vec<Arc<str>>) -> Self {
        let kinds = if kinds.any(Kinds::ANYTHING) {
            kinds.with(Kinds::SETTINGS).with(ASKED)
        } else {
            kinds
        };
        Self {
            kinds,
            answer: Answer {
                kinds,
                names,
                ..Answer::default()
            },
            len: 0,
            has_failed: false,
        }
    }

    /// What is asked about.
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// The query.
    pub(crate) fn sql(&self) -> String {
        let mut sql = String::new();
        if self.kinds.any(Kinds::SETTINGS) {
            sql.push_str(SETTINGS);
            if !self.answer.names.is_empty() {
                sql.push_str(CUSTOM);
                for (at, name) in self.answer.names.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(sql, "{comma}({})", literal(name))
                        .expect("writing to a string does not fail");
                }
                sql.push_str(") AS v(n)");
            }
        }
        for (kind, letter, source) in HELD {
            if self.kinds.any(kind) {
                let union = if sql.is_empty() { "" } else { " UNION ALL " };
                write!(
                    sql,
                    "{union}SELECT '{letter}', '', NULL WHERE EXISTS (SELECT FROM pg_catalog.{source})"
                )
                .expect("writing to a string does not fail");
            }
        }
        sql
    }

    /// A row of the answer.
    pub(crate) fn row(&mut self, body: &[u8]) {
        self.len += body.len();
        if self.len > ANSWER_MAX || self.read(body).is_none() {
            self.has_failed = true;
        }
    }

    /// PostgreSQL refused to answer.
    pub(crate) fn failed(&mut self) {
        self.has_failed = true;
    }

    /// The answer, or, if there is none that is understood, what was asked about.
    pub(crate) fn finish(self) -> Result<Answer, (Kinds, Vec<Arc<str>>)> {
        if self.has_failed {
            Err((self.kinds, self.answer.names))
        } else {
            Ok(self.answer)
        }
    }

    fn read(&mut self, body: &[u8]) -> Option<()> {
        let (count, mut rest) = body.split_first_chunk()?;
        (u16::from_be_bytes(*count) == 3).then_some(())?;
        let kind = column(&mut rest)??;
        let name = column(&mut rest)??;
        let value = column(&mut rest)?;
        match kind {
            b"s" => {
                let name = str::from_utf8(name).ok()?.to_ascii_lowercase();
                // A custom setting that nobody has set has no value.
                let Some(value) = value else { return Some(()) };
                if !OF_TRANSACTION.contains(&&*name) {
                    let value = String::from_utf8(unhex(value)?).ok()?;
                    self.answer.settings.insert(name.into(), value.into());
                }
            }
            [letter] => {
                let held = HELD
                    .iter()
                    .find(|(_, known, _)| known.as_bytes()[0] == *letter);
                self.answer.held.add(held?.0);
            }
            _ => return None,
        }
        Some(())
    }
}

/// Settings of the session, and the role, which is not listed among them.
const SETTINGS: &str = "SELECT 's', name, pg_catalog.encode(pg_catalog.convert_to(\
    pg_catalog.current_setting(name), 'UTF8'), 'hex') FROM pg_catalog.pg_settings \
    WHERE source OPERATOR(pg_catalog.=) 'session' \
    UNION ALL SELECT 's', 'role', pg_catalog.encode(pg_catalog.convert_to(\
    pg_catalog.current_setting('role'), 'UTF8'), 'hex')";

/// Custom settings are not listed either: they are asked for by name.
const CUSTOM: &str = " UNION ALL SELECT 's', n, pg_catalog.encode(pg_catalog.convert_to(\
    pg_catalog.current_setting(n, true), 'UTF8'), 'hex') FROM (VALUES ";

/// What a session may hold, and where that shows. A schema depends on nothing, and everything in it
/// depends on it; 2615 is `pg_namespace`. Locks of a transaction are gone when this is asked.
const HELD: [(Kinds, &str, &str); 4] = [
    (
        Kinds::TEMPORARY,
        "t",
        "pg_depend WHERE refclassid OPERATOR(pg_catalog.=) '2615'::pg_catalog.oid \
         AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()",
    ),
    (
        Kinds::ADVISORY_LOCK,
        "a",
        "pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' \
         AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()",
    ),
    (Kinds::CURSOR, "c", "pg_cursors WHERE is_holdable"),
    (Kinds::LISTEN, "l", "pg_listening_channels()"),
];

/// What can be asked about of what a session holds.
pub(crate) const ASKED: Kinds = Kinds::TEMPORARY
    .with(Kinds::ADVISORY_LOCK)
    .with(Kinds::CURSOR)
    .with(Kinds::LISTEN);

/// The next column, which may be null.
fn column<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (len, after) = rest.split_first_chunk()?;
    let len = i32::from_be_bytes(*len);
    let Ok(len) = usize::try_from(len) else {
        *rest = after;
        return Some(None);
    };
    let (value, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(Some(value))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    let byte = |&[high, low]: &[u8; 2]| Some((digit(high)? * 16 + digit(low)?) as u8);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use pgweir_sql::effects::Kinds;

    use super::{ANSWER_MAX, Question};

    fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for column in columns {
            let len = column.map_or(-1, |value| value.len() as i32);
            body.extend(len.to_be_bytes());
            body.extend(column.unwrap_or_default());
        }
        body
    }

    #[test]
    fn only_what_may_have_changed_is_asked() {
        for (kinds, parts) in [
            (Kinds::SETTINGS, &["pg_settings", "'role'", "('app.x')"][..]),
            (Kinds::TEMPORARY, &["pg_my_temp_schema"]),
            (
                Kinds::ADVISORY_LOCK.with(Kinds::CURSOR),
                &["pg_locks", "pg_cursors"],
            ),
            (
                Kinds::ANYTHING,
                &[
                    "pg_settings",
                    "'role'",
                    "('app.x')",
                    "pg_my_temp_schema",
                    "pg_locks",
                    "pg_cursors",
                    "pg_listening",
                ],
            ),
        ] {
            let sql = Question::new(kinds, vec!["app.x".into()]).sql();
            for part in [
                "pg_settings",
                "'role'",
                "('app.x')",
                "pg_my_temp_schema",
                "pg_locks",
                "pg_cursors",
                "pg_listening",
            ] {
                assert_eq!(sql.contains(part), parts.contains(&part), "{part} in {sql}");
            }
            assert!(sql.is_ascii() && sql.starts_with("SELECT '"));
        }
    }

    #[test]
    fn an_answer_says_what_is_set_and_held() {
        let kinds = Kinds::SETTINGS.with(Kinds::TEMPORARY);
        let mut question = Question::new(kinds, vec!["app.x".into(), "app.y".into()]);
        for columns in [
            [Some(&b"s"[..]), Some(b"Search_Path"), Some(b"636166c3a9")],
            [Some(b"s"), Some(b"transaction_read_only"), Some(b"6f6e")],
            [Some(b"s"), Some(b"app.x"), Some(b"")],
            [Some(b"s"), Some(b"app.y"), None],
            [Some(b"t"), Some(b""), None],
        ] {
            question.row(&row(&columns));
        }
        let answer = question.finish().unwrap();
        let settings: Vec<_> = answer.settings.iter().collect();
        assert_eq!(
            settings,
            [
                (&"app.x".into(), &"".into()),
                (&"search_path".into(), &"caf\u{e9}".into())
            ]
        );
        assert_eq!(answer.held, Kinds::TEMPORARY);
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        let good = row(&[Some(b"t"), Some(b""), None]);
        let mut bodies: Vec<_> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
        bodies.push(row(&[Some(b"?"), Some(b""), None]));
        bodies.push(row(&[Some(b"s"), Some(b"a"), Some(b"6")]));
        bodies.push(row(&[Some(b"s"), Some(b"a"), Some(b"ff")]));
        bodies.push(row(&[Some(b"s"), Some(b"a"), Some(b"zz")]));
        let long = vec![b'0'; ANSWER_MAX];
        bodies.push(row(&[Some(b"s"), Some(b"a"), Some(&long)]));
        for body in bodies {
            let mut question = Question::new(Kinds::TEMPORARY, Vec::new());
            question.row(&body);
            assert!(question.finish().is_err(), "{body:?}");
        }
        let mut question = Question::new(Kinds::TEMPORARY, Vec::new());
        question.failed();
        assert!(question.finish().is_err());
    }
}
