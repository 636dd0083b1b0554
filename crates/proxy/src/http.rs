//! What is shown over HTTP: probes, health, statistics, metrics; and the little an administrator
//! can do to a client. Nothing else here changes anything.
//!
//! It has a thread and a runtime of its own, so a scrape of many pools delays neither a login nor
//! a query; the probes, whose findings are shown here, run there too. Everything a stranger can do
//! is bounded: connections, the size of a request's head, the time for it, and the life of a
//! connection. Bodies of requests are never read.

mod access;
mod admin;
mod body;
mod compat;
mod events;
mod exposition;
mod feed;
mod history;
mod insights;
mod jwt;
mod live;
mod metrics;
mod otlp;
mod page;
mod postgres;
mod queues;
mod routes;
mod timestamp;
mod tls;

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::{debug, info};

pub use jwt::Keys;
pub(crate) use tls::Tls;

use crate::probe;
use crate::registry::Registry;
use access::Access;
use feed::Feed;
use live::Life;
use routes::View;

/// Connections at once; further ones wait in the kernel's queue. Scrapers and probes are a few; the
/// rest is room for those that open connections and say nothing, at 16 KiB each at most.
const CONNECTIONS_MAX: usize = 256;

/// Bytes of a request's head, which is all of it that is read.
const HEAD_LEN_MAX: usize = 16 * 1024;

/// Header fields of a request.
const HEADERS_MAX: usize = 64;

/// Time for a request's head, and so how long a connection may be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Life of a connection, after which it ends with the response that is under way. One that carries
/// a stream may live as long as that.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// Time for that response.
const FAREWELL: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket that HTTP will be served on.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Binds the socket.
///
/// # Errors
/// The system's.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

/// The thread that serves HTTP. It ends when this is dropped.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic there has ended the process, or has been told of by the thread itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Starts to serve.
///
/// # Errors
/// The system refuses a thread or what a runtime needs.
pub(crate) fn start(bound: Bound, registry: Arc<Registry>) -> io::Result<Server> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let feed = Arc::new(Feed::new(registry.clone()));
    let access = Arc::new(Access::new(registry.clone()));
    let router = routes::router(View {
        registry: registry.clone(),
        feed: feed.clone(),
        access: access.clone(),
        is_local: bound.address.ip().is_loopback(),
    });
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(bound.listener)?
    };
    info!("serving HTTP on {}", bound.address);
    let thread = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, &access, router) => {}
                    () = probe::run(registry.clone()) => {}
                    () = otlp::run(registry.clone()) => {}
                    () = feed.run() => {}
                    // Its sender is dropped, never used.
                    _ = stopped => {}
                }
            });
        })?;
    Ok(Server {
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// Accepts connections until the future is dropped.
async fn accept(listener: tokio::net::TcpListener, access: &Access, router: Router) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = connections.clone().acquire_owned().await;
        let permit = permit.expect("never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                let tls = access.tls();
                tokio::spawn(async move {
                    if let Err(error) = admit(stream, tls, router).await {
                        debug!(%peer, error, "HTTP connection ended");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "HTTP connection refused by the system");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection, encrypted where there is a certificate.
async fn admit(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    match tls {
        Some(tls) => serve(tls.accept(stream).await?, router).await?,
        None => serve(stream, router).await?,
    }
    Ok(())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) -> hyper::Result<()> {
    let life = Life::default();
    let router = TowerToHyperService::new(router);
    let routed = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(life.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), routed);
    let mut connection = std::pin::pin!(connection);
    if let Ok(outcome) = timeout(CONNECTION_LIFE, connection.as_mut()).await {
        return outcome;
    }
    connection.as_mut().graceful_shutdown();
    let farewell = life.farewell(FAREWELL);
    timeout(farewell, connection).await.unwrap_or(Ok(()))
}

#[cfg(test)]
pub(crate) mod tests;
