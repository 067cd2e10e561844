//! Checks of the address at which the provider reaches the shop.
//!
//! Every request has a wrong secret and no event: it cannot be taken for a purchase.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Uri};
use onramp_webhooks::clock::{Clock, Timestamp};
use tokio::time::{Instant, timeout};

use super::finding::Finding;
use super::skew;
use crate::exit::{Causes, CliError};
use crate::http::{Answer, HttpClient, HttpError, Payload, is_this_machine};
use crate::secret;

/// The size of the largest body that a receiver accepts without configuration.
const LARGE_BODY: usize = 1_024 * 1_024;

/// Replies that take longer leave little of the provider's time limit.
const SLOW: Duration = Duration::from_secs(1);

/// The length from which on a segment of the given address may be a secret.
const SHORTEST_SECRET: usize = 16;

/// The beginning of the wrong secret.
const WRONG: &str = "doctor-wrong-secret-";

/// The address of an endpoint without its secret.
#[derive(Clone)]
pub(super) struct PublicUrl {
    uri: Uri,
}

impl std::str::FromStr for PublicUrl {
    type Err = String;

    /// Errors do not repeat the address, which may contain a secret.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            || "expected the address of an endpoint without its secret, such as https://shop.example/webhooks/wert".to_owned();
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| invalid())?;
        let has_login = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if has_login || uri.query().is_some() || uri.path() == "/" || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid());
        }
        Ok(Self { uri })
    }
}

/// Checks an address. Each request is given up after `patience`.
pub(super) async fn findings(url: &PublicUrl, patience: Duration, clock: &dyn Clock) -> Result<Vec<Finding>, CliError> {
    let host = url.uri.host().unwrap_or_default();
    let is_encrypted = url.uri.scheme_str() == Some("https");
    let mut findings = Vec::new();
    if let Some(failed) = unreachable(&url.uri, patience).await {
        findings.push(failed);
        return Ok(findings);
    }
    if !is_encrypted && !is_this_machine(host) {
        let fix = "Use https: anybody on the way can read the secret in the address, and send events with it.";
        findings.push(Finding::failed("tls", format!("{host} is not encrypted"), fix));
    }
    let probe = Probe { client: HttpClient::new(&url.uri, 1)?, uri: with_wrong_secret(&url.uri)?, patience };
    let before = clock.now();
    let first = match probe.send(Method::POST, Bytes::new()).await {
        Ok(answer) => answer,
        Err(failure) => {
            findings.push(failure.finding(is_encrypted));
            return Ok(findings);
        }
    };
    if is_encrypted {
        findings.push(Finding::good("tls", format!("the certificate of {host} is valid")));
    }
    findings.extend(date(&first.answer).map(|date| skew::finding(host, before, clock.now(), date)));
    let small = forged(&first.answer, &url.uri);
    let is_refused = small.verdict == super::finding::Verdict::Good;
    findings.push(small);
    let mut slowest = first.took;
    if is_refused {
        for (method, body) in [(Method::GET, Bytes::new()), (Method::POST, Bytes::from(vec![b'x'; LARGE_BODY]))] {
            let is_get = method == Method::GET;
            match probe.send(method, body).await {
                Ok(reply) => {
                    slowest = slowest.max(reply.took);
                    findings.push(if is_get { get(reply.answer.status) } else { large(reply.answer.status) });
                }
                Err(failure) => findings.push(failure.finding(is_encrypted)),
            }
        }
    }
    findings.push(time(slowest));
    Ok(findings)
}

/// Resolves the host and connects, so that errors say which of the two failed.
async fn unreachable(uri: &Uri, patience: Duration) -> Option<Finding> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let named = timeout(patience, tokio::net::lookup_host((host, port))).await;
    let addresses: Vec<_> = match named {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let fix = "Add the name to the DNS of its domain, or correct the address.";
            return Some(Finding::failed("dns", format!("{host} has no address: {}", Causes(&error)), fix));
        }
        Err(_) => {
            return Some(Finding::failed("dns", format!("no name server answers for {host}"), "Check the DNS of this machine."));
        }
    };
    let fix = "Start the server or its proxy, and open the port in the firewall.";
    match timeout(patience, tokio::net::TcpStream::connect(&*addresses)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Finding::failed("connection", format!("{host}:{port}: {}", Causes(&error)), fix)),
        Err(_) => Some(Finding::failed("connection", format!("{host}:{port} does not answer"), fix)),
    }
}

/// Appends a segment that is no secret. The rest of the path stays as it is.
fn with_wrong_secret(uri: &Uri) -> Result<Uri, CliError> {
    let random = u64::from_be_bytes(secret::random()?);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}/{WRONG}{random:016x}", uri.path()).parse().ok();
    Uri::from_parts(parts).map_err(|error| CliError::with_source("making an address", &error))
}

struct Probe {
    client: HttpClient,
    uri: Uri,
    patience: Duration,
}

struct Reply {
    answer: Answer,
    took: Duration,
}

enum Failure {
    Late(Duration),
    Http(HttpError),
}

impl Probe {
    async fn send(&self, method: Method, body: Bytes) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("onramp-webhooks-doctor/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let begun = Instant::now();
        let request = self.client.send(method, self.uri.clone(), headers, Payload::new(body));
        let answer = timeout(self.patience, request).await.map_err(|_| Failure::Late(self.patience))?.map_err(Failure::Http)?;
        Ok(Reply { answer, took: begun.elapsed() })
    }
}

