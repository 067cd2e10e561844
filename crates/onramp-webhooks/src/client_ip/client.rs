//! Clients, and the hops at which their addresses were found.

use std::fmt;
use std::net::IpAddr;

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// The address of the client. Never the address of a trusted proxy, and never IPv4-mapped IPv6.
    pub address: IpAddr,
    /// The hop at which the address was found.
    pub hop: Hop,
}

/// Formats the address and the hop: `203.0.113.7 (entry 2 from the right of the forwarding header)`.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.hop)
    }
}

/// The hop at which the address of a client was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hop {
    /// The client is the peer of the connection.
    Peer,
    /// A trusted proxy reported the client.
    Listed {
        /// The entry of the header, counted from the right over all lines of the header; the last one is 1.
        from_right: usize,
    },
}

/// Formats the hop: `the connection's peer`, `entry 2 from the right of the forwarding header`.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => f.write_str("the connection's peer"),
            Self::Listed { from_right } => write!(f, "entry {from_right} from the right of the forwarding header"),
        }
    }
}
