//! A day in the life of a shop.

use crate::day;
use crate::home::Subject;

/// The shop confirms each purchase with Wert's API, and knows the widgets that it started at Kriptomat.
pub async fn with_confirmation_forgers_gain_nothing_and_points_are_exact(subject: Subject) {
    day::run(subject, true).await;
}

/// The shop trusts its webhooks. An operator runs the reconciliation.
pub async fn without_confirmation_each_forgery_gains_what_the_readme_says(subject: Subject) {
    day::run(subject, false).await;
}
