//! Inboxes that are only read.

use std::path::Path;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Filter, NewDelivery, Requeue, Retention, State};
use onramp_webhooks::{Inbox, StoreErrorKind};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions, SqliteReader};

const NOW: Timestamp = Timestamp::from_millis(1_767_355_200_000);

fn delivery() -> NewDelivery {
    NewDelivery::new("wert", "wert", NOW, r#"{"type":"test"}"#.into())
}

#[tokio::test]
async fn a_reader_sees_what_others_write_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let reader = SqliteOptions::new(&path).open_reader().await.unwrap();
    inbox.record(delivery()).await.unwrap();
    let found = reader.list(Filter::all()).await.unwrap().records;
    let id = found[0].id;
    assert_eq!(reader.show(id).await.unwrap().unwrap().body.unwrap(), delivery().body);
    assert_eq!(reader.open_counts().await.unwrap().of(State::Pending), 1);
    assert_eq!(reader.history(id).await.unwrap().len(), 0);

    let refusals = [
        reader.record(delivery()).await.unwrap_err(),
        reader.resolve(NOW, id, "").await.unwrap_err(),
        reader.requeue(Requeue::new(NOW, id, State::Pending)).await.unwrap_err(),
        reader.forget(id).await.unwrap_err(),
        reader.prune(NOW, Retention::default()).await.unwrap_err(),
        reader.restore(found).await.unwrap_err(),
        reader.check().await.unwrap_err(),
    ];
    assert!(refusals.iter().all(|error| error.kind() == StoreErrorKind::ReadOnly), "{refusals:?}");
    assert_eq!(inbox.counts().await.unwrap().of(State::Pending), 1);
}

/// Every read fails, with a hint for the operator.
async fn assert_shows_nothing(reader: &SqliteReader, id: DeliveryId) {
    let errors = [
        reader.list(Filter::all()).await.unwrap_err(),
        reader.show(id).await.unwrap_err(),
        reader.counts().await.unwrap_err(),
        reader.open_counts().await.unwrap_err(),
        reader.history(id).await.unwrap_err(),
        reader.task_state("retention").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        let text = error.to_string();
        assert!(text.contains("was moved or replaced") && text.contains("put it back or restart the process"), "{text}");
        assert!(text.contains("shop.db"), "{text}");
    }
}

/// Returns a reader of an inbox with one delivery, and its id.
async fn reader_of_one(path: &Path) -> (SqliteInbox, SqliteReader, DeliveryId) {
    let inbox = SqliteInbox::open(path).await.unwrap();
    inbox.record(delivery()).await.unwrap();
    let reader = SqliteOptions::new(path).open_reader().await.unwrap();
    let id = reader.list(Filter::all()).await.unwrap().records[0].id;
    (inbox, reader, id)
}

#[tokio::test]
async fn a_reader_does_not_show_a_file_that_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let (inbox, reader, id) = reader_of_one(&path).await;
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        assert_shows_nothing(&reader, id).await;
        assert!(!path.exists(), "it is not made anew");
    }
    drop(inbox);
}

#[tokio::test]
async fn a_reader_of_a_file_that_was_moved_or_replaced_waits_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, elsewhere, other) =
        (folder.path().join("shop.db"), folder.path().join("moved.db"), folder.path().join("other.db"));
    drop(SqliteInbox::open(&other).await.unwrap());
    let (inbox, reader, id) = reader_of_one(&path).await;
    for number in 1..=3 {
        std::fs::rename(&path, &elsewhere).unwrap();
        assert_shows_nothing(&reader, id).await;
        std::fs::copy(&other, &path).unwrap();
        assert_shows_nothing(&reader.clone(), id).await;
        std::fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(reader.counts().await.unwrap().of(State::Pending), number);
        inbox.record(delivery()).await.unwrap();
        assert_eq!(reader.counts().await.unwrap().of(State::Pending), number + 1, "it sees what others write again");
    }
}

#[tokio::test]
async fn a_reader_creates_and_migrates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let open = async || SqliteOptions::new(&path).open_reader().await.map_err(|error| error.kind());
    assert!(open().await.is_err());
    assert!(!path.exists(), "it is not created");
    onramp_webhooks_sqlite::rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE points (id)").unwrap();
    assert_eq!(open().await.unwrap_err(), StoreErrorKind::Unusable, "it is no inbox");
}
