//! Stores of idempotency keys that each break one promise, and the case that has to notice.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{
    ABANDONED_AFTER, IdempotencyKey, IdempotencyStore, KeyLease, KeyState, MemoryIdempotencyStore,
};
use onramp_webhooks_testkit::doubles::{Double, IdempotencyDouble};
use onramp_webhooks_testkit::idempotency::{Fixture, Store, cases};
use tokio::sync::Notify;

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

#[derive(Debug)]
struct Mutant {
    store: MemoryIdempotencyStore,
    defect: Defect,
    seen: Mutex<Seen>,
    ended: Notify,
}

/// The calls that a mutant has seen, for its defect.
#[derive(Debug, Default)]
struct Seen {
    now: Timestamp,
    last: HashMap<IdempotencyKey, Last>,
}

/// The last claim of a key.
#[derive(Clone, Debug)]
struct Last {
    claim: KeyLease,
    fingerprint: Fingerprint,
    first_fingerprint: Fingerprint,
    lease_until: Timestamp,
    reply: Option<Bytes>,
}

impl Mutant {
    fn open(defect: Defect) -> Fixture {
        let store = MemoryIdempotencyStore::new();
        Fixture::new(Double(Self { store, defect, seen: Mutex::default(), ended: Notify::new() }))
    }

    fn last(&self, key: IdempotencyKey) -> Option<Last> {
        self.seen.lock().unwrap().last.get(&key).cloned()
    }

    fn saw(&self, claim: KeyLease, fingerprint: Fingerprint, lease_until: Timestamp) {
        let first_fingerprint = self.last(claim.key).map_or(fingerprint, |last| last.first_fingerprint);
        let last = Last { claim, fingerprint, first_fingerprint, lease_until, reply: None };
        self.seen.lock().unwrap().last.insert(claim.key, last);
    }

    /// The key whose defect is that it is not told from others.
    fn cut(&self, mut claim: KeyLease) -> KeyLease {
        match self.defect {
            Defect::CutsKeys => {
                let mut bytes = *claim.key.as_bytes();
                bytes[31] = 0;
                claim.key = IdempotencyKey::from_bytes(bytes);
            }
            Defect::CutsTokens => claim.token = claim.token.max(0),
            _ => {}
        }
        claim
    }

    /// Returns the current claim of a key when the defect is to accept any claim.
    fn fenced(&self, claim: KeyLease, for_anybody: Defect) -> KeyLease {
        let claim = self.cut(claim);
        let last = self.last(claim.key).filter(|_| self.defect == for_anybody);
        last.map_or(claim, |last| last.claim)
    }

    /// Returns whether a lease has ended that the defect refuses to serve.
    fn is_late(&self, claim: KeyLease, nothing_late: Defect) -> bool {
        let now = self.seen.lock().unwrap().now;
        self.defect == nothing_late && self.last(claim.key).is_some_and(|last| last.lease_until <= now)
    }

    /// Claims a key, whether it is held or not.
    async fn seize(&self, claim: KeyLease) -> Result<(), StoreError> {
        let fingerprint = self.last(claim.key).map_or(Fingerprint::of(b""), |last| last.fingerprint);
        self.store.claim(NEVER, claim, fingerprint, NEVER).await.map(drop)
    }
}

#[async_trait]
impl IdempotencyDouble for Mutant {
    fn inner(&self) -> &dyn IdempotencyStore {
        &self.store
    }

    async fn claim(
        &self,
        now: Timestamp,
        claim: KeyLease,
        mut fingerprint: Fingerprint,
        mut lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        let claim = self.cut(claim);
        self.seen.lock().unwrap().now = now;
        match self.defect {
            Defect::IgnoresTheEndOfLeases => lease_until = NEVER,
            Defect::LeasesLastLonger => lease_until = lease_until.after(Duration::from_millis(1)),
            Defect::KeepsTheFirstFingerprint => {
                fingerprint = self.last(claim.key).map_or(fingerprint, |last| last.first_fingerprint);
            }
            _ => {}
        }
        let mut found = self.store.claim(now, claim, fingerprint, lease_until).await?;
        match (&mut found, self.defect, self.last(claim.key)) {
            (KeyState::Claimed, Defect::ChecksThenInserts, _) => {
                self.store.release(claim).await?;
                tokio::task::yield_now().await;
                self.store.claim(NEVER, claim, fingerprint, lease_until).await?;
            }
            (KeyState::Running { .. }, Defect::FindingProlongs, Some(last)) => {
                _ = self.store.renew(last.claim, lease_until).await?
            }
            (KeyState::Running { .. }, Defect::FindingTakes, _) => self.seize(claim).await?,
            (KeyState::Running { fingerprint } | KeyState::Done { fingerprint, .. }, Defect::ForgetsTheFingerprint, _) => {
                *fingerprint = Fingerprint::of(b"");
            }
            (KeyState::Done { fingerprint, reply }, Defect::LosesEmptyReplies, _) if reply.is_empty() => {
                found = KeyState::Running { fingerprint: *fingerprint };
            }
            _ => {}
        }
        if found == KeyState::Claimed {
            self.saw(claim, fingerprint, lease_until);
        }
        Ok(found)
    }

