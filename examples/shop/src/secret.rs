//! The secrets in the path of Wert's webhooks.

use std::net::SocketAddr;

use onramp_webhooks::Wert;
use onramp_webhooks::provider::Endpoint;

use crate::config::{ConfigError, Variable};

/// The secret without configuration. It is public, and so for loopback addresses only.
pub(crate) const DEVELOPMENT: &str = "dev-secret";

/// Returns Wert's endpoint with the secret in `WERT_SECRET`, or with those in the file `WERT_SECRET_FILE`, one in each line.
pub(crate) fn wert(secret: Variable, file: Variable, listen: SocketAddr) -> Result<Endpoint, ConfigError> {
    if file.value.is_empty() {
        let endpoint = match &*secret.value {
            DEVELOPMENT => Wert::for_development(listen),
            secret => Wert::with_path_secret(secret),
        };
        return secret.read(|_| checked(endpoint));
    }
    if secret.value != DEVELOPMENT {
        return file.read(|_| Err("is set together with WERT_SECRET; set one of them".into()));
    }
    file.read(|path| {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        checked(Wert::with_path_secrets(text.lines().map(str::trim).filter(|line| !line.is_empty())))
    })
}

fn checked(endpoint: Endpoint) -> Result<Endpoint, String> {
    endpoint.check_secrets().map(|()| endpoint).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);
    const OLD: &str = "an-old-secret-of-the-shop";
    const NEW: &str = "a-new-secret-of-the-shop";

    fn endpoint(secret: &str, file: &str, listen: SocketAddr) -> Result<Endpoint, String> {
        let variable = |name, value: &str| Variable { name, value: value.to_owned() };
        wert(variable("WERT_SECRET", secret), variable("WERT_SECRET_FILE", file), listen).map_err(|error| error.to_string())
    }

    fn of_file(text: &str) -> Result<Endpoint, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        endpoint(DEVELOPMENT, file.path().to_str().unwrap(), LISTEN)
    }

    #[test]
    fn a_file_has_a_secret_in_each_line_and_white_space_around_them() {
        for text in [format!("{NEW}\n{OLD}\n"), format!("\n  {NEW}\t\r\n\n{OLD} "), format!("{OLD}\n{NEW}")] {
            let endpoint = of_file(&text).unwrap();
            assert_eq!(format!("{endpoint:?}").matches("2 hidden").count(), 1, "{endpoint:?}");
        }
    }

    #[test]
    fn a_file_without_usable_secrets_is_an_error_that_does_not_show_them() {
        for (text, reason) in [
            ("", "no secret was given"),
            (" \n\t\r\n", "no secret was given"),
            ("hush\n", "at least 16"),
            ("hush hush hush hush hush", "is not a letter"),
            ("a-new-secret-of-the-shop\nhush", "at least 16"),
        ] {
            let error = of_file(text).unwrap_err();
            assert!(error.starts_with("WERT_SECRET_FILE: ") && error.contains(reason) && !error.contains("hush"), "{error}");
        }
        let error = endpoint(DEVELOPMENT, "/no/such/file", LISTEN).unwrap_err();
        assert!(error.starts_with("WERT_SECRET_FILE: cannot read /no/such/file"), "{error}");
        let error = endpoint(NEW, "/no/such/file", LISTEN).unwrap_err();
        assert!(error.starts_with("WERT_SECRET_FILE: ") && error.contains("one of them"), "{error}");
    }

    #[test]
    fn the_secret_for_development_is_not_for_other_machines() {
        assert!(endpoint(DEVELOPMENT, "", LISTEN).is_ok());
        let everywhere = ([0, 0, 0, 0], 80).into();
        let error = endpoint(DEVELOPMENT, "", everywhere).unwrap_err();
        assert!(error.starts_with("WERT_SECRET: ") && error.contains("0.0.0.0"), "{error}");
        assert!(endpoint(NEW, "", everywhere).is_ok());
    }
}
