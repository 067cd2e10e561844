//! A database that cannot be written: only recorded events are acknowledged, and the shop recovers by itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::orders::Orders;
use crate::shop::ShopProcess;
use crate::wait::{until, within};

/// Another process has locked the file.
pub async fn a_locked_file_is_told_in_time_and_waited_for(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    let other = home.database();
    other.execute("BEGIN EXCLUSIVE");
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    let begun = Instant::now();
    let mut at_once = JoinSet::new();
    for order in 0..20 {
        let client = shop.client.clone();
        at_once.spawn(async move { client.wert(at_once_order(order)).await });
    }
    for reply in at_once.join_all().await {
        reply.assert_try_again();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    other.execute("COMMIT");
    orders.recover(&shop).await;
    for order in 0..20 {
        shop.wert(at_once_order(order)).await.assert_received();
    }
    orders.assert_kept(&home).await;
    assert_eq!(shop.points("at-once-19").await, "1");
}

fn at_once_order(order: usize) -> String {
    let name = format!("at-once-{order}");
    order_complete(&name, &name, "1")
}

/// The shop's files cannot grow.
pub async fn a_full_disk_is_told_and_recovered_from(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().with_file_size_errors().start().await;
    let mut orders = Orders::default();
    shop.limit_files(Some(600_000));
    let mut refused = 0;
    within(Duration::from_secs(30), "the disk is full", async || {
        refused += usize::from(orders.send(&shop).await.status == 503);
        (refused >= 20).then_some(())
    })
    .await;
    assert!(!orders.acknowledged.is_empty());
    // A health check writes less than an event, and may still succeed for a while.
    until("the shop is unhealthy", async || shop.get("/healthz").await.status == 503).await;
    shop.limit_files(None);
    orders.recover(&shop).await;
    orders.assert_kept(&home).await;
    let told = shop.stop().await.handled().len();
    assert!(told >= orders.acknowledged.len());
}

/// The shop's volume is temporarily not mounted.
pub async fn a_folder_that_goes_away_is_told_and_found_again(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    home.database().settled().await;
    let elsewhere = home.outer().join("elsewhere");
    std::fs::rename(home.folder(), &elsewhere).unwrap();
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    std::fs::rename(&elsewhere, home.folder()).unwrap();
    orders.recover(&shop).await;
    orders.assert_kept(&home).await;
}

/// Events are refused while the file is deleted, because they would be lost with it.
pub async fn a_deleted_file_is_refused_until_the_restart(subject: Subject) {
    for with_its_log in [false, true] {
        let (home, shop) = Home::started(subject).await;
        shop.wert(order_complete("1", "ada", "1")).await.assert_received();
        home.database().settled().await;
        std::fs::remove_file(home.file()).unwrap();
        if with_its_log {
            for log in ["shop.db-wal", "shop.db-shm"] {
                std::fs::remove_file(home.folder().join(log)).unwrap();
            }
        }
        is_refused(&shop).await;
        let ended = shop.stop().await;
        assert!(ended.stderr.contains("was moved or replaced"), "{}", ended.stderr);
        let shop = home.start().await;
        shop.wert(order_complete("2", "bob", "2")).await.assert_received();
        home.database().settled().await;
        assert_eq!((shop.points("ada").await, shop.points("bob").await), ("0".to_owned(), "2".to_owned()));
    }
}

/// Events are refused without the log. Those that were acknowledged are in the database file by then, and survive a stop and a kill.
pub async fn a_deleted_log_is_refused_until_the_restart(subject: Subject) {
    for is_killed in [false, true] {
        let home = Home::of(subject);
        let shop = home.start().await;
        shop.wert(order_complete("1", "ada", "1")).await.assert_received();
        std::fs::remove_file(home.folder().join("shop.db-wal")).unwrap();
        is_refused(&shop).await;
        let log = if is_killed { shop.kill().stderr } else { shop.stop().await.stderr };
        assert!(log.contains("shop.db-wal was deleted, moved or replaced"), "{log}");
        let shop = home.start().await;
        shop.wert(order_complete("2", "bob", "2")).await.assert_received();
        home.database().settled().await;
        assert_eq!((shop.points("ada").await, shop.points("bob").await), ("1".to_owned(), "2".to_owned()));
    }
}

/// Events are refused while the file is elsewhere with its log. When all are back, nothing is handled again.
pub async fn moved_files_are_refused_until_they_are_put_back(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    home.database().settled().await;
    let moved = |from: PathBuf, to: PathBuf| {
        for file in ["shop.db", "shop.db-wal", "shop.db-shm"] {
            std::fs::rename(from.join(file), to.join(file)).unwrap();
        }
    };
    moved(home.folder(), home.outer().to_owned());
    is_refused(&shop).await;
    assert!(!home.file().exists(), "no empty file takes the place of the moved one");
    moved(home.outer().to_owned(), home.folder());
    orders.recover(&shop).await;
    shop.wert(order_complete("0", "customer-0", "1")).await.assert_received();
    orders.assert_kept(&home).await;
    let handled = shop.stop().await.handled().len();
    assert_eq!(handled, orders.acknowledged.len());
}

/// Events are refused while another file, even a copy, replaces the shop's file.
pub async fn a_replaced_file_is_refused_until_it_is_put_back(subject: Subject) {
    let (home, shop) = Home::started(subject).await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    home.database().settled().await;
    home.database().execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let (original, copy) = (home.outer().join("original"), home.outer().join("copy"));
    std::fs::rename(home.folder(), &original).unwrap();
    std::fs::create_dir(home.folder()).unwrap();
    std::fs::copy(original.join("shop.db"), home.file()).unwrap();
    is_refused(&shop).await;
    std::fs::rename(home.folder(), copy).unwrap();
    std::fs::rename(original, home.folder()).unwrap();
    orders.recover(&shop).await;
    orders.assert_kept(&home).await;
}

async fn is_refused(shop: &ShopProcess) {
    shop.wert(order_complete("2", "bob", "2")).await.assert_problem(503);
    assert_eq!(shop.get("/healthz").await.status, 503);
}

/// A file of another application is not overwritten.
pub async fn a_file_that_is_no_database_is_refused_at_the_start(subject: Subject) {
    let home = Home::of(subject);
    let letter = "Dear Ada, this is a letter and not a database. ".repeat(100);
    std::fs::write(home.file(), &letter).unwrap();
    let ended = home.launch().refused().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not a database"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(home.file()).unwrap(), letter);
}

/// Standard output is a pipe without a reader.
pub async fn a_closed_standard_output_stops_nothing(subject: Subject) {
    let home = Home::of(subject);
    let shop = home.launch().with_closing_output().start().await;
    let mut orders = Orders::default();
    for _ in 0..5 {
        assert_eq!(orders.send(&shop).await.status, 200);
    }
    orders.assert_kept(&home).await;
    shop.stop().await;
}
