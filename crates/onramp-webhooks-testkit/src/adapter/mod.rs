//! The conformance suite of adapters, over real sockets.
//!
//! [`adapter_suite!`](crate::adapter_suite) turns every case into a test of an adapter that serves a [`Site`]. [`cases`] returns the
//! cases, to run them in other ways, such as on other stores.
//!
//! # The `Idempotency-Key` header
//! The cases of idempotency by header, by the sections of
//! [draft-ietf-httpapi-idempotency-key-header-07](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07):
//!
//! | section | required here | cases |
//! | --- | --- | --- |
//! | 2.1 Syntax | A key is a structured string of at most 255 bytes; quotes are optional, parameters have no meaning, and other values get 400. | `idempotency_key::a_key_is_a_string_with_or_without_quotes`, `idempotency_key::parameters_of_a_key_mean_nothing`, `idempotency_key::other_values_are_no_keys`, `idempotency::a_key_is_needed_and_has_to_be_one` |
//! | 2.2 Uniqueness | A key is unique for its method, route and user, and is not used for another payload. | `idempotency::routes_never_share_a_key`, `idempotency::the_form_of_the_address_does_not_matter`, `idempotency::other_content_under_a_used_key_is_refused` |
//! | 2.3 Validity and expiry | A key is kept for a day after its request, and can be used again afterwards. | `idempotency_key::a_key_expires` |
//! | 2.4 Fingerprint | Payloads are compared by their JSON values, or by their bytes if they are not JSON; the query belongs to them. | `idempotency_key::payloads_are_compared_by_their_meaning`, `idempotency_key::a_payload_is_the_same_in_chunks`, `idempotency::the_route_gets_the_body_to_the_byte` |
//! | 2.5 Responsibilities | `POST` and `PATCH` are covered, other methods pass, and a key is free again if its request did not succeed. | `idempotency::other_methods_pass_untouched`, `idempotency_key::methods_that_are_idempotent_need_no_key`, `idempotency::a_panic_releases_the_key`, `idempotency::a_client_that_goes_away_releases_the_key`, `idempotency_key::an_upload_that_breaks_off_claims_nothing` |
//! | 2.6 First request, retry | A first request runs; its success is replayed. Unlike the draft, an error is no result: the request runs again. | `idempotency::a_success_is_replayed`, `idempotency::a_reply_without_a_body_is_replayed`, `idempotency_key::a_redirect_after_a_post_is_a_result`, `idempotency_key::headers_of_a_result_are_replayed`, `idempotency::a_replay_sets_no_cookie`, `idempotency::what_is_no_success_runs_again`, `idempotency_key::a_stream_reaches_its_client_as_it_comes`, `idempotency::a_reply_too_large_to_keep_is_not_replayed` |
//! | 2.6 Concurrent request | A copy waits for the first request, and runs in no case beside it. | `idempotency::a_copy_waits_for_the_first`, `idempotency::a_hundred_copies_at_once_run_once` |
//! | 2.7 Errors | A missing key gets 400, another payload 422, and a copy of a running request 409, each with a link. | `idempotency_key::problems_link_to_their_documentation`, `idempotency::a_copy_waits_no_longer_than_it_may`, `idempotency::a_body_over_the_limit_does_not_run`, `idempotency_key::an_endless_payload_does_not_run`, `idempotency::a_body_that_stops_does_not_run`, `idempotency::a_store_that_is_away_lets_nothing_run` |
//! | 5 Security | Keys are checked before anything runs, and are looked up together with their user. | `idempotency::users_never_share_a_key`, `idempotency_key::keys_belong_to_users` |
//!
//! The cases `idempotency::an_event_runs_once`, `idempotency::wert_gets_200_for_another_amount_and_503_for_a_running_copy` and
//! `idempotency::another_amount_of_a_running_event_is_not_acknowledged` are about keys from a provider's events.

mod allowing;
mod client_address;
mod door;
mod extracting;
mod faulty;
mod harness;
mod http;
mod idempotency;
mod idempotency_key;
mod paging;
mod site;
mod site_page;
mod stopping;
mod wire;

pub use self::harness::{Served, Setup, Stores};
pub use self::site::{Listener, Site, Worked};
pub use self::site_page::SitePage;
pub use self::wire::{Connection, Response, SOON, Transcript};
use crate::suite::{self, suite};

/// A test case for an adapter.
pub type Case = suite::Case<Setup>;

