//! Errors of determining a client's address.

use std::net::IpAddr;

/// Maximum length of an entry in an error message, in bytes.
const LONGEST_SHOWN: usize = 64;

/// Error returned when determining the address of a client.
///
/// `hop` is the number of an entry of the forwarding header, counted from the right; the last entry is 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIpError {
    /// The framework does not know the peer of the connection.
    #[error(
        "the connection's peer is not known: configure the server to pass the peer's address to handlers (a Unix socket has \
         none, see ClientIp::behind_unix_socket)"
    )]
    NoPeer,
    /// A trusted proxy did not send the configured header.
    #[error("the trusted proxy {} sent no `{header}` header: make it send one, or configure the header that it sends", shown_proxy(*proxy))]
    NoHeader {
        /// The connection's peer; `None` at a Unix socket.
        proxy: Option<IpAddr>,
        /// The configured header, in lower case.
        header: String,
    },
    /// Every hop is a trusted proxy, so none of them is the client.
    #[error("every entry of the forwarding header is a trusted proxy: trust only the addresses of your proxies")]
    EveryHopTrusted,
    /// A header that holds one address has several lines or values.
    #[error("`{header}` must have one line with one address: make the outermost proxy replace the header of the client")]
    NotSingle {
        /// The configured header, in lower case.
        header: String,
    },
    /// An entry is empty.
    #[error(
        "entry {hop} from the right of the forwarding header is empty: make the proxy that wrote it append the address of its client"
    )]
    Empty {
        /// The number of the entry.
        hop: usize,
    },
    /// An entry is the word `unknown`.
    #[error(
        "entry {hop} from the right of the forwarding header is `unknown`: make the proxy that wrote it append the address of its client"
    )]
    Unknown {
        /// The number of the entry.
        hop: usize,
    },
    /// An entry is an obfuscated identifier, such as `_hidden`.
    #[error(
        "entry {hop} from the right of the forwarding header is obfuscated: make the proxy that wrote it append the address of its client"
    )]
    Obfuscated {
        /// The number of the entry.
        hop: usize,
    },
    /// An entry is an IPv6 address with a zone, which has a meaning only on the machine that wrote it.
    #[error(
        "entry {hop} from the right of the forwarding header has an IPv6 zone: use global or unique local addresses between the proxies"
    )]
    Zone {
        /// The number of the entry.
        hop: usize,
    },
    /// An entry is an IPv6 address without brackets whose last group may be a port: `2001:db8::7:443`.
    #[error(
        "entry {hop} from the right of the forwarding header is an IPv6 address that may end with a port: make the proxy that wrote it \
         put the address in brackets, or leave out the port"
    )]
    Doubtful {
        /// The number of the entry.
        hop: usize,
    },
    /// An element of `Forwarded` has no `for` parameter.
    #[error(
        "entry {hop} from the right of `forwarded` has no `for`: make the proxy that wrote it append the address of its client"
    )]
    NoFor {
        /// The number of the entry.
        hop: usize,
    },
    /// An element of `Forwarded` has more than one `for` parameter.
    #[error("entry {hop} from the right of `forwarded` has more than one `for`: correct the proxy that wrote it")]
    RepeatedFor {
        /// The number of the entry.
        hop: usize,
    },
    /// An entry is not an address in any form that the header allows.
    #[error(
        "entry {hop} from the right of the forwarding header, \"{found}\", is not an address: correct the proxy that wrote it"
    )]
    Garbage {
        /// The number of the entry.
        hop: usize,
        /// The first 64 bytes of the entry, escaped.
        found: String,
    },
}

fn shown_proxy(proxy: Option<IpAddr>) -> String {
    proxy.map_or_else(|| "at the Unix socket".to_owned(), |proxy| proxy.to_string())
}

/// Cuts and escapes an entry for a log line.
pub(super) fn shown(text: &[u8]) -> String {
    text.get(..LONGEST_SHOWN).unwrap_or(text).escape_ascii().to_string()
}
