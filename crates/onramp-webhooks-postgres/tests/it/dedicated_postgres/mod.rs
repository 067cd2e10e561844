//! Dedicated servers, which are stopped and filled.

mod spill;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_services::{Postgres, PostgresOptions as Server, SmallDisk};
use sqlx::{Connection, PgConnection};
use tokio::task::{JoinSet, block_in_place};

use crate::tools::{claim, handled, purchase, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_restarts_has_all_that_was_acknowledged() {
    let mut server = block_in_place(Postgres::start).unwrap();
    let inbox = Arc::new(PostgresInbox::connect(&server.url()).await.unwrap());
    let stopped = Arc::new(AtomicBool::new(false));
    let mut recording = JoinSet::new();
    for _ in 0..8 {
        let (inbox, stopped) = (Arc::clone(&inbox), Arc::clone(&stopped));
        recording.spawn(async move {
            let mut acknowledged = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                acknowledged += u64::from(inbox.record(purchase()).await.is_ok());
            }
            acknowledged
        });
    }
    for _ in 0..3 {
        record(&inbox, purchase()).await;
        block_in_place(|| server.stop_immediate().and_then(|()| server.start_again())).unwrap();
    }
    record(&inbox, purchase()).await;
    stopped.store(true, Ordering::Relaxed);
    let acknowledged: u64 = recording.join_all().await.into_iter().sum::<u64>() + 4;
    let claimed = claim(&inbox, 1).await;
    block_in_place(|| server.restart()).unwrap();
    handled(&inbox, &claimed).await;
    let counts = inbox.counts().await.unwrap();
    let kept = counts.of(State::Pending) + counts.of(State::Handled);
    assert!(kept >= acknowledged, "{acknowledged} were acknowledged, and {kept} are kept");
    assert_eq!(counts.of(State::Handled), 1);
}

/// A failover: the address leads to a server that becomes a replica, and is promoted later.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_refused_and_is_used_once_it_is_promoted() {
    let mut server = block_in_place(Postgres::start).unwrap();
    let inbox = PostgresInbox::connect(&server.url()).await.unwrap();
    record(&inbox, purchase()).await;
    block_in_place(|| server.restart_as_replica()).unwrap();
    let refused = PostgresInbox::connect(&server.url()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::ReadOnly);
    assert!(refused.to_string().contains("read-only replica"), "{refused}");
    for error in [inbox.check().await.unwrap_err(), inbox.record(purchase()).await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::ReadOnly);
        assert!(error.to_string().contains("replica"), "{error}");
    }
    sqlx::query("SELECT pg_promote()").execute(&mut PgConnection::connect(&server.url()).await.unwrap()).await.unwrap();
    record(&inbox, purchase()).await;
    inbox.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_mounted_disk_that_is_full_it_is_told_and_recovered_from() {
    let disk = SmallDisk::mount("240m").unwrap();
    let server = Server::new().folder(disk.path()).setting("min_wal_size", "32MB").setting("max_wal_size", "64MB");
    let server = block_in_place(|| server.start()).unwrap();
    let inbox = PostgresInbox::connect(&server.url()).await.unwrap();
    record(&inbox, purchase()).await;
    let ballast = disk.fill_up_to(512 * 1024).unwrap();
    let mut acknowledged = 1;
    let error = loop {
        let mut large = purchase();
        large.body = std::iter::repeat_with(|| fastrand::u8(..)).take(100_000).collect::<Vec<_>>().into();
        match inbox.record(large).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the disk never is full");
    };
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), acknowledged);
    drop(ballast);
    record(&inbox, purchase()).await;
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), acknowledged + 1);
}

/// Managed servers have TLS. A batch is one record there, so none of these has more than three deliveries.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_batches_are_short_and_all_is_recorded_and_handled() {
    const MANY: usize = 64;
    let server = block_in_place(|| Server::new().tls().start()).unwrap();
    let inbox = Arc::new(PostgresInbox::connect(&server.tls_url()).await.unwrap());
    let mut recording = JoinSet::new();
    for _ in 0..MANY {
        let (inbox, mut new) = (Arc::clone(&inbox), purchase());
        new.body = vec![b'.'; 4 << 10].into();
        recording.spawn(async move { record(&*inbox, new).await });
    }
    recording.join_all().await;
    let mut largest = purchase();
    largest.body = vec![b'.'; 1 << 20].into();
    record(&*inbox, largest).await;
    let mut observer = PgConnection::connect(&server.url()).await.unwrap();
    let seen = "SELECT count(DISTINCT xmin::text), (SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()) FROM onramp.deliveries";
    let (batches, is_encrypted): (i64, bool) = sqlx::query_as(seen).fetch_one(&mut observer).await.unwrap();
    assert!(batches > MANY as i64 / 4, "{batches}");
    assert!(is_encrypted);
    let claimed = claim(&*inbox, 2 * MANY).await;
    assert_eq!(claimed.len(), MANY + 1);
    handled(&*inbox, &claimed).await;
}
