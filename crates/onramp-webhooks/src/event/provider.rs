//! The providers. Each is a folder that implements [`ProviderRules`], and one line in the list below.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{CompletedPurchase, DecodeError, UnclearPurchase, raw_json};
use crate::fingerprint::Fingerprint;
use crate::identity::Identity;
use crate::watchdog::Stopping;

/// What this crate has to know about a provider's events.
pub(crate) trait ProviderRules: Sized {
    const ACKNOWLEDGEMENT: Acknowledgement;

    /// What becomes of an address that fails.
    const STOPPING: Stopping;

    fn decode(text: &str) -> Result<Self, DecodeError>;

    /// The event's type as it was received.
    fn type_name(&self) -> &str;

    /// The event's type, or `unknown`: one of few words, whatever is received.
    fn type_label(&self) -> &'static str;

    /// `horizon` is how long an event counts that has nothing but its content to be known by.
    fn identity(&self, endpoint: &str, fingerprint: &Fingerprint, horizon: Duration) -> Identity;

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase>;
}

/// Which bodies a provider wants acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledgement {
    /// Every body, even one that cannot be read: anything but success makes the provider stop sending.
    Always,
    /// Every body that can be read; the others are refused.
    Readable,
}

macro_rules! providers {
    ($($(#[$doc:meta])* $provider:ident($name:literal): $event:ty),+ $(,)?) => {
        /// A provider of on-ramp widgets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Provider {
            $($(#[$doc])* $provider,)+
        }

        /// The content of a delivery, as its provider's model.
        ///
        /// Serialises to the provider's JSON: a JSON body that is decoded and serialised again keeps its [`Fingerprint`], as far
        /// down as a fingerprint looks.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $provider($event),)+
        }

        impl Provider {
            /// All providers that this crate knows.
            pub const ALL: &[Self] = &[$(Self::$provider),+];

            /// The provider's name in lower case, as it is stored and logged.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$provider => $name,)+
                }
            }

            /// Which bodies the provider wants acknowledged.
            #[must_use]
            pub const fn acknowledgement(self) -> Acknowledgement {
                match self {
                    $(Self::$provider => <$event as ProviderRules>::ACKNOWLEDGEMENT,)+
                }
            }

            pub(crate) const fn stopping(self) -> &'static Stopping {
                match self {
                    $(Self::$provider => &<$event as ProviderRules>::STOPPING,)+
                }
            }
        }

        impl Event {
            /// Reads the body of a request from `provider`. A byte-order mark in front is skipped.
            ///
            /// # Errors
            ///
            /// If the body is not JSON, not an object, or lacks what the provider's events of its type must have. Fields, types and
            /// states that this crate does not know are never an error.
            pub fn decode(provider: Provider, body: &[u8]) -> Result<Self, DecodeError> {
                let text = raw_json::text(body)?;
                match provider {
                    $(Provider::$provider => <$event as ProviderRules>::decode(text).map(Self::$provider),)+
                }
            }

            /// Who sent the event.
            #[must_use]
            pub const fn provider(&self) -> Provider {
                match self {
                    $(Self::$provider(_) => Provider::$provider,)+
                }
            }

            /// The event's type as it was received (`order_complete`); Kriptomat's only one is `postback`.
            #[must_use]
            pub fn type_name(&self) -> &str {
                match self {
                    $(Self::$provider(event) => event.type_name(),)+
                }
            }

            /// The event's type, or `unknown`: for labels of metrics, which must not grow with what strangers send.
            #[must_use]
            pub fn type_label(&self) -> &'static str {
                match self {
                    $(Self::$provider(event) => event.type_label(),)+
                }
            }

            /// The purchase, if this event says that one is complete: Wert's `order_complete` and Kriptomat's postback, never a
            /// test and never a transfer that has only started.
            ///
            /// # Errors
            ///
            /// If a purchase is complete but what was paid cannot be told from what was bought. A handler that returns this error
            /// (with `?`) has the event tried again and then kept as a dead letter, where it is seen: money is never guessed.
            pub fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
                match self {
                    $(Self::$provider(event) => event.completed_purchase(),)+
                }
            }

            pub(crate) fn identity(&self, endpoint: &str, fingerprint: &Fingerprint, horizon: Duration) -> Identity {
                match self {
                    $(Self::$provider(event) => event.identity(endpoint, fingerprint, horizon),)+
                }
            }
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$provider(event) => event.serialize(serializer),)+
                }
            }
        }
    };
}

providers! {
    /// [Wert](https://wert.io): widget events.
    Wert("wert"): crate::wert::WertEvent,
    /// [Kriptomat](https://kriptomat.io): the widget's postback.
    Kriptomat("kriptomat"): crate::kriptomat::KriptomatPostback,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that no provider has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such provider: {0:?}")]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        let named = Self::ALL.iter().find(|provider| provider.as_str() == name);
        named.copied().ok_or_else(|| UnknownProvider(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_found_by_its_name() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(*provider));
        }
        assert!("Wert".parse::<Provider>().is_err());
    }
}
