//! Tests with the headers of proxies and of attackers.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const PROXIES: &str = "10.0.0.0/8, 2001:db8:ffff::/48";
const PROXY: &str = "10.0.0.1";

fn behind(header: &str) -> ClientIp {
    ClientIp::behind(PROXIES.parse().unwrap(), header.parse().unwrap())
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn resolve<L: AsRef<[u8]>>(header: &str, peer: &str, lines: &[L]) -> Result<Client, ClientIpError> {
    behind(header).resolve(Some(ip(peer)), lines.iter().map(AsRef::as_ref))
}

/// Returns the client as `address#entry`, or the variant of the error.
fn outcome<L: AsRef<[u8]>>(header: &str, lines: &[L]) -> String {
    match resolve(header, PROXY, lines) {
        Ok(Client { address, hop: Hop::Listed { from_right } }) => format!("{address}#{from_right}"),
        Ok(Client { address, hop: Hop::Peer }) => format!("{address}#peer"),
        Err(error) => {
            let debug = format!("{error:?}");
            debug.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

#[track_caller]
fn check(header: &str, table: &[(&[&str], &str)]) {
    for (lines, expected) in table {
        assert_eq!(outcome(header, lines), *expected, "{header}: {lines:?}");
    }
}

#[test]
fn x_forwarded_for() {
    check(
        "x-forwarded-for",
        &[
            (&["203.0.113.7"], "203.0.113.7#1"),
            (&["174.138.2.203, 203.0.113.7"], "203.0.113.7#1"),
            (&["174.138.2.203, 203.0.113.7, 10.0.0.2"], "203.0.113.7#2"),
            (&["203.0.113.7,10.0.0.2\t,  10.0.0.3 "], "203.0.113.7#3"),
            (&["174.138.2.203", "203.0.113.7"], "203.0.113.7#1"),
            (&["203.0.113.7", "10.0.0.2"], "203.0.113.7#2"),
            (&["1.1.1.1, 203.0.113.7, 10.0.0.4", "10.0.0.3, 10.0.0.2"], "203.0.113.7#4"),
            (&["174.138.2.203, 10.0.0.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7#2"),
            (&["203.0.113.7:443"], "203.0.113.7#1"),
            (&["203.0.113.7:0"], "203.0.113.7#1"),
            (&["2001:db8::7"], "2001:db8::7#1"),
            (&["[2001:db8::7]"], "2001:db8::7#1"),
            (&["[2001:db8::7]:443, [2001:db8:ffff::1]:80"], "2001:db8::7#2"),
            (&["::ffff:203.0.113.7"], "203.0.113.7#1"),
            (&["::ffff:203.0.113.7:51234"], "203.0.113.7#1"),
            (&["203.0.113.7, ::ffff:10.0.0.2:80"], "203.0.113.7#2"),
            (&["::203.0.113.7:51234"], "::cb00:7107#1"),
            (&["[::ffff:cb00:7107]:80"], "203.0.113.7#1"),
            (&["203.0.113.7, ::ffff:10.0.0.2"], "203.0.113.7#2"),
            (&["garbage, \", unknown,,;, 203.0.113.7"], "203.0.113.7#1"),
            (&[",203.0.113.7"], "203.0.113.7#1"),
            (&["", "203.0.113.7"], "203.0.113.7#1"),
            (&[], "NoHeader"),
            (&[""], "Empty"),
            (&[" \t"], "Empty"),
            (&["203.0.113.7,"], "Empty"),
            (&["203.0.113.7", ""], "Empty"),
            (&["203.0.113.7,,10.0.0.2"], "Empty"),
            (&["203.0.113.7, , 10.0.0.2"], "Empty"),
            (&[",10.0.0.2"], "Empty"),
            (&["unknown"], "Unknown"),
            (&["203.0.113.7, Unknown"], "Unknown"),
            (&["203.0.113.7, unknown, 10.0.0.2"], "Unknown"),
            (&["_hidden"], "Obfuscated"),
            (&["203.0.113.7, _SEVKISEK, 10.0.0.2"], "Obfuscated"),
            (&["fe80::1%eth0"], "Zone"),
            (&["[fe80::1%25eth0]:80"], "Zone"),
            (&["10.0.0.2"], "EveryHopTrusted"),
            (&["10.0.0.3, 10.0.0.2:80", "[2001:db8:ffff::1]"], "EveryHopTrusted"),
        ],
    );
}

#[test]
fn behind_a_unix_socket_the_peer_is_a_proxy() {
    let behind = ClientIp::behind_unix_socket("10.0.0.0/8".parse().unwrap(), ForwardingHeader::XForwardedFor);
    let resolve = |peer: Option<&str>, lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        behind.resolve(peer.map(ip), lines).map(|client| client.to_string())
    };
    assert_eq!(
        resolve(None, &["1.1.1.1, 203.0.113.7, 10.0.0.2"]).unwrap(),
        "203.0.113.7 (entry 2 from the right of the forwarding header)"
    );
    assert_eq!(resolve(Some("203.0.113.9"), &["1.1.1.1"]).unwrap(), "203.0.113.9 (the connection's peer)");
    let error = resolve(None, &[]).unwrap_err();
    assert!(error.to_string().contains("proxy at the Unix socket sent no `x-forwarded-for`"), "{error}");
    for other in [ClientIp::peer_only(), ClientIp::behind("10.0.0.0/8".parse().unwrap(), ForwardingHeader::XForwardedFor)] {
        assert_eq!(other.resolve(None, [b"203.0.113.7".as_slice()]), Err(ClientIpError::NoPeer));
    }
}

#[test]
fn an_address_that_may_end_with_a_port_is_denied_with_a_hint() {
    for doubtful in
        ["2001:db8::7:443", "2001:db8::7:1", "::1:80", "::ffff:cb00:7107:80", "2001:db8:1:2:3:4:5:6:443", "2001:db8::7:51234"]
    {
        assert_eq!(outcome("x-forwarded-for", &[doubtful]), "Doubtful", "{doubtful}");
        assert_eq!(outcome("cf-connecting-ip", &[doubtful]), "Doubtful", "{doubtful}");
    }
    for clear in ["2001:db8::7", "2001:db8::7:a", "2001:db8:1:2:3:4:5:443", "::", "::1", "2001:db8::7:ffff"] {
        assert_eq!(outcome("x-forwarded-for", &[clear]), format!("{}#1", ip(clear)), "{clear}");
    }
    let hint = resolve("x-forwarded-for", "10.0.0.1", &["2001:db8::7:443"]).unwrap_err().to_string();
    assert!(hint.contains("in brackets"), "{hint}");
}

#[test]
fn garbage_is_denied() {
    for garbage in [
        "-",
        "localhost",
        "203.0.113",
        "203.0.113.7.8",
        "203.0.113.256",
        "0203.0.113.7",
        "0xcb.0.113.7",
        "203.0.113.7 203.0.113.8",
        "203.0.113.7;",
        "203.0.113.7/32",
        "203.0.113.7:",
        "203.0.113.7:+80",
        "203.0.113.7:65536",
        "203.0.113.7:_port",
        "203.0.113.7:80:80",
        "\"203.0.113.7\"",
        "for=203.0.113.7",
        "[203.0.113.7]",
        "[2001:db8::7",
        "[2001:db8::7]443",
        "[2001:db8::7]:",
        "[[2001:db8::7]]",
        "2001:db8::7]",
        "::ffff:203.0.113.7:",
        "::ffff:203.0.113.7:65536",
        "::ffff:203.0.113.7:80:80",
        "[]",
        ":",
        ":80",
        "_",
        "_hid(den",
        "unknown:x",
        "\u{ff12}03.0.113.7",
        "203.0.113.7\0",
    ] {
        for line in [garbage.to_owned(), format!("203.0.113.7, {garbage}"), format!("203.0.113.7, {garbage}, 10.0.0.2")] {
            assert_eq!(outcome("x-forwarded-for", &[&line]), "Garbage", "{line:?}");
        }
        assert_eq!(outcome("cf-connecting-ip", &[garbage]), "Garbage", "{garbage:?}");
    }
    assert_eq!(outcome("x-forwarded-for", &[b"203.0.113.7, \xff\xfe"]), "Garbage");
}

#[test]
fn forwarded() {
    check(
        "forwarded",
        &[
            (&["for=203.0.113.7"], "203.0.113.7#1"),
            (&["For=203.0.113.7; Proto=https ;BY=10.0.0.9"], "203.0.113.7#1"),
            (&["proto=http;for=\"203.0.113.7:4711\""], "203.0.113.7#1"),
            (&["for=203.0.113.7:4711"], "203.0.113.7#1"),
            (&["for=\"203.0.113.7:_port\""], "203.0.113.7#1"),
            (&["for=\"[2001:db8::7]\""], "2001:db8::7#1"),
            (&["for=\"[2001:db8::7]:4711\""], "2001:db8::7#1"),
            (&["for=[2001:db8::7]:4711"], "2001:db8::7#1"),
            (&["for=\"[::ffff:203.0.113.7]\""], "203.0.113.7#1"),
            (&["for=\"\\2\\03.0.113.7\""], "203.0.113.7#1"),
            (&["for=174.138.2.203, for=203.0.113.7, for=10.0.0.2"], "203.0.113.7#2"),
            (&["for=174.138.2.203", "for=203.0.113.7", "for=\"[2001:db8:ffff::1]\";by=_x"], "203.0.113.7#2"),
            (&["for=203.0.113.7;host=\"a,b;c\", for=10.0.0.2"], "203.0.113.7#2"),
            (&["for=1.1.1.1,for=203.0.113.7;host=\",for=9.9.9.9,\""], "203.0.113.7#1"),
            (&["host=\";for=9.9.9.9;\";for=203.0.113.7"], "203.0.113.7#1"),
            (&["for=203.0.113.7;host=\"a\\\",for=9.9.9.9,\\\"\""], "203.0.113.7#1"),
            (&["for=203.0.113.7;host=\"a\\\\\", for=10.0.0.2"], "203.0.113.7#2"),
            (&["for=203.0.113.7;host=\"\\\\\\\"\", for=10.0.0.2;host=\"\""], "203.0.113.7#2"),
            (&["for=203.0.113.7;"], "203.0.113.7#1"),
            (&[";;for=203.0.113.7;;proto=http"], "203.0.113.7#1"),
            (&["for=\", for=203.0.113.7"], "203.0.113.7#1"),
            (&["for=9.9.9.9;x=\", for=203.0.113.7, for=\"10.0.0.2\""], "203.0.113.7#2"),
            (&["x=\"\\, for=203.0.113.7"], "203.0.113.7#1"),
            (&["garbage", "for=1.1.1.1;for=2.2.2.2,, for=203.0.113.7"], "203.0.113.7#1"),
            (&[], "NoHeader"),
            (&[""], "Empty"),
            (&["for=203.0.113.7,"], "Empty"),
            (&["for=203.0.113.7,,for=10.0.0.2"], "Empty"),
            (&["for=\"\""], "Empty"),
            (&["for=unknown"], "Unknown"),
            (&["for=203.0.113.7, for=\"Unknown:80\""], "Unknown"),
            (&["for=_hidden"], "Obfuscated"),
            (&["for=\"_hidden:_port\", for=10.0.0.2"], "Obfuscated"),
            (&["for=\"[fe80::1%eth0]\""], "Zone"),
            (&["proto=https;by=203.0.113.7"], "NoFor"),
            (&["for=203.0.113.7, proto=https, for=10.0.0.2"], "NoFor"),
            (&[";"], "NoFor"),
            (&["host=\"for=203.0.113.7\""], "NoFor"),
            (&["for=203.0.113.7;for=203.0.113.7"], "RepeatedFor"),
            (&["for=203.0.113.7;proto=http;FOR=10.0.0.2"], "RepeatedFor"),
            (&["for=10.0.0.3, for=10.0.0.2"], "EveryHopTrusted"),
        ],
    );
}

#[test]
fn malformed_elements_of_forwarded_are_denied() {
    for garbage in [
        "203.0.113.7",
        "for",
        "for=",
        "for=;proto=http",
        "=203.0.113.7",
        "for =203.0.113.7",
        "for= 203.0.113.7",
        "for==203.0.113.7",
        "for=203.0.113.7 proto=http",
        "for=203.0.113.7;proto",
        "for=203.0.113.7;proto=a b",
        "for=\"203.0.113.7\"x",
        "for=\"203.0.113.7",
        "for=203.0.113.7\"",
        "for=\"203.0.113.7\\\"",
        "for='203.0.113.7'",
        "for=\" 203.0.113.7\"",
        "for=2001:db8::7",
        "for=\"2001:db8::7\"",
        "for=\"[2001:db8::7]443\"",
        "for=\"[203.0.113.7]\"",
        "for=\"203.0.113.7:70000\"",
        "for=\"203.0.113.7, 1.1.1.1\"",
        "f\u{f6}r=203.0.113.7",
    ] {
        assert_eq!(outcome("forwarded", &[garbage]), "Garbage", "{garbage:?}");
        assert_eq!(outcome("forwarded", &["for=203.0.113.7", garbage]), "Garbage", "{garbage:?}");
    }
}

#[test]
fn single_value() {
    check(
        "cf-connecting-ip",
        &[
            (&["203.0.113.7"], "203.0.113.7#1"),
            (&[" [2001:db8::7]:80 "], "2001:db8::7#1"),
            (&["::ffff:203.0.113.7"], "203.0.113.7#1"),
            (&[], "NoHeader"),
            (&[""], "Empty"),
            (&["203.0.113.7", "203.0.113.7"], "NotSingle"),
            (&["", "203.0.113.7"], "NotSingle"),
            (&["174.138.2.203, 203.0.113.7"], "NotSingle"),
            (&["203.0.113.7,"], "NotSingle"),
            (&["unknown"], "Unknown"),
            (&["_hidden"], "Obfuscated"),
            (&["fe80::1%1"], "Zone"),
            (&["10.0.0.2"], "EveryHopTrusted"),
        ],
    );
}

#[test]
fn the_peer_decides_whether_headers_are_read() {
    let peer = |address| Ok(Client { address: ip(address), hop: Hop::Peer });
    for header in ["x-forwarded-for", "forwarded", "cf-connecting-ip"] {
        assert_eq!(resolve(header, "203.0.113.7", &["10.0.0.1"]), peer("203.0.113.7"));
        assert_eq!(resolve(header, "::ffff:203.0.113.7", &["10.0.0.1"]), peer("203.0.113.7"));
        assert_eq!(behind(header).resolve(None, [&b"1.1.1.1"[..]]), Err(ClientIpError::NoPeer));
    }
    assert_eq!(resolve("x-forwarded-for", "::ffff:10.0.0.1", &["1.1.1.1"]).unwrap().address, ip("1.1.1.1"));
    assert_eq!(ClientIp::peer_only().resolve(Some(ip(PROXY)), [&b"1.1.1.1"[..]]), peer(PROXY));
    assert_eq!(ClientIp::default().resolve(None, []), Err(ClientIpError::NoPeer));
    let no_proxy = ClientIp::behind(AllowList::default(), ForwardingHeader::XForwardedFor);
    assert_eq!(no_proxy.resolve(Some(ip(PROXY)), [&b"1.1.1.1"[..]]), peer(PROXY));
    let all_proxies = ClientIp::behind("0.0.0.0/0, ::/0".parse().unwrap(), ForwardingHeader::XForwardedFor);
    assert_eq!(all_proxies.resolve(Some(ip("1.1.1.1")), [&b"2.2.2.2"[..]]), Err(ClientIpError::EveryHopTrusted));
}

#[test]
fn header_names() {
    assert_eq!("X-Forwarded-For".parse(), Ok(ForwardingHeader::XForwardedFor));
    assert_eq!("FORWARDED".parse(), Ok(ForwardingHeader::Forwarded));
    assert_eq!("CF-Connecting-IP".parse(), ForwardingHeader::single("cf-connecting-ip"));
    assert_eq!(behind("CF-Connecting-IP").header_name(), Some("cf-connecting-ip"));
    assert_eq!(ClientIp::peer_only().header_name(), None);
    for bad in ["", " ", "a b", "a:b", "a,b", "x-f\u{f6}rwarded", "a\nb"] {
        assert!(bad.parse::<ForwardingHeader>().is_err(), "{bad:?}");
    }
}

#[test]
fn the_display_of_a_client_contains_its_hop() {
    let client = resolve("x-forwarded-for", PROXY, &["203.0.113.7, 10.0.0.2"]).unwrap();
    assert_eq!(client.to_string(), "203.0.113.7 (entry 2 from the right of the forwarding header)");
    let client = resolve("x-forwarded-for", "::1", &["1.1.1.1"]).unwrap();
    assert_eq!(client.to_string(), "::1 (the connection's peer)");
}

#[test]
fn errors_are_one_bounded_line() {
    let error = resolve("x-forwarded-for", PROXY, &[[b'\n'; 10_000].as_slice(), &[b'\x1b'; 10_000]]).unwrap_err();
    assert!(error.to_string().len() < 500 && !error.to_string().contains(char::is_control), "{error}");
    assert!(error.to_string().starts_with("entry 1 from the right"), "{error}");
}

/// Generates lines of bytes that are significant in one of the headers.
fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        "for=",
        "FOR=",
        ";",
        ",",
        ", ",
        "\"",
        "\\",
        "\\\"",
        "=",
        "[",
        "]",
        ":",
        "%",
        "_",
        " ",
        "\t",
        "unknown",
        "_x",
        "by=a",
        "host=\"",
        "10.0.0.2",
        "174.138.2.203",
        "::1",
        "::ffff:",
        "[2001:db8:ffff::1]",
        ":80",
        "\0",
        "\u{e4}",
    ]);
    prop_oneof![vec(any::<u8>(), 0..40), vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes())]
}

