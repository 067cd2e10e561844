//! Requests that change something have to come from the page itself, or from a script with a bearer token.

use onramp_webhooks::adapter::PageRequest;

use crate::problem::Problem;

/// Checks that a `POST` comes from this page. `by_bearer` is `true` for a script that has authenticated with a header.
pub(crate) fn check(request: &PageRequest, by_bearer: bool) -> Result<(), Problem> {
    let content_type = request.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::forbidden("Send the header content-type: application/json."));
    }
    if request.header("x-onramp-inspector") != Some("1") {
        return Err(Problem::forbidden("Send the header x-onramp-inspector: 1."));
    }
    let (origin, site) = (has(request, "origin"), has(request, "sec-fetch-site"));
    if origin && !is_own_origin(request) {
        return Err(Problem::forbidden(
            "The header origin does not name the host of the request. A proxy in front has to pass the header host unchanged.",
        ));
    }
    if site && request.header("sec-fetch-site") != Some("same-origin") {
        return Err(Problem::forbidden("Another site sent this request."));
    }
    if !origin && !site && !by_bearer {
        return Err(Problem::forbidden("Send the header origin, or authenticate with authorization: Bearer."));
    }
    Ok(())
}

/// Checks that no other site sent a request that reads personal data.
pub(crate) fn check_source(request: &PageRequest) -> Result<(), Problem> {
    match request.header("sec-fetch-site") {
        Some("same-origin" | "none") => Ok(()),
        None if !has(request, "sec-fetch-site") => Ok(()),
        _ => Err(Problem::forbidden("Another site sent this request.")),
    }
}

/// Returns whether the page was opened over HTTPS, which its scripts say in the header `origin`.
pub(crate) fn is_on_https(request: &PageRequest) -> bool {
    request.header("origin").is_some_and(|origin| origin.starts_with("https://"))
}

fn has(request: &PageRequest, name: &str) -> bool {
    request.lines(name).next().is_some()
}

fn is_own_origin(request: &PageRequest) -> bool {
    // HTTP/2 has no host line. The browsers that use it say which site a request comes from.
    if !has(request, "host") {
        return request.header("sec-fetch-site") == Some("same-origin");
    }
    let (Some(origin), Some(host)) = (request.header("origin"), request.header("host")) else { return false };
    let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    !host.is_empty() && named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}