    async fn renew(&self, claim: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        let claim = self.fenced(claim, Defect::RenewsForAnybody);
        if self.is_late(claim, Defect::RenewsNothingLate) {
            return Ok(false);
        }
        match (self.defect, self.last(claim.key)) {
            (Defect::ForgetsToRenew, _) => Ok(true),
            (Defect::RenewsWhatIsDone, Some(Last { reply: Some(reply), .. })) => {
                self.seize(claim).await?;
                self.store.complete(claim, reply, lease_until).await
            }
            _ => self.store.renew(claim, lease_until).await,
        }
    }

    async fn complete(&self, claim: KeyLease, mut reply: Bytes, mut expires_at: Timestamp) -> Result<bool, StoreError> {
        let claim = self.fenced(claim, Defect::CompletesForAnybody);
        if self.is_late(claim, Defect::CompletesNothingLate) {
            return Ok(false);
        }
        let is_last = self.last(claim.key).is_some_and(|last| last.claim == claim);
        match self.defect {
            Defect::ForgetsExpiry => expires_at = NEVER,
            Defect::RepliesLastLonger => expires_at = expires_at.after(Duration::from_millis(1)),
            Defect::ForgetsReplies => reply.clear(),
            Defect::LosesBytes => reply = String::from_utf8_lossy(&reply).into_owned().into(),
            Defect::CutsReplies => reply.truncate(65_536),
            Defect::CompletesAgain | Defect::CompletesWhatIsReleased if is_last => self.seize(claim).await?,
            Defect::ChecksThenCompletes if is_last => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.seize(claim).await?;
            }
            _ => {}
        }
        let completed = self.store.complete(claim, reply.clone(), expires_at).await?;
        if completed && let Some(last) = self.seen.lock().unwrap().last.get_mut(&claim.key) {
            last.reply = Some(reply);
        }
        match self.defect {
            Defect::CompletesQuietly => {}
            Defect::WakesOne => self.ended.notify_one(),
            _ => self.ended.notify_waiters(),
        }
        Ok(completed)
    }

    async fn release(&self, claim: KeyLease) -> Result<bool, StoreError> {
        let claim = self.fenced(claim, Defect::ReleasesForAnybody);
        if self.is_late(claim, Defect::ReleasesNothingLate) {
            return Ok(false);
        }
        match (self.defect, self.last(claim.key)) {
            (Defect::KeepsWhatIsReleased, _) => return Ok(true),
            (Defect::ReleasesWhatIsDone, Some(Last { reply: Some(_), .. })) => self.seize(claim).await?,
            _ => {}
        }
        let released = self.store.release(claim).await?;
        if self.defect != Defect::ReleasesQuietly {
            self.ended.notify_waiters();
        }
        Ok(released)
    }

    async fn changed(&self) {
        match self.defect {
            Defect::NeverWakes => pending().await,
            _ => self.ended.notified().await,
        }
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.seen.lock().unwrap().now = now;
        let last: Vec<Last> = self.seen.lock().unwrap().last.values().cloned().collect();
        match self.defect {
            Defect::PrunesNothing => return Ok(0),
            Defect::PrunesWhatCounts => return self.store.prune(now.after(Duration::from_secs(1))).await,
            Defect::PrunesWhatRuns => return self.store.prune(now.after(ABANDONED_AFTER)).await,
            Defect::PrunesWhatWasRenewed => {
                for last in last.iter().filter(|last| last.lease_until.after(ABANDONED_AFTER) <= now) {
                    self.store.release(last.claim).await?;
                }
            }
            Defect::KeepsTheAbandoned => {
                for last in last {
                    self.store.renew(last.claim, NEVER).await?;
                }
            }
            _ => {}
        }
        let pruned = self.store.prune(now).await?;
        Ok(match self.defect {
            Defect::PrunesForEver => pruned.max(1),
            Defect::MiscountsWhatItPrunes => pruned.min(1_000),
            _ => pruned,
        })
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move || async move { Mutant::open(defect) })
}

