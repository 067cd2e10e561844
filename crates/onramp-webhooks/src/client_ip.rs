//! Who sent a request: the socket's peer, or the client that declared proxies speak for.
//!
//! Each proxy appends the address that it saw to the *right* of a forwarding header. What stands on the left was in the request
//! already and may have been written by anybody: a client that sends `x-forwarded-for: 174.138.2.203` through an honest proxy
//! arrives as `x-forwarded-for: 174.138.2.203, 203.0.113.7`. To take the leftmost address is therefore to let every client choose
//! its address, and an allow-list checked against it is no list. So the walk begins at the one address that cannot be forged over
//! TCP, the socket's peer, and steps left through the header only while the hop it stands on is a declared proxy. The first one
//! that is not is the client, and nothing left of it is even looked at:
//!
//! ```
//! use onramp_webhooks::client_ip::{Client, ClientIp, ForwardingHeader, Hop};
//!
//! let behind = ClientIp::behind("10.0.0.0/8".parse()?, ForwardingHeader::XForwardedFor);
//! let lines = ["174.138.2.203, 203.0.113.7, 10.0.0.2"].map(str::as_bytes);
//!
//! let client = behind.resolve(Some("10.0.0.1".parse()?), lines)?;
//! assert_eq!(client.address, "203.0.113.7".parse::<std::net::IpAddr>()?);
//! assert_eq!(client.hop, Hop::Listed { from_right: 2 });
//!
//! let direct = behind.resolve(Some("203.0.113.9".parse()?), lines)?;
//! assert_eq!(direct.hop, Hop::Peer, "who is no proxy writes headers in vain");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is read, and how
//! - All lines of the header count as one list, in their order.
//! - An entry is an IPv4 address or IPv6 address, with or without a port (`192.0.2.1:80`, `[2001:db8::1]:80`). IPv6 may go
//!   without brackets when it has no port, but not in `Forwarded`, which demands them. IPv4-mapped IPv6 becomes IPv4.
//! - `Forwarded` (RFC 7239): parameters in any order and case, quoted values with escapes, white space around `;`. The list is
//!   taken apart from the right, quotes included, so that an opening quote sent by a client cannot swallow what a proxy appended.
//! - An entry that has to be read and tells no address denies: `unknown`, `_hidden`, an IPv6 zone, garbage, none or several `for`.
//! - So does an empty entry, though lists may hold them (RFC 9110, section 5.6.1). No proxy that knows its client appends one, and
//!   to skip it would be to believe whoever wrote the entry left of it.
//! - When every hop is a declared proxy there is no client, and nobody is let in.
//!
//! # Before declaring a proxy
//! Every declared proxy must append to the configured header, or replace it, on every request. One that passes a client's header
//! on untouched lets clients write their address, and this holds all the more for a [single-value](ForwardingHeader::Single)
//! header.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::allow_list::AllowList;

/// Longest piece of an unreadable entry that an error repeats, in bytes.
const LONGEST_SHOWN: usize = 64;

/// How the client's address is found. The [module's documentation](self) has the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIp(Option<Forwarding>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Forwarding {
    trusted: AllowList,
    header: ForwardingHeader,
}

impl ClientIp {
    /// The socket's peer is the client, and no header is read. This is the default.
    #[must_use]
    pub const fn peer_only() -> Self {
        Self(None)
    }

    /// `header` is believed from the proxies in `trusted`, and from nobody else. The same as
    /// [`peer_only`](Self::peer_only) when `trusted` is empty.
    #[must_use]
    pub const fn behind(trusted: AllowList, header: ForwardingHeader) -> Self {
        Self(Some(Forwarding { trusted, header }))
    }

    /// The one header whose lines [`resolve`](Self::resolve) wants, in lower case. `None`: it wants none.
    #[must_use]
    pub fn header_name(&self) -> Option<&str> {
        self.0.as_ref().map(|forwarding| forwarding.header.header_name())
    }

