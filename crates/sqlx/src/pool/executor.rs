//! Runs queries, on the pool and on sessions, and times them.

use std::io;
use std::time::Instant;

use async_stream::stream;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::Pool;
use super::connection::{Connection, QueryState, Session};
use crate::holders::{Place, excerpt};
use crate::meter::Shared;
use crate::sqlx::postgres::{PgQueryResult, PgRow};
use crate::sqlx::{self, Either, Execute, Executor, Postgres};
use crate::version::{as_str, split, statement_methods};

type Step = Result<Either<PgQueryResult, PgRow>, sqlx::Error>;

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Step>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let (text, request) = split(query);
        let place = Place::Statement(excerpt(as_str(&text)));
        Box::pin(stream! {
            let (connection, lease) = match pool.take(place).await {
                Ok(taken) => taken,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let mut connection = Connection::new(connection, lease, pool.shared());
            let mut steps = connection.fetch_many(request);
            while let Some(step) = steps.next().await {
                yield step;
            }
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let (text, request) = split(query);
        let place = Place::Statement(excerpt(as_str(&text)));
        Box::pin(async move {
            let (connection, lease) = pool.take(place).await?;
            let mut connection = Connection::new(connection, lease, pool.shared());
            connection.fetch_optional(request).await
        })
    }

    statement_methods!('p, self => self.sqlx());
}

impl<'c> Executor<'c> for &'c mut Session<'_> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Step>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (text, request) = split(query);
        let Session { raw, shared, state } = self;
        Box::pin(stream! {
            let mut run = Run::start(as_str(&text), shared, state);
            let mut steps = raw.connection().fetch_many(request);
            loop {
                match run.bounded(steps.next()).await {
                    Some(Some(Ok(step))) => yield Ok(step),
                    Some(None) => {
                        run.end(false);
                        return;
                    }
                    Some(Some(Err(error))) => {
                        run.end(true);
                        yield Err(error);
                        return;
                    }
                    None => {
                        yield Err(run.given_up());
                        return;
                    }
                }
            }
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (text, request) = split(query);
        let Session { raw, shared, state } = self;
        Box::pin(async move {
            let mut run = Run::start(as_str(&text), shared, state);
            let row = raw.connection().fetch_optional(request);
            match run.bounded(row).await {
                Some(outcome) => {
                    run.end(outcome.is_err());
                    outcome
                }
                None => Err(run.given_up()),
            }
        })
    }

    statement_methods!('c, self => self.raw.connection());
}

/// A running query. Dropped before its end, it leaves the session in flight.
struct Run<'r> {
    text: &'r str,
    shared: &'r Shared,
    state: &'r mut QueryState,
    start: Instant,
    deadline: Option<tokio::time::Instant>,
}

impl<'r> Run<'r> {
    fn start(text: &'r str, shared: &'r Shared, state: &'r mut QueryState) -> Self {
        state.note(text);
        state.in_flight = true;
        let start = Instant::now();
        let limit = shared.settings.query_limit();
        Self {
            text,
            shared,
            state,
            start,
            deadline: limit.map(|limit| (start + limit).into()),
        }
    }

    /// The future's output, unless the time is up first.
    async fn bounded<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
            None => Some(future.await),
        }
    }

    fn end(&mut self, failed: bool) {
        self.state.in_flight = false;
        self.shared.queried(self.text, self.start.elapsed(), failed);
    }

    fn given_up(&mut self) -> sqlx::Error {
        self.state.given_up = true;
        self.end(true);
        let seconds = self.start.elapsed().as_secs_f64();
        sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer from the database within {seconds:.1} s; the query was given up"),
        ))
    }
}
