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
    ClaimRequest, ClaimedDelivery, Claims, Counts, DeadCause, DeliveryId, Filter, Inbox, Lease, MemoryInbox, NewDelivery, Page,
    QuarantineBound, Record, Recorded, Replayed, Requeue, Retention, Settled, Settlement, State, TaskState,
};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use onramp_webhooks_testkit::inbox::{Fixture, Store, cases};

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
        let everything = self.inbox.list(Filter::all().limit(10_000)).await.unwrap().records;
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
            Defect::PrunesKeys | Defect::ForgetsKeys
                if new.key.as_ref().is_some_and(|key| self.forgotten.lock().unwrap().contains(key)) =>
            {
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
            Defect::RequeuesWhatIsResolved => {
                if let Some(first) = self.holder(new.key.as_ref()).await {
                    self.inbox.reopen(first.id).await?;
                }
            }
            Defect::TakesSyntheticOnesForReal if new.fingerprint.is_synthetic() => new.fingerprint = Fingerprint::of(&new.body),
            Defect::ForgetsTheTimeOfDuplicates => new.duplicate_within = None,
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

    async fn claim(&self, now: Timestamp, mut request: ClaimRequest) -> Result<Claims, StoreError> {
        match self.defect {
            Defect::IgnoresWhatIsHeld => request.held.clear(),
            Defect::LeavesNothingOut => request.except.clear(),
            Defect::NeverTakesTurns => request.turn = 0,
            Defect::ClaimsThoseBehindUnasked => request = request.with_behind(),
            Defect::ClaimsMoreThanFits if request.behind => request.limit += 3,
            _ => {}
        }
        let mut claims = self.inbox.claim(now, request.clone()).await?;
        let leases: Vec<_> = claims.deliveries.iter().map(|claimed| claimed.lease).collect();
        self.leases.lock().unwrap().extend(leases.iter().map(|lease| (lease.id, *lease)));
        match self.defect {
            Defect::IgnoresLeaseExpiry => drop(self.inbox.renew(leases, now.after(Duration::from_secs(1 << 40))).await?),
            Defect::ReversesThoseBehind => claims.deliveries.iter_mut().for_each(|claimed| claimed.behind.reverse()),
            Defect::ReleasesThoseBehind => {
                let behind = claims.deliveries.iter().flat_map(|claimed| &claimed.behind);
                let released = behind.map(|behind| Settlement::new(behind.lease, Settled::Released)).collect();
                self.inbox.settle(now, released).await?;
            }
            Defect::NewestFirst => claims.deliveries.reverse(),
            Defect::ForgetsLostClaims => claims.deliveries.iter_mut().for_each(|claimed| claimed.lost_claims = 0),
            Defect::ClaimsSuspectsTogether if request.suspect => {
                claims.deliveries.extend(self.inbox.claim(now, request.clone()).await?.deliveries);
            }
            Defect::NothingIsStale => claims.deliveries.iter_mut().for_each(|claimed| claimed.stale = false),
            Defect::ForgetsWhenTheNextIsDue => claims.next_due = None,
            Defect::HandsOutTwice => {
                let last = self.last.lock().unwrap().take();
                *self.last.lock().unwrap() = claims.deliveries.last().cloned();
                claims.deliveries.extend(last.filter(|last| last.lease.id.as_i64() % 10 == 0));
            }
            Defect::StopsAtABusyOrder => {
                let wide = claims.deliveries.first().and_then(|first| first.key.clone());
                let everything = self.inbox.list(Filter::all().limit(10_000)).await?.records;
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

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        match self.defect {
            Defect::CountsWhatIsResolved => self.inbox.counts().await,
            _ => self.inbox.open_counts().await,
        }
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        let record = self.inbox.show(id).await?;
        match self.defect {
            Defect::ResolvesNothing => Ok(()),
            Defect::ResolvesInSilence => self.inbox.resolve(now, id, "").await,
            Defect::KeepsTheFirstResolution if record.is_some_and(|record| record.resolved_at.is_some()) => Ok(()),
            _ => self.inbox.resolve(now, id, note).await,
        }
    }

    async fn reopen(&self, id: DeliveryId) -> Result<(), StoreError> {
        match self.defect {
            Defect::ReopensNothing => self.inbox.show(id).await.map(drop),
            _ => self.inbox.reopen(id).await,
        }
    }

    async fn list(&self, mut filter: Filter) -> Result<Page, StoreError> {
        match self.defect {
            Defect::ListsIgnoreTheProvider => filter.provider = None,
            Defect::ListsIgnoreTheCause => filter.cause = None,
            Defect::ListsIgnoreTheError => filter.error = None,
            Defect::ListsIgnoreTheOrder => filter.order = None,
            Defect::ListsIgnoreTheBeginning => filter.since = None,
            Defect::ListsIgnoreTheEnd => filter.until = None,
            Defect::ListsIgnoreResolutions => filter.resolved = None,
            Defect::ListsOneDirection => filter.oldest_first = false,
            Defect::ListsWithoutBodies => filter.bodies = false,
            Defect::ListsAllBodiesAtOnce if filter.bodies => {
                let (mut all, mut next) = (Vec::new(), Some(filter));
                while let Some(filter) = next {
                    let page = self.inbox.list(filter.clone()).await?;
                    next = filter.following(&page);
                    all.extend(page.records);
                }
                return Ok(Page::new(&Filter::all().limit(usize::MAX), all, None));
            }
            Defect::SearchesWithoutEnd => filter.search_limit = None,
            Defect::ForgetsTheCursor => {
                let page = self.inbox.list(filter.clone()).await?;
                return Ok(Page::new(&Filter::all().limit(usize::MAX), page.records, None));
            }
            Defect::ListsIgnoreTheSubject => filter.about = None,
            Defect::ListsIgnoreTheKey => filter.key = None,
            Defect::PagesOverlap => {
                filter.before = filter.before.map(|before| DeliveryId::from_i64(before.as_i64() + 1));
            }
            _ => {}
        }
        self.inbox.list(filter).await
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        let lease = self.leases.lock().unwrap().get(&request.id).copied();
        match (self.defect, lease) {
            (Defect::RequeuesWhatIsHeld, Some(lease)) => {
                let release = Settlement::new(lease, Settled::Released);
                drop(self.inbox.settle(Timestamp::default(), vec![release]).await?);
            }
            (Defect::ForgetsWhatWasReread, _) => return self.inbox.requeue(Requeue::new(request.id, request.seen)).await,
            _ => {}
        }
        self.inbox.requeue(request).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        let retention = match self.defect {
            Defect::PrunesTooEarly => retention.handled(Duration::ZERO),
            Defect::KeepsAllForTheSameTime => {
                let kept = retention.handled;
                retention.dead(kept).conflict(kept).quarantined(kept)
            }
            _ => retention,
        };
        let pruned = self.inbox.prune(now, retention).await?;
        let handled = self.inbox.list(Filter::all().state(State::Handled)).await?.records;
        for record in handled {
            if self.inbox.show(record.id).await?.is_some_and(|record| record.body.is_none()) {
                self.forgotten.lock().unwrap().extend(record.key);
            }
        }
        Ok(pruned)
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        match self.defect {
            Defect::ForgetsNothing => return Ok(()),
            Defect::ForgetsKeys => {
                let record = self.inbox.show(id).await?;
                self.forgotten.lock().unwrap().extend(record.and_then(|record| record.key));
            }
            _ => {}
        }
        self.inbox.forget(id).await
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        match self.defect {
            Defect::HasOneStateForAllTasks => self.inbox.task_state("").await,
            _ => self.inbox.task_state(task).await,
        }
    }

    async fn set_task_state(&self, mut state: TaskState) -> Result<bool, StoreError> {
        match self.defect {
            Defect::ReplacesStatesUnseen => state.version = self.inbox.task_state(&state.task).await?.version,
            Defect::HasOneStateForAllTasks => state.task.clear(),
            Defect::LosesTheTextOfStates => state.text = state.text.trim().to_owned(),
            _ => {}
        }
        self.inbox.set_task_state(state).await
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move |bound| async move { Mutant::open(defect, bound) })
}

mutants! {
    ForgetsFencing: an_inbox_that_forgets_fencing => "leasing::an_old_fence_ends_nothing";
    IgnoresLeaseExpiry: an_inbox_that_ignores_lease_expiry => "leasing::an_expired_lease_is_claimed_again_with_a_greater_fence";
    RenewsWhatIsLost: an_inbox_that_renews_what_is_lost => "leasing::renewing_a_lost_lease_says_so";
    ForgetsToRenew: an_inbox_that_forgets_to_renew => "leasing::a_renewed_lease_lasts";
    DuplicatesDoNotRequeue: an_inbox_whose_duplicates_do_not_requeue => "recording::a_duplicate_requeues_a_dead_first";
    DuplicatesOnlyLook: an_inbox_whose_duplicates_do_not_count => "recording::the_same_again_is_a_duplicate";
    ChecksThenInserts: an_inbox_that_checks_and_then_inserts => "recording::of_many_copies_at_once_one_is_new";
    HandsOutTwoOfOneOrder: an_inbox_that_hands_out_two_of_one_order => "claiming::never_two_of_one_order",
        an_inbox_that_hands_out_two_of_one_order_to_many => "claiming::many_claimers_never_hold_two_of_one_order";
    HandsOutTwice: an_inbox_that_hands_out_twice => "claiming::many_claimers_get_each_delivery_once";
    StopsAtABusyOrder: an_inbox_that_stops_at_a_busy_order => "claiming::the_limit_is_filled_past_a_busy_order";
    ForgetsTheCause: an_inbox_that_forgets_the_cause => "settling::a_dead_letter_says_why",
        an_inbox_that_requeues_what_was_refused => "recording::a_duplicate_requeues_no_first_that_was_refused";
    ForgetsTheTimeOfDuplicates: an_inbox_that_forgets_the_time_of_duplicates => "recording::the_same_content_is_a_conflict_after_its_time";
    IgnoresMoney: an_inbox_that_ignores_money => "recording::a_real_and_a_synthetic_one_with_other_money_are_in_conflict";
    IgnoresWhatIsHeld: an_inbox_that_ignores_what_is_held => "claiming::endpoints_share_a_claim";
    LeavesNothingOut: an_inbox_that_leaves_no_endpoint_out => "claiming::an_endpoint_can_be_left_out";
    NeverTakesTurns: an_inbox_that_never_takes_turns => "claiming::half_of_a_late_claim_is_the_newest";
    ForgetsLostClaims: an_inbox_that_forgets_lost_claims => "leasing::lost_claims_are_counted_until_a_settlement_or_a_release";
    ClaimsSuspectsTogether: an_inbox_that_claims_suspects_together => "leasing::a_suspect_is_claimed_alone";
    ForgetsConflicts: an_inbox_that_forgets_conflicts => "recording::another_body_is_a_conflict_and_the_first_stands";
    TakesSyntheticOnesForReal: an_inbox_that_takes_synthetic_ones_for_real => "recording::a_real_one_that_comes_second_only_counts",
        an_inbox_that_takes_settled_synthetic_ones_for_real => "recording::a_real_one_after_a_synthetic_one_that_was_settled_only_counts",
        an_inbox_that_takes_second_synthetic_ones_for_real => "recording::a_synthetic_one_that_comes_second_only_counts";
    ListsIgnoreTheKey: an_inbox_whose_lists_ignore_the_key => "querying::lists_find_a_key";
    ForgetsKeyExpiry: an_inbox_that_forgets_key_expiry => "recording::an_expired_key_is_new_again";
    DeduplicatesTheKeyless: an_inbox_that_deduplicates_the_keyless => "recording::without_a_key_nothing_is_a_duplicate";
    LosesBytes: an_inbox_that_loses_bytes => "querying::a_body_comes_back_to_the_byte";
    ForgetsTheBoundOfNoise: an_inbox_that_forgets_the_bound => "quarantining::the_oldest_noise_goes_beyond_the_number",
        an_inbox_that_forgets_the_bound_in_bytes => "quarantining::the_oldest_noise_goes_beyond_the_bytes";
    TreatsUnreadableAsNoise: an_inbox_that_drops_what_is_unreadable => "quarantining::nothing_but_noise_ever_goes";
    NewestFirst: an_inbox_that_begins_with_the_newest => "claiming::first_received_first_up_to_the_limit";
    NothingIsStale: an_inbox_to_which_nothing_is_stale => "claiming::stale_is_what_comes_after_a_later_state";
    EverythingCostsAnAttempt: an_inbox_in_which_everything_costs_an_attempt => "settling::a_parked_one_waits_and_costs_no_attempt";
    RetriesAtOnce: an_inbox_that_retries_at_once => "settling::a_retry_waits_for_its_time";
    ForgetsTheNote: an_inbox_that_forgets_the_note => "settling::a_dead_letter_waits_for_an_operator";
    PrunesKeys: an_inbox_that_prunes_keys => "pruning::bodies_go_and_keys_stay";
    PrunesTooEarly: an_inbox_that_prunes_too_early => "pruning::bodies_go_and_keys_stay";
    KeepsAllForTheSameTime: an_inbox_that_keeps_all_for_the_same_time => "pruning::each_state_has_its_retention";
    ForgetsNothing: an_inbox_that_forgets_nothing => "forgetting::a_body_goes_at_once_and_the_key_stays";
    ForgetsKeys: an_inbox_that_forgets_keys => "forgetting::a_body_goes_at_once_and_the_key_stays";
    ClaimsThoseBehindUnasked: an_inbox_that_claims_those_behind_unasked => "behind::they_take_the_room_that_heads_leave";
    ClaimsMoreThanFits: an_inbox_that_claims_more_than_fits => "behind::they_take_the_room_that_heads_leave";
    ReversesThoseBehind: an_inbox_that_reverses_those_behind => "behind::they_come_with_their_head_in_their_sequence";
    ReleasesThoseBehind: an_inbox_that_releases_those_behind => "behind::they_come_with_their_head_in_their_sequence";
    ReplacesStatesUnseen: an_inbox_that_replaces_states_unseen => "tasks::a_state_that_was_not_seen_is_not_replaced",
        an_inbox_that_replaces_states_for_many => "tasks::of_many_at_once_one_replaces_a_state";
    HasOneStateForAllTasks: an_inbox_with_one_state_for_all_tasks => "tasks::each_task_has_its_state";
    LosesTheTextOfStates: an_inbox_that_loses_the_text_of_states => "tasks::a_state_comes_back_as_it_was_stored";
    RequeuesWhatIsHeld: an_inbox_that_requeues_what_is_held => "requeuing::what_a_worker_holds_is_refused";
    ForgetsWhatWasReread: an_inbox_that_forgets_what_was_reread => "requeuing::a_reread_one_takes_its_identity";
    ListsIgnoreTheSubject: an_inbox_whose_lists_ignore_the_subject => "querying::lists_fit_their_filter";
    ListsIgnoreTheProvider: an_inbox_whose_lists_ignore_the_provider => "querying::lists_fit_their_filter";
    ListsIgnoreTheCause: an_inbox_whose_lists_ignore_the_cause => "querying::lists_fit_their_filter";
    ListsIgnoreTheError: an_inbox_whose_lists_ignore_the_error => "querying::lists_fit_their_filter";
    ListsIgnoreTheOrder: an_inbox_whose_lists_ignore_the_order => "querying::lists_fit_their_filter";
    ListsIgnoreTheBeginning: an_inbox_whose_lists_ignore_the_beginning => "querying::lists_fit_the_time_of_arrival";
    ListsIgnoreTheEnd: an_inbox_whose_lists_ignore_the_end => "querying::lists_fit_the_time_of_arrival";
    ListsIgnoreResolutions: an_inbox_whose_lists_ignore_resolutions => "resolving::what_waits_for_an_operator_can_be_resolved";
    ListsOneDirection: an_inbox_that_lists_in_one_direction => "querying::pages_follow_each_other";
    ListsWithoutBodies: an_inbox_that_lists_without_bodies => "querying::lists_with_bodies_end_with_the_fourth_mebibyte";
    ListsAllBodiesAtOnce: an_inbox_that_lists_all_bodies_at_once => "querying::lists_with_bodies_end_with_the_fourth_mebibyte";
    SearchesWithoutEnd: an_inbox_that_searches_without_end => "querying::a_page_looks_at_no_more_than_it_may";
    ForgetsTheCursor: an_inbox_that_forgets_the_cursor => "querying::pages_follow_each_other";
    CountsWhatIsResolved: an_inbox_that_counts_what_is_resolved => "resolving::what_waits_for_an_operator_can_be_resolved",
        an_inbox_that_counts_what_was_handled => "querying::what_is_open_is_counted";
    ResolvesNothing: an_inbox_that_resolves_nothing => "resolving::a_slow_clock_resolves_as_well";
    ResolvesInSilence: an_inbox_that_resolves_in_silence => "resolving::what_waits_for_an_operator_can_be_resolved";
    KeepsTheFirstResolution: an_inbox_that_keeps_the_first_resolution => "resolving::what_is_resolved_again_has_the_later_note";
    ReopensNothing: an_inbox_that_reopens_nothing => "resolving::what_was_reopened_is_open";
    RequeuesWhatIsResolved: an_inbox_that_requeues_what_is_resolved => "resolving::a_duplicate_of_a_resolved_one_only_counts";
    PagesOverlap: an_inbox_whose_pages_overlap => "querying::pages_follow_each_other";
    ForgetsWhenTheNextIsDue: an_inbox_that_forgets_when_the_next_is_due => "claiming::says_when_the_next_falls_due";
    DoesNotWake: an_inbox_that_does_not_wake => "waking::a_new_delivery_wakes";
}
