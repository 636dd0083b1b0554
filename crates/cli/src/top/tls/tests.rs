use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::Tls;

/// What a server shows, whether or not the key is the certificate's.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/top/tls");
    format!("{folder}/test-{name}.pem")
}

/// What comes of a connection to `host` that trusts `ca`, where the server shows `certificate` and
/// has `key`.
fn connect(
    version: &'static SupportedProtocolVersion,
    ca: &str,
    certificate: &str,
    key: &str,
    host: &str,
) -> Result<(), String> {
    let provider = Arc::new(ring::default_provider());
    let certificate = CertificateDer::from_pem_file(file(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(key)).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let tls = Tls::trusting(Some(Path::new(&file(ca)))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (accepted, _) = listener.accept().await.unwrap();
        let (_, connected) = tokio::join!(
            acceptor.accept(accepted),
            tls.connect(host, stream.unwrap())
        );
        connected.map(drop).map_err(|error| error.to_string())
    })
}

#[test]
fn a_self_signed_certificate_is_trusted_by_itself() {
    for version in [&TLS12, &TLS13] {
        for host in ["localhost", "127.0.0.1"] {
            assert_eq!(connect(version, "own", "own", "own-key", host), Ok(()));
        }
    }
}

#[test]
fn everything_else_about_it_is_checked() {
    for version in [&TLS12, &TLS13] {
        for (ca, certificate, key, host, words) in [
            ("own", "own", "own-key", "example.com", "not valid for name"),
            ("own", "own", "own-key", "127.0.0.2", "not valid for name"),
            ("own", "own", "other-key", "localhost", "BadSignature"),
            (
                "own",
                "other",
                "other-key",
                "localhost",
                "CaUsedAsEndEntity",
            ),
            ("expired", "expired", "own-key", "localhost", "expired"),
            // The same name and key in another certificate is another one.
            (
                "expired",
                "own",
                "own-key",
                "localhost",
                "CaUsedAsEndEntity",
            ),
        ] {
            let error = connect(version, ca, certificate, key, host).unwrap_err();
            assert!(error.contains(words), "{words} in {error}");
        }
    }
}
