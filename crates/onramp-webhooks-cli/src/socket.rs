//! The socket of a server, and the addresses at which it is reached.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::exit::CliError;

/// Listens at an address. Returns its port, too, if that was left to the system.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CliError> {
    let failed = |error: &std::io::Error| {
        CliError::with_source(format!("listening on {address}"), error)
            .hint("choose another port with --listen 127.0.0.1:8081, or any free one with --listen 127.0.0.1:0")
    };
    let listener = TcpListener::bind(address).await.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    Ok((listener, address))
}

/// Returns the address at which this machine reaches a server.
pub(crate) fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

/// Returns whether only this machine reaches an address.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_on_the_loopback_address() {
        for (bound, here) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.1:80", "192.0.2.1:80")] {
            let bound = bound.parse().unwrap();
            assert_eq!(from_here(bound), here.parse().unwrap());
            assert!(!is_loopback(bound) && is_loopback(from_here(bound)) != (bound == from_here(bound)));
        }
    }
}
