//! Inboxes that each break one promise, and the case that has to notice.

use std::collections::{BTreeMap, HashSet};
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, Claims, DeadCause, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery,
    QuarantineBound, Record, Recorded, Replayed, Retention, Settled, Settlement, State,
};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use onramp_webhooks_testkit::inbox::{Fixture, Store, cases};

/// The defect of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    ForgetsFencing,
    IgnoresLeaseExpiry,
    RenewsWhatIsLost,
    ForgetsToRenew,
    DuplicatesDoNotRequeue,
    DuplicatesOnlyLook,
    ChecksThenInserts,
    HandsOutTwoOfOneOrder,
    HandsOutTwice,
    StopsAtABusyOrder,
    ForgetsConflicts,
    TakesSyntheticOnesForReal,
    IgnoresMoney,
    ListsIgnoreTheKey,
    ForgetsKeyExpiry,
    DeduplicatesTheKeyless,
    LosesBytes,
    ForgetsTheBoundOfNoise,
    TreatsUnreadableAsNoise,
    NewestFirst,
    NothingIsStale,
    EverythingCostsAnAttempt,
    RetriesAtOnce,
    ForgetsTheNote,
    ForgetsTheCause,
    PrunesKeys,
    PrunesTooEarly,
    RequeuesWhatIsHeld,
    ForgetsWhatWasReread,
    ListsIgnoreTheSubject,
    PagesOverlap,
    ForgetsWhenTheNextIsDue,
    DoesNotWake,
}

#[derive(Debug)]
struct Mutant {
    inbox: MemoryInbox,
    defect: Defect,
    leases: Mutex<BTreeMap<DeliveryId, Lease>>,
    last: Mutex<Option<ClaimedDelivery>>,
    forgotten: Mutex<HashSet<DedupKey>>,
}

impl Mutant {
    fn open(defect: Defect, bound: QuarantineBound) -> Fixture {
        let bound = if defect == Defect::ForgetsTheBoundOfNoise { QuarantineBound::default() } else { bound };
        let inbox = MemoryInbox::with_quarantine(bound);
        Fixture::new(Double(Self {
            inbox,
            defect,
            leases: Mutex::default(),
            last: Mutex::default(),
            forgotten: Mutex::default(),
        }))
    }

    async fn holder(&self, key: Option<&DedupKey>) -> Option<Record> {
        let everything = self.inbox.list(Filter::all().limit(10_000)).await.unwrap();
        everything.into_iter().find(|record| key.is_some() && record.key.as_ref() == key)
    }
}

#[async_trait]
impl InboxDouble for Mutant {
    fn inner(&self) -> &dyn Inbox {
        &self.inbox
    }

    async fn record(&self, mut new: NewDelivery) -> Result<Recorded, StoreError> {
        match self.defect {
            Defect::HandsOutTwoOfOneOrder => new.stage = None,
            Defect::ForgetsKeyExpiry => new.key_expires_at = None,
            Defect::DeduplicatesTheKeyless if new.key.is_none() => {
                new.key = Some(DedupKey::from_parts("keyless".into(), new.fingerprint.to_string()));
            }
            Defect::LosesBytes => new.body = String::from_utf8_lossy(&new.body).into_owned().into(),
            Defect::TreatsUnreadableAsNoise => new.quarantine.iter_mut().for_each(|quarantine| quarantine.noise = true),
            Defect::PrunesKeys if new.key.as_ref().is_some_and(|key| self.forgotten.lock().unwrap().contains(key)) => {
                new.key = None
            }
            Defect::DuplicatesDoNotRequeue | Defect::DuplicatesOnlyLook => {
                let first = self.holder(new.key.as_ref()).await;
                let is_due_again = |record: &Record| {
                    self.defect == Defect::DuplicatesOnlyLook || matches!(record.state, State::Dead | State::Retrying)
                };
                if let Some(first) = first.filter(|first| first.fingerprint == new.fingerprint && is_due_again(first)) {
                    return Ok(Recorded::Duplicate { first: first.id, requeued: false });
                }
            }
            Defect::TakesSyntheticOnesForReal if new.fingerprint.is_synthetic() => new.fingerprint = Fingerprint::of(&new.body),
            Defect::IgnoresMoney => new.fingerprint = new.fingerprint.with_money(&[]),
            Defect::ForgetsConflicts => {
                if let Some(first) = self.holder(new.key.as_ref()).await {
                    new.fingerprint = first.fingerprint;
                }
            }
            Defect::ChecksThenInserts => {
                if let Some(first) = self.holder(new.key.as_ref()).await {
                    return Ok(Recorded::Duplicate { first: first.id, requeued: false });
                }
                tokio::task::yield_now().await;
                let twin = self.holder(new.key.as_ref()).await.is_some();
                new.key = new.key.filter(|_| !twin);
            }
            _ => {}
        }
        self.inbox.record(new).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        let mut claims = self.inbox.claim(now, request).await?;
        let leases: Vec<_> = claims.deliveries.iter().map(|claimed| claimed.lease).collect();
        self.leases.lock().unwrap().extend(leases.iter().map(|lease| (lease.id, *lease)));
        match self.defect {
            Defect::IgnoresLeaseExpiry => drop(self.inbox.renew(leases, now.after(Duration::from_secs(1 << 40))).await?),
            Defect::NewestFirst => claims.deliveries.reverse(),
            Defect::NothingIsStale => claims.deliveries.iter_mut().for_each(|claimed| claimed.stale = false),
            Defect::ForgetsWhenTheNextIsDue => claims.next_due = None,
            Defect::HandsOutTwice => {
                let last = self.last.lock().unwrap().take();
                *self.last.lock().unwrap() = claims.deliveries.last().cloned();
                claims.deliveries.extend(last.filter(|last| last.lease.id.as_i64() % 10 == 0));
            }
            Defect::StopsAtABusyOrder => {
                let wide = claims.deliveries.first().and_then(|first| first.key.clone());
                let everything = self.inbox.list(Filter::all().limit(10_000)).await?;
                let of_it = everything.iter().filter(|record| {
                    let keys = record.key.as_ref().zip(wide.as_ref());
                    keys.is_some_and(|(key, wide)| key.subject() == wide.subject())
                });
                let room = (request.limit + 1).saturating_sub(of_it.count()).max(1);
                claims.deliveries.truncate(room);
            }
            _ => {}
        }
        Ok(claims)
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        match self.defect {
            Defect::RenewsWhatIsLost => self.inbox.renew(leases, until).await.map(|_| Vec::new()),
            Defect::ForgetsToRenew => Ok(Vec::new()),
            _ => self.inbox.renew(leases, until).await,
        }
    }

