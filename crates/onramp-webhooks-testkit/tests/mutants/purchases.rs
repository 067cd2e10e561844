//! Stores of purchases that each break one promise, and the case that has to notice.

use onramp_webhooks::StoreError;
use onramp_webhooks::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::purchases::{MemoryPurchaseStore, Purchase, PurchaseStatus, PurchaseStore};
use onramp_webhooks_testkit::purchases::{Fixture, Store, cases};

#[derive(Debug)]
struct Mutant {
    store: MemoryPurchaseStore,
    defect: Defect,
}

impl Mutant {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn cut(&self, uuid: &OrderId) -> OrderId {
        if self.is(Defect::CutsUuids) { uuid.as_str().chars().take(1_000).collect::<String>().into() } else { uuid.clone() }
    }
}

#[async_trait]
impl PurchaseStore for Mutant {
    async fn start(&self, mut purchase: Purchase) -> Result<(), StoreError> {
        let known = self.store.find(&purchase.id).await?;
        match (self.defect, known.started) {
            (Defect::ForgetsTheAddress, _) => purchase.to_address = None,
            (Defect::AcceptsSomethingElse, Some(_)) => return Ok(()),
            (Defect::StartsOnlyWhatWasNotReleased, _) if known.released_at.is_some() => return Ok(()),
            (Defect::TakesTheLaterTime, Some(first)) if first.is_same_request(&purchase) => {
                _ = self.store.prune(Timestamp::from_millis(i64::MAX)).await?;
            }
            (Defect::ChecksThenStarts, None) => {
                tokio::task::yield_now().await;
                return self.store.start(purchase).await.or(Ok(()));
            }
            _ => {}
        }
        self.store.start(purchase).await
    }

    async fn find(&self, uuid: &OrderId) -> Result<PurchaseStatus, StoreError> {
        let mut known = self.store.find(&self.cut(uuid)).await?;
        match (self.defect, &mut known.started) {
            (Defect::RoundsAmounts, Some(started)) => started.crypto_amount = "1234567890.1234567".parse().ok(),
            (Defect::KnowsEverything, started @ None) => *started = Some(Purchase::new(uuid, Timestamp::default())),
            (Defect::ForgetsReleases, _) => known.released_at = None,
            _ => {}
        }
        Ok(known)
    }

    async fn release(&self, uuid: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        if self.is(Defect::ReleasesOnlyWhatWasStarted) && self.store.find(uuid).await?.started.is_none() {
            return Ok(());
        }
        self.store.release(&self.cut(uuid), now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        match self.defect {
            Defect::PrunesNothing => Ok(0),
            Defect::PrunesEverything => self.store.prune(Timestamp::from_millis(i64::MAX)).await,
            _ => self.store.prune(before).await,
        }
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move || async move { Fixture::new(Mutant { store: MemoryPurchaseStore::new(), defect }) })
}

mutants! {
    ForgetsTheAddress: forgets_the_address => "starting::what_was_started_comes_back_to_the_letter";
    RoundsAmounts: rounds_amounts => "starting::what_was_started_comes_back_to_the_letter";
    KnowsEverything: knows_everything => "starting::what_was_never_started_is_not_known";
    AcceptsSomethingElse: accepts_something_else => "starting::something_else_under_the_same_uuid_is_refused_and_changes_nothing";
    TakesTheLaterTime: takes_the_later_time => "starting::the_same_once_more_changes_nothing";
    ChecksThenStarts: checks_then_starts => "starting::of_many_at_once_one_counts";
    CutsUuids: cuts_uuids => "releasing::a_uuid_of_any_length_can_be_released";
    ForgetsReleases: forgets_releases => "releasing::what_was_started_can_be_released_and_stays_started";
    ReleasesOnlyWhatWasStarted: releases_only_what_was_started => "releasing::what_was_never_started_can_be_released";
    StartsOnlyWhatWasNotReleased: starts_only_what_was_not_released => "releasing::what_was_released_can_be_started";
    PrunesEverything: prunes_everything => "pruning::what_is_young_stays";
    PrunesNothing: prunes_nothing => "pruning::old_purchases_and_releases_go";
}
