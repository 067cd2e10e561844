//! The events of one unit of work: a single event, or those of an order or a customer in sequence.

use clap::ValueEnum;
use onramp_webhooks_testkit::events::{WERT_ACCOUNT_EVENTS, WERT_ORDER_EVENTS};
use onramp_webhooks_testkit::simulator::{Outcome, Posted, Simulator};

use crate::exit::CliError;

/// The event of Wert's dashboard.
const TEST: &str = "test";

/// The provider whose events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sender {
    /// Events of Wert's widget
    Wert,
    /// Postbacks of Kriptomat's widget
    Kriptomat,
    /// List the events
    List,
}

/// The outcome of an order at Wert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderOutcome {
    Completed,
    Failed,
    Canceled,
    ContractFailed,
}

impl From<OrderOutcome> for Outcome {
    fn from(outcome: OrderOutcome) -> Self {
        match outcome {
            OrderOutcome::Completed => Self::Completed,
            OrderOutcome::Failed => Self::Failed,
            OrderOutcome::Canceled => Self::Canceled,
            OrderOutcome::ContractFailed => Self::ContractFailed,
        }
    }
}

/// A sequence of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One event of Wert's.
    Wert(&'static str),
    /// The events of an order at Wert.
    Checkout(OrderOutcome),
    /// The events of a customer whose identity Wert verifies.
    Verification,
    /// Every event of Wert's.
    Every,
    /// A purchase at Kriptomat.
    Purchase,
}

/// Names and purposes, for the list.
pub(crate) const SEQUENCES: [(&str, &str, &str); 4] = [
    ("wert", "checkout", "an order: payment_started, transfer_started, order_complete; see --outcome"),
    ("wert", "verification", "a customer: verify_start, verify_failed, verify_retry, verify_success"),
    ("wert", "every", "every event of Wert's once"),
    ("kriptomat", "purchase", "the postback of a completed purchase"),
];

/// Returns the types of Wert's events.
pub(crate) fn wert_events() -> impl Iterator<Item = &'static str> {
    WERT_ORDER_EVENTS.into_iter().chain(WERT_ACCOUNT_EVENTS).chain([TEST])
}

impl Scenario {
    /// Returns the scenario called `event` of a provider.
    pub(crate) fn named(sender: Sender, event: &str, outcome: Option<OrderOutcome>) -> Result<Self, CliError> {
        let scenario = match (sender, event) {
            (Sender::Wert, "checkout") => return Ok(Self::Checkout(outcome.unwrap_or(OrderOutcome::Completed))),
            (Sender::Wert, "verification") => Some(Self::Verification),
            (Sender::Wert, "every") => Some(Self::Every),
            (Sender::Wert, event) => wert_events().find(|known| *known == event).map(Self::Wert),
            (Sender::Kriptomat, "purchase") => Some(Self::Purchase),
            _ => None,
        };
        let unknown = || CliError::Usage(format!("there is no event {event:?}")).hint("onramp-webhooks trigger list");
        let scenario = scenario.ok_or_else(unknown)?;
        if outcome.is_some() {
            return Err(CliError::Usage("--outcome is for `wert checkout`".to_owned()));
        }
        Ok(scenario)
    }

    /// Returns new requests, in the sequence in which the provider sends them.
    pub(crate) fn posts(&self, simulator: &mut Simulator) -> Vec<Posted> {
        let traffic = match self {
            Self::Wert(event) => simulator.wert_event(event),
            Self::Checkout(outcome) => simulator.checkouts(1, (*outcome).into()),
            Self::Verification => simulator.verifications(1),
            Self::Every => {
                return wert_events().flat_map(|event| simulator.wert_event(event).posts().to_vec()).collect();
            }
            Self::Purchase => simulator.purchases(1),
        };
        traffic.posts().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::provider::Providers;

    use super::*;

    fn types(sender: Sender, event: &str, outcome: Option<OrderOutcome>) -> Result<Vec<String>, CliError> {
        let posts = Scenario::named(sender, event, outcome)?.posts(&mut Simulator::seeded(1));
        let event = |post: &Posted| Providers::default().read(&post.provider, &post.body).unwrap().type_name().to_owned();
        Ok(posts.iter().map(event).collect())
    }

    #[test]
    fn every_name_in_the_list_has_its_events() {
        for event in wert_events() {
            assert_eq!(types(Sender::Wert, event, None).unwrap(), [event]);
        }
        let checkout = |outcome| types(Sender::Wert, "checkout", Some(outcome)).unwrap();
        assert_eq!(types(Sender::Wert, "checkout", None).unwrap(), ["payment_started", "transfer_started", "order_complete"]);
        assert_eq!(checkout(OrderOutcome::Failed), ["payment_started", "order_failed"]);
        assert_eq!(checkout(OrderOutcome::Canceled), ["payment_started", "order_canceled"]);
        assert_eq!(checkout(OrderOutcome::ContractFailed), ["payment_started", "transfer_started", "tx_smart_contract_failed"]);
        assert_eq!(types(Sender::Wert, "every", None).unwrap(), wert_events().collect::<Vec<_>>());
        assert_eq!(types(Sender::Wert, "verification", None).unwrap().last().unwrap(), "verify_success");
        assert_eq!(types(Sender::Kriptomat, "purchase", None).unwrap(), ["postback"]);
    }

    #[test]
    fn a_name_that_is_not_in_the_list_is_an_error() {
        for (sender, event, outcome) in [
            (Sender::Wert, "purchase", None),
            (Sender::Kriptomat, "order_complete", None),
            (Sender::Kriptomat, "purchase", Some(OrderOutcome::Failed)),
            (Sender::Wert, "order_complete", Some(OrderOutcome::Failed)),
        ] {
            assert!(types(sender, event, outcome).is_err(), "{event}");
        }
    }
}
