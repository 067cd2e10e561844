//! The client's address, checked with Kriptomat's endpoint, which allows `203.0.113.7` and `2001:db8::7`.

use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};

use super::harness::{Harness, Listen, Plan, Setup, request};
use crate::events::Postback;

/// Serves a site that trusts the proxies `trusted`, which use `header`.
async fn behind(setup: &Setup, trusted: &str, header: &str) -> Harness {
    let client_ip = ClientIp::behind(trusted.parse().expect("proxies"), header.parse().expect("a header"));
    let allowed: AllowList = "203.0.113.7, 2001:db8::7".parse().expect("a list");
    setup.harness_with(Plan { allowed, client_ip, ..Plan::default() }).await
}

/// Sends requests with these lines of the header, and checks the response statuses.
async fn check(harness: &Harness, header: &str, table: &[(&[&str], u16)]) {
    for (lines, status) in table {
        let headers: Vec<_> = lines.iter().map(|line| (header, *line)).collect();
        let response = harness.send("POST", "/webhooks/kriptomat", &headers, Postback::new().json()).await;
        assert_eq!(response.status, *status, "{header}: {lines:?}");
        let guarded = harness.send("GET", "/guarded", &headers, "").await;
        assert_eq!(guarded.status, *status, "{header}: {lines:?}, at the middleware");
    }
}

const YES: u16 = 200;
const NO: u16 = 403;

/// Sends a postback over IPv4 and over IPv6 to a site with this allow-list, and returns both statuses.
async fn over_both(setup: &Setup, allowed: &str) -> (u16, u16) {
    let allowed = allowed.parse().expect("a list");
    let harness = setup.harness_with(Plan { listen: Listen::Ipv6, allowed, ..Plan::default() }).await;
    let postback = || request("POST", "/webhooks/kriptomat", &[], &Postback::new().json());
    let (mut four, mut six) = (harness.connect().await, harness.connect_over_ipv6().await);
    four.send(postback()).await;
    six.send(postback()).await;
    (four.answer().await.status, six.answer().await.status)
}

pub(super) async fn an_ipv6_peer_is_known(setup: &Setup) {
    assert_eq!(over_both(setup, "::1").await, (NO, YES));
    assert_eq!(over_both(setup, "::/0").await, (NO, YES));
}

/// A dual-stack socket reports an IPv4 client as `::ffff:127.0.0.1`.
pub(super) async fn an_ipv6_socket_knows_its_ipv4_peers(setup: &Setup) {
    assert_eq!(over_both(setup, "127.0.0.1").await, (YES, NO));
    assert_eq!(over_both(setup, "::ffff:127.0.0.0/104").await, (YES, NO));
}

