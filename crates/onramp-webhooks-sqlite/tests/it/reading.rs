//! Inboxes that are only read.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Filter, NewDelivery, Requeue, Retention, State};
use onramp_webhooks::{Inbox, StoreErrorKind};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteOptions};

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
