//! Watchdog: reports that a provider may have stopped sending, because its events are refused or no events arrive.
//!
//! [`Receiver::watch`](crate::Receiver::watch) returns the status of every endpoint, [`Receiver::health`](crate::Receiver::health)
//! reports it in a health check, and a change is logged once: `WARN` when an alarm begins (`ERROR` for purchases in quarantine), `INFO` when it ends. A receiver checks
//! every minute, from its `build` (or from its first request, if there was no tokio runtime yet) until its last clone is dropped.
//!
//! # Refusing
//! An endpoint is [`Refusing`](Verdict::Refusing) after several refusals in a row
//! ([`Refusals::alarm_after`](crate::provider::Refusals::alarm_after)), a number that leaves time to act: Wert sends an event six
//! times at most. A recorded delivery ends the alarm. Only replies to the provider count. These are replies to a `POST`
//! - that was admitted, or
//! - with the right secret from an address that is not on the list, or with a wrong secret from one that is.
//!
//! Other requests with a wrong secret, and requests with other methods, are attributed to strangers and raise no alarm. At an
//! endpoint without a secret, a request from an unlisted address may come from a stranger or from a new address of the provider.
//! Several of them raise the alarm if nothing was ever received, or nothing for a day (for
//! [`silent_after`](crate::Endpoint::silent_after) if it is set).
//!
//! # Silent
//! An endpoint is [`Silent`](Verdict::Silent) when nothing was received for longer than its
//! [`silent_after`](crate::Endpoint::silent_after). Without that setting, silence is no alarm; watch the gauge
//! `onramp_webhooks_silence_seconds` instead.
//!
//! # Attention
//! An endpoint needs [`Attention`](Verdict::Attention) while purchases of it are in quarantine, because their bodies cannot be read: a
//! customer has paid and nothing was handled. A worker of a version that can read them handles them by itself.
//!
//! # Restarts and several receivers
//! The time of the last delivery is read from the inbox at the start, and again before an endpoint counts as silent, because
//! another receiver may have recorded one. If the inbox cannot be read, no endpoint counts as silent. Refusals are counted per
//! process. Each receiver stores its status in the inbox every minute, and [`endpoints`] is what all running ones agree on.
//!
//! # Workers
//! A `WARN` is logged when a delivery has waited for a minute and no worker has claimed it, and an `ERROR` when a worker shows no sign of
//! life.
//!
//! # The inbox
//! The inbox is checked, too. An `ERROR` is logged every minute while the check fails, and while deliveries have waited in a
//! [spill](crate::spill) for a minute.

mod advice;
mod counters;
mod fleet;
mod monitor;
mod status;

pub(crate) use self::counters::{Counters, Sender};
pub use self::fleet::{endpoints, endpoints_of};
pub(crate) use self::monitor::{CHECK_EVERY, Monitor, Unclaimed, Watched, check};
pub use self::status::{Answers, EndpointStatus, Verdict};
