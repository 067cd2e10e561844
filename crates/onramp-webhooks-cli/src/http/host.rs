//! Hosts in addresses.

use std::net::{IpAddr, ToSocketAddrs};

/// Returns whether every address of a host is a loopback address.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    // Other names may have other addresses at the next look-up.
    let is_localhost = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    let addresses = || (host, 0).to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
    is_localhost && addresses().iter().all(|address| address.ip().to_canonical().is_loopback())
}
