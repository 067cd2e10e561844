//! A network that goes silent, and statements that hang.

use std::net::SocketAddr;
use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_postgres::PostgresOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::tools::{TestSchema, claim, connection, handled, purchase, record, until, url};
use crate::wire::Network;

/// Returns the server's address, and options to reach it over `network`.
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
    let options = options.host(&network.address().ip().to_string()).port(network.address().port());
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    let inbox = PostgresOptions::new(pool.clone()).schema(schema.name()).open().await.unwrap();
    record(&inbox, purchase()).await;
    let claimed = claim(&inbox, 1).await;
    drop([pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()]);
    until("the connections are idle", async || pool.num_idle() >= 3).await;

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
