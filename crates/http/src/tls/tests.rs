use super::{Tls, Unusable};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const CERTIFICATE: &str = include_str!("test-certificate.pem");
const KEY: &str = include_str!("test-key.pem");
const OTHER_KEY: &str = include_str!("test-other-key.pem");

#[test]
fn what_cannot_be_used_is_told_apart() {
    assert!(Tls::new(CERTIFICATE, KEY).is_ok());
    for (certificate, key, is_key, part) in [
        (KEY, KEY, false, "has no certificate"),
        ("", KEY, false, "has no certificate"),
        (CERTIFICATE, CERTIFICATE, true, "has no private key"),
        (CERTIFICATE, OTHER_KEY, true, "does not fit"),
    ] {
        let (blamed, message) = match Tls::new(certificate, key).unwrap_err() {
            Unusable::Certificate(message) => (false, message),
            Unusable::Key(message) => (true, message),
        };
        assert_eq!(blamed, is_key, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_gets_through() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Tls::new(CERTIFICATE, KEY).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(stream).await.unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(&asked).await.unwrap();
        stream.shutdown().await.unwrap();
        // A peer that speaks no TLS.
        let (stream, _) = listener.accept().await.unwrap();
        assert!(tls.accept(stream).await.is_err());
    });
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "ping");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    server.await.unwrap();
}
