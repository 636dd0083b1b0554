//! The header by which a load balancer says who its client is: the PROXY protocol, versions 1 and 2.
//!
//! [`parse`] looks at the bytes received so far, and says how many more surely belong to the header: who
//! reads no more than that leaves the client's own first bytes, which may be TLS, in the socket. It keeps
//! nothing between calls and never asks for more than [`HEADER_MAX`] bytes.
//!
//! Source: "The PROXY protocol, Versions 1 & 2" (HAProxy, 2020/03/05).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

mod crc32c;

use crc32c::crc32c;

/// Longest header of version 1, with its line end.
pub const V1_MAX: usize = 107;

/// Longest header of either version. The specification wants senders to stay within 536 bytes, and what it
/// bounds of an extension has its place here: 16 before, 36 of addresses, 258 for an authority, 131 for an
/// id, and half a kilobyte for TLS with the names of a certificate.
pub const HEADER_MAX: usize = 1024;

/// What a connection from a load balancer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many bytes more belong to the header.
    Needs(usize),
    /// The header is complete.
    Done {
        /// Where the client is; `None` where the header does not say, so that the peer itself is the
        /// client (a health check), or no address of it is known.
        source: Option<SocketAddr>,
        /// Bytes of the header.
        len: usize,
    },
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// They begin as neither version does.
    Missing,
    /// The line of version 1 is longer than [`V1_MAX`], or cannot be read.
    Line,
    /// The version or command of the binary form is not known.
    Command(u8),
    /// The family and transport of the binary form is not known, or none that PostgreSQL is spoken over.
    Family(u8),
    /// What the binary form says it has does not fit into its length, or is longer than [`HEADER_MAX`].
    Length(u16),
    /// An extension ends behind the header.
    Extension,
    /// The checksum is wrong.
    Checksum,
}

/// Reads the header at the front of `bytes`.
///
/// # Errors
/// As soon as the bytes at hand prove that no valid header can come of them.
pub fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    if bytes.is_empty() {
        // Of either version.
        return Ok(Progress::Needs(V1_SHORTEST));
    }
    if begins(bytes, &V2_SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, V1_SIGNATURE) {
        return line(bytes);
    }
    Err(HeaderError::Missing)
}

/// Whether one of them begins with the other.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

fn line(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let within = &bytes[..bytes.len().min(V1_MAX)];
    let end = within.windows(2).position(|pair| pair == b"\r\n");
    let Some(end) = end else {
        if within.len() == V1_MAX {
            return Err(HeaderError::Line);
        }
        return Ok(Progress::Needs(line_needs(bytes)));
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| HeaderError::Line)?;
    let source = line_source(text).ok_or(HeaderError::Line)?;
    Ok(Progress::Done {
        source,
        len: end + 2,
    })
}

/// Bytes that a line surely has beyond these. It has five spaces, with a character behind each, and the
/// line end; the shortest kind has one space.
fn line_needs(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    if bytes.len() < V1_SHORTEST {
        return V1_SHORTEST - bytes.len();
    }
    let spaces = bytes.iter().filter(|byte| **byte == b' ').count();
    let fields = match bytes.starts_with(b"PROXY TCP") {
        true => 5_usize.saturating_sub(spaces),
        false => 0,
    };
    2 * fields + 2
}

/// Who the client is; `None` is a mistake.
fn line_source(text: &str) -> Option<Option<SocketAddr>> {
    let mut fields = text.split(' ');
    let is_proxy = fields.next() == Some("PROXY");
    let family = fields.next().filter(|_| is_proxy)?;
    if family == "UNKNOWN" {
        // What is behind it means nothing.
        return Some(None);
    }
    let addresses = [fields.next()?, fields.next()?];
    let ports = [port(fields.next()?)?, port(fields.next()?)?];
    if fields.next().is_some() {
        return None;
    }
    let [source, _] = match family {
        "TCP4" => addresses.map(|text| text.parse().ok().map(IpAddr::V4)),
        "TCP6" => addresses.map(|text| text.parse().ok().map(IpAddr::V6)),
        _ => return None,
    }
    .into_iter()
    .collect::<Option<Vec<_>>>()?
    .try_into()
    .ok()?;
    Some(Some(SocketAddr::new(source, ports[0])))
}

