#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod store;

pub mod allow_list;
pub mod attention;
pub mod client_ip;
pub mod clock;
pub mod event;
pub mod fingerprint;
pub mod gate;
pub mod idempotency;
pub mod identity;
pub mod inbox;
pub mod masking;
pub mod provider;
pub mod purchases;
pub mod reply;
pub mod spill;
pub mod traffic;
pub mod watchdog;
pub mod worker;

mod body;
mod delivery;
mod error;
mod extract;
mod header_block;
mod json;
mod log_limit;
mod page;
mod panics;
mod receiver;
mod request;
mod retry;
mod telemetry;
mod timeout;

pub use async_trait::async_trait;

pub use self::error::{StoreError, StoreErrorKind};
#[doc(inline)]
pub use self::event::{CompletedPurchase, Money};
#[doc(inline)]
pub use self::inbox::Inbox;
#[doc(inline)]
pub use self::provider::kriptomat::{self, Kriptomat, KriptomatPostback};
#[doc(inline)]
pub use self::provider::wert::{self, Wert, WertEvent};
#[doc(inline)]
pub use self::provider::{Endpoint, Event};
pub use self::receiver::{BuildError, Receiver, ReceiverBuilder};
#[doc(inline)]
pub use self::reply::Reply;
#[doc(inline)]
pub use self::worker::{
    Delivery, Handler, HandlerError, HandlerErrorKind, ResultExt, TransactionalHandler, Worker, WorkerBuilder,
};
