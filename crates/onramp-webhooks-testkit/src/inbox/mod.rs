//! The conformance suite of the trait [`Inbox`].
//!
//! [`inbox_suite!`](crate::inbox_suite) turns every case into a test. [`cases`] returns the cases, to run them in other ways.

mod behind;
mod claiming;
mod forgetting;
mod leasing;
mod pruning;
mod quarantining;
mod querying;
mod recording;
mod remembering;
mod replaying;
mod requeuing;
mod resolving;
mod restoring;
mod settling;
mod tasks;
pub(crate) mod tools;
mod waking;

use std::future::Future;
use std::sync::Arc;

use onramp_webhooks::Inbox;
use onramp_webhooks::inbox::QuarantineBound;

use crate::doubles::{Double, TakingTurns};
use crate::suite::{self, suite};

/// An inbox under test.
pub type Fixture = suite::Fixture<dyn Inbox>;

/// A source of fresh inboxes, each with a bound on its noise.
pub type Store = suite::Store<dyn Inbox, QuarantineBound>;

/// A test case for the trait.
pub type Case = suite::Case<Store>;

impl Fixture {
    /// Creates a fixture from an inbox without a guard.
    #[must_use]
    pub fn new(inbox: impl Inbox) -> Self {
        Self::of(Arc::new(inbox))
    }

    /// Creates a fixture from several inboxes over the same data. Each call is passed to the next inbox, as if several processes shared
    /// the work.
    #[must_use]
    pub fn taking_turns(inboxes: impl IntoIterator<Item = impl Inbox>) -> Self {
        let inboxes = inboxes.into_iter().map(|inbox| -> Arc<dyn Inbox> { Arc::new(inbox) }).collect();
        Self::new(Double(TakingTurns::of(inboxes)))
    }

    /// The inbox.
    #[must_use]
    pub fn inbox(&self) -> &Arc<dyn Inbox> {
        self.store()
    }
}

impl Store {
    /// Opens inboxes with `open`, each empty and with the given bound on its noise.
    pub fn new<F, O>(open: F) -> Self
    where
        F: Fn(QuarantineBound) -> O + Send + Sync + 'static,
        O: Future<Output = Fixture> + Send + 'static,
    {
        Self::opened_by(open)
    }
}

