//! The receiver that gets the events.

use hyper::Uri;

use super::scenario::Sender;
use crate::exit::CliError;
use crate::http::is_this_machine;
use crate::running::{self, Running};

/// The most events for a host that is not this machine.
const MOST_ELSEWHERE: u64 = 1_000;

/// The most events in a second for a host that is not this machine.
pub(crate) const FASTEST_ELSEWHERE: f64 = 50.0;

/// The address of an endpoint, whose path may contain a secret.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) is_local: bool,
}

impl Target {
    /// Returns the target at `to`, or the receiver that `listen` runs on this machine.
    pub(crate) fn find(to: Option<&str>, sender: Sender) -> Result<Self, CliError> {
        match to {
            Some(to) => Self::parse(to),
            None => Self::parse(&running(sender)?),
        }
    }

    fn parse(to: &str) -> Result<Self, CliError> {
        let invalid = || {
            CliError::Usage("--to: not an address of a receiver".to_owned()).hint(
                "copy the address that `onramp-webhooks listen` prints, such as --to http://127.0.0.1:8080/webhooks/wert/SECRET",
            )
        };
        let uri: Uri = to.parse().map_err(|_| invalid())?;
        let host = uri.host().ok_or_else(invalid)?;
        let has_login = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if has_login || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid());
        }
        let is_local = is_this_machine(host);
        Ok(Self { uri, is_local })
    }

    /// Returns the host, as `--allow-host` names it.
    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// Refuses a host that is not this machine, unless the user has named it, and limits what it gets. Returns the rate.
    pub(crate) fn permit(&self, allowed: Option<&str>, events: u64, rate: Option<f64>) -> Result<Option<f64>, CliError> {
        if self.is_local {
            return Ok(rate);
        }
        let refused = |reason: String| CliError::Refused(reason);
        if allowed != Some(self.host()) {
            let reason = format!("{} is not this machine, and the events look like money", self.host());
            return Err(refused(reason).hint(format!("--allow-host {}, if it is a receiver for tests", self.host())));
        }
        if events > MOST_ELSEWHERE {
            return Err(refused(format!("{events} events are more than {MOST_ELSEWHERE}, the most for another host")));
        }
        if rate.is_some_and(|rate| rate > FASTEST_ELSEWHERE) {
            return Err(refused(format!("--rate: {FASTEST_ELSEWHERE}/s is the most for another host")));
        }
        Ok(Some(rate.unwrap_or(FASTEST_ELSEWHERE)))
    }

    /// Checks that the receiver can be reached, so that the error comes before the first event.
    pub(crate) async fn check(&self) -> Result<(), CliError> {
        let host = self.host().trim_matches(['[', ']']);
        let default = if self.uri.scheme_str() == Some("https") { 443 } else { 80 };
        let address = (host, self.uri.port_u16().unwrap_or(default));
        let unreachable = |error: &dyn std::error::Error| {
            let error = CliError::with_source(format!("cannot reach {}:{}", self.host(), address.1), error);
            if self.is_local { error.hint("onramp-webhooks listen") } else { error.hint("check the address in --to") }
        };
        match tokio::time::timeout(crate::http::CONNECT_TIMEOUT, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(elapsed) => Err(unreachable(&elapsed)),
        }
    }

    /// Returns an address with another secret: the last segment of the path is replaced.
    pub(crate) fn forged(&self, secret: &str) -> Uri {
        let path = self.uri.path();
        let before = path.rsplit_once('/').map_or("", |(before, _)| before);
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = format!("{before}/{secret}").parse().ok();
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }
}

fn running(sender: Sender) -> Result<String, CliError> {
    let found = running::folder().and_then(|folder| Running::newest(&folder));
    let found =
        found.map_err(|error| CliError::with_source("looking for a running `listen`", &error).hint("name it with --to"))?;
    let none = || {
        CliError::Failed("no `listen` is running on this machine".to_owned())
            .hint("start `onramp-webhooks listen` in another terminal, or name a receiver with --to")
    };
    let running = found.ok_or_else(none)?;
    Ok(if sender == Sender::Kriptomat { running.kriptomat } else { running.wert })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(to: &str) -> Target {
        Target::find(Some(to), Sender::Wert).unwrap_or_else(|error| panic!("{to}: {error}"))
    }

    #[test]
    fn only_loopback_addresses_are_this_machine() {
        for to in
            ["http://127.0.0.1:8080/x", "http://127.9.9.9/x", "http://[::1]:80/x", "http://localhost:1/x", "http://LOCALHOST/"]
        {
            assert!(target(to).is_local, "{to}");
        }
        for to in [
            "http://192.168.1.5/x",
            "https://shop.example/x",
            "http://[::ffff:10.0.0.1]/",
            "http://0.0.0.0/x",
            "http://127.0.0.1.example/x",
            "http://localhost.example/x",
        ] {
            assert!(!target(to).is_local, "{to}");
        }
    }

    #[test]
    fn an_address_without_a_host_is_an_error_that_does_not_repeat_it() {
        for to in ["", "hush", "/hush", "ftp://hush.example", "http://", "http://hush@shop.example/", "http://me:hush@127.0.0.1/"]
        {
            let Err(error) = Target::find(Some(to), Sender::Wert) else { panic!("{to}") };
            assert!(!error.to_string().contains("hush") && error.next_step().is_some(), "{error}");
        }
    }

    #[test]
    fn another_host_has_to_be_named_and_gets_few_events() {
        let there = target("https://shop.example/webhooks/wert/s");
        assert_eq!(there.permit(Some("shop.example"), 1_000, None).unwrap(), Some(50.0));
        assert_eq!(there.permit(Some("shop.example"), 1, Some(7.0)).unwrap(), Some(7.0));
        for (allowed, events, rate) in [
            (None, 1, None),
            (Some("example"), 1, None),
            (Some("other.example"), 1, None),
            (Some("shop.example"), 1_001, None),
            (Some("shop.example"), 1, Some(50.1)),
        ] {
            let error = there.permit(allowed, events, rate).unwrap_err();
            assert_eq!(error.exit_status().code(), 4, "{error}");
        }
        assert_eq!(target("http://127.0.0.1/").permit(None, 1_000_000, None).unwrap(), None);
    }

    #[test]
    fn a_forged_address_differs_in_its_last_segment() {
        let forged = |to: &str| target(to).forged("forged").to_string();
        assert_eq!(forged("http://127.0.0.1:8080/webhooks/wert/secret"), "http://127.0.0.1:8080/webhooks/wert/forged");
        assert_eq!(forged("http://127.0.0.1:8080/"), "http://127.0.0.1:8080/forged");
        assert_eq!(forged("http://127.0.0.1:8080"), "http://127.0.0.1:8080/forged");
    }
}
