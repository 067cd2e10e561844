//! Failed attempts to sign in, so that those who try many tokens are told to wait.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

/// The number of failures in a [`WINDOW`] after which an address has to wait before the next.
const MOST_FAILURES: usize = 10;

const WINDOW: Duration = Duration::from_secs(60);

/// Maximum number of addresses that are counted one by one. All others share one count.
const MOST_ADDRESSES: usize = 1_024;

/// The times of recent failures of each address. Of IPv6 addresses, those with the same first 64 bits are one, because a client has all of
/// them.
#[derive(Debug, Default)]
pub(crate) struct Attempts(HashMap<Option<IpAddr>, VecDeque<Timestamp>>);

impl Attempts {
    /// Returns the time that an address has to wait after one more wrong token; `None` if it may try others.
    pub(crate) fn wait(&self, peer: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let failures = self.0.get(&self.bucket(peer))?;
        let counted = failures.iter().filter(|failure| now.since(**failure) < WINDOW).count();
        let oldest = failures.iter().find(|failure| now.since(**failure) < WINDOW)?;
        (counted >= MOST_FAILURES).then(|| oldest.after(WINDOW).since(now))
    }

    pub(crate) fn failed(&mut self, peer: Option<IpAddr>, now: Timestamp) {
        self.0.retain(|_, failures| failures.back().is_some_and(|last| now.since(*last) < WINDOW));
        let failures = self.0.entry(self.bucket(peer)).or_default();
        failures.push_back(now);
        while failures.len() > MOST_FAILURES {
            failures.pop_front();
        }
    }

    fn bucket(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        let network = peer.map(network);
        network.filter(|_| self.0.len() < MOST_ADDRESSES || self.0.contains_key(&network))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn the_eleventh_attempt_waits_until_the_first_is_a_minute_old() {
        let mut attempts = Attempts::default();
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        for second in 0..10 {
            assert_eq!(attempts.wait(peer, at(second)), None, "{second}");
            attempts.failed(peer, at(second));
        }
        assert_eq!(attempts.wait(peer, at(10)), Some(Duration::from_secs(50)));
        assert_eq!(attempts.wait(None, at(10)), None);
        assert_eq!(attempts.wait(peer, at(60)), None);
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_and_both_forms_of_an_ipv4_address_share_a_count() {
        let mut attempts = Attempts::default();
        for number in 0..10_u16 {
            attempts.failed(Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, number, 0, 0, number).into()), at(0));
            attempts.failed(format!("::ffff:192.0.2.{}", 1 + number % 2).parse().ok(), at(0));
        }
        let waits = |address: &str| attempts.wait(address.parse().ok(), at(1)).is_some();
        assert!(waits("2001:db8:0:1:ffff::1") && !waits("2001:db8:0:2::"));
        assert!(!waits("192.0.2.1") && !waits("::ffff:192.0.2.3"));
        (0..5).for_each(|_| attempts.failed("192.0.2.1".parse().ok(), at(0)));
        assert!(attempts.wait("::ffff:192.0.2.1".parse().ok(), at(1)).is_some());
    }

    #[test]
    fn many_addresses_share_a_count() {
        let mut attempts = Attempts::default();
        for address in 0..5_000_u32 {
            attempts.failed(Some(IpAddr::V4(address.into())), at(0));
        }
        assert!(attempts.0.len() <= MOST_ADDRESSES + 1);
        assert!(attempts.wait(Some(IpAddr::from([192, 0, 2, 1])), at(1)).is_some());
    }
}