suite! {
    ($)
    /// Creates a test for every requirement of the trait [`Inbox`](onramp_webhooks::Inbox).
    ///
    /// Takes a function that opens an empty inbox with a bound on its noise:
    /// `async fn open(bound: QuarantineBound) -> Fixture`. The tests run at the same time, so no two inboxes may share
    /// their data.
    inbox_suite! runs inbox on Store::new
    recording {
        the_same_content_is_a_conflict_after_its_time,
        a_first_delivery_is_new_and_pending,
        the_same_again_is_a_duplicate,
        another_body_is_a_conflict_and_the_first_stands,
        a_conflicting_body_is_kept_once,
        a_conflict_leaves_a_handled_first_alone,
        an_expired_key_is_new_again,
        a_key_without_end_counts_for_ever,
        without_a_key_nothing_is_a_duplicate,
        both_halves_make_the_key,
        a_duplicate_requeues_a_failed_first,
        a_duplicate_requeues_a_dead_first,
        a_duplicate_requeues_no_first_that_was_refused,
        a_duplicate_of_any_other_first_only_counts,
        a_duplicate_leaves_a_leased_first_to_its_worker,
        a_synthetic_one_that_comes_second_only_counts,
        a_real_one_that_comes_second_only_counts,
        a_real_one_after_a_synthetic_one_that_was_settled_only_counts,
        a_real_and_a_synthetic_one_with_other_money_are_in_conflict,
        of_real_and_synthetic_ones_at_once_one_is_handled,
        of_many_copies_at_once_one_is_new,
        of_many_bodies_at_once_one_is_new_and_each_other_kept_once,
        many_at_once_are_all_kept,
        ids_grow_with_arrival,
    }
    claiming {
        brings_what_was_recorded,
        first_received_first_up_to_the_limit,
        never_two_of_one_order,
        the_limit_is_filled_past_a_busy_order,
        a_failed_event_does_not_hold_back_its_order,
        a_parked_event_does_not_hold_back_its_order,
        events_without_an_order_run_side_by_side,
        only_what_is_due_is_claimed,
        stale_is_what_comes_after_a_later_state,
        a_later_state_that_was_not_handled_makes_nothing_stale,
        says_when_the_next_falls_due,
        many_claimers_get_each_delivery_once,
        many_claimers_never_hold_two_of_one_order,
        what_has_been_due_longest_is_first,
        of_one_order_what_has_been_due_longest_is_first,
        endpoints_share_a_claim,
        an_endpoint_can_be_left_out,
        half_of_a_late_claim_is_the_newest,
        a_long_order_holds_nothing_up,
    }
    behind {
        they_come_with_their_head_in_their_sequence,
        they_take_the_room_that_heads_leave,
        nothing_of_the_order_comes_before_them,
        one_that_ends_before_its_head_leaves_the_head_leased,
        a_released_one_is_next_in_its_place,
        their_leases_end_with_time,
        only_a_head_that_was_never_settled_brings_them,
        an_event_without_an_order_is_followed_by_none,
    }
    leasing {
        an_expired_lease_is_claimed_again_with_a_greater_fence,
        an_expired_lease_holds_its_order_no_longer,
        a_renewed_lease_lasts,
        renewing_a_lost_lease_says_so,
        an_old_fence_ends_nothing,
        an_expired_lease_that_nobody_took_still_counts,
        a_lease_ends_once,
        one_lost_lease_does_not_spoil_the_others,
        a_clock_that_goes_back_loses_and_doubles_nothing,
        lost_claims_are_counted_until_a_settlement_or_a_release,
        a_suspect_is_claimed_alone,
        of_two_suspects_the_longest_due_comes_first,
    }
    settling {
        handled_is_for_good,
        a_retry_waits_for_its_time,
        a_parked_one_waits_and_costs_no_attempt,
        a_dead_letter_waits_for_an_operator,
        a_dead_letter_says_why,
        a_released_one_is_due_at_once_and_costs_no_attempt,
        attempts_are_counted_over_all_outcomes,
    }
    quarantining {
        what_lies_in_quarantine_is_not_claimed,
        the_oldest_noise_goes_beyond_the_number,
        the_oldest_noise_goes_beyond_the_bytes,
        nothing_but_noise_ever_goes,
        what_went_is_new_again,
        noise_that_was_requeued_is_noise_no_more,
    }
    querying {
        a_body_comes_back_to_the_byte,
        what_is_not_there_is_none,
        lists_are_newest_first_and_without_bodies,
        lists_with_bodies_end_with_the_fourth_mebibyte,
        lists_fit_their_filter,
        lists_find_a_key,
        lists_fit_the_time_of_arrival,
        pages_follow_each_other,
        a_page_looks_at_no_more_than_it_may,
        counts_know_every_state,
        what_is_open_is_counted,
        a_healthy_inbox_says_so,
    }
    requeuing {
        what_ended_is_pending_again,
        what_was_settled_meanwhile_is_refused,
        what_waits_is_due_at_once,
        what_a_worker_holds_is_refused,
        what_is_not_there_is_not_found,
        what_was_pruned_is_refused,
        a_reread_one_takes_its_identity,
        a_reread_duplicate_goes_and_is_counted,
        a_reread_duplicate_requeues_a_dead_first,
        a_reread_real_one_is_a_duplicate_of_a_synthetic_first,
        a_reread_real_one_with_other_money_is_a_conflict_of_a_synthetic_first,
        a_reread_one_has_the_money_of_its_event,
        a_reread_conflict_is_kept_as_one,
        an_id_is_never_used_again,
    }
    resolving {
        what_waits_for_an_operator_can_be_resolved,
        nothing_else_can_be_resolved,
        what_is_not_there_is_not_found,
        what_is_resolved_again_has_the_later_note,
        what_was_reopened_is_open,
        a_resolved_one_is_requeued_once_it_is_reopened,
        a_duplicate_of_a_resolved_one_only_counts,
        a_slow_clock_resolves_as_well,
        a_resolution_is_forgotten_with_its_body,
    }
    remembering {
        a_success_at_the_first_attempt_is_no_entry,
        what_happened_is_remembered_in_its_sequence,
        what_operators_do_is_remembered,
        repetitions_are_one_entry,
        of_many_entries_the_newest_stay,
        a_lost_lease_adds_nothing,
        texts_are_removed_with_the_body,
        long_texts_are_cut,
        a_reread_duplicate_is_remembered_at_the_first,
    }
    restoring {
        every_state_comes_back,
        what_waited_goes_on_in_its_sequence,
        what_is_known_is_skipped,
        one_that_is_twice_in_a_batch_is_added_once,
        the_first_with_a_key_in_a_batch_counts,
        a_batch_is_restored_whole_or_not_at_all,
        a_copy_of_a_restored_one_is_a_duplicate,
        a_restored_one_joins_its_order,
        a_cause_that_is_not_known_is_none_that_requeues,
    }
    pruning {
        bodies_go_and_keys_stay,
        what_has_no_key_any_more_goes_whole,
        each_state_has_its_retention,
        a_dead_letter_is_as_old_as_its_settlement,
        a_dead_letter_without_a_body_is_not_requeued,
        what_waits_is_never_old,
        the_newest_id_stays_taken,
        many_go_in_rounds,
        a_known_space_grows_by_the_bodies,
    }
    forgetting {
        a_body_goes_at_once_and_the_key_stays,
        what_has_no_key_and_what_is_quarantined_goes_whole,
        what_waits_is_refused,
        what_is_not_there_is_not_found,
        a_copy_of_a_forgotten_dead_letter_is_only_counted,
    }
    tasks {
        a_state_comes_back_as_it_was_stored,
        each_task_has_its_state,
        a_state_that_was_not_seen_is_not_replaced,
        of_many_at_once_one_replaces_a_state,
    }
    waking {
        a_new_delivery_wakes,
        what_was_recorded_before_wakes,
        the_end_of_a_lease_wakes,
        a_replay_wakes,
        a_duplicate_that_requeues_wakes,
    }
    replaying {
        every_state_that_allows_it_falls_due,
        what_was_handled_has_to_be_asked_for,
        what_may_have_succeeded_has_to_be_asked_for,
        what_was_resolved_is_refused,
        a_conflict_has_to_be_asked_for,
        many_are_replayed_page_by_page,
        what_a_replay_of_many_records_is_left_out,
        what_a_worker_holds_what_is_not_there_and_what_was_pruned_is_refused,
        what_can_be_read_now_is_handled,
        what_still_cannot_be_read_stays,
        what_came_again_meanwhile_goes,
        what_contradicts_is_kept_as_a_conflict,
    }
}
