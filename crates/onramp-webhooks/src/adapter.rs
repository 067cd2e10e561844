//! Types for authors of adapters: requests, replies, and the middlewares that an adapter mounts.
//!
//! An adapter only converts types. It turns the head of its framework's request into a [`Request`] and the body into a stream of
//! chunks, passes them to [`Receiver::receive`](crate::Receiver::receive), [`extract`], [`AllowListGate`], [`Idempotency`] or [`serve_page`], and
//! sends the [`Reply`] or [`PageResponse`] unchanged. This crate decides about status codes, header names and JSON. The conformance suite of
//! `onramp-webhooks-testkit` tests adapters.

pub use async_trait::async_trait;

pub use crate::body::Full;
#[doc(inline)]
pub use crate::client_ip::Client;
pub use crate::extract::{Unreadable, extract};
#[doc(inline)]
pub use crate::gate::AllowListGate;
#[doc(inline)]
pub use crate::idempotency::{Claim, Idempotency, KeyGuard, Keyed, Rejoined, StoredBody};
pub use crate::log_limit::LogLimit;
pub use crate::page::{Page, PageBody, PageRequest, PageResponse, PageStream, serve_page};
#[doc(inline)]
pub use crate::provider::Provider;
#[doc(inline)]
pub use crate::reply::Reply;
pub use crate::request::{Headers, Request};
