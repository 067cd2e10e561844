//! Spills that each break one promise, and the case that has to notice.

use onramp_webhooks::StoreError;
use onramp_webhooks::async_trait;
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::spill::{MemorySpill, MovingLock, SpillCounts, SpillId, SpillStore};
use onramp_webhooks_testkit::doubles::{Double, SpillDouble};
use onramp_webhooks_testkit::spill::{Fixture, Store, cases};

#[derive(Debug)]
struct Mutant {
    spill: MemorySpill,
    defect: Defect,
}

#[async_trait]
impl SpillDouble for Mutant {
    fn inner(&self) -> &dyn SpillStore {
        &self.spill
    }

    async fn append(&self, mut new: NewDelivery) -> Result<SpillId, StoreError> {
        match self.defect {
            Defect::ForgetsFields => new.key_expires_at = None,
            Defect::LosesBytes => new.body = String::from_utf8_lossy(&new.body).into_owned().into(),
            Defect::Deduplicates => {
                let waiting = self.spill.oldest(1_000, usize::MAX).await?;
                if let Some((id, _)) = waiting.into_iter().find(|(_, old)| old.key == new.key) {
                    return Ok(id);
                }
            }
            Defect::UsesIdsAgain => {
                self.spill.append(new).await?;
                let waiting = self.spill.counts().await?.waiting;
                return Ok(SpillId::from_i64(i64::try_from(waiting).unwrap()));
            }
            _ => {}
        }
        self.spill.append(new).await
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let bytes = if self.defect == Defect::ForgetsTheBound { usize::MAX } else { bytes };
        let mut oldest = self.spill.oldest(limit, bytes).await?;
        match self.defect {
            Defect::NewestFirst => oldest.reverse(),
            Defect::TakesAway => self.spill.remove(oldest.iter().map(|(id, _)| *id).collect()).await?,
            _ => {}
        }
        Ok(oldest)
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        let ids = if self.defect == Defect::ForgetsToRemove { ids.into_iter().take(1).collect() } else { ids };
        self.spill.remove(ids).await
    }

    async fn counts(&self) -> Result<SpillCounts, StoreError> {
        let mut counts = self.spill.counts().await?;
        if self.defect == Defect::ForgetsTheOldest {
            let waiting = self.spill.oldest(1_000, usize::MAX).await?;
            counts.oldest = waiting.last().map(|(_, new)| new.received_at);
        }
        Ok(counts)
    }

    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        match self.defect {
            Defect::LocksNothing => Ok(Some(MovingLock::holding(()))),
            _ => self.spill.lock().await,
        }
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move || async move { Fixture::new(Double(Mutant { spill: MemorySpill::new(), defect })) })
}

mutants! {
    NewestFirst: a_spill_that_begins_with_the_newest => "appending::what_was_appended_waits_in_its_order";
    TakesAway: a_spill_that_takes_away_what_is_read => "appending::what_was_appended_waits_in_its_order";
    ForgetsTheBound: a_spill_that_reads_more_than_was_asked_for => "appending::no_more_is_read_than_was_asked_for";
    ForgetsFields: a_spill_that_forgets_a_field => "appending::every_field_comes_back";
    LosesBytes: a_spill_that_loses_bytes => "appending::a_body_comes_back_to_the_byte";
    Deduplicates: a_spill_that_deduplicates => "appending::nothing_is_a_duplicate";
    ForgetsToRemove: a_spill_that_forgets_to_remove => "removing::what_was_removed_is_gone";
    UsesIdsAgain: a_spill_that_uses_ids_again => "removing::an_id_is_never_used_again";
    ForgetsTheOldest: a_spill_that_forgets_its_oldest => "appending::the_age_of_the_oldest_is_known";
    LocksNothing: a_spill_that_locks_nothing => "locking::one_moves_at_a_time",
        a_spill_that_locks_nothing_when_many_come => "locking::of_many_at_once_one_moves";
}
