//! Appending and reading, in the order of arrival.

use std::collections::BTreeSet;
use std::time::Duration;

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{NewDelivery, Quarantine};

use super::Store;
use super::tools::{described, event};
use crate::tools::{at, at_once};

pub(super) async fn what_was_appended_waits_in_its_order(store: &Store) {
    let spill = store.open().await;
    let ids = spill.add_some().await;
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(spill.ids().await, ids);
    let first: Vec<_> = spill.oldest(2, usize::MAX).await.unwrap().iter().map(|(id, new)| (*id, described(new))).collect();
    assert_eq!(first, [(ids[0], described(&event("A"))), (ids[1], described(&event("B")))]);
    assert!(spill.oldest(0, usize::MAX).await.unwrap().is_empty());
    assert_eq!(spill.ids().await, ids, "reading removes no delivery");
}

pub(super) async fn every_field_comes_back(store: &Store) {
    let spill = store.open().await;
    let plain = NewDelivery::new("kriptomat-sandbox", "kriptomat", at(-3), "{}".into());
    let mut full = event("A");
    full.key_expires_at = Some(at(7).after(Duration::from_millis(1)));
    full.duplicate_within = Some(Duration::from_millis(57_600_001));
    full.stage = Some(OrderStage::STARTED);
    full.fingerprint = Fingerprint::from_bytes([7; 32]);
    let mut names = event("B");
    (names.endpoint, names.event_type) = ("a\0b'é€😀".into(), Some(String::new()));
    names.key = Some(DedupKey::from_parts("\u{1}0\0".into(), String::new()));
    let mut noise = plain.clone();
    noise.quarantine = Some(Quarantine::noise("not JSON: line 1, column 1"));
    let mut unreadable = plain.clone();
    unreadable.quarantine = Some(Quarantine::unreadable("order: missing"));
    let all = [plain, full, names, noise, unreadable];
    for new in &all {
        spill.add(new.clone()).await;
    }
    let back: Vec<_> = spill.oldest(10, usize::MAX).await.unwrap().iter().map(|(_, new)| described(new)).collect();
    assert_eq!(back, all.each_ref().map(described));
}

pub(super) async fn a_body_comes_back_to_the_byte(store: &Store) {
    let spill = store.open().await;
    for body in [Vec::new(), (0..=255).collect(), vec![b'x'; 2 << 20]] {
        let mut new = event("A");
        new.body = body.clone().into();
        let id = spill.add(new).await;
        assert!(spill.oldest(1, usize::MAX).await.unwrap()[0].1.body == body, "{} bytes", body.len());
        spill.forget(&[id]).await;
    }
}

pub(super) async fn no_more_is_read_than_was_asked_for(store: &Store) {
    let spill = store.open().await;
    for size in [3_000, 0, 1_000, 1_000] {
        let mut new = event("A");
        new.body = vec![b'x'; size].into();
        spill.add(new).await;
    }
    for (bytes, expected) in [(0, 1), (2_999, 1), (3_500, 2), (4_000, 3), (4_999, 3), (5_000, 4)] {
        assert_eq!(spill.oldest(10, bytes).await.unwrap().len(), expected, "at most {bytes} bytes");
        assert_eq!(spill.oldest(1, bytes).await.unwrap().len(), 1);
    }
}

pub(super) async fn nothing_is_a_duplicate(store: &Store) {
    let spill = store.open().await;
    let ids = [spill.add(event("A")).await, spill.add(event("A")).await, spill.add(event("A")).await];
    assert_eq!(spill.ids().await, ids, "only the primary inbox detects duplicates");
}

pub(super) async fn many_at_once_are_all_kept(store: &Store) {
    let spill = store.open().await;
    let append = |number: usize| {
        let spill = spill.clone();
        async move { spill.add(event(&number.to_string())).await }
    };
    let ids = BTreeSet::from_iter(at_once((0..200).map(append)).await);
    assert_eq!(spill.ids().await, ids.iter().copied().collect::<Vec<_>>());
    let orders: BTreeSet<_> = spill.oldest(1_000, usize::MAX).await.unwrap().iter().map(|(_, new)| described(new)).collect();
    assert_eq!((ids.len(), orders.len()), (200, 200));
    spill.holds(200, ids.last().copied()).await;
}

pub(super) async fn an_empty_spill_has_nothing(store: &Store) {
    let spill = store.open().await;
    spill.holds(0, None).await;
    assert!(spill.ids().await.is_empty());
}

pub(super) async fn the_age_of_the_oldest_is_known(store: &Store) {
    let spill = store.open().await;
    let oldest = async || spill.counts().await.unwrap().oldest;
    assert_eq!(oldest().await, None);
    let mut ids = Vec::new();
    for seconds in [7, 5, 9] {
        ids.push(spill.add(NewDelivery::new("wert", "wert", at(seconds), format!("at {seconds}").into())).await);
    }
    for (id, expected) in ids.into_iter().zip([at(7), at(5), at(9)]) {
        assert_eq!(oldest().await, Some(expected), "the oldest is the first that was appended");
        spill.forget(&[id]).await;
    }
    assert_eq!(oldest().await, None);
}

pub(super) async fn a_healthy_spill_says_so(store: &Store) {
    let spill = store.open().await;
    spill.check().await.unwrap();
    spill.holds(0, None).await;
}
