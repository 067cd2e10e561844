//! The allow-list in front of any route.

use onramp_webhooks::client_ip::ClientIp;

use super::harness::{Harness, Setup, request};

async fn guarded(harness: &Harness, method: &str) -> u16 {
    harness.send(method, "/guarded", &[], "").await.status
}

pub(super) async fn who_is_on_the_list_is_let_in(setup: &Setup) {
    let harness = setup.harness().await;
    let response = harness.send("GET", "/guarded", &[], "").await;
    assert_eq!((response.status, response.text()), (200, harness.site.guarded()));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(guarded(&harness, method).await, 200, "{method}");
    }
}

/// Clients are denied for every method, the response contains no reason, and other routes stay open.
pub(super) async fn who_is_not_is_denied(setup: &Setup) {
    let harness = setup.harness().await;
    harness.site.gate().replace("192.0.2.1".parse().expect("a list"), ClientIp::peer_only());
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        let response = harness.send(method, "/guarded", &[], "").await;
        response.assert_problem(403);
        assert!(!response.text().contains("192.0.2.1") && !response.text().contains("127.0.0.1"), "{}", response.text());
    }
    assert_eq!(harness.send("HEAD", "/guarded", &[], "").await.status, 403);
    assert_eq!(harness.send("GET", "/elsewhere", &[], "").await.status, 200);
}

/// Clients are denied whether or not the framework finds a route.
pub(super) async fn no_spelling_of_the_address_gets_past_the_list(setup: &Setup) {
    let harness = setup.harness().await;
    harness.site.gate().replace("192.0.2.1".parse().expect("a list"), ClientIp::peer_only());
    harness.send("GET", "http://site/guarded", &[], "").await.assert_problem(403);
    harness.send("GET", "/guarded?/elsewhere", &[], "").await.assert_problem(403);
    for address in ["/guarded/", "//guarded", "/%67uarded", "/guarded%2F", "/./guarded", "/elsewhere/../guarded", "/GUARDED", "*"]
    {
        for method in ["GET", "POST", "OPTIONS"] {
            let response = harness.connect_unheard_and_send(&request(method, address, &[], b"")).await;
            assert!(response.status >= 400 && response.text() != harness.site.guarded(), "{method} {address}: {response:?}");
        }
    }
}

pub(super) async fn a_list_is_replaced_while_requests_come_in(setup: &Setup) {
    let harness = setup.harness().await;
    let mut kept_open = harness.connect().await;
    for (allowed, status) in [("127.0.0.1", 200), ("", 403), ("127.0.0.0/8", 200), ("::/0", 403), ("0.0.0.0/0", 200)] {
        harness.site.gate().replace(allowed.parse().expect("a list"), ClientIp::peer_only());
        kept_open.send("GET /guarded HTTP/1.1\r\nhost: site\r\n\r\n").await;
        assert_eq!(kept_open.answer().await.status, status, "{allowed}");
    }
}