impl Failure {
    fn finding(&self, is_encrypted: bool) -> Finding {
        match self {
            Self::Late(patience) => Finding::failed(
                "reply",
                format!("no reply within {} ms", patience.as_millis()),
                "See what the proxy waits for: the provider gives up as well, and sends again.",
            ),
            Self::Http(error) if error.is_connect() && is_encrypted => Finding::failed(
                "tls",
                error.to_string(),
                "Install a valid certificate for this name with all intermediate ones, and check that the port serves TLS.",
            ),
            Self::Http(error) => {
                Finding::failed("reply", error.to_string(), "See the log of the proxy: it ended the connection without a reply.")
            }
        }
    }
}

/// Judges the reply to a request with a wrong secret.
fn forged(answer: &Answer, uri: &Uri) -> Finding {
    let (check, status) = ("wrong secret", answer.status);
    let detail = format!("a wrong secret is answered with {status}");
    match status {
        404 if is_ours(answer) => Finding::good(check, detail),
        404 => Finding::failed(
            check,
            "another program than a receiver answers with 404",
            "Correct the path: it is the mount point and the name of the endpoint, such as /webhooks/wert.",
        ),
        300..=399 => redirect(answer, uri),
        200..=299 => Finding::failed(
            check,
            detail,
            "Correct the path, or stop the server from accepting every request: events would be acknowledged and lost.",
        ),
        401 | 403 | 429 => Finding::failed(
            check,
            detail,
            "Let the requests pass the firewall or the login in front of the shop: only the shop may refuse them.",
        ),
        500.. => Finding::failed(check, detail, "Start the shop, and check the address to which the proxy forwards."),
        _ => Finding::failed(check, detail, "Correct the path, and let the proxy forward POST requests as they are."),
    }
}

/// Returns whether a 404 has the form of a receiver's.
fn is_ours(answer: &Answer) -> bool {
    let problem: Option<serde_json::Value> = serde_json::from_slice(&answer.excerpt).ok();
    problem.is_some_and(|problem| problem.get("detail").and_then(|detail| detail.as_str()) == Some("there is no such endpoint"))
}

fn redirect(answer: &Answer, uri: &Uri) -> Finding {
    let location = answer.headers.get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
    let location = location.unwrap_or_default();
    // The shop's own secret follows this part of the address.
    let mut target = location.split_once(&format!("/{WRONG}")).map_or(&*location, |(before, _)| before).to_owned();
    for secret in uri.path().split('/').filter(|segment| segment.len() >= SHORTEST_SECRET) {
        target = target.replace(secret, "…");
    }
    let detail = format!("{} answers {} to {target}", uri.host().unwrap_or_default(), answer.status);
    let fix = format!("The provider counts a redirect as a failure and may stop sending. Set {target}/SECRET in its dashboard.");
    Finding::failed("redirect", detail, fix)
}

fn get(status: u16) -> Finding {
    let detail = format!("GET with a wrong secret is answered with {status}");
    match status {
        404 | 405 => Finding::good("get", detail),
        _ => Finding::failed(
            "get",
            detail,
            "Let the proxy forward every method of this path to the shop, and serve no page there.",
        ),
    }
}

fn large(status: u16) -> Finding {
    let detail = format!("a body of 1 MiB is answered with {status}");
    match status {
        404 => Finding::good("large body", detail),
        413 => Finding::failed(
            "large body",
            detail,
            "Raise the limit of the proxy to more than 1 MiB, such as client_max_body_size 2m in nginx.",
        ),
        _ => Finding::failed("large body", detail, "Let the proxy forward large bodies as they are."),
    }
}

fn time(slowest: Duration) -> Finding {
    let detail = format!("the slowest reply took {} ms", slowest.as_millis());
    let fix = "See what the proxy or the network waits for: this is without the time to record an event.";
    if slowest <= SLOW { Finding::good("time", detail) } else { Finding::warning("time", detail, fix) }
}

fn date(answer: &Answer) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(answer.headers.get(DATE)?.to_str().ok()?).ok()?;
    let millis = date.duration_since(UNIX_EPOCH).ok()?.as_millis();
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn an_address_has_a_path_and_no_login() {
        for good in ["https://shop.example/webhooks/wert", "http://127.0.0.1:8080/webhooks/wert/"] {
            assert!(good.parse::<PublicUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop.example/hush",
            "https://shop.example",
            "https://me:hush@shop.example/w",
            "https://a/w?hush",
            "ftp://a/hush",
        ] {
            let error = bad.parse::<PublicUrl>().err().unwrap();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_path_is_kept_and_ends_with_a_wrong_secret() {
        let url: PublicUrl = "https://shop.example/webhooks/wert/".parse().unwrap();
        let probed = with_wrong_secret(&url.uri).unwrap().to_string();
        assert!(probed.starts_with("https://shop.example/webhooks/wert/doctor-wrong-secret-"), "{probed}");
        assert_ne!(probed, with_wrong_secret(&url.uri).unwrap().to_string());
    }

    #[test]
    fn a_slow_reply_is_a_warning() {
        assert_eq!(time(SLOW).verdict, Verdict::Good);
        assert_eq!(time(SLOW + Duration::from_millis(1)).verdict, Verdict::Warning);
    }
}
