//! Headers of the PROXY protocol, in which a proxy reports the client of a whole connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The beginning of a text header (version 1).
const TEXT: &[u8] = b"PROXY ";

/// The beginning of a binary header (version 2).
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length of `PROXY UNKNOWN\r\n`, the shortest header of all.
const SHORTEST: usize = 15;

/// Length of `PROXY TCP6 :: :: 0 0\r\n`, the shortest text header with addresses.
const SHORTEST_WITH_ADDRESSES: usize = 22;

/// Maximum length of a text header, as the specification has it.
const LONGEST_TEXT: usize = 107;

/// Length of the fixed part of a binary header.
const FIXED: usize = 16;

/// Maximum length of a binary header. The specification allows 64 KiB. Addresses take at most 216 bytes, and additions of proxies, such as
/// the properties of a TLS connection, a few hundred.
const LONGEST_BINARY: usize = 4_096;

/// The client of a connection, from the header of the [PROXY protocol](https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt) that
/// begins the connection, in version 1 or 2.
///
/// A server reads the header before the first request, and only from peers that were declared as proxies that send one: any other client
/// could choose its address. It gives the adapter [`peer`](Self::peer) in place of the socket's peer.
///
/// ```
/// use onramp_webhooks::client_ip::{ProxyHeader, ProxySource};
///
/// let header = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n";
/// let client = ProxySource::Client("203.0.113.7:51234".parse()?);
/// assert_eq!(ProxyHeader::read(header)?, ProxyHeader::Complete(client));
/// assert_eq!(ProxyHeader::read(&header[..20])?, ProxyHeader::Incomplete { missing: 2 });
/// assert!(ProxyHeader::read(b"GET / HTTP/1.1\r\n").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxySource {
    /// The proxy forwards this client. Never IPv4-mapped IPv6.
    Client(SocketAddr),
    /// The proxy itself opened the connection, such as for a health check (`LOCAL`).
    Proxy,
    /// The proxy forwards a client without an address, such as one of a Unix socket (`UNKNOWN`, `UNSPEC`), or one that does not use TCP.
    Unknown,
}

impl ProxySource {
    /// Returns the peer of the connection for an adapter: the client, or the proxy if it opened the connection itself. `None` means that
    /// the client is not known, so that allow-lists deny it.
    #[must_use]
    pub const fn peer(self, proxy: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::Client(client) => Some(client),
            Self::Proxy => Some(proxy),
            Self::Unknown => None,
        }
    }
}

/// A header of the PROXY protocol that is being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a header is complete or not")]
pub enum ProxyHeader {
    /// The header continues.
    Incomplete {
        /// The number of bytes that the header has at least beyond those that were read. At least 1. A server that reads no more than this
        /// does not take bytes of the first request.
        missing: usize,
    },
    /// The header is complete.
    Complete(ProxySource),
}

impl ProxyHeader {
    /// Reads the bytes that have arrived, from the first one of the connection.
    ///
    /// # Errors
    /// Returns an error if they do not begin a header, or continue after it. Close the connection then.
    pub fn read(bytes: &[u8]) -> Result<Self, ProxyHeaderError> {
        let begins = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, expected)| byte == expected);
        if !begins(TEXT) && !begins(BINARY) {
            return Err(ProxyHeaderError::Absent);
        }
        match SHORTEST.checked_sub(bytes.len()) {
            Some(missing) if missing > 0 => Ok(Self::Incomplete { missing }),
            _ if begins(TEXT) => read_text(bytes),
            _ => read_binary(bytes),
        }
    }
}

