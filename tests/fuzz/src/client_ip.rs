//! Addresses of clients: a header decides nothing that a proxy has not appended to it.

use std::net::{IpAddr, SocketAddr};

use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::{Client, ClientIp, ClientIpError, ForwardingHeader, Hop};

use crate::forwarded::nodes;
use crate::parts;

const PROXIES: &str = "10.0.0.0/8, 2001:db8:ffff::/48";
const PROXY: &str = "10.0.0.1";

/// Lines that a client sends through an honest proxy.
const JUNK: [&[u8]; 9] =
    [b"", b"\"", b"for=\"", b"\\\"", b",", b";", b"1.1.1.1", b"for=1.1.1.1, for=\"2.2.2.2", b"unknown, \xff"];

/// The first byte chooses the header, and the others are its lines.
pub(crate) fn run(input: &[u8]) {
    let (header, lines) = parts::first(input);
    let header = ["x-forwarded-for", "forwarded", "cf-connecting-ip"][usize::from(header) % 3];
    let lines: Vec<&[u8]> = if lines.is_empty() { Vec::new() } else { lines.split(|byte| *byte == b'\n').collect() };
    check_peers(header, &lines);
    let found = resolve(header, &lines);
    match &found {
        Ok(client) => check_client(header, &lines, client),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 500 && !text.contains(char::is_control), "{text:?}");
        }
    }
    check_beginnings(header, &lines, &found);
    if header == "forwarded" {
        check_forwarded(&lines, found.ok());
    }
    if let Some(list) = lines.first().and_then(|line| str::from_utf8(line).ok()) {
        check_list(list);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\x00174.138.2.203, 203.0.113.7, 10.0.0.2",
        "\x00203.0.113.7:80\n[2001:db8::7]:443, 10.0.0.2",
        "\x00::ffff:203.0.113.7:80",
        "\x002001:db8::1:80",
        "\x00unknown, 10.0.0.2",
        "\x01for=174.138.2.203, for=\"[2001:db8::7]:80\";proto=https;by=10.0.0.3, for=10.0.0.2",
        "\x01for=\"203.0.113.7\";host=\"a,\\\"b\", FOR=10.0.0.2 ; by=_x",
        "\x01for=\"203.0.113.7\";host=\"\\\\\", for=10.0.0.2;host=\"a,b\\\\\\\"\"",
        "\x01for=_hidden",
        "\x02203.0.113.7",
        "\x02fe80::1%1",
        "\x0010.0.0.0/8, ::ffff:192.0.2.0/120, 1.1.1.1",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn trusted() -> AllowList {
    PROXIES.parse().unwrap()
}

fn resolve(header: &str, lines: &[&[u8]]) -> Result<Client, ClientIpError> {
    let header: ForwardingHeader = header.parse().unwrap();
    ClientIp::behind(trusted(), header).resolve(Some(PROXY.parse().unwrap()), lines.iter().copied())
}

/// Checks that nobody but a proxy is asked.
fn check_peers(header: &str, lines: &[&[u8]]) {
    let peer: IpAddr = "203.0.113.9".parse().unwrap();
    let header: ForwardingHeader = header.parse().unwrap();
    let client = ClientIp::behind(trusted(), header.clone()).resolve(Some(peer), lines.iter().copied()).unwrap();
    assert_eq!((client.address, client.hop), (peer, Hop::Peer));
    assert_eq!(ClientIp::behind(trusted(), header).resolve(None, lines.iter().copied()), Err(ClientIpError::NoPeer));
}

/// Checks that the client is the first entry from the right that is no proxy.
fn check_client(header: &str, lines: &[&[u8]], client: &Client) {
    assert!(!trusted().contains(client.address) && client.address == client.address.to_canonical(), "{client}");
    let Hop::Listed { from_right } = client.hop else { panic!("{client}") };
    if header == "forwarded" {
        return;
    }
    let joined = lines.join(&b","[..]);
    let mut entries = joined.rsplit(|byte| *byte == b',').map(|entry| address(entry.trim_ascii()).unwrap());
    assert!(entries.by_ref().take(from_right - 1).all(|proxy| trusted().contains(proxy)), "{client}");
    assert_eq!(entries.next(), Some(client.address));
}

/// Compares the client with the elements as they are read from left to right.
fn check_forwarded(lines: &[&[u8]], found: Option<Client>) {
    let Some(nodes) = nodes(lines) else { return };
    let first = (1..).zip(nodes.into_iter().rev()).find(|(_, node)| node.is_none_or(|node| !trusted().contains(node)));
    let expected = first.and_then(|(from_right, node)| Some((node?, Hop::Listed { from_right })));
    assert_eq!(found.map(|client| (client.address, client.hop)), expected);
}

/// Reads an entry with the parsers of the standard library.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    // An IPv4-mapped address may have a port without brackets.
    let bracketed = || text.rsplit_once(':').and_then(|(name, port)| format!("[{name}]:{port}").parse().ok());
    let with_port = || text.parse::<SocketAddr>().ok().or_else(bracketed).map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

/// Checks that text to the left of the proxies' entries changes nothing.
fn check_beginnings(header: &str, lines: &[&[u8]], found: &Result<Client, ClientIpError>) {
    if header == "cf-connecting-ip" {
        if let [only] = lines {
            assert!(matches!(resolve(header, &[b"1.1.1.1", only]), Err(ClientIpError::NotSingle { .. })));
        }
        return;
    }
    let reads_on = matches!(found, Err(ClientIpError::EveryHopTrusted | ClientIpError::NoHeader { .. }));
    for junk in JUNK {
        if !reads_on {
            assert_eq!(&resolve(header, &[&[junk][..], lines].concat()), found, "behind a line {}", junk.escape_ascii());
        }
        if let (Ok(client), Some((first, others))) = (found, lines.split_first()) {
            let longer = [junk, b",", first].concat();
            let lines = [&[longer.as_slice()][..], others].concat();
            assert_eq!(resolve(header, &lines).as_ref(), Ok(client), "behind {}", junk.escape_ascii());
        }
    }
}

fn check_list(text: &str) {
    if let Ok(list) = text.parse::<AllowList>() {
        assert_eq!(list.to_string().parse(), Ok(list.clone()), "{list}");
        let single = text.split(',').filter_map(|entry| entry.trim().parse::<IpAddr>().ok());
        single.for_each(|address| assert!(list.contains(address), "{address} in {list}"));
    }
}
