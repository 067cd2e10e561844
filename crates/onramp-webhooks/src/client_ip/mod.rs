//! Addresses of clients: the peer of the socket, or a client that trusted proxies report.
//!
//! Each proxy appends the address of its peer to the *right* of a forwarding header. Entries to the left were in the request before
//! and may be forged: a client that sends `x-forwarded-for: 174.138.2.203` through an honest proxy arrives with `x-forwarded-for:
//! 174.138.2.203, 203.0.113.7`. An allow-list that is checked against the leftmost entry therefore gives no protection.
//!
//! [`ClientIp`] starts at the peer of the socket, which cannot be forged over TCP. While the current address is a trusted proxy, it
//! moves one entry to the left. The first address that is not a trusted proxy is the client. Entries to the left of it are not
//! read.
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
//! assert_eq!(direct.hop, Hop::Peer, "the header of a peer that is no trusted proxy is ignored");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Format
//! - All lines of the header are one list, in their order.
//! - An entry is an IPv4 or IPv6 address, with or without a port (`192.0.2.1:80`, `[2001:db8::1]:80`). IPv6 without a port needs no
//!   brackets, except in `Forwarded`. IPv4-mapped IPv6 becomes IPv4, also with a port and without brackets (`::ffff:192.0.2.1:80`).
//! - `Forwarded` (RFC 7239) may have parameters in any order and case, quoted values with escapes, and white space around `;`. The
//!   list is split from the right, with its quotes, so that an unclosed quote of a client cannot hide the elements that proxies
//!   appended.
//!
//! # Denied requests
//! The address of a client cannot be determined, and the request is denied, if
//! - an entry that has to be read is not an address: `unknown`, `_hidden`, an IPv6 zone, garbage, no `for` or several;
//! - an entry that has to be read is IPv6 without brackets, and its last group may be a port: `2001:db8::1:80`;
//! - an entry that has to be read is empty. RFC 9110 (section 5.6.1) allows empty entries, but no proxy that knows its client appends one,
//!   and the entry to the left of it may be forged;
//! - a trusted proxy did not send the header, or a [single-value](ForwardingHeader::Single) header has several lines or values;
//! - all hops are trusted proxies;
//! - the framework does not know the peer, unless the server is [behind a Unix socket](ClientIp::behind_unix_socket).
//!
//! # The PROXY protocol
//! A proxy that forwards bytes instead of requests adds no headers of HTTP. Instead, it begins each connection with a header of the PROXY
//! protocol. [`ClientIp`] does not see that header: the server reads it with [`ProxyHeader`], from declared proxies only, and passes the
//! client on as the peer. So [`ClientIp::peer_only`] finds the client behind such a listener, and [`ClientIp::behind`] finds it behind a
//! further proxy that forwards requests. A client that the proxy does not know is denied.
//!
//! # Requirements of a trusted proxy
//! On every request, a trusted proxy must append to the configured header or replace it. If a proxy passes the header of a client on
//! unchanged, clients can choose their address. A proxy must always replace a [single-value](ForwardingHeader::Single) header.

mod client;
mod entry;
mod error;
mod forwarded;
mod header;
mod proxy_protocol;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use self::client::{Client, Hop};
use self::entry::{Brackets, address};
pub use self::error::ClientIpError;
use self::forwarded::{forwarded_for, separator_from_right};
pub use self::header::{ForwardingHeader, HeaderName, HeaderNameError};
pub use self::proxy_protocol::{ProxyHeader, ProxyHeaderError, ProxySource};
use crate::allow_list::AllowList;
use crate::request::Request;

/// The method of determining the address of a client. See the [module docs](self) for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientIp(Option<Forwarding>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Forwarding {
    trusted: AllowList,
    header: ForwardingHeader,
    /// Set if a peer without an address is a trusted proxy.
    unix_socket: bool,
}

impl ClientIp {
    /// Uses the peer of the socket and reads no header. This is the default.
    #[must_use]
    pub const fn peer_only() -> Self {
        Self(None)
    }

    /// Uses `header` for requests from the proxies in `trusted`, and the peer of the socket for all others. Equivalent to
    /// [`peer_only`](Self::peer_only) if `trusted` is empty.
    #[must_use]
    pub const fn behind(trusted: AllowList, header: ForwardingHeader) -> Self {
        Self(Some(Forwarding { trusted, header, unix_socket: false }))
    }

    /// Uses `header` for all requests, for a server that listens on a Unix socket, whose peer is a proxy on the same machine. `trusted` are
    /// further proxies between it and the clients.
    ///
    /// Only for a server that accepts no other connections, and only if no one but the proxy can open the socket: every peer whose address is
    /// not known is trusted.
    #[must_use]
    pub const fn behind_unix_socket(trusted: AllowList, header: ForwardingHeader) -> Self {
        Self(Some(Forwarding { trusted, header, unix_socket: true }))
    }

    /// Returns the name of the header that [`resolve`](Self::resolve) reads, in lower case; `None` if it reads none.
    #[must_use]
    pub fn header_name(&self) -> Option<&str> {
        self.0.as_ref().map(|forwarding| forwarding.header.header_name())
    }

    /// Determines the client of `request`.
    ///
    /// # Errors
    /// Fails as [`resolve`](Self::resolve) does.
    pub fn client_of(&self, request: &Request<'_>) -> Result<Client, ClientIpError> {
        let lines = self.header_name().map(|name| request.headers.lines(name)).into_iter().flatten();
        self.resolve(request.peer, lines)
    }

    /// Determines the client of a request from `peer`. `lines` are the values of all lines of the header
    /// [`header_name`](Self::header_name), in the order of arrival. They are read only if `peer` is a trusted proxy.
    ///
    /// # Errors
    /// Returns an error if the address of the client cannot be determined. Treat the request as one from an address that is not allowed.
    pub fn resolve<'a>(&self, peer: Option<IpAddr>, lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Client, ClientIpError> {
        let peer = peer.map(|peer| peer.to_canonical());
        match (&self.0, peer) {
            (Some(forwarding), peer) if forwarding.trusts(peer) => {
                let lines: Vec<&[u8]> = lines.into_iter().collect();
                forwarding.resolve(peer, &lines)
            }
            (_, Some(peer)) => Ok(Client { address: peer, hop: Hop::Peer }),
            (_, None) => Err(ClientIpError::NoPeer),
        }
    }
}

impl Forwarding {
    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix_socket, |peer| self.trusted.contains(peer))
    }

    fn resolve(&self, proxy: Option<IpAddr>, lines: &[&[u8]]) -> Result<Client, ClientIpError> {
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
