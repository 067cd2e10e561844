//! Headers of the PROXY protocol: the bytes that are missing are known, and no client is read that the header does not state.

use std::net::{IpAddr, SocketAddr};

use onramp_webhooks::client_ip::{ProxyHeader, ProxyHeaderError, ProxySource};

const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(crate) fn run(input: &[u8]) {
    let mut end = 0;
    let whole = loop {
        match ProxyHeader::read(&input[..end]) {
            Ok(ProxyHeader::Incomplete { missing }) => {
                assert!(missing > 0);
                if end + missing > input.len() {
                    // What has arrived is not enough, so every piece of it is not enough either.
                    assert!(matches!(ProxyHeader::read(input), Ok(ProxyHeader::Incomplete { .. }) | Err(_)));
                    return;
                }
                end += missing;
            }
            Ok(ProxyHeader::Complete(source)) => break source,
            Err(_) => {
                assert!(ProxyHeader::read(input).is_err(), "an error does not become a header with more bytes");
                return;
            }
        }
    };
    let header = &input[..end];
    for cut in 0..end {
        assert!(matches!(ProxyHeader::read(&header[..cut]), Ok(ProxyHeader::Incomplete { missing }) if missing <= end - cut));
    }
    assert_eq!(ProxyHeader::read(&[header, b"G"].concat()), Err(ProxyHeaderError::Malformed), "a byte follows");
    check_source(header, whole);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let binary = |command, family, block: &[u8]| {
        [BINARY, &[command, family], &u16::try_from(block.len()).unwrap().to_be_bytes(), block].concat()
    };
    let text = |line: &str| format!("PROXY {line}\r\n").into_bytes();
    vec![
        text("TCP4 203.0.113.7 192.0.2.1 51234 443"),
        text("TCP6 2001:db8::7 2001:db8::1 51234 443"),
        text("TCP6 ::ffff:203.0.113.7 ::1 51234 443"),
        text("UNKNOWN"),
        text("UNKNOWN ffff::1 ffff::2 65535 65535"),
        binary(0x21, 0x11, &[203, 0, 113, 7, 192, 0, 2, 1, 0xc8, 0x22, 1, 0xbb, 4, 0, 1, 9]),
        binary(0x21, 0x21, &[0x20; 40]),
        binary(0x20, 0x00, &[]),
        binary(0x21, 0x31, &[b'/'; 216]),
        b"GET / HTTP/1.1\r\n".to_vec(),
    ]
}

/// Compares a client with the place of the header at which the specification has it.
fn check_source(header: &[u8], source: ProxySource) {
    let ProxySource::Client(client) = source else { return };
    let stated = match header.strip_prefix(BINARY) {
        Some(rest) => {
            assert_eq!(rest[0], 0x21);
            let (address, ports): (IpAddr, _) = match rest[1] {
                0x11 => (<[u8; 4]>::try_from(&rest[4..8]).unwrap().into(), &rest[12..]),
                0x21 => (<[u8; 16]>::try_from(&rest[4..20]).unwrap().into(), &rest[36..]),
                other => panic!("family {other}"),
            };
            SocketAddr::new(address.to_canonical(), u16::from_be_bytes([ports[0], ports[1]]))
        }
        None => {
            let words: Vec<&str> = str::from_utf8(header).unwrap().trim_ascii_end().split(' ').collect();
            let ["PROXY", family, address, _, port, _] = words.as_slice() else { panic!("{words:?}") };
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(*family, if address.is_ipv4() { "TCP4" } else { "TCP6" });
            SocketAddr::new(address.to_canonical(), port.parse().unwrap())
        }
    };
    assert_eq!(client, stated);
}