    /// Finds the client of a request that came over a connection from `peer`; `lines` are the values of all lines of the header
    /// [`header_name`](Self::header_name), in the order received. They are not looked at unless `peer` is a trusted proxy.
    ///
    /// # Errors
    /// The client's address cannot be told; the request must then be treated as one from an address that is not allowed.
    pub fn resolve<'a>(&self, peer: Option<IpAddr>, lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Client, ClientIpError> {
        let peer = peer.ok_or(ClientIpError::NoPeer)?.to_canonical();
        match &self.0 {
            Some(forwarding) if forwarding.trusted.contains(peer) => {
                let lines: Vec<&[u8]> = lines.into_iter().collect();
                forwarding.resolve(peer, &lines)
            }
            _ => Ok(Client { address: peer, hop: Hop::Peer }),
        }
    }
}

impl Forwarding {
    fn resolve(&self, proxy: IpAddr, lines: &[&[u8]]) -> Result<Client, ClientIpError> {
        if lines.is_empty() {
            return Err(ClientIpError::NoHeader { proxy, header: self.header.header_name().to_owned() });
        }
        let lines_from_right = lines.iter().copied().rev();
        match self.header {
            ForwardingHeader::XForwardedFor => self
                .walk(lines_from_right.flat_map(|line| line.rsplit(|byte| *byte == b',')), |hop, entry| {
                    address(hop, entry, Brackets::Optional)
                }),
            ForwardingHeader::Forwarded => {
                self.walk(lines_from_right.flat_map(|line| line.rsplit(separator_from_right())), forwarded_for)
            }
            ForwardingHeader::Single(_) => match lines {
                [value] if !value.contains(&b',') => {
                    self.walk([*value].into_iter(), |hop, entry| address(hop, entry, Brackets::Optional))
                }
                _ => Err(ClientIpError::NotSingle { header: self.header.header_name().to_owned() }),
            },
        }
    }

    fn walk<'a>(
        &self,
        entries_from_right: impl Iterator<Item = &'a [u8]>,
        read: impl Fn(usize, &[u8]) -> Result<IpAddr, ClientIpError>,
    ) -> Result<Client, ClientIpError> {
        for (hop, entry) in (1..).zip(entries_from_right) {
            let address = read(hop, entry.trim_ascii())?;
            if !self.trusted.contains(address) {
                return Ok(Client { address, hop: Hop::Listed { from_right: hop } });
            }
        }
        Err(ClientIpError::EveryHopTrusted)
    }
}

/// Which header the trusted proxies tell the client's address in, and in what form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: client, proxy, proxy`, appended to by every proxy.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy;by=…` (RFC 7239), appended to by every proxy.
    Forwarded,
    /// A header with one address, replaced by the outermost proxy: `CF-Connecting-IP`, `X-Real-IP`. More than one line or value
    /// denies, because then somebody else wrote one too. Made by [`single`](Self::single).
    Single(HeaderName),
}

impl ForwardingHeader {
    /// The header `name`, whose value is one address.
    ///
    /// # Errors
    /// `name` is not a header's name.
    pub fn single(name: &str) -> Result<Self, HeaderNameError> {
        Ok(Self::Single(name.parse()?))
    }

    /// The header's name in lower case.
    #[must_use]
    pub fn header_name(&self) -> &str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Single(name) => name.as_str(),
        }
    }
}

/// Reads a header's name: `x-forwarded-for`, `forwarded`, and every other one as a [single-value](Self::Single) header.
impl FromStr for ForwardingHeader {
    type Err = HeaderNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = name.parse::<HeaderName>()?;
        Ok(match name.as_str() {
            "x-forwarded-for" => Self::XForwardedFor,
            "forwarded" => Self::Forwarded,
            _ => Self::Single(name),
        })
    }
}

