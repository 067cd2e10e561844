//! What a resolution finds.

use std::fmt;
use std::net::IpAddr;

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
