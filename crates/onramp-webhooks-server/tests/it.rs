//! Routes of axum, warp and actix-web, served over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::identity;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, web};
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use onramp_webhooks_server::{ActixServer, HEAD_TIME, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};
use warp::Filter;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";

/// A time that no test reaches unless something hangs.
const LONG: Duration = Duration::from_secs(60);

/// The time that a shutdown gives open requests.
const OPEN_REQUESTS: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Framework {
    Axum,
    Warp,
    Actix,
}

const ALL: [Framework; 3] = [Framework::Axum, Framework::Warp, Framework::Actix];

/// A running server. It is stopped by dropping `stop`.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Serves a route that responds with the address of its client.
async fn serve(framework: Framework, proxies: &str) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, proxies) = (listener.local_addr().unwrap(), proxies.parse().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let task = match framework {
        Framework::Axum => {
            let client =
                |request: &Request| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(client)| *client);
            let app = Router::new().fallback(async move |request: Request| format!("{:?}", client(&request)));
            let server = Server::new(listener).proxy_protocol(proxies);
            tokio::spawn(server.serve(app, ConnectInfo::<SocketAddr>, stopped))
        }
        Framework::Warp => {
            let app = warp::ext::optional::<SocketAddr>().map(|client: Option<SocketAddr>| format!("{client:?}"));
            let server = Server::new(listener).proxy_protocol(proxies);
            tokio::spawn(server.serve(warp::service(app), identity, stopped))
        }
        Framework::Actix => {
            let client = async |request: HttpRequest| format!("{:?}", request.peer_addr());
            let app = move || App::new().default_service(web::to(client));
            let server = ActixServer::new(listener.into_std().unwrap()).proxy_protocol(proxies).workers(2);
            tokio::spawn(async move { server.serve(app, stopped).await.unwrap() })
        }
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
    for framework in ALL {
        let running = serve(framework, "127.0.0.0/8").await;
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

/// Also the first byte of the first request is left when the header arrives in two pieces.
#[tokio::test]
async fn every_request_of_a_connection_has_the_same_peer() {
    for framework in ALL {
        let running = serve(framework, "127.0.0.0/8").await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PROXY TCP4 203.0.113").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        stream.write_all(b".7 192.0.2.1 51234 443\r\nG").await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let requests = [&b"ET / HTTP/1.1\r\nhost: shop\r\n\r\n"[..], b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n", REQUEST];
        let mut replies = String::new();
        for request in requests {
            stream.write_all(request).await.unwrap();
            sleep(Duration::from_millis(50)).await;
        }
        timeout(LONG, stream.read_to_string(&mut replies)).await.unwrap().unwrap();
        assert_eq!(replies.matches("Some(203.0.113.7:51234)").count(), 3, "{framework:?}: {replies}");
    }
}

#[tokio::test]
async fn a_declared_proxy_without_a_readable_header_gets_no_response() {
    let endless = [b"PROXY ", &[b'1'; 200][..]].concat();
    for framework in ALL {
        let running = serve(framework, "127.0.0.0/8").await;
        for begun in [REQUEST, b"PROXY TCP4 203.0.113.7\r\n", b"PROXY TCP9 a b c d\r\n", &endless, &binary(0x21, 0x11, &[1; 3])] {
            assert_eq!(exchange(running.address, &[begun, REQUEST]).await, "", "{framework:?}: {}", begun.escape_ascii());
        }
        let reply = exchange(running.address, &[b"PROXY UNKNOWN\r\n", REQUEST]).await;
        assert!(reply.starts_with("HTTP/1.1 200"), "{framework:?}: others are served");
    }
}

#[tokio::test]
async fn the_header_of_an_undeclared_peer_is_not_believed() {
    for (framework, proxies) in ALL.into_iter().flat_map(|framework| ["", "10.0.0.0/8"].map(|proxies| (framework, proxies))) {
        let running = serve(framework, proxies).await;
        let reply = exchange(running.address, &[b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n", REQUEST]).await;
        assert!(reply.starts_with("HTTP/1.1 400"), "{framework:?}: {reply}");
        assert!(exchange(running.address, &[REQUEST]).await.contains("Some(127.0.0.1:"), "{framework:?}");
    }
}

/// The connections of all servers wait at the same time.
#[tokio::test]
async fn a_header_or_a_first_head_that_does_not_end_is_not_waited_for() {
    let (mut servers, mut waiting) = (Vec::new(), Vec::new());
    for framework in ALL {
        let running = serve(framework, "127.0.0.0/8").await;
        for begun in [&b""[..], b"PROXY TCP4 203.0.113.7", b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nhost: sh"] {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(begun).await.unwrap();
            waiting.push((framework, tokio::spawn(ends_after(stream))));
        }
        servers.push(running);
    }
    for (framework, waiting) in waiting {
        let waited = waiting.await.unwrap();
        assert!((HEAD_TIME - Duration::from_secs(1)..HEAD_TIME * 2).contains(&waited), "{framework:?}: {waited:?}");
    }
}

/// Returns the time until the server closes a connection, with a response or without.
async fn ends_after(mut stream: TcpStream) -> Duration {
    let begins = Instant::now();
    // The error is a reset.
    let _ = timeout(LONG, stream.read_to_end(&mut Vec::new())).await.unwrap();
    begins.elapsed()
}

#[tokio::test]
async fn a_shutdown_waits_for_no_connection_that_sends_nothing() {
    let begun = [("127.0.0.0/8", &b""[..]), ("127.0.0.0/8", b"PROXY TCP4"), ("", b"")];
    for (framework, (proxies, begun)) in ALL.into_iter().flat_map(|framework| begun.map(|begun| (framework, begun))) {
        let running = serve(framework, proxies).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        // A later connection is served, so this one was accepted.
        let _ = exchange(running.address, &[b"PROXY UNKNOWN\r\n", REQUEST]).await;
        let begins = Instant::now();
        drop(running.stop);
        timeout(LONG, running.task).await.unwrap().unwrap();
        assert!(begins.elapsed() < OPEN_REQUESTS, "{framework:?}: {:?}", begins.elapsed());
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "{framework:?}: closed");
    }
}

#[tokio::test]
async fn a_shutdown_finishes_open_requests_and_ends_half_a_head() {
    for on_axum in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let (begun, begins) = oneshot::channel::<()>();
        let (finish, finishes) = oneshot::channel::<()>();
        let signals = Arc::new(Mutex::new(Some((begun, finishes))));
        let slow = move || {
            let (begun, finishes) = signals.lock().unwrap().take().unwrap();
            async {
                drop(begun);
                drop(finishes.await);
                "finished"
            }
        };
        let server = if on_axum {
            let app = Router::new().fallback(slow);
            tokio::spawn(Server::new(listener).serve(app, identity::<SocketAddr>, stopped))
        } else {
            let app = move || App::new().default_service(web::to(slow.clone()));
            let server = ActixServer::new(listener.into_std().unwrap());
            tokio::spawn(async { server.serve(app, stopped).await.unwrap() })
        };
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nhost: sh").await.unwrap();
        let request = tokio::spawn(async move { exchange(address, &[REQUEST]).await });
        let _ = begins.await;
        drop(stop);
        // The shutdown has begun once no connection is accepted any more.
        while TcpStream::connect(address).await.is_ok() {
            yield_now().await;
        }
        // The request takes longer than actix gives to a connection that it closes.
        sleep(Duration::from_millis(1_500)).await;
        drop(finish);
        assert!(request.await.unwrap().ends_with("finished"));
        let begins = Instant::now();
        timeout(LONG, server).await.unwrap().unwrap();
        assert!(begins.elapsed() < LONG);
        assert_eq!(half.read(&mut [0]).await.unwrap_or(0), 0, "closed");
    }
}

/// Strangers take all places and stay: before a request, in its head, or in that of a second one. Others are served before the time for a
/// head is over.
#[tokio::test]
async fn silent_connections_leave_their_places() {
    const HALF: &[u8] = b"GET / HTTP/1.1\r\nhost: sh";
    const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n";
    for framework in ALL {
        for (first, second) in [(&b""[..], &b""[..]), (HALF, b""), (WHOLE, b""), (WHOLE, HALF), (b"\r\n\r\n", HALF)] {
            let running = serve(framework, "").await;
            let mut strangers = Vec::new();
            for _ in 0..520 {
                let mut stranger = TcpStream::connect(running.address).await.unwrap();
                stranger.write_all(first).await.unwrap();
                strangers.push(stranger);
            }
            for stranger in &mut strangers {
                // It may be closed already.
                let _ = stranger.write_all(second).await;
            }
            let answer = timeout(HEAD_TIME * 8 / 10, exchange(running.address, &[REQUEST])).await;
            let answer = answer.unwrap_or_else(|_| panic!("{framework:?}, {}", String::from_utf8_lossy(first)));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            drop(strangers);
            running.task.abort();
        }
    }
}

/// Strangers take all places with requests that are answered before they end, and say nothing more that the server waits for.
#[tokio::test]
async fn requests_that_do_not_end_leave_their_places() {
    const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\nab";
    const EXPECTING: &[u8] = b"POST / HTTP/1.1\r\nhost: shop\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}";
    for framework in ALL {
        // The rest of the body looks like a head.
        for (first, second) in [(CHUNKED, &b"c\n\nd"[..]), (EXPECTING, b"")] {
            let running = serve(framework, "").await;
            let (done, mut is_done) = mpsc::channel(520);
            let mut strangers = JoinSet::new();
            for _ in 0..520 {
                let (mut stranger, done) = (TcpStream::connect(running.address).await.unwrap(), done.clone());
                strangers.spawn(async move {
                    stranger.write_all(first).await.unwrap();
                    // It may be closed already.
                    let _ = stranger.read(&mut [0; 1_024]).await;
                    let _ = stranger.write_all(second).await;
                    done.send(()).await.unwrap();
                    std::future::pending::<()>().await;
                });
            }
            // Of the connections to actix, one of eight waits for a place.
            for _ in 0..448 {
                timeout(LONG, is_done.recv()).await.unwrap().unwrap();
            }
            let answer = timeout(LONG, exchange(running.address, &[REQUEST])).await;
            let answer = answer.unwrap_or_else(|_| panic!("{framework:?}, {}", String::from_utf8_lossy(first)));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            drop(strangers);
            running.task.abort();
        }
    }
}
