//! The path secrets of an endpoint.

use std::fmt;
use std::net::SocketAddr;

use subtle::{Choice, ConstantTimeEq};

/// The minimum length of a secret.
const SHORTEST: usize = 16;

/// The secret of an endpoint for development. It is public, and shorter than any other.
const DEVELOPMENT: &str = "dev-secret";

/// The secrets of an endpoint, each of which opens it. The default is an endpoint without secrets.
#[derive(Clone, Default)]
pub(crate) struct PathSecrets {
    /// Set if a secret was asked for, even if none was given.
    required: bool,
    given: Vec<String>,
    /// The address of the server, if the endpoint is for development.
    development: Option<SocketAddr>,
}

impl PathSecrets {
    pub(super) fn add(&mut self, secrets: impl IntoIterator<Item = impl Into<String>>) {
        self.required = true;
        self.given.extend(secrets.into_iter().map(Into::into));
    }

    pub(super) fn develop(&mut self, listen: SocketAddr) {
        self.required = true;
        self.development = Some(listen);
    }

    /// Returns whether the endpoint has no secrets, so that everyone can reach it.
    pub(crate) const fn is_open(&self) -> bool {
        !self.required
    }

    /// Returns the address of the server, if the endpoint is for development.
    pub(crate) const fn development(&self) -> Option<SocketAddr> {
        self.development
    }

    pub(super) fn check(&self) -> Result<(), PathSecretError> {
        match self.development {
            Some(listen) if !listen.ip().to_canonical().is_loopback() => return Err(PathSecretError::Development { listen }),
            None if self.required && self.given.is_empty() => return Err(PathSecretError::Missing),
            _ => {}
        }
        self.given.iter().try_for_each(|secret| check(secret))
    }

    /// Returns whether `given` is one of the secrets, or is missing at an endpoint without secrets. Compares with every secret in
    /// constant time.
    pub(super) fn open(&self, given: Option<&[u8]>) -> bool {
        let Some(given) = given else { return self.is_open() };
        let development = self.development.map(|_| DEVELOPMENT);
        let secrets = self.given.iter().map(String::as_str).chain(development);
        secrets.fold(Choice::from(0), |found, secret| found | secret.as_bytes().ct_eq(given)).into()
    }
}

fn check(secret: &str) -> Result<(), PathSecretError> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if let Some(before) = secret.bytes().position(|byte| !unreserved(byte)) {
        return Err(PathSecretError::Character { position: before.saturating_add(1) });
    }
    if secret.len() < SHORTEST {
        return Err(PathSecretError::Short { length: secret.len() });
    }
    Ok(())
}

impl fmt::Debug for PathSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.development {
            Some(_) => f.write_str("for development"),
            None => write!(f, "{} hidden", self.given.len()),
        }
    }
}

/// Error of a path secret that cannot protect an endpoint, or that no path can contain as it is. Holds no part of the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathSecretError {
    /// Secrets are required, and none was given.
    #[error("no secret was given: generate one with `openssl rand -hex 32`")]
    Missing,
    /// A secret is shorter than 16 characters.
    #[error("the secret has {length} of at least {SHORTEST} characters: generate one with `openssl rand -hex 32`")]
    Short {
        /// The number of characters.
        length: usize,
    },
    /// A character is not in the unreserved set of RFC 3986.
    #[error(
        "byte {position} of the secret is not a letter, a digit, '-', '.', '_' or '~': remove white space such as the line break at \
         the end of a file, or generate a secret with `openssl rand -hex 32`"
    )]
    Character {
        /// The position of the first such byte, counted from 1.
        position: usize,
    },
    /// The secret for development is public, and others can reach the address of the server.
    #[error(
        "the secret `{DEVELOPMENT}` is public, and {listen} is not a loopback address: set a secret of your own, such as the output of \
         `openssl rand -hex 32`, or listen on 127.0.0.1"
    )]
    Development {
        /// The address of the server.
        listen: SocketAddr,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(given: &[&str]) -> PathSecrets {
        let mut secrets = PathSecrets::default();
        secrets.add(given.iter().copied());
        secrets
    }

    #[test]
    fn a_secret_is_long_and_unreserved() {
        for good in ["s3cret-for-tests", "0123456789abcdef", "~~~~....----____", &"x".repeat(1_000)] {
            assert_eq!(secrets(&[good]).check(), Ok(()), "{good}");
        }
        for (bad, error) in [
            ("", PathSecretError::Short { length: 0 }),
            ("s", PathSecretError::Short { length: 1 }),
            ("0123456789abcde", PathSecretError::Short { length: 15 }),
            ("dev-secret", PathSecretError::Short { length: 10 }),
            (" ", PathSecretError::Character { position: 1 }),
            ("abc\n", PathSecretError::Character { position: 4 }),
            ("0123456789abcdef\n", PathSecretError::Character { position: 17 }),
            ("0123456789abcdef/", PathSecretError::Character { position: 17 }),
            ("0123456789%61bcdef", PathSecretError::Character { position: 11 }),
            ("0123456789abcdefé", PathSecretError::Character { position: 17 }),
            ("0123456789abcdef?", PathSecretError::Character { position: 17 }),
            ("0123456789abc\0def", PathSecretError::Character { position: 14 }),
        ] {
            assert_eq!(secrets(&[bad]).check(), Err(error.clone()), "{bad}");
            assert_eq!(secrets(&["s3cret-for-tests", bad]).check(), Err(error), "{bad} as the second");
        }
    }

    #[test]
    fn required_secrets_that_are_missing_open_nothing() {
        let none = secrets(&[]);
        assert_eq!(none.check(), Err(PathSecretError::Missing));
        assert!(!none.open(None) && !none.is_open());
    }

    #[test]
    fn the_secret_for_development_is_for_loopback_addresses() {
        for (listen, is_loopback) in [
            ("127.0.0.1:8080", true),
            ("127.9.9.9:0", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]:8080", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("192.168.1.5:8080", false),
            ("[::ffff:10.0.0.1]:8080", false),
        ] {
            let mut secrets = PathSecrets::default();
            secrets.develop(listen.parse().unwrap());
            assert_eq!(secrets.check().is_ok(), is_loopback, "{listen}");
            assert!(secrets.open(Some(b"dev-secret")) && !secrets.open(None) && !secrets.open(Some(b"")));
        }
        assert!(!secrets(&["s3cret-for-tests"]).open(Some(b"dev-secret")));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        for given in ["hush-hush-hush-hush", "hush", "hush\n"] {
            let secrets = secrets(&[given]);
            let shown = format!(
                "{secrets:?} {:?} {}",
                secrets.check(),
                secrets.check().err().map_or_else(String::new, |e| e.to_string())
            );
            assert!(!shown.contains("hush"), "{shown}");
        }
    }
}
