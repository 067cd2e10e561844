//! Outages of the server and the network: every request gets 200 at once, and afterwards every event is in the inbox once and in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_testkit::events::WertOrder;
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::host::{Host, Traffic, hardly_waited, server};
use crate::wire::Network;

const CALLERS: usize = 8;

/// The number of outages.
const OUTAGES: usize = 2;

/// For a while, whatever happens meanwhile.
async fn some_time() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

async fn host(address: SocketAddr) -> (Arc<Host>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(Host::start(address, &folder.path().join("spill.db")).await), folder)
}

/// Something goes away and comes back under traffic.
async fn outages(address: SocketAddr, mut away: impl FnMut(), mut back: impl FnMut()) {
    let (host, _folder) = host(address).await;
    host.closes().await;
    let traffic = Traffic::to(&[&host], CALLERS);
    for _ in 0..OUTAGES {
        some_time().await;
        away();
        host.opens().await;
        some_time().await;
        host.inbox.check().await.unwrap();
        back();
        host.recovers().await;
    }
    let (orders, took) = traffic.stop().await;
    host.closes().await;
    host.has(&orders).await;
    hardly_waited(&took, OUTAGES, CALLERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_and_comes_back() {
    let (server, address) = server();
    let server = std::cell::RefCell::new(server);
    let away = || block_in_place(|| server.borrow_mut().stop_immediate()).unwrap();
    outages(address, away, || block_in_place(|| server.borrow_mut().start_again()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stands_still() {
    let (server, address) = server();
    outages(address, || server.freeze().unwrap(), || server.thaw().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_that_holds_everything_up() {
    let (_server, address) = server();
    let network = Network::to(address).await;
    outages(network.address(), || network.hold(), || network.mend()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_that_forgets_what_was_connected() {
    let (_server, address) = server();
    let network = Network::to(address).await;
    outages(network.address(), || network.cut(), || network.mend()).await;
}

/// Each event is sent to both, and each of them is cut off in its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_machines_get_the_same_events() {
    let (mut server, address) = server();
    let networks = [Network::to(address).await, Network::to(address).await];
    let (hosts, _folders): (Vec<_>, Vec<_>) =
        [host(networks[0].address()).await, host(networks[1].address()).await].into_iter().unzip();
    // So few that a slow machine moves what they spill.
    let traffic = Traffic::to(&[&hosts[0], &hosts[1]], 2);
    for (network, host) in networks.iter().zip(&hosts) {
        some_time().await;
        network.hold();
        host.opens().await;
        network.mend();
        host.recovers().await;
    }
    block_in_place(|| server.stop_immediate()).unwrap();
    hosts[0].opens().await;
    hosts[1].opens().await;
    block_in_place(|| server.start_again()).unwrap();
    let (orders, _) = traffic.stop().await;
    hosts[0].closes().await;
    hosts[1].closes().await;
    let kept = hosts[0].kept().await;
    assert_eq!(kept.len(), orders.len() * 3, "each once");
    assert!(kept.iter().all(|record| record.duplicates >= 1), "each had come to both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_application_that_starts_in_the_outage() {
    let ((mut server, address), folder) = (server(), tempfile::tempdir().unwrap());
    let spill = folder.path().join("spill.db");
    block_in_place(|| server.stop_immediate()).unwrap();
    let orders: Vec<_> = (0..2).map(|_| WertOrder::new()).collect();
    for order in &orders {
        // Each time a new life of the application.
        let host = Host::start(address, &spill).await;
        assert_eq!(host.post(order.event("payment_started")).await, 200);
        assert!(host.inbox.primary().is_none() && host.inbox.counts().await.is_err());
        host.inbox.check().await.unwrap();
    }
    let host = Host::start(address, &spill).await;
    block_in_place(|| server.start_again()).unwrap();
    host.closes().await;
    for order in &orders {
        for event_type in ["transfer_started", "order_complete"] {
            assert_eq!(host.post(order.event(event_type)).await, 200);
        }
    }
    host.has(&orders).await;
}
