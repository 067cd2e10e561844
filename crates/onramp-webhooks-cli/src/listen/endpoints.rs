//! The endpoints of the receiver, and their secrets.

use std::net::SocketAddr;
use std::path::Path;

use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::provider::Endpoint;
use onramp_webhooks::{Kriptomat, Wert};

use crate::exit::CliError;
use crate::secret;
use crate::socket::is_loopback;

/// The length of a secret at an address that others can reach, in characters.
const LONG: usize = 32;

/// The mount point of the endpoints.
pub(super) const MOUNT: &str = "/webhooks";

/// The endpoints, and their addresses.
pub(super) struct Endpoints {
    pub(super) wert: Endpoint,
    pub(super) kriptomat: Endpoint,
    /// The addresses as `trigger` needs them.
    pub(super) wert_url: String,
    pub(super) kriptomat_url: String,
    /// `true` if the addresses contain a secret of the user.
    is_given: bool,
}

/// Reads the secrets of the user, one in each line.
pub(super) fn given(secret: Option<&str>, file: Option<&Path>) -> Result<Option<Vec<String>>, CliError> {
    let text = secret::text_or_file("--wert-secret", secret, file)?;
    let secrets = |text: String| text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(text.map(secrets))
}

/// Checks that an address that others can reach has a long secret.
pub(super) fn check(given: Option<&[String]>, listen: SocketAddr) -> Result<(), CliError> {
    if let Some(secrets) = given {
        let checked = Wert::with_path_secrets(secrets).check_secrets();
        checked.map_err(|error| CliError::Usage(format!("--wert-secret: {error}")))?;
    }
    if is_loopback(listen) {
        return Ok(());
    }
    let is_long = given.is_some_and(|secrets| secrets.iter().all(|secret| secret.len() >= LONG));
    let reason = || CliError::Usage(format!("others can reach {listen}: it needs a secret of at least {LONG} characters"));
    if is_long { Ok(()) } else { Err(reason().hint("export WERT_SECRET=$(openssl rand -hex 32)")) }
}

impl Endpoints {
    /// Creates the endpoints of a receiver that this machine reaches at `address`. `given` are the secrets of the user, and `made` is the
    /// secret of this program, which is for loopback addresses.
    pub(super) fn new(
        given: Option<Vec<String>>,
        made: String,
        kriptomat_allow: Option<AllowList>,
        listen: SocketAddr,
        address: SocketAddr,
    ) -> Self {
        let url = |name: &str, secret: Option<&str>| {
            let secret = secret.map(|secret| format!("/{secret}")).unwrap_or_default();
            format!("http://{address}{MOUNT}/{name}{secret}")
        };
        let (kriptomat, kriptomat_url) = match kriptomat_allow {
            Some(allowed) => (Kriptomat::allowing(allowed), url("kriptomat", None)),
            None if is_loopback(listen) => (Kriptomat::with_path_secret(&*made), url("kriptomat", Some(&made))),
            None => (Kriptomat::production(), url("kriptomat", None)),
        };
        let is_given = given.is_some();
        let secrets = given.unwrap_or_else(|| vec![made]);
        let wert_url = url("wert", secrets.first().map(String::as_str));
        Self { wert: Wert::with_path_secrets(secrets), kriptomat, wert_url, kriptomat_url, is_given }
    }

    /// Returns Wert's address to show: secrets of the user are hidden.
    pub(super) fn shown_wert_url(&self) -> String {
        match self.wert_url.rsplit_once('/') {
            Some((before, _)) if self.is_given => format!("{before}/…"),
            _ => self.wert_url.clone(),
        }
    }
}

/// Makes a secret for this machine.
pub(super) fn make() -> Result<String, CliError> {
    Ok(format!("dev-{:032x}", u128::from_be_bytes(secret::random()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:8080";
    const EVERYWHERE: &str = "0.0.0.0:8080";

    #[test]
    fn an_address_that_others_can_reach_needs_a_long_secret() {
        let long = "x".repeat(32);
        for (secrets, listen, is_allowed) in [
            (None, HERE, true),
            (None, "[::1]:8080", true),
            (None, EVERYWHERE, false),
            (None, "[::]:8080", false),
            (None, "192.168.1.5:80", false),
            (Some(vec!["x".repeat(16)]), HERE, true),
            (Some(vec!["x".repeat(15)]), HERE, false),
            (Some(vec![]), HERE, false),
            (Some(vec!["x".repeat(31)]), EVERYWHERE, false),
            (Some(vec![long.clone()]), EVERYWHERE, true),
            (Some(vec![long, "x".repeat(31)]), EVERYWHERE, false),
        ] {
            assert_eq!(check(secrets.as_deref(), listen.parse().unwrap()).is_ok(), is_allowed, "{secrets:?} {listen}");
        }
    }

    #[test]
    fn a_secret_of_the_user_is_not_shown() {
        let secrets = || vec!["hush-hush-hush-hush".to_owned(), "other-other-other".to_owned()];
        let endpoints =
            |given, listen: &str| Endpoints::new(given, make().unwrap(), None, listen.parse().unwrap(), HERE.parse().unwrap());
        let given = endpoints(Some(secrets()), HERE);
        assert_eq!(given.shown_wert_url(), "http://127.0.0.1:8080/webhooks/wert/…");
        assert_eq!(given.wert_url, "http://127.0.0.1:8080/webhooks/wert/hush-hush-hush-hush");
        assert!(given.kriptomat_url.contains("/kriptomat/dev-"), "only this machine reaches it");
        let made = endpoints(None, HERE);
        assert!(made.shown_wert_url().len() == made.wert_url.len() && made.wert.check_secrets().is_ok());
        let everywhere = endpoints(Some(secrets()), EVERYWHERE);
        assert_eq!(everywhere.kriptomat_url, "http://127.0.0.1:8080/webhooks/kriptomat", "the documented address is allowed");
        assert_ne!(make().unwrap(), make().unwrap());
    }
}