#[cfg(unix)]
pub(super) async fn a_peer_without_an_address_is_denied(setup: &Setup) {
    let harness = setup
        .harness_with(Plan { listen: Listen::Unix, allowed: "0.0.0.0/0, ::/0".parse().expect("a list"), ..Plan::default() })
        .await;
    harness.kriptomat(Postback::new().json()).await.assert_problem(NO);
    harness.send("GET", "/guarded", &[], "").await.assert_problem(NO);
    harness.wert(r#"{"type":"login","click_id":"1"}"#).await.assert_received();
}

/// The peer is the proxy on the same machine, and its header is believed.
#[cfg(unix)]
pub(super) async fn a_proxy_at_a_unix_socket_is_believed(setup: &Setup) {
    let proxies = "10.0.0.0/8".parse().expect("proxies");
    let client_ip = ClientIp::behind_unix_socket(proxies, ForwardingHeader::XForwardedFor);
    let allowed = "203.0.113.7".parse().expect("a list");
    let harness = setup.harness_with(Plan { listen: Listen::Unix, allowed, client_ip, ..Plan::default() }).await;
    let table: &[(&[&str], u16)] = &[
        (&["203.0.113.7"], YES),
        (&["198.51.100.1, 203.0.113.7, 10.0.0.1"], YES),
        (&["203.0.113.7, 198.51.100.1"], NO),
        (&["unknown"], NO),
        (&[], NO),
    ];
    check(&harness, "x-forwarded-for", table).await;
}

pub(super) async fn a_forged_header_is_not_believed(setup: &Setup) {
    for header in ["x-forwarded-for", "forwarded", "cf-connecting-ip"] {
        let harness = behind(setup, "192.0.2.0/24", header).await;
        let forged = ["203.0.113.7", "for=203.0.113.7", "127.0.0.1"];
        for line in forged {
            check(&harness, header, &[(&[line], NO)]).await;
        }
        check(&harness, header, &[(&[], NO)]).await;
    }
}

pub(super) async fn only_the_configured_header_counts(setup: &Setup) {
    let harness = behind(setup, "127.0.0.0/8", "x-forwarded-for").await;
    check(&harness, "forwarded", &[(&["for=203.0.113.7"], NO)]).await;
    check(&harness, "x-real-ip", &[(&["203.0.113.7"], NO)]).await;
    check(&harness, "X-Forwarded-For", &[(&["203.0.113.7"], YES)]).await;
}

pub(super) async fn a_chain_of_trusted_proxies_is_walked(setup: &Setup) {
    let table: [(&[&str], u16); 7] = [
        (&["203.0.113.7, 10.0.0.2"], YES),
        (&["203.0.113.7, 10.0.0.3, 10.0.0.2"], YES),
        (&["203.0.113.7, 198.51.100.1, 10.0.0.2"], NO),
        (&["198.51.100.1, 203.0.113.7, 10.0.0.2"], YES),
        (&["203.0.113.7, 198.51.100.1"], NO),
        (&["10.0.0.3, 10.0.0.2"], NO),
        (&[], NO),
    ];
    check(&behind(setup, "127.0.0.0/8, 10.0.0.0/8", "x-forwarded-for").await, "x-forwarded-for", &table).await;
}

pub(super) async fn several_lines_are_one_list(setup: &Setup) {
    let table: [(&[&str], u16); 5] = [
        (&["203.0.113.7", "10.0.0.2"], YES),
        (&["198.51.100.1", "203.0.113.7"], YES),
        (&["203.0.113.7", "198.51.100.1"], NO),
        (&["203.0.113.7, 10.0.0.3", "10.0.0.2"], YES),
        (&["203.0.113.7", ""], NO),
    ];
    check(&behind(setup, "127.0.0.0/8, 10.0.0.0/8", "x-forwarded-for").await, "x-forwarded-for", &table).await;
}

pub(super) async fn a_header_for_one_address_has_one(setup: &Setup) {
    let table: [(&[&str], u16); 5] = [
        (&["203.0.113.7"], YES),
        (&["2001:db8::7"], YES),
        (&["203.0.113.7", "203.0.113.7"], NO),
        (&["203.0.113.7, 203.0.113.7"], NO),
        (&[""], NO),
    ];
    check(&behind(setup, "127.0.0.0/8", "cf-connecting-ip").await, "cf-connecting-ip", &table).await;
}

pub(super) async fn forwarded_is_read_with_quotes_and_parameters(setup: &Setup) {
    let table: [(&[&str], u16); 9] = [
        (&["for=203.0.113.7"], YES),
        (&["FOR=\"203.0.113.7:4711\";proto=https;by=10.0.0.1"], YES),
        (&["for=\"[2001:db8::7]:4711\""], YES),
        (&["for=\"[2001:db8::7]\", for=10.0.0.2"], YES),
        (&["proto=https ; for=203.0.113.7"], YES),
        (&["for=\"\\203.0.113.7\""], YES),
        (&["for=198.51.100.1, for=\"203.0.113.7\"", "for=10.0.0.2"], YES),
        (&["for=\"203.0.113.7, for=10.0.0.2"], NO),
        (&["for=\"a, for=203.0.113.7"], YES),
    ];
    check(&behind(setup, "127.0.0.0/8, 10.0.0.0/8", "forwarded").await, "forwarded", &table).await;
}

pub(super) async fn who_is_hidden_is_denied(setup: &Setup) {
    let table: [(&[&str], u16); 6] = [
        (&["for=unknown"], NO),
        (&["for=_hidden"], NO),
        (&["for=\"_hidden:80\""], NO),
        (&["proto=https"], NO),
        (&["for=203.0.113.7;for=203.0.113.7"], NO),
        (&["for=203.0.113.7, for=unknown"], NO),
    ];
    check(&behind(setup, "127.0.0.0/8", "forwarded").await, "forwarded", &table).await;
}

pub(super) async fn ports_and_brackets_are_taken_off(setup: &Setup) {
    let table: [(&[&str], u16); 9] = [
        (&["203.0.113.7:4711"], YES),
        (&["[2001:db8::7]:4711"], YES),
        (&["[2001:db8::7]"], YES),
        (&["2001:db8::7"], YES),
        (&["::ffff:203.0.113.7"], YES),
        (&["203.0.113.7:99999"], NO),
        (&["203.0.113.7:"], NO),
        (&["[203.0.113.7]"], NO),
        (&["[2001:db8::7"], NO),
    ];
    check(&behind(setup, "127.0.0.0/8", "x-forwarded-for").await, "x-forwarded-for", &table).await;
}

pub(super) async fn garbage_in_any_position_is_denied(setup: &Setup) {
    let harness = behind(setup, "127.0.0.0/8, 10.0.0.0/8", "x-forwarded-for").await;
    let nearly = ["203.0.113", "203.0.113.7.8", "0x7f.1", "203.0.113.7%eth0", "\"203.0.113.7\""];
    for garbage in ["", " ", "unknown", "localhost", "\u{fffd}", ";"].into_iter().chain(nearly) {
        let (right, between) = (format!("203.0.113.7, {garbage}"), format!("203.0.113.7, {garbage}, 10.0.0.2"));
        let left = format!("{garbage}, 203.0.113.7, 10.0.0.2");
        check(&harness, "x-forwarded-for", &[(&[garbage], NO), (&[&right], NO), (&[&between], NO), (&[&left], YES)]).await;
    }
}
