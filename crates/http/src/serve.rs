//! The thread that serves: accepting, encryption, and the bounds on connections.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, info};

use crate::feed::{Feed, STREAM_LIFE};
use crate::live::Life;
use crate::places::{Place, Places};
use crate::pooler::{HttpOptions, Pooler};
use crate::push;
use crate::routes;
use crate::tls::Tls;
use crate::view::View;

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

/// From 1970 to the end of 9999.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// Pause after the system refused a connection, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket that HTTP will be served on.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Binds the socket.
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    Bound::adopt(TcpListener::bind(address)?)
}

impl Bound {
    /// A socket that listens already, as another process has bound it.
    ///
    /// # Errors
    /// The system's.
    pub fn adopt(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Another handle of the socket, and where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn handle(&self) -> io::Result<(TcpListener, SocketAddr)> {
        Ok((self.listener.try_clone()?, self.address))
    }
}

/// The thread that serves HTTP. It ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic there has ended the process, or has been told of by the thread itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Starts to serve a pooler, and to do what has to run on the same thread (`beside`) meanwhile.
///
/// # Errors
/// The system refuses a thread or what a runtime needs.
pub fn start(
    bound: Bound,
    pooler: Arc<dyn Pooler>,
    options: HttpOptions,
    beside: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Serving> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let feed = Arc::new(Feed::new(pooler.clone()));
    let router = routes::router(View {
        pooler: pooler.clone(),
        feed: feed.clone(),
        prefix: options.path_prefix.into(),
        is_local: bound.address.ip().is_loopback(),
    });
    let places = Arc::new(Places::new(options.connections_max));
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
                    () = accept(listener, places, &*pooler, router) => {}
                    () = beside => {}
                    () = push::run(&*pooler, options.push) => {}
                    () = feed.run() => {}
                    // Its sender is dropped, never used.
                    _ = stopped => {}
                }
            });
        })?;
    Ok(Serving {
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// Whether a moment can be written as HTTP does, with a year of four digits. hyper panics at others.
fn is_datable(moment: SystemTime) -> bool {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    since < YEAR_10000 - CONNECTION_LIFE - FAREWELL - STREAM_LIFE
}

/// Accepts connections until the future is dropped.
async fn accept(
    listener: tokio::net::TcpListener,
    places: Arc<Places>,
    pooler: &dyn Pooler,
    router: Router,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Further ones wait in the kernel's queue meanwhile.
                let (place, ejected) = places.enter().await;
                let router = router.clone();
                let tls = pooler.access().tls;
                tokio::spawn(async move {
                    tokio::select! {
                        outcome = admit(stream, tls, (router, place)) => {
                            if let Err(error) = outcome {
                                debug!(%peer, error, "HTTP connection ended");
                            }
                        }
                        // The other end is dropped with the connection's place only.
                        Ok(()) = ejected => debug!(%peer, "HTTP connection made room for another"),
                    }
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
    routed: (Router, Place),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    match tls {
        Some(tls) => {
            let stream = timeout(HEAD_TIMEOUT, tls.accept(stream)).await??;
            serve(stream, routed).await?;
        }
        None => serve(stream, routed).await?,
    }
    Ok(())
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    (router, place): (Router, Place),
) -> hyper::Result<()> {
    let life = Life::default();
    let router = TowerToHyperService::new(router);
    let routed = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(life.clone());
        place.heard(false);
        let response = router.call(request);
        let (life, place) = (&life, &place);
        async move {
            let response = response.await;
            place.heard(life.is_long());
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .auto_date_header(is_datable(SystemTime::now()))
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
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{YEAR_10000, is_datable};

    #[test]
    fn a_clock_beyond_9999_has_no_date_in_http() {
        assert!(is_datable(UNIX_EPOCH));
        assert!(is_datable(UNIX_EPOCH - Duration::from_secs(1)));
        assert!(!is_datable(
            UNIX_EPOCH + YEAR_10000 - Duration::from_secs(60)
        ));
        assert!(!is_datable(UNIX_EPOCH + 2 * YEAR_10000));
    }
}
