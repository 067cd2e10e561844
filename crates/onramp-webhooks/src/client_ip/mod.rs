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

mod client;
mod entry;
mod error;
mod forwarded;
mod header;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use self::client::{Client, Hop};
use self::entry::{Brackets, address};
pub use self::error::ClientIpError;
use self::forwarded::{forwarded_for, separator_from_right};
pub use self::header::{ForwardingHeader, HeaderName, HeaderNameError};
use crate::allow_list::AllowList;
use crate::request::Request;

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

    /// Finds the client of `request`.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn client_of(&self, request: &Request<'_>) -> Result<Client, ClientIpError> {
        let lines = self.header_name().map(|name| request.headers.lines(name)).into_iter().flatten();
        self.resolve(request.peer, lines)
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
