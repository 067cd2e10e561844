//! The points and the findings that a day must end with.

use std::collections::BTreeMap;

use onramp_webhooks::event::BigDecimal;
use onramp_webhooks::inbox::State;

use super::plan::{Course, Forgery, Outcome, Purchase};
use super::world::Forged;

/// The exact points of customers.
#[derive(Debug, Default)]
pub(super) struct Books(BTreeMap<String, BigDecimal>);

impl Books {
    /// Returns the points for these purchases. The table *Trusting a webhook* in the README says who gains from a forgery.
    pub(super) fn of<'a>(purchases: impl IntoIterator<Item = &'a Purchase>, is_confirming: bool) -> Self {
        let mut books = Self::default();
        for purchase in purchases {
            if is_paid(purchase) && (is_confirming || purchase.forgery != Some(Forgery::First)) {
                books.credit(&purchase.customer, &purchase.fiat);
            }
            match purchase.forgery {
                Some(Forgery::OfUnpaidWidget) => books.credit(&purchase.forger(), Forgery::CLAIM),
                Some(Forgery::Invented | Forgery::First | Forgery::WithoutId) if !is_confirming => {
                    books.credit(&purchase.forger(), Forgery::CLAIM);
                }
                Some(Forgery::OfFailedOrder) if !is_confirming => books.credit(&purchase.customer, &purchase.fiat),
                _ => {}
            }
        }
        books
    }

    fn credit(&mut self, customer: &str, fiat: &str) {
        let points = self.0.entry(customer.to_owned()).or_default();
        *points += fiat.parse::<BigDecimal>().unwrap();
    }

    /// Returns the customers whose points differ, with the points that they must have and that they have.
    pub(super) fn differences(&self, points: &BTreeMap<String, String>) -> Vec<(String, Option<String>, Option<String>)> {
        let exact: BTreeMap<_, _> =
            self.0.iter().map(|(customer, points)| (customer, points.normalized().to_plain_string())).collect();
        let customers: std::collections::BTreeSet<_> = exact.keys().copied().chain(points.keys()).collect();
        let both =
            customers.into_iter().map(|customer| (customer.clone(), exact.get(customer).cloned(), points.get(customer).cloned()));
        both.filter(|(_, exact, points)| exact != points).collect()
    }
}

fn is_paid(purchase: &Purchase) -> bool {
    !matches!(purchase.course, Course::Wert { outcome: Outcome::Failed, .. })
}

impl Forged {
    /// Returns the state in which the forged event ends.
    pub(super) fn end(&self, is_confirming: bool) -> State {
        match self.kind {
            Forgery::Later => State::Conflict,
            Forgery::Unreadable => State::Quarantined,
            Forgery::Altered | Forgery::OfUnpaidWidget => State::Handled,
            _ if !is_confirming => State::Handled,
            Forgery::Invented if self.order().is_some() => State::Parked,
            Forgery::Invented | Forgery::First | Forgery::WithoutId | Forgery::OfFailedOrder => State::Dead,
        }
    }

    /// Returns the state in which the true event ends, if the forged one changes it.
    pub(super) fn end_of_truth(&self, is_confirming: bool) -> Option<State> {
        match self.kind {
            // The operator has it handled. An order at Wert is repaired instead.
            Forgery::First if is_confirming && self.order().is_none() => Some(State::Handled),
            Forgery::First | Forgery::Altered => Some(State::Conflict),
            _ => None,
        }
    }

    /// Returns the finding of a reconciliation.
    pub(super) fn finding(&self, is_confirming: bool) -> Option<(String, String)> {
        let finding = match self.kind {
            Forgery::Invented => "unknown_to_provider",
            Forgery::First if !is_confirming => "differs",
            Forgery::OfFailedOrder => "status_differs",
            _ => return None,
        };
        Some((self.order()?, finding.to_owned()))
    }

    /// Returns the order id at Wert in the forged event.
    pub(super) fn order(&self) -> Option<String> {
        self.event.json()["order"]["id"].as_str().map(ToOwned::to_owned)
    }
}
