//! An inspector that is open to its own machine.

use onramp_webhooks::adapter::{PageRequest, Request};

use crate::tools::{COMPLETE, Under};

fn local(peer: &str, headers: &[(&str, &str)]) -> PageRequest {
    PageRequest::new(&Request::new("GET", "/api/overview", peer.parse().ok(), &headers), "")
}

async fn status(under: &Under, peer: &str, headers: &[(&str, &str)]) -> u16 {
    under.send(local(peer, headers)).await.status()
}

#[tokio::test]
async fn only_direct_requests_from_this_machine_get_in() {
    let under = Under::new(|builder| builder.open_on_loopback());
    for (peer, host) in
        [("127.0.0.1", "127.0.0.1:8080"), ("127.0.0.2", "localhost"), ("::1", "[::1]:8080"), ("::ffff:127.0.0.1", "LocalHost:1")]
    {
        assert_eq!(status(&under, peer, &[("host", host)]).await, 200, "{peer} {host}");
    }
    for peer in ["192.0.2.1", "10.0.0.1", "::2", "0.0.0.0", "::ffff:192.0.2.1", "unknown"] {
        assert_eq!(status(&under, peer, &[("host", "localhost")]).await, 403, "{peer}");
    }
}

/// A name of another site that was made to resolve to 127.0.0.1.
#[tokio::test]
async fn a_rebound_name_does_not_get_in() {
    let under = Under::new(|builder| builder.open_on_loopback());
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", "192.0.2.1"] {
        assert_eq!(status(&under, "127.0.0.1", &[("host", host)]).await, 403, "{host}");
    }
    assert_eq!(status(&under, "127.0.0.1", &[]).await, 403);
    assert_eq!(status(&under, "127.0.0.1", &[("host", "localhost"), ("host", "localhost")]).await, 403);
}

#[tokio::test]
async fn a_request_that_a_proxy_passed_on_does_not_get_in() {
    let under = Under::new(|builder| builder.open_on_loopback());
    for name in [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "fly-client-ip",
        "x-client-ip",
    ] {
        assert_eq!(status(&under, "127.0.0.1", &[("host", "localhost"), (name, "127.0.0.1")]).await, 403, "{name}");
    }
    assert_eq!(status(&under, "127.0.0.1", &[("host", "localhost"), ("x-other", "1")]).await, 200);
}

/// Another site can send a browser to this machine, but not with the headers of the page.
#[tokio::test]
async fn another_site_changes_nothing_here() {
    let under = Under::new(|builder| builder.open_on_loopback());
    let id = under.dead(COMPLETE, "failed").await;
    let path = format!("/api/deliveries/{id}/replay");
    for (origin, status) in [("http://evil.example", 403), ("null", 403), ("http://localhost:8080", 200)] {
        let headers: &[(&str, &str)] =
            &[("host", "localhost:8080"), ("origin", origin), ("content-type", "application/json"), ("x-onramp-inspector", "1")];
        let request = PageRequest::new(&Request::new("POST", &path, "127.0.0.1".parse().ok(), &headers), "{}");
        assert_eq!(under.send(request).await.status(), status, "{origin}");
    }
}
