//! Types for authors of adapters: a request in, a reply out, and the pieces that an adapter mounts.
//!
//! An adapter converts. It turns the head of its framework's request into a [`Request`] and the body into a stream of chunks, hands them
//! to [`Receiver::receive`](crate::Receiver::receive), [`extract`], [`AllowListGate`] or [`Idempotency`], and sends the [`Reply`] as it
//! is. Status codes, header names and JSON are decided in this crate. The conformance suite of `onramp-webhooks-testkit` tests an adapter.

pub use crate::body::Full;
#[doc(inline)]
pub use crate::client_ip::Client;
pub use crate::extract::{Unreadable, extract};
#[doc(inline)]
pub use crate::gate::AllowListGate;
#[doc(inline)]
pub use crate::idempotency::{Claim, Idempotency, KeyGuard, Keyed, Rejoined, StoredBody};
#[doc(inline)]
pub use crate::provider::Provider;
#[doc(inline)]
pub use crate::reply::Reply;
pub use crate::request::{Headers, Request};
