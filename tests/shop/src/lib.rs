//! The black-box test suite for the shops, independent of their frameworks. A shop's integration tests are three lines:
//!
//! ```text
//! //! The suite of all shops.
//!
//! onramp_webhooks_tests::shop_suite!(env!("CARGO_BIN_EXE_axum-shop"));
//! ```
//!
//! Every case is a named test. It starts the shop as a process, in a new folder and on a free port, and uses it over HTTP, standard
//! output, signals and its database. The suite needs a Unix, and cases with `nginx` in their names need that program. Cases with
//! `on_postgres` in their names need a PostgreSQL server, and cases with `dedicated_postgres` start their own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::exhaustive_structs,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

pub mod cases;
pub mod client;
pub mod connection;
mod database;
mod day;
pub mod event;
pub mod fixture;
pub mod home;
pub mod launch;
pub mod ledger;
mod lines;
pub mod orders;
pub mod quickstart;
pub mod shop;
pub mod wait;

/// Runs one case.
pub fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(case);
}

/// Turns every case into a test for the shop at `$binary`.
#[macro_export]
macro_rules! shop_suite {
    ($binary:expr) => {
        $crate::shop_suite! { $crate::home::Subject::on_sqlite($binary);
            documented {
                every_fixture_is_acknowledged_and_handled_once
                what_comes_again_is_acknowledged_and_only_a_test_is_handled_again
                the_readme_is_right
                a_purchase_of_nobody_waits_for_an_operator
                points_are_exact_to_the_last_digit
                strangers_have_no_points
            }
            door {
                every_secret_in_a_file_is_valid_and_no_other
                the_default_secret_is_for_loopback_addresses_only
                an_address_off_the_list_is_denied_and_the_log_says_why
                a_trusted_proxy_speaks_for_its_client
                nobody_else_speaks_for_a_client
                a_body_that_stops_is_answered_before_wert_gives_up
            }
            attacks {
                a_request_hidden_in_a_body_is_never_read
                a_compressed_body_is_kept_as_it_came
                hostile_text_in_every_field_is_only_text
                malformed_requests_leave_no_line_in_the_log
            }
            connections {
                half_open_heads_are_closed_and_hold_no_event_up
                file_descriptors_that_are_used_up_are_free_again
                a_purchase_request_that_does_not_end_is_answered
                an_idle_connection_is_used_again
            }
            proxy_protocol {
                a_declared_proxy_names_its_client
                a_client_that_the_proxy_does_not_know_is_denied
                every_request_of_a_connection_has_its_client
                a_declared_proxy_without_a_header_is_refused
                an_undeclared_proxy_is_not_believed
            }
            nginx {
                behind_nginx_the_real_client_is_judged
                behind_nginx_the_receiver_decides_about_bodies
                behind_nginx_a_body_that_stops_is_answered
                behind_nginx_a_stopped_shop_is_a_failure_that_is_sent_again
            }
            health {
                each_route_says_which_methods_it_allows
            }
            same_event {
                two_hundred_copies_at_once_are_handled_once
                another_amount_under_the_same_key_changes_nothing
            }
            crash {
                kills_lose_nothing_and_repeat_nothing
            }
            faults {
                a_locked_file_is_told_in_time_and_waited_for
                #[cfg_attr(not(target_os = "linux"), ignore = "a test can limit the files of another process only on Linux")]
                a_full_disk_is_told_and_recovered_from
                a_folder_that_goes_away_is_told_and_found_again
                a_deleted_file_is_refused_until_the_restart
                a_deleted_log_is_refused_until_the_restart
                moved_files_are_refused_until_they_are_put_back
                a_replaced_file_is_refused_until_it_is_put_back
                a_file_that_is_no_database_is_refused_at_the_start
                a_closed_standard_output_stops_nothing
            }
            read_only {
                a_shop_is_refused_at_the_start
            }
            together {
                two_shops_on_one_database_handle_every_event_once
                eight_senders_are_acknowledged_while_two_shops_handle
            }
            providers {
                only_confirmed_orders_are_credited
                what_was_dropped_is_found_and_what_was_forged_is_not_credited
                a_new_database_pays_no_old_order
                only_the_postback_of_a_widget_that_was_started_is_credited
                a_postback_with_another_amount_or_customer_is_not_credited
                purchase_requests_are_limited_in_size_and_number
                a_provider_that_is_away_is_waited_for
                a_slow_api_holds_up_no_other_provider
                a_flood_of_forged_events_is_not_asked_about_twice_before_true_ones
            }
            stop {
                a_request_in_flight_is_finished
                an_idle_connection_holds_nothing_up
                ctrl_c_is_a_good_end_too
                half_a_request_holds_nothing_up_for_long
                a_locked_file_holds_nothing_up_for_long
                the_database_file_alone_is_complete
                what_was_not_handled_is_handled_at_the_next_start
            }
            watch {
                a_provider_that_is_refused_is_reported_with_advice
                what_only_a_later_version_knows_waits_alone
                the_last_delivery_is_known_after_a_restart
            }
            day {
                with_confirmation_forgers_gain_nothing_and_points_are_exact
                without_confirmation_each_forgery_gains_what_the_readme_says
            }
            environment {
                a_variable_that_cannot_be_used_is_named
                a_database_that_cannot_be_used_is_refused_without_telling_its_password
            }
        }

        mod on_postgres {
            $crate::shop_suite! { $crate::home::Subject::on_postgres($binary);
                documented {
                    every_fixture_is_acknowledged_and_handled_once
                    what_comes_again_is_acknowledged_and_only_a_test_is_handled_again
                    a_purchase_of_nobody_waits_for_an_operator
                    points_are_exact_to_the_last_digit
                    strangers_have_no_points
                }
                attacks {
                    hostile_text_in_every_field_is_only_text
                }
                same_event {
                    two_hundred_copies_at_once_are_handled_once
                    another_amount_under_the_same_key_changes_nothing
                }
                crash {
                    kills_lose_nothing_and_repeat_nothing
                }
                together {
                    two_shops_on_one_database_handle_every_event_once
                }
                providers {
                    what_was_dropped_is_found_and_what_was_forged_is_not_credited
                    a_new_database_pays_no_old_order
                    only_the_postback_of_a_widget_that_was_started_is_credited
                    a_postback_with_another_amount_or_customer_is_not_credited
                }
                fleet {
                    kills_in_a_fleet_lose_nothing_and_repeat_nothing
                    a_worker_that_was_frozen_past_its_lease_changes_nothing
                }
                watch {
                    what_only_a_later_version_knows_waits_alone
                    the_last_delivery_is_known_after_a_restart
                }
                stop {
                    a_request_in_flight_is_finished
                    what_was_not_handled_is_handled_at_the_next_start
                }
                environment {
                    with_a_spill_a_database_that_will_never_work_is_refused
                    with_a_spill_a_database_of_a_later_version_is_refused
                    a_spill_that_cannot_be_used_is_refused
                }
            }
        }

        mod dedicated_postgres {
            $crate::shop_suite! { $crate::home::Subject::on_postgres($binary);
                outage {
                    with_a_spill_wert_sees_nothing_but_200
                    with_a_spill_a_shop_starts_during_the_outage
                    what_two_shops_spilled_is_handled_once
                    without_a_spill_nothing_is_acknowledged_meanwhile
                }
                day {
                    with_confirmation_forgers_gain_nothing_and_points_are_exact
                }
            }
        }
    };
    ($subject:expr; $($group:ident { $($(#[$attribute:meta])* $case:ident)+ })+) => {$(
        mod $group {$(
            #[test]
            $(#[$attribute])*
            fn $case() {
                $crate::run($crate::cases::$group::$case($subject));
            }
        )+}
    )+};
}

/// Turns the soak into a test. It says little about a framework that it does not say about another one, so one shop has it.
#[macro_export]
macro_rules! soak_suite {
    ($binary:expr) => {
        mod dedicated_postgres {
            $crate::shop_suite! { $crate::home::Subject::on_postgres($binary);
                soak {
                    #[cfg_attr(not(target_os = "linux"), ignore = "a test can measure another process only on Linux")]
                    behind_pgbouncer_and_with_a_mounted_disk_nothing_is_lost_and_nothing_leaks
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_suite() {
        let suite = include_str!("lib.rs");
        let groups = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cases")).unwrap();
        for group in groups {
            let source = std::fs::read_to_string(group.unwrap().path()).unwrap();
            for case in source.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let case = case.split('(').next().unwrap();
                assert!(suite.lines().any(|line| line.trim() == case), "{case} is not in the suite");
            }
        }
    }
}

/// The code in the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
