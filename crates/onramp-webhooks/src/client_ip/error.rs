//! Why a resolution finds nobody.

use std::net::IpAddr;

/// Longest piece of an unreadable entry that an error repeats, in bytes.
const LONGEST_SHOWN: usize = 64;

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

/// A piece of an entry, fit for a log line.
pub(super) fn shown(text: &[u8]) -> String {
    text.get(..LONGEST_SHOWN).unwrap_or(text).escape_ascii().to_string()
}
