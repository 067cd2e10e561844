//! The store of purchases: the conformance suite alone and beside an inbox, and durability.

mod alone {
    use onramp_webhooks_sqlite::SqlitePurchaseStore;
    use onramp_webhooks_testkit::purchases::Fixture;

    use crate::tools::file;

    async fn open() -> Fixture {
        let (folder, path) = file();
        Fixture::new(SqlitePurchaseStore::open(path).await.unwrap()).keeping(folder)
    }

    onramp_webhooks_testkit::purchases_suite!(open);
}

mod beside_an_inbox {
    use onramp_webhooks::purchases::{Purchase, PurchaseStore};
    use onramp_webhooks_sqlite::{SqliteInbox, SqlitePurchaseStore};
    use onramp_webhooks_testkit::purchases::Fixture;

    use crate::tools::{file, new_inbox, now, purchase, record};

    async fn open() -> Fixture {
        let (folder, path) = file();
        let inbox = SqliteInbox::open(path).await.unwrap();
        Fixture::new(inbox.purchases()).keeping(inbox).keeping(folder)
    }

    onramp_webhooks_testkit::purchases_suite!(open);

    #[tokio::test]
    async fn what_was_started_is_there_when_the_file_is_opened_again() {
        let (_folder, path, inbox) = new_inbox().await;
        let (purchases, started) = (inbox.purchases(), Purchase::new("a", now()).asset_type("eth"));
        record(&inbox, purchase()).await;
        drop(inbox);
        purchases.start(started.clone()).await.unwrap();
        purchases.release(&"b".into(), now()).await.unwrap();
        let again = SqlitePurchaseStore::open(&path).await.unwrap();
        assert_eq!(again.find(&"a".into()).await.unwrap().started, Some(started));
        assert_eq!(again.find(&"b".into()).await.unwrap().released_at, Some(now()));
        assert!(format!("{again:?}").contains("inbox.db"));
    }
}
