//! Changes from other sites: every combination of method, origin, fetch metadata, content type and own header.

use onramp_webhooks::Inbox;
use onramp_webhooks::inbox::State;

use crate::tools::{COMPLETE, NOW, TOKEN, Under, request};

const ORIGINS: [(&str, bool); 7] = [
    ("https://shop.example", true),
    ("http://SHOP.example", true),
    ("https://evil.example", false),
    ("https://shop.example.evil.example", false),
    ("https://shop.example:8443", false),
    ("null", false),
    ("shop.example", false),
];
const SITES: [(&str, bool); 5] =
    [("same-origin", true), ("same-site", false), ("cross-site", false), ("none", false), ("x", false)];
const TYPES: [(&str, bool); 6] = [
    ("application/json", true),
    ("Application/JSON; charset=utf-8", true),
    ("text/plain", false),
    ("application/x-www-form-urlencoded", false),
    ("multipart/form-data", false),
    ("-", false),
];
const OWN: [(&str, bool); 3] = [("1", true), ("0", false), ("-", false)];

/// Returns the cookie of an operator.
async fn session(under: &Under) -> String {
    let headers = [("content-type", "application/json"), ("x-onramp-inspector", "1"), ("origin", "https://shop.example")];
    let answer = under.send(request("POST", "/login", &headers, &format!(r#"{{"token":"{TOKEN}"}}"#))).await;
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// With the cookie of an operator, a change needs all of: the method, the media type, the own header, and an origin or fetch metadata, of which
/// none names another site.
#[tokio::test]
async fn only_the_page_itself_changes_something() {
    let under = Under::with_tokens();
    let cookie = session(&under).await;
    let id = under.dead(COMPLETE, "failed").await;
    let path = format!("/api/deliveries/{id}/resolve");
    let (origins, sites) = (ORIGINS.into_iter().chain([("-", true)]), SITES.into_iter().chain([("-", true)]));
    for (origin, origin_fits) in origins {
        for (site, site_fits) in sites.clone() {
            for ((media_type, type_fits), (own, own_fits)) in TYPES.iter().flat_map(|media| OWN.map(|own| (*media, own))) {
                let headers = [
                    ("cookie", cookie.as_str()),
                    ("origin", origin),
                    ("sec-fetch-site", site),
                    ("content-type", media_type),
                    ("x-onramp-inspector", own),
                ];
                let expected = origin_fits && site_fits && type_fits && own_fits && (origin, site) != ("-", "-");
                let answer = under.send(request("POST", &path, &headers, r#"{"note":"by hand"}"#)).await;
                assert_eq!(answer.status(), if expected { 200 } else { 403 }, "{headers:?}");
                let resolved = under.inbox.show(id).await.unwrap().unwrap().resolved_at.is_some();
                assert_eq!(resolved, expected, "{headers:?}");
                if resolved {
                    under.inbox.reopen(NOW, id).await.unwrap();
                }
            }
        }
    }
}

/// HTTP/2 has an authority instead of a host, which frameworks do not pass on.
#[tokio::test]
async fn without_a_host_the_browser_has_to_say_that_the_request_is_of_the_same_origin() {
    let under = Under::with_tokens();
    let cookie = session(&under).await;
    let path = format!("/api/deliveries/{}/resolve", under.dead(COMPLETE, "failed").await);
    for (origin, site, status) in [
        ("https://shop.example", "same-origin", 200),
        ("https://shop.example", "-", 403),
        ("https://shop.example", "same-site", 403),
        ("https://evil.example", "cross-site", 403),
        ("-", "-", 403),
    ] {
        let headers = [
            ("host", "-"),
            ("cookie", cookie.as_str()),
            ("origin", origin),
            ("sec-fetch-site", site),
            ("content-type", "application/json"),
            ("x-onramp-inspector", "1"),
        ];
        let answer = under.send(request("POST", &path, &headers, r#"{"note":"by hand"}"#)).await;
        assert_eq!(answer.status(), status, "{origin} {site}");
    }
    let sign_in = [
        ("host", "-"),
        ("origin", "https://shop.example"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
        ("x-onramp-inspector", "1"),
    ];
    let answer = under.send(request("POST", "/login", &sign_in, &format!(r#"{{"token":"{TOKEN}"}}"#))).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn other_methods_change_nothing() {
    let under = Under::with_tokens();
    let cookie = session(&under).await;
    let id = under.dead(COMPLETE, "failed").await;
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", "https://shop.example"),
        ("content-type", "application/json"),
        ("x-onramp-inspector", "1"),
    ];
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post"] {
        for action in ["replay", "resolve", "forget", "reveal"] {
            let body = format!(r#"{{"confirm":"{id}","note":"n"}}"#);
            let answer = under.send(request(method, &format!("/api/deliveries/{id}/{action}"), &headers, &body)).await;
            answer.assert_problem(405);
        }
        if !matches!(method, "GET" | "HEAD") {
            under.send(request(method, "/api/overview", &headers, "{}")).await.assert_problem(405);
        }
        under.send(request(method, "/login", &headers, &format!(r#"{{"token":"{TOKEN}"}}"#))).await.assert_problem(405);
    }
    assert_eq!(under.inbox.show(id).await.unwrap().unwrap().state, State::Dead);
}

/// A script needs no headers of a browser, because no browser adds its token.
#[tokio::test]
async fn a_script_with_a_token_needs_no_origin_and_must_not_have_a_foreign_one() {
    let under = Under::with_tokens();
    let id = under.dead(COMPLETE, "failed").await;
    let path = format!("/api/deliveries/{id}/replay");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-onramp-inspector", "1")];
    for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        under.send(request("POST", &path, &[&headers[..], &[foreign]].concat(), "{}")).await.assert_problem(403);
    }
    assert_eq!(under.send(request("POST", &path, &headers, "{}")).await.status(), 200);
}

#[tokio::test]
async fn another_site_cannot_sign_a_browser_in_or_out() {
    let under = Under::with_tokens();
    let body = format!(r#"{{"token":"{TOKEN}"}}"#);
    for path in ["/login", "/logout"] {
        for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("x-nothing", "1")] {
            let headers = [("content-type", "application/json"), ("x-onramp-inspector", "1"), foreign];
            let answer = under.send(request("POST", path, &headers, &body)).await;
            answer.assert_problem(403);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}

#[tokio::test]
async fn another_site_cannot_download_a_body() {
    let under = Under::with_tokens();
    let cookie = session(&under).await;
    let path = format!("/api/deliveries/{}/body", under.record(COMPLETE).await);
    for (site, status) in [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)] {
        let answer = under.send(request("GET", &path, &[("cookie", &cookie), ("sec-fetch-site", site)], "")).await;
        assert_eq!(answer.status(), status, "{site}");
    }
}

#[tokio::test]
async fn every_response_is_protected() {
    let under = Under::with_tokens();
    let paths = ["/", "/login", "/nothing", "/assets/x/main.js", "/api/overview", "/api/deliveries/1", "/%ff"];
    for path in paths {
        let answer = under.send(request("GET", path, &[], "")).await;
        let policy = answer.header("content-security-policy").unwrap();
        for directive in
            ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(directive) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
    }
}

#[tokio::test]
async fn assets_have_their_version_and_are_cached_for_ever() {
    let under = Under::with_tokens();
    let index = under.send(request("GET", "/", &[], "")).await;
    let addresses: Vec<_> = index.text().split('"').filter(|text| text.starts_with("assets/")).map(str::to_owned).collect();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for address in addresses {
        let path = format!("/{address}");
        let plain = under.send(request("GET", &path, &[], "")).await;
        assert_eq!((plain.status(), plain.header("content-encoding")), (200, None));
        assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
        for (accepted, encoding) in [("gzip", Some("gzip")), ("br, GZIP;q=0.5", Some("gzip")), ("gzip;q=0", None), ("br", None)] {
            let answer = under.send(request("GET", &path, &[("accept-encoding", accepted)], "")).await;
            assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        }
        let (_, name) = address.rsplit_once('/').unwrap();
        under.send(request("GET", &format!("/assets/0000000000000000/{name}"), &[], "")).await.assert_problem(404);
    }
}
