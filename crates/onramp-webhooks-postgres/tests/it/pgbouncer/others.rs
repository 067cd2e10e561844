//! Other clients of the same pooler, and other machines.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Filter, Inbox, State};
use sqlx::{Connection, PgConnection, Row, raw_sql};
use tokio::task::JoinSet;

use super::*;
use crate::tools::{claim, handled, now, purchase, record};

/// Another client, which sees the state of the only connection to the server.
struct Neighbour(PgConnection);

impl Neighbour {
    async fn of(pooled: &Pooled) -> Self {
        let options: PgConnectOptions = pooled.pooler.url().parse().unwrap();
        Self(PgConnection::connect_with(&options.extra_float_digits(None)).await.unwrap())
    }

    /// Returns the channels, statements, locks and settings of the session.
    async fn finds(&mut self) -> Vec<String> {
        let state =
            "SELECT 'channel ' || pg_listening_channels() UNION ALL SELECT 'statement ' || statement FROM pg_prepared_statements
            UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
            UNION ALL SELECT 'setting ' || name || ' ' || setting FROM pg_settings
                WHERE source = 'session' AND name NOT LIKE 'transaction%'
            UNION ALL SELECT 'of a transaction' WHERE current_setting('onramp.transaction', true) <> ''";
        let rows = raw_sql(state).fetch_all(&mut self.0).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// The stores are used in every way, and a worker waits for work. The pooler has one connection, so that all clients share it.
#[tokio::test]
async fn they_find_the_session_as_it_was() {
    let pooled = Pooled::new(PgBouncerOptions::transaction_mode().setting("default_pool_size", 1));
    let mut neighbour = Neighbour::of(&pooled).await;
    let before = neighbour.finds().await;
    let inbox = pooled.open(QuarantineBound::default()).await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), inbox.wait_for_work());
    assert!(waiting.await.is_err(), "woken for nothing");
    let delivery = purchase();
    record(&inbox, delivery.clone()).await;
    inbox.record(delivery).await.unwrap();
    handled(&inbox, &claim(&inbox, 1).await).await;
    assert_eq!(inbox.list(Filter::all()).await.unwrap().records.len(), 1);
    inbox.check().await.unwrap();
    inbox.prune(now(), onramp_webhooks::inbox::Retention::default()).await.unwrap();
    assert_eq!(neighbour.finds().await, before);
}

#[tokio::test]
async fn many_calls_share_few_connections() {
    let pooled = Pooled::new(PgBouncerOptions::transaction_mode().setting("default_pool_size", 2));
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let inbox = std::sync::Arc::new(pooled.open(QuarantineBound::default()).await);
        for _ in 0..8 {
            let inbox = std::sync::Arc::clone(&inbox);
            calls.spawn(async move {
                record(&inbox, purchase()).await;
                let claimed = claim(&inbox, 1).await;
                handled(&inbox, &claimed).await;
                claimed.len() as u64
            });
        }
    }
    let claimed: u64 = calls.join_all().await.into_iter().sum();
    let inbox = pooled.open(QuarantineBound::default()).await;
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Handled), counts.of(State::Pending)), (claimed, 24 - claimed));
}

#[tokio::test]
async fn a_direct_address_wakes_a_worker() {
    let pooled = Pooled::new(PgBouncerOptions::transaction_mode());
    let here = pooled.options().await.direct(url().parse().unwrap()).open().await.unwrap();
    let there = pooled.open(QuarantineBound::default()).await;
    let wait = || tokio::time::timeout(Duration::from_secs(10), here.wait_for_work());
    // Returns once it listens.
    wait().await.unwrap();
    record(&there, purchase()).await;
    wait().await.unwrap();
}

#[tokio::test]
async fn a_pooler_in_session_mode_keeps_wakeups_where_it_is_declared() {
    let pooled = Pooled::new(PgBouncerOptions::session_mode());
    let here = pooled.options().await.transaction_pooler(false).open().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), here.wait_for_work()).await.unwrap();
    let there = pooled.open(QuarantineBound::default()).await;
    record(&there, purchase()).await;
    tokio::time::timeout(Duration::from_secs(10), here.wait_for_work()).await.unwrap();
}

/// It does not answer with an error, so that only the missing setting tells of it.
#[tokio::test]
async fn a_pooler_that_ignores_settings_is_found() {
    let mode = PgBouncerOptions::transaction_mode().setting("default_pool_size", 1);
    let pooled = Pooled::new(mode.setting("ignore_startup_parameters", "options"));
    let mut neighbour = Neighbour::of(&pooled).await;
    let before = neighbour.finds().await;
    record(&pooled.open(QuarantineBound::default()).await, purchase()).await;
    assert_eq!(neighbour.finds().await, before);
}

/// PgBouncer refuses the setting that sqlx sends for floats.
#[tokio::test]
async fn a_url_is_enough() {
    let pooled = Pooled::new(PgBouncerOptions::transaction_mode());
    PostgresInbox::connect(&pooled.pooler.url()).await.unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_pooler_without_transactions_is_refused_with_its_mode() {
    let pooled = Pooled::new(PgBouncerOptions::transaction_mode().setting("pool_mode", "statement"));
    let error = pooled.options().await.open().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("set its pool_mode to transaction"), "{error}");
}
