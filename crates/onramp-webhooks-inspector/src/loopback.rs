//! The check of an inspector that is open to its own machine.

use std::net::IpAddr;

use onramp_webhooks::adapter::PageRequest;

use crate::problem::Problem;

/// Headers that proxies add. Behind a proxy, every client seems to be local.
const FORWARDED: [&str; 12] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "forwarded-for",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
];

/// Checks that a request comes from this machine, directly, and names this machine as its host, because other names may have been rebound to
/// it.
pub(crate) fn check(request: &PageRequest) -> Result<(), Problem> {
    if !request.peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        return Err(Problem::forbidden("This page is open to its own machine only. Set a token to open it from elsewhere."));
    }
    if !request.header("host").is_some_and(is_loopback) {
        return Err(Problem::forbidden("Open this page as localhost, 127.0.0.1 or [::1], or set a token."));
    }
    if request.names().any(|name| name.starts_with("x-forwarded") || FORWARDED.contains(&name)) {
        return Err(Problem::forbidden("A proxy passed this request on, so the client may be anywhere. Set a token."));
    }
    Ok(())
}

/// Returns whether a host names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port),
        None => host.split_once(':').map_or((host, ""), |(name, _)| (name, host.get(name.len()..).unwrap_or("?"))),
    };
    let has_valid_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_local = name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    has_valid_port && is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:8080", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "shop.example",
            "localhost.shop.example",
            "127.0.0.1.shop.example",
            "localhost:x",
            "localhost:",
            "0.0.0.0",
            "[::]",
            "[::1",
            "[::1]x",
            "192.0.2.1",
            "127.1",
            "localhost@shop.example",
            "2130706433",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