/// Digits without leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && !has_zeros)
}

fn binary(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let version = bytes.get(V2_SIGNATURE.len());
    let is_local = match version {
        Some(0x20) => true,
        Some(0x21) => false,
        Some(other) => return Err(HeaderError::Command(*other)),
        None => return Ok(Progress::Needs(V2_FIXED - bytes.len())),
    };
    let Some(fixed) = bytes.first_chunk::<V2_FIXED>() else {
        return Ok(Progress::Needs(V2_FIXED - bytes.len()));
    };
    let [.., family, high, low] = *fixed;
    let length = u16::from_be_bytes([high, low]);
    let len = V2_FIXED + usize::from(length);
    if len > HEADER_MAX {
        return Err(HeaderError::Length(length));
    }
    let addresses = match family {
        // Of a connection of the load balancer's own the family means nothing.
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 2 * (4 + 2),
        0x21 => 2 * (16 + 2),
        0x31 => 2 * 108,
        other => return Err(HeaderError::Family(other)),
    };
    if usize::from(length) < addresses {
        return Err(HeaderError::Length(length));
    }
    let Some(header) = bytes.get(..len) else {
        return Ok(Progress::Needs(len - bytes.len()));
    };
    if is_local {
        return Ok(Progress::Done { source: None, len });
    }
    // Of an unknown family it is not known where the extensions begin.
    if family != 0x00 {
        extensions(header, V2_FIXED + addresses)?;
    }
    let body = &header[V2_FIXED..];
    let source = match family {
        0x11 => address::<4>(body, 8).map(|(ip, port)| (Ipv4Addr::from(ip).into(), port)),
        0x21 => address::<16>(body, 32).map(|(ip, port)| (Ipv6Addr::from(ip).into(), port)),
        _ => None,
    };
    Ok(Progress::Done {
        source: source.map(|(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port)),
        len,
    })
}

/// The source's address, at the front, and its port.
fn address<const N: usize>(body: &[u8], port_at: usize) -> Option<([u8; N], u16)> {
    let port = body.get(port_at..)?.first_chunk::<2>()?;
    Some((*body.first_chunk::<N>()?, u16::from_be_bytes(*port)))
}

/// Passes over the extensions, which begin `at` a byte of the header, and checks the checksum.
fn extensions(header: &[u8], mut at: usize) -> Result<(), HeaderError> {
    while at < header.len() {
        let rest = &header[at..];
        let [kind, high, low] = *rest.first_chunk().ok_or(HeaderError::Extension)?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.get(3..3 + len).ok_or(HeaderError::Extension)?;
        if kind == CHECKSUM {
            let sum: [u8; 4] = value.try_into().map_err(|_| HeaderError::Extension)?;
            let value_at = at + 3;
            let whole = header[..value_at].iter().chain(&[0; 4]);
            let whole = whole.chain(&header[value_at + 4..]);
            if crc32c(whole) != u32::from_be_bytes(sum) {
                return Err(HeaderError::Checksum);
            }
        }
        at += 3 + len;
    }
    Ok(())
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none"),
            Self::Line => f.write_str("the line of version 1 cannot be read"),
            Self::Command(byte) => write!(f, "version and command 0x{byte:02x} are not known"),
            Self::Family(byte) => write!(f, "address family 0x{byte:02x} is not known"),
            Self::Length(length) => write!(f, "its length {length} does not fit"),
            Self::Extension => f.write_str("an extension does not fit into its length"),
            Self::Checksum => f.write_str("its checksum is wrong"),
        }
    }
}

impl std::error::Error for HeaderError {}

const V1_SIGNATURE: &[u8] = b"PROXY ";
/// `PROXY UNKNOWN` and the line end.
const V1_SHORTEST: usize = 15;
const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;
/// Type of the extension with a checksum of the whole header.
const CHECKSUM: u8 = 0x03;

const _: () = assert!(V1_MAX <= HEADER_MAX);
const _: () = assert!(V1_SHORTEST <= V2_FIXED);

#[cfg(test)]
mod tests;
