//! The conformance suites on the stores in the documentation of the store traits.

#![expect(unreachable_pub, reason = "the stores are written for a crate of their own")]

#[path = "../../docs/ledger_inbox.rs"]
mod ledger_inbox;
#[path = "../../docs/map_idempotency_store.rs"]
mod map_idempotency_store;
#[path = "../../docs/map_purchase_store.rs"]
mod map_purchase_store;
#[path = "../../docs/vec_inbox.rs"]
mod vec_inbox;
#[path = "../../docs/vec_spill.rs"]
mod vec_spill;

mod inbox {
    use onramp_webhooks::inbox::QuarantineBound;
    use onramp_webhooks_testkit::inbox::Fixture;

    use super::vec_inbox::VecInbox;

    async fn open(bound: QuarantineBound) -> Fixture {
        Fixture::new(VecInbox::new(bound))
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod idempotency {
    use onramp_webhooks_testkit::idempotency::Fixture;

    use super::map_idempotency_store::MapIdempotencyStore;

    async fn open() -> Fixture {
        Fixture::new(MapIdempotencyStore::default())
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod purchases {
    use onramp_webhooks_testkit::purchases::Fixture;

    use super::map_purchase_store::MapPurchaseStore;

    async fn open() -> Fixture {
        Fixture::new(MapPurchaseStore::default())
    }

    onramp_webhooks_testkit::purchases_suite!(open);
}

mod spill {
    use onramp_webhooks_testkit::spill::Fixture;

    use super::vec_spill::VecSpill;

    async fn open() -> Fixture {
        Fixture::new(VecSpill::default())
    }

    onramp_webhooks_testkit::spill_suite!(open);
}

/// The suite of transactions needs SQL: its handlers end their transactions themselves.
mod transactions {
    use std::time::Duration;

    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks::inbox::{ClaimRequest, Inbox, Lease, NewDelivery, TransactionalInbox};

    use super::ledger_inbox::LedgerInbox;

    const NOW: Timestamp = Timestamp::from_millis(0);

    async fn claimed() -> (LedgerInbox, Lease) {
        let inbox = LedgerInbox::default();
        inbox.record(NewDelivery::new("acme", "acme", NOW, "{}".into())).await.unwrap();
        let claims = inbox.claim(NOW, ClaimRequest::new(1, Duration::from_secs(30))).await.unwrap();
        let lease = claims.deliveries[0].lease;
        (inbox, lease)
    }

    async fn complete(inbox: &LedgerInbox, lease: Lease) -> bool {
        let mut transaction = inbox.begin(Duration::from_secs(1)).await.unwrap();
        transaction.write("a line");
        inbox.complete(transaction, NOW, lease).await.unwrap()
    }

    #[tokio::test]
    async fn writes_are_committed_once_with_the_completion() {
        let (inbox, lease) = claimed().await;
        assert!(complete(&inbox, lease).await);
        assert!(!complete(&inbox, lease).await);
        assert_eq!(inbox.lines().await, ["a line"]);
    }

    #[tokio::test]
    async fn writes_that_are_rolled_back_or_dropped_have_no_effect() {
        let (inbox, lease) = claimed().await;
        for rolls_back in [true, false] {
            let mut transaction = inbox.begin(Duration::from_secs(1)).await.unwrap();
            transaction.write("a line");
            if rolls_back {
                inbox.roll_back(transaction).await.unwrap();
            }
        }
        assert!(inbox.lines().await.is_empty());
        assert!(complete(&inbox, lease).await);
    }
}
