//! Cancel requests for clients of a process that has handed its sockets over: its successor passes them on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pgweir_config::Listen;
use pgweir_wire::startup::{self, FirstPacket};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tracing::warn;

use super::{bind_privately, path};
use crate::neighbour::is_own;
use crate::registry::Registry;
use crate::wire_io::Inbound;

/// Bytes of a request.
const REQUEST_MAX: usize = 512;

/// Time to say what it is.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// Where a process takes them: while this is there, which is as long as the process.
pub(crate) struct Cancels {
    path: PathBuf,
    serving: AbortHandle,
}

impl Drop for Cancels {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Cancels {
    /// Takes requests from now on; `None` if the socket cannot be had.
    pub(crate) fn take(listen: &Listen, registry: &Arc<Registry>) -> Option<Self> {
        let path = path(listen, &std::process::id().to_string())?;
        let listener = bind_privately(&path).and_then(|socket| {
            let listener = std::os::unix::net::UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        });
        match listener {
            Ok(listener) => {
                let serving = tokio::spawn(serve(listener, registry.clone())).abort_handle();
                Some(Self { path, serving })
            }
            Err(error) => {
                warn!(%error, "cancel requests for this process cannot be passed on to it: {error}");
                None
            }
        }
    }

    /// Where they are taken.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

async fn serve(listener: UnixListener, registry: Arc<Registry>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REQUEST_TIME).await;
            continue;
        };
        if is_own(&stream).unwrap_or(false) {
            tokio::spawn(one(stream, registry.clone()));
        }
    }
}

/// Sees to one request; the connection is closed when it has taken effect.
async fn one(mut stream: UnixStream, registry: Arc<Registry>) {
    let mut inbound = Inbound::new(REQUEST_MAX);
    let heard = async {
        loop {
            match startup::parse(inbound.bytes()) {
                Ok(Some((FirstPacket::Cancel { pid, key }, _))) => return Some((pid, key)),
                Ok(None) => inbound.more(&mut stream).await.ok()?,
                Ok(Some(_)) | Err(_) => return None,
            }
        }
    };
    let Ok(Some((pid, key))) = tokio::time::timeout(REQUEST_TIME, heard).await else {
        return;
    };
    if let Some(taken_effect) = registry.cancel(pid, &key) {
        let _ = taken_effect.await;
    }
}