impl fmt::Display for ForwardingHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.header_name())
    }
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = HeaderNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = name.trim_ascii();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(HeaderNameError { name: shown(name.as_bytes()) });
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string is not the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not the name of a header, such as x-forwarded-for, forwarded or cf-connecting-ip")]
pub struct HeaderNameError {
    name: String,
}

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// Its address, never that of a trusted proxy and never IPv4-mapped IPv6.
    pub address: IpAddr,
    /// Where the address was found.
    pub hop: Hop,
}

/// The address and where it was found: `203.0.113.7 (entry 2 from the right of the forwarding header)`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.hop)
    }
}

/// Where a client's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hop {
    /// It is the peer of the connection.
    Peer,
    /// It was named by a trusted proxy.
    Listed {
        /// The entry in the header, counted from the right over all its lines; the rightmost is 1.
        from_right: usize,
    },
}

/// Shown as the end of a sentence about the address: `the connection's peer`, `entry 2 from the right of the forwarding header`.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => f.write_str("the connection's peer"),
            Self::Listed { from_right } => write!(f, "entry {from_right} from the right of the forwarding header"),
        }
    }
}

/// Why a client's address cannot be told. `hop` counts the entries of the forwarding header from the right; the rightmost is 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIpError {
    /// The server did not say who its peer is.
    #[error(
        "the connection's peer is not known: run the server so that handlers learn the peer's address (a Unix socket has none)"
    )]
    NoPeer,
    /// A trusted proxy did not send the configured header.
    #[error("the trusted proxy {proxy} sent no `{header}` header: make it send one, or configure the header that it does send")]
    NoHeader {
        /// The connection's peer.
        proxy: IpAddr,
        /// The configured header, in lower case.
        header: String,
    },
    /// Every hop is a trusted proxy, so none is the client.
    #[error("every hop up to the left end of the forwarding header is a trusted proxy: trust only the proxies' own addresses")]
    EveryHopTrusted,
    /// The header for one address has several lines or values.
    #[error("`{header}` must have one line with one address: make the outermost proxy replace what clients send")]
    NotSingle {
        /// The configured header, in lower case.
        header: String,
    },
    /// An entry is empty.
    #[error(
        "entry {hop} from the right of the forwarding header is empty: make the proxy that wrote it append its client's address"
    )]
    Empty {
        /// The entry.
        hop: usize,
    },
    /// An entry is the word `unknown`.
    #[error(
        "entry {hop} from the right of the forwarding header is `unknown`: make the proxy that wrote it tell its client's address"
    )]
    Unknown {
        /// The entry.
        hop: usize,
    },
    /// An entry is an obfuscated identifier, such as `_hidden`.
    #[error(
        "entry {hop} from the right of the forwarding header is obfuscated: make the proxy that wrote it tell its client's address"
    )]
    Obfuscated {
        /// The entry.
        hop: usize,
    },
    /// An entry is an IPv6 address with a zone, which means something only on the machine that wrote it.
    #[error(
        "entry {hop} from the right of the forwarding header has an IPv6 zone: let the proxies use global or unique local addresses"
    )]
    Zone {
        /// The entry.
        hop: usize,
    },
    /// An element of `Forwarded` has no `for` parameter.
    #[error("entry {hop} from the right of `forwarded` has no `for`: make the proxy that wrote it tell its client's address")]
    NoFor {
        /// The entry.
        hop: usize,
    },
    /// An element of `Forwarded` has more than one `for` parameter.
    #[error("entry {hop} from the right of `forwarded` has more than one `for`: correct the proxy that wrote it")]
    RepeatedFor {
        /// The entry.
        hop: usize,
    },
    /// An entry is none of what may stand in the header.
    #[error(
        "entry {hop} from the right of the forwarding header, \"{found}\", is not an address: correct the proxy that wrote it"
    )]
    Garbage {
        /// The entry.
        hop: usize,
        /// The entry's first 64 bytes, escaped.
        found: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Brackets {
    /// IPv6 without a port may go without, and ports are numbers.
    Optional,
    /// The node of RFC 7239, section 6: IPv6 always has them, and a port may be an obfuscated identifier.
    Required,
}

/// Reads an address with or without a port.
fn address(hop: usize, entry: &[u8], brackets: Brackets) -> Result<IpAddr, ClientIpError> {
    let garbage = || ClientIpError::Garbage { hop, found: shown(entry) };
    let text = str::from_utf8(entry).map_err(|_| garbage())?;
    let (name, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or_else(garbage)?,
        None if brackets == Brackets::Optional && text.matches(':').count() > 1 => (text, ""),
        None => text.find(':').and_then(|colon| text.split_at_checked(colon)).unwrap_or((text, "")),
    };
    if !is_port_suffix(port, brackets) {
        return Err(garbage());
    }
    if text.starts_with('[') || name.contains(':') {
        return match name.parse::<Ipv6Addr>() {
            Ok(address) => Ok(IpAddr::V6(address).to_canonical()),
            Err(_) if name.contains('%') => Err(ClientIpError::Zone { hop }),
            Err(_) => Err(garbage()),
        };
    }
    match name.parse() {
        Ok(address) => Ok(IpAddr::V4(address)),
        Err(_) if name.is_empty() && port.is_empty() => Err(ClientIpError::Empty { hop }),
        Err(_) if name.eq_ignore_ascii_case("unknown") => Err(ClientIpError::Unknown { hop }),
        Err(_) if is_obfuscated(name) => Err(ClientIpError::Obfuscated { hop }),
        Err(_) => Err(garbage()),
    }
}

/// Whether `suffix` is nothing, or a colon and a port.
fn is_port_suffix(suffix: &str, brackets: Brackets) -> bool {
    match suffix.strip_prefix(':') {
        None => suffix.is_empty(),
        Some(port) if port.starts_with('_') => brackets == Brackets::Required && is_obfuscated(port),
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

/// Whether `name` is an underscore and at least one more byte, as in RFC 7239, section 6.3.
fn is_obfuscated(name: &str) -> bool {
    name.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    })
}

/// Tells the commas that separate elements from those in quoted values, for bytes that come from right to left.
///
/// Reading from the left would let a client's unclosed quote reach over the elements that proxies appended after it.
fn separator_from_right() -> impl FnMut(&u8) -> bool {
    #[derive(Clone, Copy)]
    enum State {
        Outside,
        Inside,
        /// Just left of a quote, which opens the value unless an odd number of backslashes stands before it.
        AtQuote {
            escaped: bool,
        },
    }
    let mut state = State::Outside;
    move |byte| {
        if let State::AtQuote { escaped } = state {
            if *byte == b'\\' {
                state = State::AtQuote { escaped: !escaped };
                return false;
            }
            state = if escaped { State::Inside } else { State::Outside };
        }
        match (state, *byte) {
            (State::Outside, b',') => return true,
            (State::Outside, b'"') => state = State::Inside,
            (State::Inside, b'"') => state = State::AtQuote { escaped: false },
            _ => {}
        }
        false
    }
}

/// Reads the address in the one `for` parameter of a `Forwarded` element.
fn forwarded_for(hop: usize, element: &[u8]) -> Result<IpAddr, ClientIpError> {
    if element.is_empty() {
        return Err(ClientIpError::Empty { hop });
    }
    let garbage = || ClientIpError::Garbage { hop, found: shown(element) };
    let mut node = None;
    let mut rest = element;
    while !rest.is_empty() {
        let (parameter, after) = parameter(rest).ok_or_else(garbage)?;
        if let Some((name, value)) = parameter
            && name.eq_ignore_ascii_case(b"for")
            && node.replace(value).is_some()
        {
            return Err(ClientIpError::RepeatedFor { hop });
        }
        rest = after;
    }
    address(hop, &node.ok_or(ClientIpError::NoFor { hop })?, Brackets::Required)
}

type Parameter<'a> = (&'a [u8], Vec<u8>);

