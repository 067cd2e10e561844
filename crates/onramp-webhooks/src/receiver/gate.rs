//! Step one: which endpoint is meant, and may this client use it.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::Endpoint;
use crate::client_ip::ClientIp;
use crate::event::{Acknowledgement, Provider};
use crate::gate;
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
    /// Why, for the log.
    why: Cow<'static, str>,
}

impl Refusal {
    /// Counts and logs it, and answers the sender.
    pub(super) fn reply(&self) -> Reply {
        let name = self.endpoint.as_ref().map_or_else(|| Arc::from(""), |endpoint| Arc::clone(&endpoint.name));
        let provider = self.endpoint.as_ref().map(|endpoint| endpoint.provider);
        match self.outcome {
            Outcome::Denied => tracing::warn!(endpoint = &*name, why = %self.why, "denied"),
            _ => tracing::info!(endpoint = &*name, why = %self.why, "refused"),
        }
        let reply = self.outcome.reply(provider.map_or(Acknowledgement::Readable, Provider::acknowledgement));
        telemetry::received(&name, provider.map_or("", Provider::as_str), "unknown", &self.outcome, &reply);
        reply
    }
}

/// Path, then address, then method: who does not know the path learns nothing about what lies behind it.
pub(super) fn admit(endpoints: &[Arc<Endpoint>], client_ip: &ClientIp, request: &Request<'_>) -> Result<Admission, Refusal> {
    let endpoint = find(endpoints, request.path)?;
    let refuse = |outcome, why| Refusal { endpoint: Some(Arc::clone(&endpoint)), outcome, why };
    if let Some(allowed) = &endpoint.allowed {
        gate::judge(allowed, client_ip, request).map_err(|denial| refuse(Outcome::Denied, denial.to_string().into()))?;
    }
    if request.method != "POST" {
        return Err(refuse(Outcome::Method, "events are sent with POST".into()));
    }
    Ok(Admission { encoding: request.content_encoding(), endpoint })
}

fn find(endpoints: &[Arc<Endpoint>], path: &str) -> Result<Arc<Endpoint>, Refusal> {
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
        Some(endpoint) if opens(endpoint) => Ok(Arc::clone(endpoint)),
        Some(endpoint) => {
            Err(Refusal { endpoint: Some(Arc::clone(endpoint)), outcome: Outcome::NoEndpoint, why: "wrong path secret".into() })
        }
        None => Err(Refusal { endpoint: None, outcome: Outcome::NoEndpoint, why: "no endpoint of that name".into() }),
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
            assert_eq!(find(&endpoints, path).is_ok(), found, "{secret} at {path}");
        }
    }

    #[test]
    fn nothing_follows_the_name_of_an_open_endpoint() {
        let endpoints = [Arc::new(Endpoint::open(Provider::Kriptomat))];
        for (path, found) in [("/kriptomat", true), ("/kriptomat/", true), ("/kriptomat//", false), ("/kriptomat/x", false)] {
            assert_eq!(find(&endpoints, path).is_ok(), found, "{path}");
        }
    }
}
