//! The probe of PostgreSQL.

use std::io::{self, Read};

use super::{Access, no_such_server};
use crate::address::{Address, Stream, Url};

/// The maximum length of a message while a connection begins.
const LONGEST: u32 = 16_384;

/// The error code of a server that is starting or shutting down.
const CANNOT_CONNECT_NOW: &[u8] = b"C57P03\0";

/// Probes a PostgreSQL server at `postgres://…`, also through a socket in the query's `host`.
///
/// # Errors
/// Returns an error if the address has no PostgreSQL server, or if the server is starting or shutting down.
pub fn postgres(url: &str) -> io::Result<Access> {
    let url = Url::parse(url).ok_or_else(|| no_such_server("it is not a valid URL"))?;
    let mut stream = address(&url).connect()?;
    stream.write_all(&greeting(&url))?;
    let access = access(&mut *stream)?;
    // Ends the connection in the regular way. An error does not matter.
    let _ = stream.write_all(b"X\0\0\0\x04");
    Ok(access)
}

fn address(url: &Url<'_>) -> Address {
    let socket = url.query.split('&').find_map(|pair| pair.strip_prefix("host="));
    let socket = socket.map(|folder| folder.replace("%2F", "/").replace("%2f", "/")).filter(|folder| folder.starts_with('/'));
    match socket {
        Some(folder) => Address::Unix(format!("{folder}/.s.PGSQL.{}", url.port.unwrap_or(5432)).into()),
        None => url.tcp(5432),
    }
}

/// Returns the message that begins a connection.
fn greeting(url: &Url<'_>) -> Vec<u8> {
    let user = url.user.unwrap_or("postgres");
    let database = if url.path.is_empty() { user } else { url.path };
    let rest = format!("user\0{user}\0database\0{database}\0\0");
    let length = u32::try_from(rest.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &[0, 3, 0, 0], rest.as_bytes()].concat()
}

fn access(stream: &mut dyn Stream) -> io::Result<Access> {
    loop {
        let (kind, body) = message(stream)?;
        match kind {
            b'R' if body.first_chunk() == Some(&[0; 4]) => {}
            b'R' => return Ok(Access::Guarded),
            b'E' if contains(&body, CANNOT_CONNECT_NOW) => return Err(no_such_server("it is starting or shutting down")),
            b'E' if body.starts_with(b"S") => return Ok(Access::Guarded),
            b'Z' => return Ok(Access::Open),
            b'S' | b'K' | b'N' | b'v' => {}
            _ => return Err(no_such_server("it is not PostgreSQL")),
        }
    }
}

fn message(stream: &mut dyn Stream) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    let mut length = [0; 4];
    stream.read_exact(&mut kind)?;
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if !(4..LONGEST).contains(&length) {
        return Err(no_such_server("it is not PostgreSQL"));
    }
    let mut body = Vec::new();
    stream.take(u64::from(length - 4)).read_to_end(&mut body)?;
    let [kind] = kind;
    Ok((kind, body))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// Starts a server that sends `bytes`, and returns its URL.
    fn sending(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://shop@{}/orders", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut greeting = [0; 35];
            stream.read_exact(&mut greeting).unwrap();
            assert_eq!(&greeting, b"\0\0\0\x23\0\x03\0\0user\0shop\0database\0orders\0\0");
            stream.write_all(bytes).unwrap();
        });
        url
    }

    #[test]
    fn only_a_server_without_a_password_is_open() {
        assert_eq!(postgres(&sending(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\x05I")).unwrap(), Access::Open);
        assert_eq!(postgres(&sending(b"R\0\0\0\x08\0\0\0\x0a")).unwrap(), Access::Guarded);
        assert_eq!(postgres(&sending(b"E\0\0\0\x12SFATAL\0C3D000\0")).unwrap(), Access::Guarded);
        for other in [&b"E\0\0\0\x12SFATAL\0C57P03\0"[..], b"HTTP/1.1 400 Bad Request\r\n", b""] {
            postgres(&sending(other)).unwrap_err();
        }
    }

    #[test]
    fn a_socket_may_be_named() {
        let url = Url::parse("postgres://shop@localhost/orders?host=%2Frun%2Fpostgresql").unwrap();
        assert_eq!(address(&url), Address::Unix("/run/postgresql/.s.PGSQL.5432".into()));
    }
}
