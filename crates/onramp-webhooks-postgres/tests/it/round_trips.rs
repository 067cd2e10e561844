//! The round trips to the server, counted on the wire.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_postgres::PostgresOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tools::{TestSchema, purchase, record, url};

/// The bytes that clients have sent, by connection.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes connections on to `server`, and keeps a copy of their requests.
async fn tap(server: String) -> (SocketAddr, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, sent) = (listener.local_addr().unwrap(), Sent::default());
    let copies = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, Arc::clone(&copies)));
        }
    });
    (address, sent)
}

async fn pass(client: TcpStream, server: TcpStream, sent: Sent) {
    let ((mut requests, mut to_client), (mut replies, mut to_server)) = (client.into_split(), server.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut replies, &mut to_client).await });
    let connection = {
        let mut sent = sent.lock().unwrap();
        sent.push(Vec::new());
        sent.len() - 1
    };
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = requests.read(&mut bytes).await {
        sent.lock().unwrap()[connection].extend_from_slice(&bytes[..read]);
        to_server.write_all(&bytes[..read]).await.unwrap();
    }
}

/// Returns the number of requests in complete messages to which the server replies that it is ready.
fn round_trips(mut messages: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, a, b, c, d, ..] = *messages {
        count += usize::from(matches!(kind, b'Q' | b'S'));
        messages = &messages[1 + u32::from_be_bytes([a, b, c, d]) as usize..];
    }
    count
}

/// The requests of a call, on the connection that carried its body.
#[tokio::test]
async fn a_batch_of_new_deliveries_is_one_round_trip() {
    let schema = TestSchema::new();
    let options: PgConnectOptions = url().parse().unwrap();
    let (address, sent) = tap(format!("{}:{}", options.get_host(), options.get_port())).await;
    let options = options.host(&address.ip().to_string()).port(address.port()).ssl_mode(PgSslMode::Disable);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let inbox = PostgresOptions::new(pool).schema(schema.name()).open().await.unwrap();
    record(&inbox, purchase()).await;
    let before = sent.lock().unwrap().clone();
    let mut marked = purchase();
    marked.body = "the body that marks its connection".into();
    inbox.record(marked.clone()).await.unwrap();
    let after = sent.lock().unwrap().clone();
    let has_body = |bytes: &&Vec<u8>| bytes.windows(marked.body.len()).any(|window| window == &*marked.body);
    let connection = after.iter().position(|bytes| has_body(&bytes)).unwrap();
    let earlier = before.get(connection).map_or(0, Vec::len);
    assert_eq!(round_trips(&after[connection][earlier..]), 1);
}