fn hostile_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(hostile_line(), 0..4)
}

fn any_header() -> impl Strategy<Value = &'static str> {
    select(vec!["x-forwarded-for", "forwarded", "cf-connecting-ip"])
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u8; 4]>().prop_map(|bytes| IpAddr::V6(Ipv4Addr::from(bytes).to_ipv6_mapped())),
    ]
}

/// Generates the entries that honest proxies append: a client that is not a proxy, and any number of proxies.
fn appended(header: &'static str) -> impl Strategy<Value = (IpAddr, Vec<String>)> {
    let entry = move |address: IpAddr, port: Option<u16>, host: &str| {
        let bracketed = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let node = port.map_or(bracketed.clone(), |port| format!("{bracketed}:{port}"));
        let quoted_host = host.replace('\\', "\\\\").replace('"', "\\\"");
        if header == "forwarded" { format!("for=\"{node}\";host=\"{quoted_host}\"") } else { node }
    };
    let decoration = || (any::<Option<u16>>(), "[a-z,;=\"\\\\ ]{0,8}");
    let client = any_address().prop_filter("untrusted", |address| !PROXIES.parse::<AllowList>().unwrap().contains(*address));
    let proxy = any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c]));
    (client, decoration(), vec((proxy, decoration()), 0..4)).prop_map(move |(client, (port, host), proxies)| {
        let mut entries = vec![entry(client, port, &host)];
        entries.extend(proxies.into_iter().map(|(proxy, (port, host))| entry(proxy, port, &host)));
        (client.to_canonical(), entries)
    })
}