mutants! {
    IgnoresTheEndOfLeases: a_store_that_ignores_the_end_of_leases => "claiming::a_lease_that_ended_is_taken_over";
    LeasesLastLonger: a_store_whose_leases_last_longer => "claiming::a_lease_that_ended_is_taken_over";
    ForgetsExpiry: a_store_that_forgets_expiry => "claiming::a_reply_that_expired_is_claimed_anew";
    RepliesLastLonger: a_store_whose_replies_last_longer => "claiming::a_reply_that_expired_is_claimed_anew";
    ChecksThenInserts: a_store_that_checks_and_then_inserts => "racing::of_many_at_once_one_claims",
        a_store_that_checks_and_then_takes_over => "racing::of_many_at_once_one_takes_over",
        a_store_that_checks_and_then_claims_anew => "racing::of_many_at_once_one_claims_anew";
    ChecksThenCompletes: a_store_that_checks_and_then_completes => "racing::an_end_and_a_takeover_at_once_agree";
    FindingProlongs: a_store_in_which_finding_prolongs => "claiming::whoever_only_finds_changes_nothing";
    FindingTakes: a_store_in_which_finding_takes => "claiming::whoever_only_finds_changes_nothing";
    ForgetsTheFingerprint: a_store_that_forgets_the_fingerprint_of_what_runs => "claiming::a_running_key_is_found_with_its_fingerprint",
        a_store_that_forgets_the_fingerprint_of_what_is_done => "claiming::a_done_key_is_found_with_its_fingerprint_and_reply";
    KeepsTheFirstFingerprint: a_store_that_keeps_the_first_fingerprint => "claiming::a_lease_that_ended_is_taken_over";
    ForgetsReplies: a_store_that_forgets_replies => "claiming::a_done_key_is_found_with_its_fingerprint_and_reply";
    LosesBytes: a_store_that_loses_bytes => "claiming::a_reply_comes_back_to_the_byte";
    LosesEmptyReplies: a_store_that_loses_empty_replies => "claiming::a_reply_comes_back_to_the_byte";
    CutsReplies: a_store_that_cuts_replies => "claiming::a_reply_comes_back_to_the_byte";
    CutsKeys: a_store_that_cuts_keys => "claiming::keys_are_independent";
    CutsTokens: a_store_that_cuts_tokens => "fencing::any_number_is_a_token";
    ForgetsToRenew: a_store_that_forgets_to_renew => "renewing::a_renewed_lease_lasts";
    RenewsNothingLate: a_store_that_renews_nothing_late => "renewing::a_lease_that_ended_is_renewed_while_nobody_took_it";
    CompletesNothingLate: a_store_that_completes_nothing_late => "fencing::a_lease_that_ended_is_completed_while_nobody_took_it";
    ReleasesNothingLate: a_store_that_releases_nothing_late => "releasing::a_lease_that_ended_is_released_while_nobody_took_it";
    RenewsForAnybody: a_store_that_renews_for_anybody => "fencing::an_old_token_renews_nothing";
    CompletesForAnybody: a_store_that_completes_for_anybody => "fencing::an_old_token_completes_nothing";
    ReleasesForAnybody: a_store_that_releases_for_anybody => "fencing::an_old_token_releases_nothing",
        a_store_that_releases_for_a_stranger => "fencing::a_token_that_never_claimed_does_nothing";
    RenewsWhatIsDone: a_store_that_renews_what_is_done => "renewing::what_is_done_is_not_renewed";
    CompletesAgain: a_store_that_completes_again => "fencing::what_is_done_is_not_completed_again";
    ReleasesWhatIsDone: a_store_that_releases_what_is_done => "releasing::what_is_done_is_not_released";
    KeepsWhatIsReleased: a_store_that_keeps_what_is_released => "releasing::a_released_key_is_new_again";
    CompletesWhatIsReleased: a_store_that_completes_what_is_released => "releasing::a_released_claim_is_over";
    NeverWakes: a_store_that_never_wakes => "changing::all_who_wait_are_woken";
    CompletesQuietly: a_store_that_completes_quietly => "changing::completing_wakes";
    ReleasesQuietly: a_store_that_releases_quietly => "changing::releasing_wakes";
    WakesOne: a_store_that_wakes_one => "changing::all_who_wait_are_woken";
    PrunesNothing: a_store_that_prunes_nothing => "pruning::expired_replies_go";
    PrunesWhatCounts: a_store_that_prunes_what_counts => "pruning::replies_that_count_stay";
    PrunesWhatRuns: a_store_that_prunes_what_runs => "pruning::what_runs_stays";
    PrunesWhatWasRenewed: a_store_that_prunes_what_was_renewed => "pruning::what_was_renewed_stays";
    KeepsTheAbandoned: a_store_that_keeps_the_abandoned => "pruning::abandoned_claims_go";
    PrunesForEver: a_store_that_prunes_for_ever => "pruning::expired_replies_go";
    MiscountsWhatItPrunes: a_store_that_miscounts_what_it_prunes => "pruning::many_go_in_rounds";
}
