//! Sets of addresses and networks, for clients that are allowed and proxies that are trusted.
//!
//! ```
//! use onramp_webhooks::allow_list::AllowList;
//!
//! let allowed: AllowList = "174.138.2.203, 10.0.0.0/8".parse()?;
//! assert!(allowed.contains("10.1.2.3".parse()?));
//! assert!(allowed.contains("::ffff:174.138.2.203".parse()?), "IPv4-mapped IPv6 counts as IPv4");
//! assert!(!allowed.contains("174.138.2.204".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// Length of the prefix of `::ffff:0:0/96`, the network of IPv4-mapped IPv6 addresses, in bits.
const MAPPED_PREFIX: u8 = 96;

/// Maximum length of an entry in an error message, in characters.
const LONGEST_SHOWN: usize = 64;

/// A set of addresses and networks. The default is empty and contains no address.
///
/// IPv4-mapped IPv6 (`::ffff:192.0.2.1`) counts as IPv4, in entries and in addresses. An IPv6 network never contains an IPv4 address:
/// to allow all addresses, use `0.0.0.0/0, ::/0`. Bits after the prefix of a network are ignored: `10.1.2.3/8` is `10.0.0.0/8`.
///
/// Two lists are equal if they contain the same networks, regardless of order and notation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<IpNet>);

impl AllowList {
    /// Creates a list of `networks`: [`IpAddr`]s, or [`IpNet`]s of the crate `ipnet` 2.
    pub fn new<N: Into<IpNet>>(networks: impl IntoIterator<Item = N>) -> Self {
        let mut networks: Vec<IpNet> = networks.into_iter().map(|network| canonical(network.into())).collect();
        networks.sort_unstable();
        networks.dedup();
        Self(networks)
    }

    /// Returns the number of addresses and networks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether `address` is one of the addresses or is in one of the networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_PREFIX)) {
        (IpAddr::V4(address), Some(prefix)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, prefix).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

impl<N: Into<IpNet>> FromIterator<N> for AllowList {
    fn from_iter<I: IntoIterator<Item = N>>(networks: I) -> Self {
        Self::new(networks)
    }
}

/// Parses a comma-separated list. White space and empty entries are ignored; an empty string is an empty list.
impl FromStr for AllowList {
    type Err = AllowListError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(network).collect()
    }
}

fn network(entry: &str) -> Result<IpNet, AllowListError> {
    let parsed = match entry.split_once('/') {
        None => entry.parse::<IpAddr>().ok().map(IpNet::from),
        Some(_) => entry.parse().ok(),
    };
    parsed.ok_or_else(|| AllowListError { entry: entry.chars().take(LONGEST_SHOWN).collect() })
}

/// Formats the networks, sorted and separated by commas; a network of one address as the address. [`FromStr`] reads it back.
impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, network) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            if network.prefix_len() == network.max_prefix_len() {
                write!(f, "{}", network.addr())?;
            } else {
                write!(f, "{network}")?;
            }
        }
        Ok(())
    }
}

/// Error returned when parsing an [`AllowList`], if an entry is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is neither an address, such as 174.138.2.203 or 2001:db8::1, nor a network, such as 10.0.0.0/8 or 2001:db8::/32"
)]
pub struct AllowListError {
    entry: String,
}

impl AllowListError {
    /// Returns the entry without white space around it, cut to 64 characters.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(list: &str) -> AllowList {
        list.parse().unwrap()
    }

    fn contains(entries: &str, address: &str) -> bool {
        list(entries).contains(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_contain_their_addresses() {
        for (entries, inside, outside) in [
            ("174.138.2.203", "174.138.2.203", "174.138.2.202"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.1.2.3/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("\t1.1.1.1 ,, 2.2.2.2 ,", "2.2.2.2", "0.0.0.0"),
        ] {
            assert!(contains(entries, inside), "{inside} in {entries}");
            assert!(!contains(entries, outside), "{outside} not in {entries}");
        }
    }

    #[test]
    fn mapped_ipv6_counts_as_ipv4_in_entries_and_addresses() {
        for (entries, inside, outside) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("::ffff:192.0.2.0/120", "192.0.2.255", "192.0.3.0"),
            ("::ffff:192.0.2.0/120", "::ffff:192.0.2.255", "::ffff:192.0.3.0"),
            ("::ffff:0:0/96", "203.0.113.9", "::1"),
            ("::ffff:0:0/95", "::fffe:1.2.3.4", "1.2.3.4"),
            ("::/0", "::1", "::ffff:192.0.2.1"),
        ] {
            assert!(contains(entries, inside), "{inside} in {entries}");
            assert!(!contains(entries, outside), "{outside} not in {entries}");
        }
    }

    #[test]
    fn the_empty_list_contains_no_address() {
        for entries in ["", "  ", ",", " , ,"] {
            assert_eq!(list(entries), AllowList::default());
            assert!(list(entries).is_empty());
            assert!(!contains(entries, "127.0.0.1") && !contains(entries, "::1"));
        }
    }

    #[test]
    fn the_error_contains_the_entry() {
        for bad in [
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4/33",
            "1.2.3.4/",
            "/8",
            "1.2.3.4/8/8",
            "1.2.3.4/-1",
            "1.2.3.4:80",
            "[::1]",
            "::1/129",
            "fe80::1%eth0",
            "1.2.3.4 5.6.7.8",
            "1.2.3.4;5.6.7.8",
            "*",
            "1.2.3.4/0x8",
            "１.2.3.4",
        ] {
            let error = format!("10.0.0.0/8, {bad} ,::1").parse::<AllowList>().unwrap_err();
            assert_eq!(error.entry(), bad);
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
        assert_eq!("ä".repeat(1000).parse::<AllowList>().unwrap_err().entry().chars().count(), 64);
    }

    #[test]
    fn display_is_sorted_without_repetition_and_reads_back() {
        let messy = list("2001:db8::1/32, 10.1.2.3/8,::ffff:9.9.9.9, 9.9.9.9/32,::1");
        assert_eq!(messy.to_string(), "9.9.9.9, 10.0.0.0/8, ::1, 2001:db8::/32");
        assert_eq!(list(&messy.to_string()), messy);
        assert_eq!(list("1.1.1.1,2.2.2.2"), list("2.2.2.2,1.1.1.1"));
        assert_eq!(AllowList::default().to_string(), "");
    }

    #[test]
    fn collects_from_addresses_and_networks() {
        let addresses: AllowList = ["::ffff:1.1.1.1", "2.2.2.2"].map(|a| a.parse::<IpAddr>().unwrap()).into_iter().collect();
        assert_eq!(addresses, list("1.1.1.1,2.2.2.2"));
        assert_eq!(AllowList::new(["10.9.9.9/8".parse::<IpNet>().unwrap()]), list("10.0.0.0/8"));
    }
}