    async fn settle(&self, now: Timestamp, mut settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        for settlement in &mut settlements {
            match (self.defect, &mut settlement.outcome) {
                (Defect::ForgetsFencing, _) => settlement.lease = self.leases.lock().unwrap()[&settlement.lease.id],
                (Defect::EverythingCostsAnAttempt, Settled::Parked { until, reason }) => {
                    settlement.outcome = Settled::Retry { at: *until, error: reason.clone() };
                }
                (Defect::RetriesAtOnce, Settled::Retry { at, .. }) => *at = now,
                (Defect::ForgetsTheNote, Settled::Dead { error, .. }) => error.clear(),
                (Defect::ForgetsTheCause, Settled::Dead { cause, .. }) => *cause = DeadCause::AttemptsUsedUp,
                _ => {}
            }
        }
        self.inbox.settle(now, settlements).await
    }

    async fn wait_for_work(&self) {
        match self.defect {
            Defect::DoesNotWake => pending().await,
            _ => self.inbox.wait_for_work().await,
        }
    }

    async fn list(&self, mut filter: Filter) -> Result<Vec<Record>, StoreError> {
        match self.defect {
            Defect::ListsIgnoreTheSubject => filter.about = None,
            Defect::ListsIgnoreTheKey => filter.key = None,
            Defect::PagesOverlap => {
                filter.before = filter.before.map(|before| DeliveryId::from_i64(before.as_i64() + 1));
            }
            _ => {}
        }
        self.inbox.list(filter).await
    }

    async fn requeue(&self, id: DeliveryId, seen: State, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        let lease = self.leases.lock().unwrap().get(&id).copied();
        match (self.defect, lease) {
            (Defect::RequeuesWhatIsHeld, Some(lease)) => {
                let release = Settlement::new(lease, Settled::Released);
                drop(self.inbox.settle(Timestamp::default(), vec![release]).await?);
            }
            (Defect::ForgetsWhatWasReread, _) => return self.inbox.requeue(id, seen, None).await,
            _ => {}
        }
        self.inbox.requeue(id, seen, reread).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        if self.defect == Defect::PrunesTooEarly {
            return self.inbox.prune(now, Retention::new(Duration::ZERO)).await;
        }
        let pruned = self.inbox.prune(now, retention).await?;
        let handled = self.inbox.list(Filter::all().state(State::Handled)).await?;
        for record in handled {
            if self.inbox.show(record.id).await?.is_some_and(|record| record.body.is_none()) {
                self.forgotten.lock().unwrap().extend(record.key);
            }
        }
        Ok(pruned)
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move |bound| async move { Mutant::open(defect, bound) })
}

