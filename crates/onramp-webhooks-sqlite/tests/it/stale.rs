//! Events that come after a later state of their order.

use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeliveryId, Inbox, Requeue, Settled, Settlement, State};

use crate::tools::{claim, handled, new_inbox, now, purchase, record};

#[tokio::test]
async fn a_requeued_delivery_makes_no_other_stale_until_it_is_handled_again() {
    let (_folder, _, inbox) = new_inbox().await;
    let (complete, mut started) = (purchase(), purchase());
    let order = complete.key.as_ref().unwrap().subject().to_owned();
    started.key = Some(DedupKey::from_parts(order, "payment_started".into()));
    started.stage = Some(OrderStage::STARTED);
    let id = DeliveryId::from_i64(record(&inbox, complete).await);
    handled(&inbox, &claim(&inbox, 1).await).await;
    inbox.requeue(Requeue::new(now(), id, State::Handled)).await.unwrap();
    let started = record(&inbox, started).await;
    let retry = Settled::Retry { at: now(), error: "again".into() };
    let first = claim(&inbox, 1).await.remove(0);
    assert_eq!(first.lease.id, id);
    inbox.settle(now(), vec![Settlement::new(first.lease, retry)]).await.unwrap();
    let second = claim(&inbox, 1).await.remove(0);
    assert_eq!((second.lease.id.as_i64(), second.stale), (started, false));
}
