//! A network between the inbox and the server, which can go silent: nothing arrives any more, and nobody is told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_postgres::PostgresOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::tools::{TestSchema, claim, connection, handled, purchase, record, url};

/// What was connected when the network went silent stays so for ever, as behind a firewall that forgot it.
struct Network {
    address: SocketAddr,
    cuts: watch::Sender<Cuts>,
}

#[derive(Clone, Copy, PartialEq)]
struct Cuts {
    number: u32,
    is_cut: bool,
}

impl Network {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = watch::Sender::new(Cuts { number: 0, is_cut: false });
        let told = cuts.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(server).await.unwrap();
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(from_near, to_far, told.clone()));
                tokio::spawn(pass(from_far, to_near, told.clone()));
            }
        });
        Self { address, cuts }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts = Cuts { number: cuts.number + 1, is_cut: true });
    }

    fn mend(&self) {
        self.cuts.send_modify(|cuts| cuts.is_cut = false);
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut cuts: watch::Receiver<Cuts>) {
    let at_first = *cuts.borrow();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let cut = async { drop(cuts.wait_for(|now| now.is_cut || now.number != at_first.number).await) };
        let read = tokio::select! {
            read = from.read(&mut bytes) => Some(read.unwrap_or(0)),
            () = cut => None,
        };
        let Some(read) = read else {
            // The sockets stay open, until the inbox closes its end.
            while from.read(&mut bytes).await.unwrap_or(0) > 0 {}
            return;
        };
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Where the server is, and options to reach it over `network`.
async fn server() -> (SocketAddr, PgConnectOptions) {
    let options: PgConnectOptions = url().parse().unwrap();
    let address = tokio::net::lookup_host((options.get_host(), options.get_port())).await.unwrap().next().unwrap();
    (address, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_fails_calls_in_time_and_no_call_after_it() {
    let schema = TestSchema::new();
    let (server, options) = server().await;
    let network = Network::to(server).await;
    let options = options.host(&network.address.ip().to_string()).port(network.address.port());
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    record(&inbox, purchase()).await;
    let claimed = claim(&inbox, 1).await;
    drop([pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while pool.num_idle() < 3 {
        assert!(Instant::now() < deadline, "only {} connections are idle", pool.num_idle());
        tokio::task::yield_now().await;
    }

    network.cut();
    let silent = tokio::time::timeout(Duration::from_secs(15), inbox.record(purchase()));
    assert_eq!(silent.await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);

    network.mend();
    record(&inbox, purchase()).await;
    handled(&inbox, &claimed).await;
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 1);
}

/// The transaction whose connection fell silent is over when the time is, and its locks with it.
#[tokio::test]
async fn a_statement_that_hangs_fails_in_time() {
    let schema = TestSchema::new();
    let inbox = schema.open(Default::default()).await;
    let hang = "CREATE FUNCTION onramp.hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
         CREATE TRIGGER hang BEFORE INSERT ON onramp.deliveries FOR EACH ROW EXECUTE FUNCTION onramp.hang()";
    let mut other = connection().await;
    sqlx::raw_sql(schema.sql(hang)).execute(&mut other).await.unwrap();
    let hanging = tokio::time::timeout(Duration::from_secs(15), inbox.record(purchase()));
    assert_eq!(hanging.await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
    sqlx::raw_sql(schema.sql("DROP TRIGGER hang ON onramp.deliveries")).execute(&mut other).await.unwrap();
    record(&inbox, purchase()).await;
}
