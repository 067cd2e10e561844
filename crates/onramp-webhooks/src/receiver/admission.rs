//! Admission, the first step of receiving: finds the endpoint of a request and checks its client.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::Strays;
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::gate::{self, Denial};
use crate::provider::{Acknowledgement, Endpoint, SignedHeaders};
use crate::reply::{Outcome, Reply};
use crate::request::{Request, content_encoding};
use crate::telemetry;
use crate::watchdog::{Sender, Watched};

/// An admitted request.
pub(super) struct Admission {
    pub(super) watched: Watched,
    /// The content encoding, if it is one that this crate does not decode.
    pub(super) encoding: Option<String>,
    pub(super) signed_headers: SignedHeaders,
}

/// A refused request.
pub(super) struct Refusal {
    watched: Option<Watched>,
    outcome: Outcome,
    sender: Sender,
    /// The address of the client, if it can be determined.
    address: Option<IpAddr>,
    /// The reason, for the log.
    why: Cow<'static, str>,
}

impl Refusal {
    /// Counts and logs the refusal, and returns the reply. Each kind of line is logged at most once a second for an endpoint, and for all
    /// paths without an endpoint.
    pub(super) fn reply(&self, now: Timestamp, strays: &Strays) -> Reply {
        let endpoint = self.watched.as_ref().map(|watched| &watched.endpoint);
        let name = endpoint.map_or_else(|| Arc::from(""), |endpoint| Arc::clone(&endpoint.name));
        let counters = self.watched.as_ref().map(|watched| &watched.counters);
        match self.outcome {
            Outcome::Denied => {
                if let Some(denials) = counters.map_or(&strays.log, |counters| &counters.denials).count(now) {
                    tracing::warn!(endpoint = &*name, denials, why = %self.why, "denied");
                }
            }
            _ => {
                if let Some(refusals) = counters.map_or(&strays.log, |counters| &counters.refusals).count(now) {
                    tracing::info!(endpoint = &*name, refusals, why = %self.why, "refused");
                }
            }
        }
        let reply = self.outcome.reply(endpoint.map_or(Acknowledgement::Readable, |endpoint| endpoint.facts().acknowledgement));
        let provider = endpoint.map_or("", |endpoint| endpoint.facts().name);
        telemetry::received(&name, provider, "unknown", self.outcome.as_str(), reply.status());
        let meter = self.watched.as_ref().map_or(&strays.meter, |watched| &watched.meter);
        meter.received(self.outcome.as_str());
        if let Some(address) = self.address {
            meter.refused_from(address);
        }
        if let Some(watched) = &self.watched {
            watched.counters.answered(now, self.sender, reply.status());
        }
        reply
    }
}

/// Checks the path, then the address, then the method, so that a client that does not know the path learns nothing about the
/// endpoint.
pub(super) fn admit(endpoints: &[Watched], client_ip: &ClientIp, request: &Request<'_>) -> Result<Admission, Refusal> {
    let refused =
        |refusal: Refusal| Refusal { address: client_ip.client_of(request).ok().map(|client| client.address), ..refusal };
    judge(endpoints, client_ip, request).map_err(refused)
}

fn judge(endpoints: &[Watched], client_ip: &ClientIp, request: &Request<'_>) -> Result<Admission, Refusal> {
    let posts = request.method == "POST";
    let (watched, has_secret) = find(endpoints, request.path)?;
    let endpoint = &watched.endpoint;
    if !has_secret {
        let listed = endpoint.allowed.as_ref().is_some_and(|allowed| gate::judge(allowed, client_ip, request).is_ok());
        let sender = match (posts, listed) {
            (false, _) => Sender::Other,
            (true, true) => Sender::Provider,
            (true, false) => Sender::Guessing,
        };
        return Err(refusal(watched, Outcome::NoEndpoint, sender, "wrong path secret"));
    }
    if let Some(allowed) = &endpoint.allowed {
        let known = if endpoint.secrets.is_open() { Sender::Unlisted } else { Sender::Provider };
        let sender = if posts { known } else { Sender::Other };
        let denied = |denial: Denial| refusal(watched, Outcome::Denied, sender, denial.to_string());
        gate::judge(allowed, client_ip, request).map_err(denied)?;
    }
    if !posts {
        return Err(refusal(watched, Outcome::Method, Sender::Other, "events are sent with POST"));
    }
    let signed_headers = SignedHeaders::of(endpoint.facts().signed_headers, request);
    Ok(Admission { encoding: content_encoding(request.headers), signed_headers, watched: watched.clone() })
}

fn refusal(watched: &Watched, outcome: Outcome, sender: Sender, why: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal { watched: Some(watched.clone()), outcome, sender, address: None, why: why.into() }
}

/// Finds the endpoint of a path. Returns it and whether the path has its secret.
fn find<'a>(endpoints: &'a [Watched], path: &str) -> Result<(&'a Watched, bool), Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (name, secret) = match path.split_once('/') {
        None | Some((_, "")) => (path.strip_suffix('/').unwrap_or(path), None),
        Some((name, secret)) => (name, Some(secret)),
    };
    match endpoints.iter().find(|watched| watched.endpoint.name() == name) {
        Some(watched) => Ok((watched, opens(&watched.endpoint, secret))),
        None => {
            let (outcome, why) = (Outcome::NoEndpoint, "no endpoint of that name".into());
            Err(Refusal { watched: None, outcome, sender: Sender::Other, address: None, why })
        }
    }
}

/// Returns whether a segment of the path is a secret of the endpoint. A slash may have been added at its end.
fn opens(endpoint: &Endpoint, secret: Option<&str>) -> bool {
    let secret = secret.map(|secret| Cow::from(percent_decode_str(secret.strip_suffix('/').unwrap_or(secret))));
    endpoint.opens(secret.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Meters;
    use crate::{Kriptomat, Wert};

    #[test]
    fn a_secret_is_found_with_and_without_a_slash_at_its_end() {
        for (path, found) in [
            ("/wert/s3cret-for-examples", true),
            ("/wert/s3cret-for-examples/", true),
            ("/wert/s3cret%2Dfor%2dexamples", true),
            ("/wert/s3cret-for-examples//", false),
            ("/wert/s3cret-for-examples%2F", false),
            ("/wert/", false),
            ("/wert", false),
            ("/wert//", false),
        ] {
            let endpoints = [Watched::new(Wert::with_path_secret("s3cret-for-examples"), &Meters::default())];
            assert_eq!(matches!(find(&endpoints, path), Ok((_, true))), found, "{path}");
        }
    }

    #[test]
    fn an_open_endpoint_has_no_path_after_its_name() {
        let endpoints = [Watched::new(Kriptomat::production(), &Meters::default())];
        for (path, found) in [("/kriptomat", true), ("/kriptomat/", true), ("/kriptomat//", false), ("/kriptomat/x", false)] {
            assert_eq!(matches!(find(&endpoints, path), Ok((_, true))), found, "{path}");
        }
    }
}
