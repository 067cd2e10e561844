//! Whether there is a PostgreSQL server for those tests that need one.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The package whose tests need a server.
pub(crate) const PACKAGE: &str = "onramp-webhooks-postgres";

/// What to do about it.
pub(crate) const WANTED: &str = "no server answers at DATABASE_URL or 127.0.0.1:5432; tests of onramp-webhooks-postgres and its column of the matrix need one";

/// Where the tests look for the server.
const USUAL: &str = "127.0.0.1:5432";

/// Whether somebody listens where the tests look for the server.
pub(crate) fn is_there() -> bool {
    let url = std::env::var("DATABASE_URL").unwrap_or_default();
    let address = if url.starts_with("postgres") { host_and_port(&url) } else { Some(USUAL.to_owned()) };
    let addresses = address.and_then(|address| address.to_socket_addrs().ok()).into_iter().flatten();
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
}

/// The host and the port of `postgres://user:password@host:port/database?options`; `None`: it is no URL.
fn host_and_port(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:5432") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_server_is() {
        for (url, address) in [
            ("postgres://postgres@127.0.0.1:5432/postgres", "127.0.0.1:5432"),
            ("postgresql://shop:p%40ss@db.example/shop?sslmode=require", "db.example:5432"),
            ("postgres://[::1]:5433/x", "[::1]:5433"),
            ("postgres://[::1]/x", "[::1]:5432"),
            ("postgres:///x", "127.0.0.1:5432"),
        ] {
            assert_eq!(host_and_port(url).as_deref(), Some(address), "{url}");
        }
        assert_eq!(host_and_port("postgres"), None);
    }
}