fn read_text(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        if bytes.len() >= LONGEST_TEXT {
            return Err(ProxyHeaderError::Long);
        }
        let shortest = if bytes.starts_with(b"PROXY TCP") { SHORTEST_WITH_ADDRESSES } else { 0 };
        return Ok(ProxyHeader::Incomplete { missing: shortest.saturating_sub(bytes.len()).max(1) });
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyHeaderError::Malformed)?;
    if end >= LONGEST_TEXT || bytes.len() > end.saturating_add(1) {
        return Err(ProxyHeaderError::Malformed);
    }
    let line = str::from_utf8(line).map_err(|_| ProxyHeaderError::Malformed)?;
    let mut words = line.split(' ').skip(1);
    let source = match words.next() {
        Some("UNKNOWN") => return Ok(ProxyHeader::Complete(ProxySource::Unknown)),
        Some("TCP4") => addresses::<Ipv4Addr>(&mut words),
        Some("TCP6") => addresses::<Ipv6Addr>(&mut words),
        _ => None,
    };
    match (source, words.next()) {
        (Some(source), None) => Ok(ProxyHeader::Complete(source)),
        _ => Err(ProxyHeaderError::Malformed),
    }
}

/// Reads the source, the destination and their ports. Returns the source.
fn addresses<'a, A: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'a str>) -> Option<ProxySource> {
    let (source, _) = (words.next()?.parse::<A>().ok()?, words.next()?.parse::<A>().ok()?);
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    Some(client(source.into(), port))
}

/// Reads a number without a sign and without zeros in front.
fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| port.to_string() == text)
}

fn read_binary(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    let [_, _, _, _, _, _, _, _, _, _, _, _, command, family, length_high, length_low, block @ ..] = bytes else {
        return Ok(ProxyHeader::Incomplete { missing: FIXED.saturating_sub(bytes.len()).max(1) });
    };
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if FIXED.saturating_add(length) > LONGEST_BINARY {
        return Err(ProxyHeaderError::Long);
    }
    match length.checked_sub(block.len()) {
        None => return Err(ProxyHeaderError::Malformed),
        Some(0) => {}
        Some(missing) => return Ok(ProxyHeader::Incomplete { missing }),
    }
    match command {
        0x20 => Ok(ProxyHeader::Complete(ProxySource::Proxy)),
        0x21 => source_of(*family, block).map(ProxyHeader::Complete).ok_or(ProxyHeaderError::Malformed),
        _ => Err(ProxyHeaderError::Malformed),
    }
}

