//! Free ports for servers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::SystemTime;

/// Ports below the ephemeral range, so that no client takes the port while its server is stopped.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Returns a port without a listener. The next call returns another one.
pub(crate) fn free() -> Option<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    let start = nanos.rotate_left(16) ^ std::process::id().wrapping_mul(2_654_435_761);
    let candidates = (0..COUNT).map(|_| {
        let offset = start.wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        FIRST + u16::try_from(offset).unwrap_or_default()
    });
    candidates.into_iter().find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_and_no_clients_port() {
        let port = free().unwrap();
        assert!((20_000..32_000).contains(&port));
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
