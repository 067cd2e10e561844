//! Headers of every response, which protect the page from scripts and from other sites.

use onramp_webhooks::adapter::PageResponse;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

const PROTECTION: [(&str, &str); 6] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Adds the headers. Only assets are cached.
pub(crate) fn protect(response: PageResponse, is_asset: bool) -> PageResponse {
    let cache = if is_asset && response.status == 200 { "public, max-age=31536000, immutable" } else { "no-store" };
    let protected = PROTECTION.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    protected.header("cache-control", cache)
}
