//! Where a client is that comes through a load balancer.

use std::io;
use std::net::SocketAddr;

use pgweir_config::Networks;
use pgweir_wire::proxy_header::{HEADER_MAX, HeaderError, Progress, parse};
use pgweir_wire::sqlstate::SqlState;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::login_end::LoginEnd;
use crate::texts::ClientError;

/// The address of the client on a stream that nothing was read from: what the header says of it, if the
/// peer may send one, else the peer's own. Nothing behind the header is read.
///
/// # Errors
/// The stream ended, or has no header where it must.
pub(crate) async fn source(
    stream: &mut (impl AsyncRead + Unpin),
    peer: Option<SocketAddr>,
    trusted: &Networks,
) -> Result<Option<SocketAddr>, LoginEnd> {
    if !trusted.contains(peer.map(|peer| peer.ip())) {
        return Ok(peer);
    }
    let mut header = [0; HEADER_MAX];
    let mut got = 0;
    loop {
        match parse(&header[..got]).map_err(refusal)? {
            Progress::Needs(more) => {
                let wanted = &mut header[got..got + more];
                let len = stream.read(wanted).await?;
                if len == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                got += len;
            }
            Progress::Done { source, .. } => return Ok(source.map(plain).or(peer)),
        }
    }
}

/// An address of IPv4 that was written as one of IPv6, as itself.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn refusal(error: HeaderError) -> ClientError {
    ClientError::new(
        SqlState::PROTOCOL_VIOLATION,
        format!("a header of the PROXY protocol is missing or invalid: {error}"),
    )
    .hint(
        "The address is one of proxy_protocol_networks: have the load balancer send the header, or take \
         the address out.",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::net::SocketAddr;

    use pgweir_config::Source;

    use super::source;
    use crate::login_end::LoginEnd;
    use crate::outside::load;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 5432\r\n";

    /// The address, and what is left in the stream, for a peer where 10.0.0.0/8 is trusted.
    async fn run(peer: &str, bytes: &[u8]) -> (Result<String, LoginEnd>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgweir.toml");
        let text = "[pgweir]\nauth_type = \"trust\"\nproxy_protocol_networks = \"10.0.0.0/8\"\n\
                    [databases.a]\n[users.a]\n";
        std::fs::write(&path, text).unwrap();
        let config = load(&Source::File(path)).unwrap().config;
        let peer: SocketAddr = peer.parse().unwrap();
        let mut stream = Cursor::new(bytes);
        let got = source(&mut stream, Some(peer), &config.proxy_protocol_networks).await;
        let rest = bytes[usize::try_from(stream.position()).unwrap()..].to_vec();
        (got.map(|address| address.unwrap().to_string()), rest)
    }

    #[tokio::test]
    async fn a_trusted_peer_says_who_its_client_is_and_no_byte_behind_it_is_read() {
        let bytes = [LINE, b"\0\0\0\x08"].concat();
        for peer in ["10.1.2.3:1", "[::ffff:10.1.2.3]:1"] {
            let (got, rest) = run(peer, &bytes).await;
            assert_eq!(got.unwrap(), "192.0.2.7:40000");
            assert_eq!(rest, b"\0\0\0\x08");
        }
        let mapped = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 5432\r\n";
        assert_eq!(
            run("10.1.2.3:1", mapped).await.0.unwrap(),
            "192.0.2.7:40000"
        );
    }

    #[tokio::test]
    async fn a_header_that_names_nobody_leaves_the_peers_address() {
        let (got, rest) = run("10.1.2.3:1", b"PROXY UNKNOWN\r\nx").await;
        assert_eq!(
            (got.unwrap(), rest),
            ("10.1.2.3:1".to_owned(), b"x".to_vec())
        );
    }

    #[tokio::test]
    async fn nothing_is_read_of_a_peer_that_is_not_trusted() {
        let (got, rest) = run("11.1.2.3:1", LINE).await;
        assert_eq!(
            (got.unwrap(), rest),
            ("11.1.2.3:1".to_owned(), LINE.to_vec())
        );
    }

    #[tokio::test]
    async fn a_trusted_peer_without_a_header_is_refused() {
        let (got, _) = run("10.1.2.3:1", b"\0\0\0\x08\x04\xd2\x16\x2f").await;
        assert!(
            matches!(got, Err(LoginEnd::Refused(error)) if error.sqlstate.to_string() == "08P01")
        );
        for len in 0..LINE.len() {
            let (got, _) = run("10.1.2.3:1", &LINE[..len]).await;
            assert!(matches!(got, Err(LoginEnd::Gone(_))), "{len}");
        }
    }
}
