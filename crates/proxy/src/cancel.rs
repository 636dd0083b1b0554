//! Delivering a cancel request to PostgreSQL.

use std::time::Duration;

use pgweir_pool::server::Delivery;
use pgweir_wire::startup;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tracing::debug;

use crate::link::CancelTarget;
use crate::wire_io;

/// Sends the request and waits until PostgreSQL has closed the connection: by then the signal is
/// sent, and a query that begins later is not hit. Without that the request may arrive at any time
/// once its first byte was written. Failures are only logged; like PostgreSQL, we promise no cancellation.
/// After `most` (`cancel_wait_timeout`) it is given up.
pub(crate) async fn deliver(target: &CancelTarget, most: Option<Duration>) -> Delivery {
    let most = most.unwrap_or(Duration::MAX);
    let mut outcome = Delivery::Over;
    let delivery = async {
        let stream = target.server.again().await?;
        send(stream, target.pid, &target.key, &mut outcome).await
    };
    match tokio::time::timeout(most, delivery).await {
        Ok(Ok(())) => return Delivery::Over,
        Ok(Err(error)) => debug!(%error, "cancel request failed"),
        Err(_) => debug!("cancel request timed out"),
    }
    outcome
}

/// What became of the request is in doubt as soon as a part of it may be on its way, until this returns.
pub(crate) async fn send(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    pid: u32,
    key: &[u8],
    outcome: &mut Delivery,
) -> std::io::Result<()> {
    let mut out = Vec::new();
    startup::encode_cancel(&mut out, pid, key);
    *outcome = Delivery::InDoubt;
    wire_io::send(&mut stream, &out).await?;
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
