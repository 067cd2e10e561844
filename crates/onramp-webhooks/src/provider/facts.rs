//! Facts about a provider: its name and its rules of delivery.

use std::time::Duration;

/// Facts about a provider, from its documentation.
///
/// ```
/// use std::time::Duration;
/// use onramp_webhooks::provider::{Acknowledgement, Facts};
///
/// const FACTS: Facts = Facts::new("acme")
///     .acknowledgement(Acknowledgement::Always)
///     .retry_horizon(Duration::from_secs(24 * 3_600))
///     .signed_headers(&["webhook-id", "webhook-timestamp", "webhook-signature"]);
/// assert_eq!(FACTS.name, "acme");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The provider's name, as it is stored, logged and used as the default name of endpoints: lower-case letters, digits, `-`
    /// and `_`.
    pub name: &'static str,
    /// The bodies that the provider wants acknowledged. Default: [`Acknowledgement::Readable`].
    pub acknowledgement: Acknowledgement,
    /// The time within which the provider expects a reply. Default 5 s.
    pub answer_within: Duration,
    /// The time over which the provider repeats an event that was not acknowledged. Default 16 h.
    pub retry_horizon: Duration,
    /// Headers that [`Provider::verify`](super::Provider::verify) reads, in lower case. If there are any, bodies over the limit are
    /// refused, because a part of a body cannot be verified. Default: none.
    pub signed_headers: &'static [&'static str],
    /// `true` if the shop learns the id of a purchase before its customer pays, so that the purchase can be
    /// [recorded](crate::purchases) and compared. Default: `false`.
    pub starts_purchases: bool,
    /// The type of the events that report completed purchases. A delivery of this type that cannot be read is an alarm. Default: none.
    pub purchase_type: Option<&'static str>,
    /// The currency of paid amounts if events do not name it, as the provider documents it. An endpoint can
    /// [state](super::Endpoint::fiat_currency) another one. Default: none, because events name it.
    pub default_fiat_currency: Option<&'static str>,
    /// The fields of bodies that are not personal, such as `order.id`. Operators see them; all others are [masked](crate::masking). Default:
    /// none.
    pub public_fields: &'static [&'static str],
    /// The consequences of replies that are not an acknowledgement.
    pub refusals: Refusals,
}

/// The bodies that a provider wants acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// Every body, even an unreadable one, because the provider stops sending after replies that are not an acknowledgement.
    Always,
    /// Every readable body. Others are refused.
    Readable,
}

/// The consequences of replies that are not an acknowledgement, for alarms and their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Number of consecutive refusals that raise an alarm. It should leave time to act. Default 3.
    pub alarm_after: u32,
    /// The consequence for events that were refused, as a sentence.
    pub consequence: &'static str,
    /// The remedy for an operator, as a sentence: the page where sending is switched on again.
    pub remedy: &'static str,
}

impl Facts {
    /// Creates facts with the defaults.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            acknowledgement: Acknowledgement::Readable,
            answer_within: Duration::from_secs(5),
            retry_horizon: Duration::from_secs(16 * 3_600),
            signed_headers: &[],
            starts_purchases: false,
            purchase_type: None,
            default_fiat_currency: None,
            public_fields: &[],
            refusals: Refusals {
                alarm_after: 3,
                consequence: "Events that were refused may never be sent again.",
                remedy: "Check the webhook address at the provider.",
            },
        }
    }

    /// Sets the bodies that the provider wants acknowledged.
    #[must_use]
    pub const fn acknowledgement(mut self, acknowledgement: Acknowledgement) -> Self {
        self.acknowledgement = acknowledgement;
        self
    }

    /// Sets the time within which the provider expects a reply.
    #[must_use]
    pub const fn answer_within(mut self, limit: Duration) -> Self {
        self.answer_within = limit;
        self
    }

    /// Sets the time over which the provider repeats an event.
    #[must_use]
    pub const fn retry_horizon(mut self, horizon: Duration) -> Self {
        self.retry_horizon = horizon;
        self
    }

    /// Sets the headers that [`Provider::verify`](super::Provider::verify) reads.
    #[must_use]
    pub const fn signed_headers(mut self, names: &'static [&'static str]) -> Self {
        self.signed_headers = names;
        self
    }

    /// States that the shop learns the id of a purchase before its customer pays.
    #[must_use]
    pub const fn starts_purchases(mut self) -> Self {
        self.starts_purchases = true;
        self
    }

    /// Sets the type of the events that report completed purchases.
    #[must_use]
    pub const fn purchase_type(mut self, name: &'static str) -> Self {
        self.purchase_type = Some(name);
        self
    }

    /// Sets the currency of paid amounts, which events do not name.
    #[must_use]
    pub const fn default_fiat_currency(mut self, code: &'static str) -> Self {
        self.default_fiat_currency = Some(code);
        self
    }

    /// Sets the fields of bodies that are not personal, each with the names of the objects around it: `order.id`. A field with an array or an
    /// object as its value is never public.
    #[must_use]
    pub const fn public_fields(mut self, fields: &'static [&'static str]) -> Self {
        self.public_fields = fields;
        self
    }

    /// Sets the number of consecutive refusals that raise an alarm, the consequence, and the remedy.
    #[must_use]
    pub const fn refusals(mut self, alarm_after: u32, consequence: &'static str, remedy: &'static str) -> Self {
        self.refusals = Refusals { alarm_after, consequence, remedy };
        self
    }
}
