//! While the server or the network is away, everybody gets 200 at once; afterwards everything is there, once and in order.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_testkit::events::WertOrder;

use crate::host::{Host, Traffic, hardly_waited};
use crate::proxy::Proxy;
use crate::server::Server;

const CALLERS: usize = 8;

/// For a while, whatever happens meanwhile.
async fn some_time() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_and_comes_back() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let host = Arc::new(Host::start(server.address(), &folder.path().join("spill.db")).await);
    assert!(!host.is_open().await);
    let traffic = Traffic::to(&[&host], CALLERS);
    for _ in 0..3 {
        some_time().await;
        server.crash();
        host.opens().await;
        some_time().await;
        host.inbox.check().await.unwrap();
        server = tokio::task::spawn_blocking(move || {
            server.run();
            server
        })
        .await
        .unwrap();
        host.closes().await;
    }
    let (orders, took) = traffic.stop().await;
    host.closes().await;
    host.has(&orders).await;
    hardly_waited(&took, 3, CALLERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stands_still() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let host = Arc::new(Host::start(server.address(), &folder.path().join("spill.db")).await);
    let traffic = Traffic::to(&[&host], CALLERS);
    for _ in 0..3 {
        some_time().await;
        server.freeze();
        host.opens().await;
        some_time().await;
        server.thaw();
        host.closes().await;
    }
    let (orders, took) = traffic.stop().await;
    host.closes().await;
    host.has(&orders).await;
    hardly_waited(&took, 3, CALLERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_that_is_cut() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::to(server.address()).await;
    let host = Arc::new(Host::start(proxy.address(), &folder.path().join("spill.db")).await);
    let traffic = Traffic::to(&[&host], CALLERS);
    for _ in 0..3 {
        some_time().await;
        proxy.cut();
        host.opens().await;
        some_time().await;
        proxy.mend();
        host.closes().await;
    }
    let (orders, took) = traffic.stop().await;
    host.closes().await;
    host.has(&orders).await;
    hardly_waited(&took, 3, CALLERS);
}

/// Each event is sent to both, and each of them is cut off in its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_machines_get_the_same_events() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let proxies = [Proxy::to(server.address()).await, Proxy::to(server.address()).await];
    let hosts = [
        Arc::new(Host::start(proxies[0].address(), &folder.path().join("0.db")).await),
        Arc::new(Host::start(proxies[1].address(), &folder.path().join("1.db")).await),
    ];
    let traffic = Traffic::to(&[&hosts[0], &hosts[1]], CALLERS);
    for (proxy, host) in proxies.iter().zip(&hosts) {
        some_time().await;
        proxy.cut();
        host.opens().await;
        proxy.mend();
        host.closes().await;
    }
    server.crash();
    hosts[0].opens().await;
    hosts[1].opens().await;
    server = tokio::task::spawn_blocking(move || {
        server.run();
        server
    })
    .await
    .unwrap();
    let (orders, _) = traffic.stop().await;
    hosts[0].closes().await;
    hosts[1].closes().await;
    let kept = hosts[0].kept().await;
    assert_eq!(kept.len(), orders.len() * 3, "each once");
    assert!(kept.iter().all(|record| record.duplicates >= 1), "each had come to both");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_application_that_starts_in_the_outage() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let spill = folder.path().join("spill.db");
    server.crash();
    let orders: Vec<_> = (0..2).map(|_| WertOrder::new()).collect();
    for (order, events) in orders.iter().zip([["payment_started"], ["payment_started"]]) {
        // Each time a new life of the application.
        let host = Host::start(server.address(), &spill).await;
        for event_type in events {
            assert_eq!(host.post(order.event(event_type)).await, 200);
        }
        assert!(host.inbox.first().is_none() && host.inbox.counts().await.is_err());
        host.inbox.check().await.unwrap();
    }
    let host = Host::start(server.address(), &spill).await;
    server.run();
    host.closes().await;
    for order in &orders {
        for event_type in ["transfer_started", "order_complete"] {
            assert_eq!(host.post(order.event(event_type)).await, 200);
        }
    }
    host.has(&orders).await;
}