fn list_header() -> impl Strategy<Value = (&'static str, IpAddr, Vec<String>)> {
    select(vec!["x-forwarded-for", "forwarded"])
        .prop_flat_map(|header| appended(header).prop_map(move |(client, entries)| (header, client, entries)))
}

proptest! {
    #[test]
    fn headers_of_an_untrusted_peer_are_ignored(header in any_header(), peer in any_address(), lines in hostile_lines()) {
        prop_assume!(!PROXIES.parse::<AllowList>().unwrap().contains(peer));
        let client = behind(header).resolve(Some(peer), lines.iter().map(Vec::as_slice));
        prop_assert_eq!(client, Ok(Client { address: peer.to_canonical(), hop: Hop::Peer }));
    }

    #[test]
    fn entries_left_of_the_client_are_ignored(
        (header, client, appended) in list_header(),
        mut lines in hostile_lines(),
        new_line in any::<bool>(),
        split in any::<proptest::sample::Index>(),
    ) {
        let split = split.index(appended.len() + 1);
        let (first, second) = appended.split_at(split);
        if !first.is_empty() {
            let first = first.join(", ").into_bytes();
            match lines.last_mut() {
                Some(line) if !new_line => line.extend([b", ".as_slice(), &first].concat()),
                _ => lines.push(first),
            }
        }
        if !second.is_empty() {
            lines.push(second.join(",").into_bytes());
        }
        let expected = Client { address: client, hop: Hop::Listed { from_right: appended.len() } };
        prop_assert_eq!(resolve(header, PROXY, &lines), Ok(expected));
    }

    #[test]
    fn the_client_is_never_a_proxy(peer in any_address(), entries in vec(any_address(), 0..6), noise in hostile_lines()) {
        let texts = entries.iter().map(IpAddr::to_string).collect::<Vec<_>>();
        let elements = entries.iter().map(|entry| if entry.is_ipv6() { format!("for=\"[{entry}]\"") } else { format!("for={entry}") });
        let single = texts.last().cloned().unwrap_or_default();
        for (header, line) in [
            ("x-forwarded-for", texts.join(",")),
            ("forwarded", elements.collect::<Vec<_>>().join(",")),
            ("cf-connecting-ip", single),
        ] {
            for lines in [&vec![line.into_bytes()], &noise] {
                if let Ok(client) = behind(header).resolve(Some(peer), lines.iter().map(Vec::as_slice)) {
                    prop_assert!(!PROXIES.parse::<AllowList>().unwrap().contains(client.address));
                    prop_assert_eq!(client.address, client.address.to_canonical());
                }
            }
        }
    }

    #[test]
    fn hostile_bytes_never_panic(header in any_header(), peer in any::<Option<[u8; 4]>>(), lines in vec(vec(any::<u8>(), 0..200), 0..5)) {
        for peer in [peer.map(IpAddr::from), Some(ip(PROXY))] {
            let _ = behind(header).resolve(peer, lines.iter().map(Vec::as_slice)).map_err(|error| error.to_string());
        }
    }
}
