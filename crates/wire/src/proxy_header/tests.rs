use std::net::SocketAddr;

use proptest::prelude::*;

use super::crc32c::crc32c;
use super::{HEADER_MAX, HeaderError, Progress, V1_MAX, V2_SIGNATURE, parse};

#[track_caller]
fn check(bytes: &[u8], expected: Result<Option<&str>, HeaderError>) {
    let expected = expected.map(|source| Progress::Done {
        source: source.map(|text| text.parse().unwrap()),
        len: bytes.len(),
    });
    assert_eq!(parse(bytes), expected, "{}", bytes.escape_ascii());
}

/// A header of version 2 with this version and command, family and rest.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

/// 192.0.2.7:40000 to 192.0.2.1:5432.
const V4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0x9c, 0x40, 0x15, 0x38];

fn v6() -> Vec<u8> {
    let mut addresses = vec![0x20, 0x01, 0x0d, 0xb8];
    addresses.extend([0; 11]);
    addresses.push(7);
    addresses.extend([0; 15]);
    addresses.push(1);
    addresses.extend([0x9c, 0x40, 0x15, 0x38]);
    addresses
}

/// `addresses` and extensions, the last of them the checksum of the whole.
fn with_checksum(addresses: &[u8], spoil: u32) -> Vec<u8> {
    let mut rest = addresses.to_vec();
    rest.extend([0x04, 0, 3, 0, 0, 0]);
    rest.extend([0x03, 0, 4, 0, 0, 0, 0]);
    let mut header = v2(0x21, 0x11, &rest);
    let sum = crc32c(header.iter()) ^ spoil;
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

#[test]
fn lines_of_version_1() {
    check(
        b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 5432\r\n",
        Ok(Some("192.0.2.7:40000")),
    );
    check(
        b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 5432\r\n",
        Ok(Some("[2001:db8::7]:40000")),
    );
    check(b"PROXY UNKNOWN\r\n", Ok(None));
    // The longest line, of an address that the sender could not name.
    let most = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY UNKNOWN {most} {most} 65535 65535\r\n");
    assert_eq!(line.len(), V1_MAX);
    check(line.as_bytes(), Ok(None));
}

#[test]
fn lines_that_are_none() {
    for line in [
        "PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 40000 5432 1\r\n",
        "PROXY TCP4  192.0.2.7 192.0.2.1 40000 5432\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 40000 5432\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 40000 5432\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 65536 5432\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 040 5432\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 +40 5432\r\n",
        "PROXY TCP4 192.0.2.007 192.0.2.1 40 5432\r\n",
        "PROXY UDP4 192.0.2.7 192.0.2.1 40 5432\r\n",
        "PROXY \r\n",
    ] {
        check(line.as_bytes(), Err(HeaderError::Line));
    }
    check(
        &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 93]].concat(),
        Err(HeaderError::Line),
    );
}

#[test]
fn headers_of_version_2() {
    check(&v2(0x21, 0x11, &V4), Ok(Some("192.0.2.7:40000")));
    check(&v2(0x21, 0x21, &v6()), Ok(Some("[2001:db8::7]:40000")));
    check(&v2(0x21, 0x31, &[0; 216]), Ok(None));
    check(&v2(0x21, 0x00, &[]), Ok(None));
    check(&v2(0x21, 0x00, b"anything"), Ok(None));
    // A health check; whatever else it says is passed over.
    check(&v2(0x20, 0x00, &[]), Ok(None));
    check(&v2(0x20, 0x11, &V4), Ok(None));
    check(&v2(0x20, 0xff, b"anything"), Ok(None));
}

#[test]
fn headers_that_are_none() {
    check(&v2(0x11, 0x11, &V4), Err(HeaderError::Command(0x11)));
    check(&v2(0x22, 0x11, &V4), Err(HeaderError::Command(0x22)));
    check(&v2(0x21, 0x12, &V4), Err(HeaderError::Family(0x12)));
    check(&v2(0x21, 0x41, &V4), Err(HeaderError::Family(0x41)));
    check(&v2(0x21, 0x11, &V4[1..]), Err(HeaderError::Length(11)));
    check(&v2(0x21, 0x21, &V4), Err(HeaderError::Length(12)));
    check(&v2(0x21, 0x31, &[0; 215]), Err(HeaderError::Length(215)));
    check(&v2(0x20, 0x00, &[0; 1009]), Err(HeaderError::Length(1009)));
    check(&v2(0x20, 0x00, &[0; 1008]), Ok(None));
}

#[test]
fn extensions_are_passed_over_and_the_checksum_is_checked() {
    let with = |more: &[u8]| v2(0x21, 0x11, &[&V4[..], more].concat());
    check(
        &with(&[0xea, 0, 2, 1, 2, 0x05, 0, 0]),
        Ok(Some("192.0.2.7:40000")),
    );
    check(&with(&[0xea, 0, 2, 1]), Err(HeaderError::Extension));
    check(&with(&[0xea, 0]), Err(HeaderError::Extension));
    check(&with(&[0x03, 0, 3, 1, 2, 3]), Err(HeaderError::Extension));
    check(&with_checksum(&V4, 0), Ok(Some("192.0.2.7:40000")));
    check(&with_checksum(&V4, 1), Err(HeaderError::Checksum));
}

