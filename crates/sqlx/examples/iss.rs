//! A service that keeps positions of the International Space Station.
//!
//! ```console
//! $ DATABASE_URL=postgres://app:secret@127.0.0.1:5432/iss_tracker DB_SERVICE=rust-iss \
//!     cargo run -p pgweir-sqlx --features axum --example iss
//! $ curl -X POST -H 'content-type: application/json' \
//!     -d '{"latitude": 51.6, "longitude": 12.4}' localhost:8080/positions
//! $ curl localhost:8080/positions
//! $ curl localhost:8080/api/v1/iss/health
//! ```
//!
//! Through pgweir it is the same with pgweir's port in the URL and `DB_POOLER=pgweir`. SIGTERM and
//! Ctrl-C let requests finish; then the service reports who still holds a connection.

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract::Request};
use futures_util::FutureExt;
use pgweir_sqlx::sqlx::{self, Row};
use pgweir_sqlx::{Pool, PoolSettings};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::connect(PoolSettings::from_env()?).await?;
    prepare(&pool).await?;

    let (open, statistics) = pgweir_sqlx::router(&pool);
    let app = Router::new()
        .route("/positions", get(list).post(add))
        .route("/positions/last", get(last))
        .with_state(pool.clone())
        .nest("/api/v1/iss", open)
        .nest(
            "/api/v1/iss",
            statistics.layer(middleware::from_fn(with_token)),
        );
    let address: SocketAddr = env::var("LISTEN")
        .unwrap_or_else(|_| "127.0.0.1:8080".to_owned())
        .parse()?;
    let listener = TcpListener::bind(address).await?;
    tracing::info!("listening on {}", listener.local_addr()?);
    let stopped = stopped()?.shared();
    let requests = axum::serve(listener, app)
        .with_graceful_shutdown(stopped.clone())
        .into_future();
    // Kubernetes waits 30 s in total. A client that never ends its request must not use all of it.
    let patience = stopped.then(|()| tokio::time::sleep(Duration::from_secs(10)));
    tokio::select! {
        ended = requests => ended?,
        () = patience => tracing::warn!("requests have not ended"),
    }
    pool.close_with_timeout(Duration::from_secs(15)).await?;
    Ok(())
}

/// Several replicas may start at once, and each may be the first.
async fn prepare(pool: &Pool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // A transaction-level lock works behind a pooler, too.
    sqlx::query("SELECT pg_advisory_xact_lock(7315)")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS iss_positions ( \
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
            seen_at timestamptz NOT NULL DEFAULT now(), \
            latitude float8 NOT NULL CHECK (latitude BETWEEN -90 AND 90), \
            longitude float8 NOT NULL CHECK (longitude BETWEEN -180 AND 180))",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

#[derive(Deserialize)]
struct NewPosition {
    latitude: f64,
    longitude: f64,
}

#[derive(Serialize)]
struct Position {
    id: i64,
    seen_at: String,
    latitude: f64,
    longitude: f64,
}

/// A single statement, so that it needs neither a transaction nor a connection of its own.
async fn add(
    State(pool): State<Pool>,
    Json(new): Json<NewPosition>,
) -> Result<(StatusCode, Json<Position>), Failure> {
    let row = sqlx::query(
        "INSERT INTO iss_positions (latitude, longitude) VALUES ($1, $2) \
         RETURNING id, seen_at::text, latitude, longitude",
    )
    .bind(new.latitude)
    .bind(new.longitude)
    .fetch_one(&pool)
    .await?;
    Ok((StatusCode::CREATED, Json(position(&row)?)))
}

async fn list(State(pool): State<Pool>) -> Result<Json<Vec<Position>>, Failure> {
    let rows = sqlx::query(
        "SELECT id, seen_at::text, latitude, longitude FROM iss_positions \
         ORDER BY id DESC LIMIT 100",
    )
    .fetch_all(&pool)
    .await?;
    Ok(Json(rows.iter().map(position).collect::<Result<_, _>>()?))
}

async fn last(State(pool): State<Pool>) -> Result<Json<Position>, Failure> {
    let row = sqlx::query(
        "SELECT id, seen_at::text, latitude, longitude FROM iss_positions \
         ORDER BY id DESC LIMIT 1",
    )
    .fetch_one(&pool)
    .await?;
    Ok(Json(position(&row)?))
}

fn position(row: &sqlx::postgres::PgRow) -> Result<Position, sqlx::Error> {
    Ok(Position {
        id: row.try_get(0)?,
        seen_at: row.try_get(1)?,
        latitude: row.try_get(2)?,
        longitude: row.try_get(3)?,
    })
}

/// Answers with a database error. PostgreSQL's message stays in the log.
struct Failure(sqlx::Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            sqlx::Error::RowNotFound => StatusCode::NOT_FOUND,
            // Try again later: all connections are held, or the service shuts down.
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => StatusCode::SERVICE_UNAVAILABLE,
            sqlx::Error::Database(error) if error.is_check_violation() => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(error = %self.0, "request failed");
        }
        let retry = (header::RETRY_AFTER, "1");
        match status {
            StatusCode::SERVICE_UNAVAILABLE => (status, [retry]).into_response(),
            status => status.into_response(),
        }
    }
}

/// Statistics show places in the code, so they need a token.
async fn with_token(headers: HeaderMap, request: Request, next: Next) -> Response {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match env::var("STATS_TOKEN") {
        Ok(token) if !token.is_empty() && given == Some(token.as_str()) => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Ends at the first SIGTERM or Ctrl-C.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("stopping");
    })
}