mutants! {
    an_inbox_that_forgets_fencing: ForgetsFencing => "leasing::an_old_fence_ends_nothing",
    an_inbox_that_ignores_lease_expiry: IgnoresLeaseExpiry => "leasing::an_expired_lease_is_claimed_again_with_a_greater_fence",
    an_inbox_that_renews_what_is_lost: RenewsWhatIsLost => "leasing::renewing_a_lost_lease_says_so",
    an_inbox_that_forgets_to_renew: ForgetsToRenew => "leasing::a_renewed_lease_lasts",
    an_inbox_whose_duplicates_do_not_requeue: DuplicatesDoNotRequeue => "recording::a_duplicate_requeues_a_dead_first",
    an_inbox_whose_duplicates_do_not_count: DuplicatesOnlyLook => "recording::the_same_again_is_a_duplicate",
    an_inbox_that_checks_and_then_inserts: ChecksThenInserts => "recording::of_many_copies_at_once_one_is_new",
    an_inbox_that_hands_out_two_of_one_order: HandsOutTwoOfOneOrder => "claiming::never_two_of_one_order",
    an_inbox_that_hands_out_two_of_one_order_to_many: HandsOutTwoOfOneOrder => "claiming::many_claimers_never_hold_two_of_one_order",
    an_inbox_that_hands_out_twice: HandsOutTwice => "claiming::many_claimers_get_each_delivery_once",
    an_inbox_that_stops_at_a_busy_order: StopsAtABusyOrder => "claiming::the_limit_is_filled_past_a_busy_order",
    an_inbox_that_forgets_the_cause: ForgetsTheCause => "settling::a_dead_letter_says_why",
    an_inbox_that_requeues_what_was_refused: ForgetsTheCause => "recording::a_duplicate_requeues_no_first_that_was_refused",
    an_inbox_that_forgets_conflicts: ForgetsConflicts => "recording::another_body_is_a_conflict_and_the_first_stands",
    an_inbox_that_takes_synthetic_ones_for_real: TakesSyntheticOnesForReal => "recording::a_real_one_that_comes_second_only_counts",
    an_inbox_that_takes_settled_synthetic_ones_for_real: TakesSyntheticOnesForReal => "recording::a_real_one_after_a_synthetic_one_that_was_settled_only_counts",
    an_inbox_that_ignores_money: IgnoresMoney => "recording::a_real_and_a_synthetic_one_with_other_money_are_in_conflict",
    an_inbox_that_takes_second_synthetic_ones_for_real: TakesSyntheticOnesForReal => "recording::a_synthetic_one_that_comes_second_only_counts",
    an_inbox_whose_lists_ignore_the_key: ListsIgnoreTheKey => "querying::lists_find_a_key",
    an_inbox_that_forgets_key_expiry: ForgetsKeyExpiry => "recording::an_expired_key_is_new_again",
    an_inbox_that_deduplicates_the_keyless: DeduplicatesTheKeyless => "recording::without_a_key_nothing_is_a_duplicate",
    an_inbox_that_loses_bytes: LosesBytes => "querying::a_body_comes_back_to_the_byte",
    an_inbox_that_forgets_the_bound: ForgetsTheBoundOfNoise => "quarantining::the_oldest_noise_goes_beyond_the_number",
    an_inbox_that_forgets_the_bound_in_bytes: ForgetsTheBoundOfNoise => "quarantining::the_oldest_noise_goes_beyond_the_bytes",
    an_inbox_that_drops_what_is_unreadable: TreatsUnreadableAsNoise => "quarantining::nothing_but_noise_ever_goes",
    an_inbox_that_begins_with_the_newest: NewestFirst => "claiming::first_received_first_up_to_the_limit",
    an_inbox_to_which_nothing_is_stale: NothingIsStale => "claiming::stale_is_what_comes_after_a_later_state",
    an_inbox_in_which_everything_costs_an_attempt: EverythingCostsAnAttempt => "settling::a_parked_one_waits_and_costs_no_attempt",
    an_inbox_that_retries_at_once: RetriesAtOnce => "settling::a_retry_waits_for_its_time",
    an_inbox_that_forgets_the_note: ForgetsTheNote => "settling::a_dead_letter_waits_for_an_operator",
    an_inbox_that_prunes_keys: PrunesKeys => "pruning::bodies_go_and_keys_stay",
    an_inbox_that_prunes_too_early: PrunesTooEarly => "pruning::bodies_go_and_keys_stay",
    an_inbox_that_requeues_what_is_held: RequeuesWhatIsHeld => "requeuing::what_a_worker_holds_is_refused",
    an_inbox_that_forgets_what_was_reread: ForgetsWhatWasReread => "requeuing::a_reread_one_takes_its_identity",
    an_inbox_whose_lists_ignore_the_subject: ListsIgnoreTheSubject => "querying::lists_fit_their_filter",
    an_inbox_whose_pages_overlap: PagesOverlap => "querying::pages_follow_each_other",
    an_inbox_that_forgets_when_the_next_is_due: ForgetsWhenTheNextIsDue => "claiming::says_when_the_next_falls_due",
    an_inbox_that_does_not_wake: DoesNotWake => "waking::a_new_delivery_wakes",
}
