//! Step one: which endpoint is meant, and may this client use it.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::Endpoint;
use super::watchdog::Sender;
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::event::{Acknowledgement, Provider};
use crate::gate::{self, Denial};
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;

/// A request that may come in.
pub(super) struct Admission {
    pub(super) endpoint: Arc<Endpoint>,
    /// A content encoding that nobody here decodes.
    pub(super) encoding: Option<String>,
}

/// A request that may not.
pub(super) struct Refusal {
    endpoint: Option<Arc<Endpoint>>,
    outcome: Outcome,
    sender: Sender,
    /// Why, for the log.
    why: Cow<'static, str>,
}

impl Refusal {
    /// Counts and logs it, and answers the sender.
    pub(super) fn reply(&self, now: Timestamp) -> Reply {
        let name = self.endpoint.as_ref().map_or_else(|| Arc::from(""), |endpoint| Arc::clone(&endpoint.name));
        let provider = self.endpoint.as_ref().map(|endpoint| endpoint.provider);
        match self.outcome {
            Outcome::Denied => tracing::warn!(endpoint = &*name, why = %self.why, "denied"),
            _ => tracing::info!(endpoint = &*name, why = %self.why, "refused"),
        }
        let reply = self.outcome.reply(provider.map_or(Acknowledgement::Readable, Provider::acknowledgement));
        telemetry::received(&name, provider.map_or("", Provider::as_str), "unknown", &self.outcome, &reply);
        if let Some(endpoint) = &self.endpoint {
            endpoint.tally.answered(now, self.sender, reply.status(), false);
        }
        reply
    }
}

/// Path, then address, then method: who does not know the path learns nothing about what lies behind it.
pub(super) fn admit(endpoints: &[Arc<Endpoint>], client_ip: &ClientIp, request: &Request<'_>) -> Result<Admission, Refusal> {
    let posts = request.method == "POST";
    let endpoint = match find(endpoints, request.path)? {
        Found::Open(endpoint) => endpoint,
        Found::WrongSecret(endpoint) => {
            let listed = endpoint.allowed.as_ref().is_some_and(|allowed| gate::judge(allowed, client_ip, request).is_ok());
            let sender = if !posts {
                Sender::Other
            } else if listed {
                Sender::Provider
            } else {
                Sender::Guessing
            };
            return Err(refusal(&endpoint, Outcome::NoEndpoint, sender, "wrong path secret"));
        }
    };
    if let Some(allowed) = &endpoint.allowed {
        let known = if endpoint.secrets.is_empty() { Sender::Unlisted } else { Sender::Provider };
        let sender = if posts { known } else { Sender::Other };
        let denied = |denial: Denial| refusal(&endpoint, Outcome::Denied, sender, denial.to_string());
        gate::judge(allowed, client_ip, request).map_err(denied)?;
    }
    if !posts {
        return Err(refusal(&endpoint, Outcome::Method, Sender::Other, "events are sent with POST"));
    }
    Ok(Admission { encoding: request.content_encoding(), endpoint })
}

fn refusal(endpoint: &Arc<Endpoint>, outcome: Outcome, sender: Sender, why: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal { endpoint: Some(Arc::clone(endpoint)), outcome, sender, why: why.into() }
}

/// The endpoint of that name.
enum Found {
    Open(Arc<Endpoint>),
    WrongSecret(Arc<Endpoint>),
}

fn find(endpoints: &[Arc<Endpoint>], path: &str) -> Result<Found, Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (name, secret) = match path.split_once('/') {
        None | Some((_, "")) => (path.strip_suffix('/').unwrap_or(path), None),
        Some((name, secret)) => (name, Some(secret)),
    };
    let endpoint = endpoints.iter().find(|endpoint| *endpoint.name == *name);
    // The slash at the end of an address is part of the secret or was added to it.
    let spelled = [secret, secret.and_then(|secret| secret.strip_suffix('/')).filter(|secret| !secret.is_empty()).or(secret)];
    let opens = |endpoint: &Endpoint| {
        let decoded = spelled.map(|secret| secret.map(|secret| Cow::from(percent_decode_str(secret))));
        decoded.iter().any(|secret| endpoint.opens(secret.as_deref()))
    };
    match endpoint {
        Some(endpoint) if opens(endpoint) => Ok(Found::Open(Arc::clone(endpoint))),
        Some(endpoint) => Ok(Found::WrongSecret(Arc::clone(endpoint))),
        None => {
            let (outcome, why) = (Outcome::NoEndpoint, "no endpoint of that name".into());
            Err(Refusal { endpoint: None, outcome, sender: Sender::Other, why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_with_and_without_a_slash_at_its_end() {
        for (secret, path, found) in [
            ("abc", "/wert/abc", true),
            ("abc", "/wert/abc/", true),
            ("abc", "/wert/abc//", false),
            ("abc/", "/wert/abc/", true),
            ("abc/", "/wert/abc//", true),
            ("abc/", "/wert/abc", false),
            ("a/b c", "/wert/a%2Fb%20c", true),
            ("abc", "/wert/", false),
            ("abc", "/wert", false),
            ("abc", "/wert//", false),
        ] {
            let endpoints = [Arc::new(Endpoint::open(Provider::Wert).path_secret(secret))];
            assert_eq!(matches!(find(&endpoints, path), Ok(Found::Open(_))), found, "{secret} at {path}");
        }
    }

    #[test]
    fn nothing_follows_the_name_of_an_open_endpoint() {
        let endpoints = [Arc::new(Endpoint::open(Provider::Kriptomat))];
        for (path, found) in [("/kriptomat", true), ("/kriptomat/", true), ("/kriptomat//", false), ("/kriptomat/x", false)] {
            assert_eq!(matches!(find(&endpoints, path), Ok(Found::Open(_))), found, "{path}");
        }
    }
}
