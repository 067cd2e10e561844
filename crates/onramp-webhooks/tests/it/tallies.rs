//! Sums over the deliveries of an inbox.

use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{
    ClaimRequest, Filter, MemoryInbox, NewDelivery, Quarantine, Record, Settled, Settlement, error_group, tally,
};
use onramp_webhooks::provider::Providers;
use onramp_webhooks_testkit::events::WertOrder;

fn delivery(body: impl Into<Bytes>, second: i64) -> NewDelivery {
    let mut new = NewDelivery::new("wert", "wert", Timestamp::from_millis(second * 1_000), body.into());
    new.quarantine = Some(Quarantine::unreadable(format!("order.base: not an amount, line {second}")));
    new
}

async fn filled() -> MemoryInbox {
    let inbox = MemoryInbox::new();
    let order = WertOrder::new;
    for (second, body) in [
        (3, order().fiat("250.10", "USD").complete()),
        (1, order().fiat("0.05", "USD").complete()),
        (2, order().fiat("377", "EUR").complete()),
        (4, order().event("order_failed")),
        (5, "{".into()),
    ] {
        inbox.record(delivery(body, second)).await.unwrap();
    }
    inbox
}

#[tokio::test]
async fn deliveries_are_added_up_once_in_all_and_once_in_their_group() {
    let inbox = filled().await;
    let by_body = |record: &Record| record.received_at.as_millis().rem_euclid(2).to_string();
    for size in [1, 2, 100] {
        let found = tally(&inbox, &Providers::default(), Filter::all().limit(size), 100, by_body).await.unwrap();
        let total = &found.total;
        assert_eq!((total.deliveries, total.purchases, total.unclear), (5, 3, 1));
        assert_eq!(total.money().collect::<Vec<_>>(), ["377.00 EUR", "250.15 USD"]);
        let at = |second: i64| Some(Timestamp::from_millis(second * 1_000));
        assert_eq!((total.first, total.last), (at(1), at(5)));
        assert_eq!((found.next, found.searched_to), (None, None));
        assert_eq!(found.groups.values().map(|group| group.deliveries).sum::<u64>(), 5);
    }
}

#[tokio::test]
async fn errors_that_differ_in_numbers_are_one_group() {
    let inbox = filled().await;
    let group = |record: &Record| error_group(record.note.as_deref());
    let found = tally(&inbox, &Providers::default(), Filter::all(), 100, group).await.unwrap();
    let names: Vec<_> = found.groups.keys().collect();
    assert_eq!(names, ["order.base: not an amount, line …"]);
}

#[tokio::test]
async fn a_tally_ends_after_as_many_as_it_may_add_and_says_where() {
    let inbox = filled().await;
    let found = tally(&inbox, &Providers::default(), Filter::all().limit(2), 3, |_| String::new()).await.unwrap();
    assert_eq!(found.total.deliveries, 4, "it ends with a page");
    assert!(found.next.is_some() && found.searched_to.is_some());
}

#[tokio::test]
async fn a_body_that_was_removed_is_unclear() {
    let inbox = MemoryInbox::new();
    let mut new = delivery(WertOrder::new().complete(), 1);
    new.quarantine = None;
    new.key = Some(DedupKey::new("wert", "order", "A", "order_complete"));
    inbox.record(new).await.unwrap();
    let request = ClaimRequest::new(1, Duration::from_secs(30));
    let claimed = inbox.claim(Timestamp::default(), request).await.unwrap().deliveries.remove(0);
    let handled = Settlement::new(claimed.lease, Settled::Handled);
    inbox.settle(Timestamp::default(), vec![handled]).await.unwrap();
    inbox.forget(claimed.lease.id).await.unwrap();
    let found = tally(&inbox, &Providers::default(), Filter::all(), 10, |_| String::new()).await.unwrap();
    assert_eq!((found.total.deliveries, found.total.purchases, found.total.unclear), (1, 0, 1));
}
