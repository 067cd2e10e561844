//! Notices when a provider may have stopped sending: because it was told too often that its events were not received, or because
//! nothing comes any more.
//!
//! [`Receiver::watch`](crate::Receiver::watch) tells how every endpoint stands, [`Receiver::health`](crate::Receiver::health) says it as the
//! answer of a health check, and a change is logged once: `WARN` when it gets bad, `INFO` when it is over. A receiver looks every
//! minute, from its `build` (or its first request, when there was no tokio runtime yet) until its last clone is dropped.
//!
//! # Refusing
//! An endpoint is [`Refusing`](Verdict::Refusing) after as many failures in a row as leave time to act, three: Wert sends an event six
//! times and then no more. What is received ends it. An answer counts only when it went to the provider, which is a request with `POST`
//! - that knew the way in, whatever came of it then, or
//! - with the right secret from an address that is not on the list, or with a wrong secret from one that is.
//!
//! A wrong secret from anywhere else, and any other method, are strangers' and alarm nobody. An address that is not on the list, at an
//! endpoint without a secret, may be a stranger's or the provider's new one: three of them count once nothing has been received for
//! longer than the longest known pause (while that is not known, for a day), or nothing ever.
//!
//! # Silent
//! An endpoint is [`Silent`](Verdict::Silent) when nothing has been received for more than **twice the longest pause of the 14 days
//! before its last delivery**, and at least two hours. Pauses are counted in hours, so a burst changes nothing; nights and weekends are
//! pauses like others. Until the first known delivery is eight days old, and some have come on three different days, nobody knows
//! what is usual, and the endpoint is [`Learning`](Verdict::Learning).
//!
//! # After a restart, and with several receivers
//! The rhythm is read from the inbox at the start and once a day, and the inbox is asked before silence is called silent: what other
//! receivers recorded there counts.
//! When the inbox cannot be read, nothing is called silent. Failures are each receiver's own, and forgotten when it ends. An endpoint
//! that is silent for more than 14 days while others receive is a new one after a restart.

mod advice;
mod history;
mod rhythm;
mod tally;
mod task;
mod watch;

pub(crate) use self::advice::Stopping;
pub(super) use self::tally::{Sender, Tally};
pub(super) use self::task::start;
pub use self::watch::{Answers, EndpointWatch, Verdict};