/// Reads the source of a forwarded connection. Bytes after the addresses are additions of the proxy.
fn source_of(family: u8, block: &[u8]) -> Option<ProxySource> {
    match family {
        // TCP over IPv4: two addresses and two ports.
        0x11 => {
            let (addresses, _) = block.split_first_chunk::<12>()?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            Some(client(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
        }
        // TCP over IPv6.
        0x21 => {
            let (addresses, _) = block.split_first_chunk::<36>()?;
            let (source, rest) = addresses.split_first_chunk::<16>()?;
            let (port, _) = rest.get(16..)?.split_first_chunk::<2>()?;
            Some(client(Ipv6Addr::from(*source).into(), u16::from_be_bytes(*port)))
        }
        // Unspecified, datagrams, and Unix sockets.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Some(ProxySource::Unknown),
        _ => None,
    }
}

const fn client(address: IpAddr, port: u16) -> ProxySource {
    ProxySource::Client(SocketAddr::new(address.to_canonical(), port))
}

/// Error returned when reading a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The connection does not begin with a header.
    #[error(
        "the connection does not begin with a PROXY header: make the proxy send one, or remove its address from the networks that have to"
    )]
    Absent,
    /// The header has a syntax or a version that this crate does not know, or bytes follow it.
    #[error("the PROXY header is malformed: correct the proxy that wrote it")]
    Malformed,
    /// The header is longer than 107 bytes of text, or 4096 bytes.
    #[error("the PROXY header is too long: correct the proxy that wrote it, or let it add less")]
    Long,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Reads as a server does, no more than is missing, in pieces of at most `most` bytes. Returns the header and the rest.
    fn receive(bytes: &[u8], most: usize) -> Result<Option<(ProxySource, &[u8])>, ProxyHeaderError> {
        let mut end = 0;
        loop {
            match ProxyHeader::read(&bytes[..end])? {
                ProxyHeader::Complete(source) => return Ok(Some((source, &bytes[end..]))),
                ProxyHeader::Incomplete { .. } if end == bytes.len() => return Ok(None),
                ProxyHeader::Incomplete { missing } => {
                    assert!(missing > 0);
                    end = bytes.len().min(end + missing.min(most));
                }
            }
        }
    }

    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [BINARY, &[command, family], &length, block].concat()
    }

    fn ipv4(additions: &[u8]) -> Vec<u8> {
        let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0xc8, 0x22, 1, 0xbb];
        binary(0x21, 0x11, &[&addresses, additions].concat())
    }

    fn ipv6(source: &str) -> Vec<u8> {
        let source = source.parse::<Ipv6Addr>().unwrap().octets();
        binary(0x21, 0x21, &[&source[..], &[9; 16], &[0xc8, 0x22, 1, 0xbb]].concat())
    }

    fn text(line: &str) -> Vec<u8> {
        format!("PROXY {line}\r\n").into_bytes()
    }

    fn at(address: &str) -> ProxySource {
        ProxySource::Client(address.parse().unwrap())
    }

    /// Headers, and their sources.
    fn headers() -> Vec<(Vec<u8>, ProxySource)> {
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        vec![
            (text("TCP4 203.0.113.7 192.0.2.1 51234 443"), at("203.0.113.7:51234")),
            (text("TCP4 0.0.0.0 0.0.0.0 0 0"), at("0.0.0.0:0")),
            (text("TCP6 2001:db8::7 2001:db8::1 51234 443"), at("[2001:db8::7]:51234")),
            (text("TCP6 ::ffff:203.0.113.7 ::1 51234 443"), at("203.0.113.7:51234")),
            (text("TCP6 :: :: 0 0"), at("[::]:0")),
            (text("UNKNOWN"), ProxySource::Unknown),
            (text(&format!("UNKNOWN {longest} {longest} 65535 65535")), ProxySource::Unknown),
            (ipv4(&[]), at("203.0.113.7:51234")),
            (ipv4(&[4, 0, 2, 0, 0, 0xea, 0, 1, 7]), at("203.0.113.7:51234")),
            (ipv4(&[0; LONGEST_BINARY - FIXED - 12]), at("203.0.113.7:51234")),
            (ipv6("2001:db8::7"), at("[2001:db8::7]:51234")),
            (ipv6("::ffff:203.0.113.7"), at("203.0.113.7:51234")),
            (binary(0x20, 0x00, &[]), ProxySource::Proxy),
            (binary(0x20, 0x11, &[203, 0, 113, 7, 192, 0, 2, 1, 0, 0, 0, 0]), ProxySource::Proxy),
            (binary(0x20, 0xff, &[1, 2, 3]), ProxySource::Proxy),
            (binary(0x21, 0x00, &[]), ProxySource::Unknown),
            (binary(0x21, 0x00, &[4, 0, 1, 0]), ProxySource::Unknown),
            (binary(0x21, 0x31, &[b'/'; 216]), ProxySource::Unknown),
            (binary(0x21, 0x12, &[203, 0, 113, 7, 192, 0, 2, 1, 0, 0, 0, 0]), ProxySource::Unknown),
        ]
    }

    #[test]
    fn headers_are_read_in_any_pieces_and_nothing_after_them_is_taken() {
        for (header, source) in headers() {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            for most in [1, 2, 7, usize::MAX] {
                let read = receive(&bytes, most);
                assert_eq!(read, Ok(Some((source, &b"GET / HTTP/1.1\r\n\r\n"[..]))), "{} by {most}", header.escape_ascii());
            }
            for end in 0..header.len() {
                assert_eq!(receive(&header[..end], usize::MAX), Ok(None), "{} cut at {end}", header.escape_ascii());
            }
            assert_eq!(ProxyHeader::read(&bytes), Err(ProxyHeaderError::Malformed), "bytes follow {}", header.escape_ascii());
        }
    }

    #[test]
    fn other_text_is_refused() {
        for line in [
            "TCP4 203.0.113.7 192.0.2.1 51234",
            "TCP4 203.0.113.7 192.0.2.1 51234 443 1",
            "TCP4 203.0.113.7 192.0.2.1 51234 443 ",
            "TCP4  203.0.113.7 192.0.2.1 51234 443",
            "TCP4 203.0.113.7 192.0.2.1 65536 443",
            "TCP4 203.0.113.7 192.0.2.1 +80 443",
            "TCP4 203.0.113.7 192.0.2.1 080 443",
            "TCP4 203.0.113.07 192.0.2.1 80 443",
            "TCP4 203.0.113.7 garbage 80 443",
            "TCP4 2001:db8::7 2001:db8::1 80 443",
            "TCP6 203.0.113.7 192.0.2.1 80 443",
            "TCP6 fe80::1%eth0 ::1 80 443",
            "TCP6 [::1] ::1 80 443",
            "UDP4 203.0.113.7 192.0.2.1 80 443",
            "unknown 1 2 3 4 5 6 7",
            "UNKNOWNS 1 2 3 4",
            " UNKNOWN 1 2 3 4",
            "TCP4\t203.0.113.7 192.0.2.1 80 443",
            "TCP4 203.0.113.7 192.0.2.1 80 443\r",
        ] {
            assert_eq!(ProxyHeader::read(&text(line)), Err(ProxyHeaderError::Malformed), "{line}");
        }
        assert_eq!(ProxyHeader::read(b"PROXY TCP4 203.0.113.7 192.0.2.1 80 443\n"), Err(ProxyHeaderError::Malformed));
        assert_eq!(ProxyHeader::read(b"PROXY TCP4 \xff\xff\xff\xff\xff\xff\xff\r\n"), Err(ProxyHeaderError::Malformed));
        let endless = [TEXT, &[b'1'; LONGEST_TEXT]].concat();
        assert_eq!(receive(&endless, 1), Err(ProxyHeaderError::Long));
    }

    #[test]
    fn other_binary_headers_are_refused() {
        for (command, family, block) in [
            (0x11, 0x11, &[0; 12][..]),
            (0x22, 0x11, &[0; 12]),
            (0x2f, 0x00, &[]),
            (0x21, 0x11, &[0; 11]),
            (0x21, 0x11, &[]),
            (0x21, 0x21, &[0; 35]),
            (0x21, 0x10, &[0; 12]),
            (0x21, 0x13, &[0; 12]),
            (0x21, 0x41, &[0; 12]),
            (0x21, 0xff, &[0; 12]),
        ] {
            assert_eq!(
                ProxyHeader::read(&binary(command, family, block)),
                Err(ProxyHeaderError::Malformed),
                "{command} {family}"
            );
        }
        let long = binary(0x20, 0x00, &[0; LONGEST_BINARY - FIXED + 1]);
        assert_eq!(ProxyHeader::read(&long[..FIXED]), Err(ProxyHeaderError::Long));
    }

    #[test]
    fn connections_without_a_header_are_refused_at_their_first_other_byte() {
        for bytes in [
            &b"G"[..],
            b"GET / HTTP/1.1\r\n",
            b"P ",
            b"POST",
            b"PROXY\t",
            b"\r\n\r\n\0\r\nQUIX",
            b"\x16\x03\x01",
            b"\0",
            b"proxy ",
        ] {
            assert_eq!(ProxyHeader::read(bytes), Err(ProxyHeaderError::Absent), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_peer_is_the_client_and_an_unknown_one_is_nobody() {
        let proxy = "10.0.0.1:80".parse().unwrap();
        assert_eq!(at("203.0.113.7:1").peer(proxy), Some("203.0.113.7:1".parse().unwrap()));
        assert_eq!(ProxySource::Proxy.peer(proxy), Some(proxy));
        assert_eq!(ProxySource::Unknown.peer(proxy), None);
    }

    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let header = proptest::sample::select(headers()).prop_map(|(header, _)| header);
        (header, any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(mut header, at, byte)| {
            let at = at.index(header.len());
            header[at] = byte;
            header
        })
    }

    proptest! {
        /// The pieces in which bytes arrive change no result, and no client is made up.
        #[test]
        fn any_bytes_have_one_result(bytes in prop_oneof![damaged(), vec(any::<u8>(), 0..200)], most in 1_usize..20) {
            let at_once = receive(&bytes, usize::MAX);
            match receive(&bytes, most) {
                Err(_) => prop_assert!(at_once.is_err()),
                read => prop_assert_eq!(read, at_once),
            }
        }
    }
}
