//! Differences between SQLx 0.8 and 0.9.
//!
//! 0.9 owns the text of a statement ([`SqlStr`](crate::sqlx)) where 0.8 borrows it, and hands it out
//! only with the query. [`split`] takes a query apart in both.

use crate::sqlx::Postgres;
use crate::sqlx::error::BoxDynError;
use crate::sqlx::postgres::PgArguments;

/// The version, for log lines.
#[cfg(not(feature = "sqlx-0_9"))]
pub(crate) const SQLX: &str = "0.8";
/// The version, for log lines.
#[cfg(feature = "sqlx-0_9")]
pub(crate) const SQLX: &str = "0.9";

#[cfg(not(feature = "sqlx-0_9"))]
mod split {
    use std::borrow::Cow;

    use super::{BoxDynError, PgArguments, Postgres};
    use crate::sqlx::Execute;
    use crate::sqlx::postgres::PgStatement;

    /// A query whose text was taken out.
    pub(crate) struct Request<E>(E);

    /// The text of a statement.
    pub(crate) type Text<'q> = &'q str;

    /// A statement that begins a transaction.
    pub(crate) type Begin = Cow<'static, str>;

    /// Takes the text out of a query.
    pub(crate) fn split<'q, E: Execute<'q, Postgres>>(query: E) -> (Text<'q>, Request<E>) {
        (query.sql(), Request(query))
    }

    /// The text as a plain one.
    pub(crate) fn as_str<'t>(text: &'t Text<'_>) -> &'t str {
        text
    }

    /// A statement that this crate built from its settings.
    pub(crate) fn begin(statement: String) -> Begin {
        Cow::Owned(statement)
    }

    impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Request<E> {
        fn sql(&self) -> &'q str {
            self.0.sql()
        }

        fn statement(&self) -> Option<&PgStatement<'q>> {
            self.0.statement()
        }

        fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
            self.0.take_arguments()
        }

        fn persistent(&self) -> bool {
            self.0.persistent()
        }
    }
}

#[cfg(feature = "sqlx-0_9")]
mod split {
    use super::{BoxDynError, PgArguments, Postgres};
    use crate::sqlx::postgres::PgStatement;
    use crate::sqlx::{AssertSqlSafe, Execute, SqlSafeStr, SqlStr};

    /// The parts of a query.
    pub(crate) struct Request {
        text: SqlStr,
        statement: Option<PgStatement>,
        arguments: Option<Result<Option<PgArguments>, BoxDynError>>,
        persistent: bool,
    }

    /// The text of a statement.
    pub(crate) type Text<'q> = SqlStr;

    /// A statement that begins a transaction.
    pub(crate) type Begin = SqlStr;

    /// Takes the text out of a query.
    pub(crate) fn split<'q, E: Execute<'q, Postgres>>(mut query: E) -> (Text<'q>, Request) {
        let statement = query.statement().cloned();
        let arguments = Some(query.take_arguments());
        let persistent = query.persistent();
        let text = query.sql();
        let request = Request {
            text: text.clone(),
            statement,
            arguments,
            persistent,
        };
        (text, request)
    }

    /// The text as a plain one.
    pub(crate) fn as_str(text: &SqlStr) -> &str {
        text.as_str()
    }

    /// A statement that this crate built from its settings.
    pub(crate) fn begin(statement: String) -> Begin {
        AssertSqlSafe(statement).into_sql_str()
    }

    impl Execute<'_, Postgres> for Request {
        fn sql(self) -> SqlStr {
            self.text
        }

        fn statement(&self) -> Option<&PgStatement> {
            self.statement.as_ref()
        }

        fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
            self.arguments.take().unwrap_or(Ok(None))
        }

        fn persistent(&self) -> bool {
            self.persistent
        }
    }
}

pub(crate) use split::{as_str, begin, split};

/// The methods of an executor that prepare and describe a statement, as those of a connection.
#[cfg(not(feature = "sqlx-0_9"))]
macro_rules! statement_methods {
    ($outer:lifetime, $self:ident => $connection:expr) => {
        fn prepare_with<'e, 'q: 'e>(
            $self,
            sql: &'q str,
            parameters: &'e [crate::sqlx::postgres::PgTypeInfo],
        ) -> BoxFuture<'e, Result<crate::sqlx::postgres::PgStatement<'q>, sqlx::Error>>
        where
            $outer: 'e,
        {
            $connection.prepare_with(sql, parameters)
        }

        fn describe<'e, 'q: 'e>(
            $self,
            sql: &'q str,
        ) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
        where
            $outer: 'e,
        {
            $connection.describe(sql)
        }
    };
}

/// The methods of an executor that prepare and describe a statement, as those of a connection.
#[cfg(feature = "sqlx-0_9")]
macro_rules! statement_methods {
    ($outer:lifetime, $self:ident => $connection:expr) => {
        fn prepare_with<'e>(
            $self,
            sql: sqlx::SqlStr,
            parameters: &'e [crate::sqlx::postgres::PgTypeInfo],
        ) -> BoxFuture<'e, Result<crate::sqlx::postgres::PgStatement, sqlx::Error>>
        where
            $outer: 'e,
        {
            $connection.prepare_with(sql, parameters)
        }

        fn describe<'e>(
            $self,
            sql: sqlx::SqlStr,
        ) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
        where
            $outer: 'e,
        {
            $connection.describe(sql)
        }
    };
}

pub(crate) use statement_methods;