/// Splits `name=value` off the front, with the `;` and white space that end it; the parameter is `None` between two `;`.
fn parameter(text: &[u8]) -> Option<(Option<Parameter<'_>>, &[u8])> {
    let text = text.trim_ascii_start();
    if let Some(after) = end_of_parameter(text) {
        return Some((None, after));
    }
    let (name, value) = text.split_at_checked(text.iter().position(|byte| *byte == b'=')?)?;
    if name.is_empty() || !name.iter().copied().all(is_token_byte) {
        return None;
    }
    let value = value.strip_prefix(b"=")?;
    let (value, after) = match value.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted)?,
        None => bare_value(value)?,
    };
    Some((Some((name, value)), end_of_parameter(after)?))
}

/// What follows the `;` that comes next, or nothing at the end of the text; `None` when something else comes next.
fn end_of_parameter(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    if text.is_empty() { Some(text) } else { text.strip_prefix(b";") }
}

/// The value up to the closing quote, without its escapes, and what follows the quote.
fn unquoted(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match *bytes.next()? {
            b'"' => return Some((value, bytes.as_slice())),
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(byte),
        }
    }
}

/// A value without quotes. Colons and brackets ought to be quoted and often are not, without doubt about what they mean.
fn bare_value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().position(|byte| !is_token_byte(*byte) && !matches!(byte, b':' | b'[' | b']')).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end)?;
    (!value.is_empty()).then(|| (value.to_vec(), after))
}

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn shown(text: &[u8]) -> String {
    text.get(..LONGEST_SHOWN).unwrap_or(text).escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
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

    /// The client as `address#entry`, or the error's variant.
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
    fn garbage_that_has_to_be_read_denies() {
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
            "2001:db8:1:2:3:4:5:6:443",
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
    fn malformed_elements_of_forwarded_deny() {
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
        let nobody = ClientIp::behind(AllowList::default(), ForwardingHeader::XForwardedFor);
        assert_eq!(nobody.resolve(Some(ip(PROXY)), [&b"1.1.1.1"[..]]), peer(PROXY));
        let everybody = ClientIp::behind("0.0.0.0/0, ::/0".parse().unwrap(), ForwardingHeader::XForwardedFor);
        assert_eq!(everybody.resolve(Some(ip("1.1.1.1")), [&b"2.2.2.2"[..]]), Err(ClientIpError::EveryHopTrusted));
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
    fn a_client_says_where_its_address_was_found() {
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

    /// Bytes of which many mean something to one of the readers.
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

    /// What honest proxies append, as entries: an untrusted client, then any number of proxies.
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
        fn an_untrusted_peer_writes_headers_in_vain(header in any_header(), peer in any_address(), lines in hostile_lines()) {
            prop_assume!(!PROXIES.parse::<AllowList>().unwrap().contains(peer));
            let client = behind(header).resolve(Some(peer), lines.iter().map(Vec::as_slice));
            prop_assert_eq!(client, Ok(Client { address: peer.to_canonical(), hop: Hop::Peer }));
        }

        #[test]
        fn what_stands_left_of_the_client_changes_nothing(
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
        fn the_client_is_never_a_proxy(peer in any_address(), entries in vec(any_address(), 0..6), junk in hostile_lines()) {
            let texts = entries.iter().map(IpAddr::to_string).collect::<Vec<_>>();
            let elements = entries.iter().map(|entry| if entry.is_ipv6() { format!("for=\"[{entry}]\"") } else { format!("for={entry}") });
            let single = texts.last().cloned().unwrap_or_default();
            for (header, line) in [
                ("x-forwarded-for", texts.join(",")),
                ("forwarded", elements.collect::<Vec<_>>().join(",")),
                ("cf-connecting-ip", single),
            ] {
                for lines in [&vec![line.into_bytes()], &junk] {
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
}
