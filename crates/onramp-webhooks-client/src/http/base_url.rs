//! The base URL of a provider's API.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// The URL that an API's paths are appended to. The key is sent to no other origin.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "the base URL is not a URL such as https://partner.wert.io")?;
        let is_local_http = url.scheme() == "http" && is_loopback(&url);
        if url.scheme() != "https" && !is_local_http {
            return Err("the base URL does not begin with https://; http:// is only accepted for a loopback address");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the base URL contains credentials");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the base URL contains more than scheme, host, port and path");
        }
        Ok(Self(url))
    }

    /// Appends `path`, which begins with a slash.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Shows only the origin, because a path can hold a secret.
impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended() {
        for (base, joined) in [
            ("https://partner.wert.io", "https://partner.wert.io/api/external/orders"),
            ("https://partner.wert.io/", "https://partner.wert.io/api/external/orders"),
            ("https://gateway.example/wert/", "https://gateway.example/wert/api/external/orders"),
            ("http://127.0.0.1:80", "http://127.0.0.1/api/external/orders"),
            ("http://[::1]:8080", "http://[::1]:8080/api/external/orders"),
            ("http://localhost:8080", "http://localhost:8080/api/external/orders"),
        ] {
            assert_eq!(BaseUrl::parse(base).unwrap().join("/api/external/orders").as_str(), joined);
        }
    }

    #[test]
    fn a_url_that_would_expose_the_key_is_rejected() {
        for base in [
            "",
            "partner.wert.io",
            "ftp://partner.wert.io",
            "http://partner.wert.io",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://[::ffff:192.0.2.1]",
            "https://me:secret@partner.wert.io",
            "https://me@partner.wert.io",
            "https://partner.wert.io/?key=secret",
            "https://partner.wert.io/#secret",
        ] {
            let error = BaseUrl::parse(base).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(format!("{:?}", BaseUrl::parse("https://host.example/secret").unwrap()), "https://host.example");
    }
}
