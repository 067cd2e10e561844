//! The probe of Redis.

use std::io::{self, BufReader, Read};

use super::{Access, line, no_such_server};
use crate::address::{Address, Url};

/// Probes a Redis server at `redis://…`, `redis+unix://…` or `unix://…`.
///
/// For `rediss://`, only checks that the port is open.
///
/// # Errors
/// Returns an error if the address has no Redis server, or if the server is not ready.
pub fn redis(url: &str) -> io::Result<Access> {
    let url = Url::parse(url).ok_or_else(|| no_such_server("it is not a valid URL"))?;
    let address = if url.scheme.ends_with("unix") { Address::Unix(format!("/{}", url.path).into()) } else { url.tcp(6379) };
    let mut stream = address.connect()?;
    if url.scheme == "rediss" {
        return Ok(Access::Guarded);
    }
    stream.write_all(b"PING\r\n")?;
    let reply = line(BufReader::new(stream.take(1_000)))?;
    match reply.strip_prefix('-') {
        None if reply == "+PONG" => Ok(Access::Open),
        Some(error) if error.starts_with("NOAUTH") => Ok(Access::Guarded),
        _ => Err(no_such_server(&reply)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// Starts a server that sends `bytes`, and returns its URL.
    fn sending(bytes: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.read_exact(&mut [0; 6]).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn only_a_pong_is_open() {
        assert_eq!(redis(&sending("+PONG\r\n")).unwrap(), Access::Open);
        assert_eq!(redis(&sending("-NOAUTH Authentication required.\r\n")).unwrap(), Access::Guarded);
        for other in ["-LOADING Redis is loading the dataset in memory\r\n", "HTTP/1.1 400 Bad Request\r\n", ""] {
            redis(&sending(other)).unwrap_err();
        }
    }
}