#[test]
fn what_begins_otherwise_is_refused_at_the_first_byte_that_differs() {
    for bytes in [
        &b"\0"[..],
        b"PROXx",
        b"PROXY\r",
        b"\r\n\r\n\0\r\nQUIX",
        b"GET ",
    ] {
        assert_eq!(parse(bytes), Err(HeaderError::Missing), "{bytes:?}");
    }
    // A startup packet, and a request for TLS.
    for bytes in [[0, 0, 0, 8, 4, 210, 22, 47], [0, 0, 0, 40, 0, 3, 0, 0]] {
        assert_eq!(parse(&bytes), Err(HeaderError::Missing));
    }
}

/// Reads as a socket is read: never more than is asked for.
#[track_caller]
fn read(header: &[u8]) -> (Result<Progress, HeaderError>, usize) {
    let mut got = 0;
    loop {
        match parse(&header[..got]) {
            Ok(Progress::Needs(more)) => {
                assert!(more > 0);
                got += more;
                assert!(
                    got <= header.len(),
                    "asks for bytes behind {}",
                    header.escape_ascii()
                );
            }
            outcome => return (outcome, got),
        }
    }
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    let source = any::<(std::net::Ipv4Addr, std::net::Ipv6Addr, u16)>();
    let extensions = prop::collection::vec(
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)),
        0..4,
    );
    (0..6, source, extensions).prop_map(|(kind, (v4, v6, port), extensions)| {
        let mut rest = Vec::new();
        match kind {
            0 => return format!("PROXY TCP4 {v4} 10.0.0.1 {port} 5432\r\n").into_bytes(),
            1 => return format!("PROXY TCP6 {v6} ::1 {port} 1\r\n").into_bytes(),
            2 if port % 2 == 0 => return b"PROXY UNKNOWN\r\n".to_vec(),
            2 => return format!("PROXY UNKNOWN {v6}\r\n").into_bytes(),
            3 => {
                rest.extend(v4.octets());
                rest.extend([10, 0, 0, 1]);
            }
            _ => {
                rest.extend(v6.octets());
                rest.extend([0; 16]);
            }
        }
        rest.extend(port.to_be_bytes());
        rest.extend([0x15, 0x38]);
        for (kind, value) in extensions {
            rest.push(if kind == 0x03 { 0xe0 } else { kind });
            rest.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            rest.extend(value);
        }
        let family = if kind == 3 { 0x11 } else { 0x21 };
        v2(if kind == 5 { 0x20 } else { 0x21 }, family, &rest)
    })
}

proptest! {
    #[test]
    fn a_header_is_read_to_its_end_and_no_further(header in headers(), behind in ".{0,20}") {
        let whole = parse(&header).unwrap();
        let Progress::Done { source, len } = whole else { panic!("{whole:?}") };
        prop_assert_eq!(len, header.len());
        prop_assert_eq!(read(&header), (Ok(whole), len));
        let more = [&header[..], behind.as_bytes()].concat();
        prop_assert_eq!(parse(&more), Ok(Progress::Done { source, len }));
        for split in 0..len {
            let needs = parse(&header[..split]);
            prop_assert!(
                matches!(needs, Ok(Progress::Needs(more)) if more > 0 && split + more <= len),
                "{} of {}: {:?}", split, len, needs
            );
        }
    }

    #[test]
    fn whatever_comes_is_bounded_and_a_refusal_stays_one(
        start in 0..3_usize, noise in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        let start: &[u8] = [&b""[..], b"PROXY ", &V2_SIGNATURE][start];
        let bytes = [start, &noise].concat();
        match parse(&bytes) {
            Ok(Progress::Needs(more)) => prop_assert!(bytes.len() + more <= HEADER_MAX),
            Ok(Progress::Done { len, .. }) => {
                prop_assert!(len <= bytes.len() && len <= HEADER_MAX);
                prop_assert_eq!(parse(&bytes[..len]), parse(&bytes));
            }
            Err(error) => prop_assert_eq!(parse(&[&bytes[..], b"more"].concat()), Err(error)),
        }
    }

    #[test]
    fn version_1_says_what_version_2_says(source in any::<(std::net::Ipv4Addr, u16)>()) {
        let (ip, port) = source;
        let text = format!("PROXY TCP4 {ip} 10.0.0.1 {port} 5432\r\n");
        let mut rest = ip.octets().to_vec();
        rest.extend([10, 0, 0, 1]);
        rest.extend(port.to_be_bytes());
        rest.extend([0x15, 0x38]);
        let expected = Some(SocketAddr::new(ip.into(), port));
        for header in [text.into_bytes(), v2(0x21, 0x11, &rest)] {
            let len = header.len();
            prop_assert_eq!(parse(&header), Ok(Progress::Done { source: expected, len }));
        }
    }
}
