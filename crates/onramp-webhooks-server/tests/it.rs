//! Routes of axum and warp, served over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::identity;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use onramp_webhooks_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, timeout};
use warp::Filter;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";

/// A time that no test reaches unless something hangs.
const LONG: Duration = Duration::from_secs(60);

/// A running server. It is stopped by dropping `stop`.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Serves a route that responds with the address of its client.
async fn serve(on_axum: bool, proxies: &str) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(listener).proxy_protocol(proxies.parse().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let task = if on_axum {
        let client = |request: &Request| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(client)| *client);
        let app = Router::new().fallback(async move |request: Request| format!("{:?}", client(&request)));
        tokio::spawn(server.serve(app, ConnectInfo::<SocketAddr>, stopped))
    } else {
        let app = warp::ext::optional::<SocketAddr>().map(|client: Option<SocketAddr>| format!("{client:?}"));
        tokio::spawn(server.serve(warp::service(app), identity, stopped))
    };
    Running { address, stop, task }
}

/// Sends bytes in the given pieces, and returns everything up to the end of the connection.
async fn exchange(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // The server may already have closed the connection.
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    let mut reply = Vec::new();
    // The error is a reset.
    let _ = timeout(LONG, stream.read_to_end(&mut reply)).await.unwrap();
    String::from_utf8(reply).unwrap()
}

fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

#[tokio::test]
async fn the_client_of_a_declared_proxy_is_the_peer() {
    let ipv4 = [203, 0, 113, 7, 192, 0, 2, 1, 0xc8, 0x22, 1, 0xbb];
    let with_additions = [&ipv4[..], &[4, 0, 2, 0, 0, 0xea, 0, 1, 7]].concat();
    let mapped = [&[0; 10][..], &[0xff, 0xff, 203, 0, 113, 7], &[9; 16], &[0xc8, 0x22, 1, 0xbb]].concat();
    let client = "Some(203.0.113.7:51234)";
    for on_axum in [true, false] {
        let running = serve(on_axum, "127.0.0.0/8").await;
        for (header, found) in [
            (b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n".to_vec(), client),
            (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 51234 443\r\n".to_vec(), client),
            (b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\n".to_vec(), "Some([2001:db8::7]:51234)"),
            (binary(0x21, 0x11, &ipv4), client),
            (binary(0x21, 0x11, &with_additions), client),
            (binary(0x21, 0x21, &mapped), client),
            (b"PROXY UNKNOWN\r\n".to_vec(), "None"),
            (binary(0x21, 0x00, &[]), "None"),
            (binary(0x21, 0x31, &[0; 216]), "None"),
        ] {
            let reply = exchange(running.address, &[&header, REQUEST]).await;
            assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with(found), "{}: {reply}", header.escape_ascii());
            let bytes = [&header[..], REQUEST].concat();
            let split: Vec<_> = bytes.chunks(1).collect();
            assert!(exchange(running.address, &split).await.ends_with(found), "{}, in single bytes", header.escape_ascii());
        }
        let local = exchange(running.address, &[&binary(0x20, 0x11, &ipv4), REQUEST]).await;
        assert!(local.contains("Some(127.0.0.1:"), "{local}");
    }
}

#[tokio::test]
async fn a_declared_proxy_without_a_readable_header_gets_no_response() {
    let running = serve(true, "127.0.0.0/8").await;
    let endless = [b"PROXY ", &[b'1'; 200][..]].concat();
    for begun in [REQUEST, b"PROXY TCP4 203.0.113.7\r\n", b"PROXY TCP9 a b c d\r\n", &endless, &binary(0x21, 0x11, &[1; 3])] {
        assert_eq!(exchange(running.address, &[begun, REQUEST]).await, "", "{}", begun.escape_ascii());
    }
    assert!(exchange(running.address, &[b"PROXY UNKNOWN\r\n", REQUEST]).await.starts_with("HTTP/1.1 200"), "others are served");
}

#[tokio::test]
async fn the_header_of_an_undeclared_peer_is_not_believed() {
    for proxies in ["", "10.0.0.0/8"] {
        let running = serve(true, proxies).await;
        let reply = exchange(running.address, &[b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n", REQUEST]).await;
        assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
        assert!(exchange(running.address, &[REQUEST]).await.contains("Some(127.0.0.1:"));
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_no_connection_that_sends_nothing() {
    for (proxies, begun) in [("127.0.0.0/8", &b""[..]), ("127.0.0.0/8", b"PROXY TCP4"), ("", b"")] {
        let running = serve(true, proxies).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        // A later connection is served, so this one was accepted.
        let _ = exchange(running.address, &[b"PROXY UNKNOWN\r\n", REQUEST]).await;
        drop(running.stop);
        timeout(LONG, running.task).await.unwrap().unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "closed");
    }
}

#[tokio::test]
async fn a_shutdown_finishes_open_requests_and_ends_half_a_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (begun, begins) = oneshot::channel::<()>();
    let (finish, finishes) = oneshot::channel::<()>();
    let signals = Arc::new(Mutex::new(Some((begun, finishes))));
    let slow = Router::new().fallback(async move || {
        let (begun, finishes) = signals.lock().unwrap().take().unwrap();
        drop(begun);
        drop(finishes.await);
        "finished"
    });
    let app = slow.with_state(());
    let server = tokio::spawn(Server::new(listener).serve(app, identity::<SocketAddr>, async { drop(stopped.await) }));
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost: sh").await.unwrap();
    let request = tokio::spawn(async move { exchange(address, &[REQUEST]).await });
    let _ = begins.await;
    drop(stop);
    // The shutdown has begun once no connection is accepted any more.
    while TcpStream::connect(address).await.is_ok() {
        yield_now().await;
    }
    drop(finish);
    assert!(request.await.unwrap().ends_with("finished"));
    let begins = Instant::now();
    timeout(LONG, server).await.unwrap().unwrap();
    assert!(begins.elapsed() < LONG);
    assert_eq!(half.read(&mut [0]).await.unwrap_or(0), 0, "closed");
}