suite! {
    ($)
    /// Creates a test for every requirement of an adapter.
    ///
    /// Takes a function that serves a [`Site`](crate::adapter::Site) and returns when it is stopped: `fn serve(site: Site)`. Every test
    /// calls it in a separate thread. Cases with `ipv6` in their names need a machine with IPv6.
    adapter_suite! runs adapter on Setup::in_memory
    door {
        a_new_event_is_acknowledged_and_pending,
        a_duplicate_is_acknowledged_and_counted,
        a_conflict_is_acknowledged_and_kept,
        an_unknown_type_is_pending,
        an_unreadable_body_is_acknowledged_to_wert_and_refused_to_kriptomat,
        noise_is_acknowledged_to_wert_and_refused_to_kriptomat,
        a_body_over_the_limit_is_acknowledged_to_wert_and_refused_to_kriptomat,
        a_body_at_the_limit_is_read,
        a_test_is_recorded_every_time,
        a_form_is_read,
        the_content_type_does_not_matter,
        a_wrong_secret_finds_nothing,
        other_methods_are_told_to_post,
        an_inbox_that_fails_asks_for_another_try,
        an_inbox_slower_than_the_deadline_asks_for_another_try,
        a_hundred_copies_at_once_are_recorded_once,
        other_routes_are_left_alone,
    }
    http {
        a_connection_serves_many_requests,
        pipelined_requests_are_answered_in_order,
        chunked_bodies_are_read,
        expect_100_continue_is_answered_first,
        a_slash_at_the_end_changes_nothing,
        a_secret_is_found_however_it_is_encoded,
        a_query_changes_nothing,
        a_content_encoding_is_not_decoded,
        a_client_that_goes_away_in_the_middle_leaves_nothing,
        a_body_slower_than_the_deadline_is_told_so,
        a_limit_holds_with_and_without_a_length,
        the_rest_of_a_large_body_does_not_spoil_the_connection,
        names_of_headers_have_no_case_and_lines_may_repeat,
    }
    client_address {
        an_ipv6_peer_is_known,
        an_ipv6_socket_knows_its_ipv4_peers,
        #[cfg(unix)]
        a_peer_without_an_address_is_denied,
        #[cfg(unix)]
        a_proxy_at_a_unix_socket_is_believed,
        a_forged_header_is_not_believed,
        only_the_configured_header_counts,
        a_chain_of_trusted_proxies_is_walked,
        several_lines_are_one_list,
        a_header_for_one_address_has_one,
        forwarded_is_read_with_quotes_and_parameters,
        who_is_hidden_is_denied,
        ports_and_brackets_are_taken_off,
        garbage_in_any_position_is_denied,
    }
    allowing {
        who_is_on_the_list_is_let_in,
        who_is_not_is_denied,
        no_spelling_of_the_address_gets_past_the_list,
        a_list_is_replaced_while_requests_come_in,
    }
    extracting {
        an_event_reaches_the_handler,
        what_wert_sends_is_never_refused,
        what_cannot_be_read_is_refused_to_kriptomat,
        a_body_over_the_limit_is_cut_for_wert_and_refused_to_kriptomat,
        a_content_encoding_is_blamed,
        a_body_that_stops_is_told_so,
        a_panic_in_the_handler_acknowledges_nothing,
    }
    idempotency {
        a_success_is_replayed,
        a_reply_without_a_body_is_replayed,
        a_replay_sets_no_cookie,
        what_is_no_success_runs_again,
        other_content_under_a_used_key_is_refused,
        a_key_is_needed_and_has_to_be_one,
        other_methods_pass_untouched,
        routes_never_share_a_key,
        the_form_of_the_address_does_not_matter,
        users_never_share_a_key,
        a_copy_waits_for_the_first,
        a_copy_waits_no_longer_than_it_may,
        a_hundred_copies_at_once_run_once,
        a_panic_releases_the_key,
        a_client_that_goes_away_releases_the_key,
        a_body_over_the_limit_does_not_run,
        a_body_that_stops_does_not_run,
        the_route_gets_the_body_to_the_byte,
        a_reply_too_large_to_keep_is_not_replayed,
        a_store_that_is_away_lets_nothing_run,
        an_event_runs_once,
        wert_gets_200_for_another_amount_and_503_for_a_running_copy,
        another_amount_of_a_running_event_is_not_acknowledged,
    }
    idempotency_key {
        a_key_is_a_string_with_or_without_quotes,
        parameters_of_a_key_mean_nothing,
        other_values_are_no_keys,
        methods_that_are_idempotent_need_no_key,
        a_key_expires,
        payloads_are_compared_by_their_meaning,
        a_payload_is_the_same_in_chunks,
        a_redirect_after_a_post_is_a_result,
        headers_of_a_result_are_replayed,
        a_stream_reaches_its_client_as_it_comes,
        problems_link_to_their_documentation,
        an_endless_payload_does_not_run,
        an_upload_that_breaks_off_claims_nothing,
        keys_belong_to_users,
    }
    paging {
        a_page_sees_the_request_below_its_mount,
        a_mount_without_its_slash_redirects,
        a_page_leaves_other_routes_alone,
        a_stream_of_a_page_arrives_as_it_comes,
        a_body_over_the_limit_does_not_reach_a_page,
        an_invalid_response_of_a_page_is_a_server_error,
    }
    stopping {
        a_request_in_flight_is_finished,
        a_run_in_flight_is_finished_and_kept,
        an_idle_connection_holds_nothing_up,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every case of idempotency names its section, and every named case exists.
    #[test]
    fn the_sections_of_the_draft_list_all_cases() {
        let docs = include_str!("mod.rs").lines().filter(|line| line.starts_with("//! ")).collect::<Vec<_>>().join(" ");
        let named: BTreeSet<_> = docs.split('`').filter(|text| text.starts_with("idempotency") && text.contains("::")).collect();
        let existing: BTreeSet<_> = cases().map(|case| case.name()).filter(|name| name.starts_with("idempotency")).collect();
        assert_eq!(named, existing);
        for section in ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "5"] {
            assert!(docs.contains(&format!("| {section} ")), "{section} has no cases");
        }
    }
}
