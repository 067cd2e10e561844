#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod store;

pub mod allow_list;
pub mod client_ip;
pub mod clock;
pub mod event;
pub mod fingerprint;
pub mod gate;
pub mod idempotency;
pub mod identity;
pub mod inbox;
pub mod provider;
pub mod purchases;
pub mod reply;
pub mod spill;
pub mod watchdog;
pub mod worker;

mod body;
mod deadline;
mod delivery;
mod error;
mod extract;
mod panics;
mod receiver;
mod request;
mod retry;
mod telemetry;

pub use async_trait::async_trait;

pub use self::error::{StoreError, StoreErrorKind};
pub use self::event::{CompletedPurchase, Money};
pub use self::inbox::Inbox;
pub use self::provider::kriptomat::{self, Kriptomat, KriptomatPostback};
pub use self::provider::wert::{self, Wert, WertEvent};
pub use self::provider::{Endpoint, Event};
pub use self::receiver::{BuildError, Receiver, ReceiverBuilder};
pub use self::reply::Reply;
pub use self::worker::{
    Delivery, Handler, HandlerError, HandlerErrorKind, ResultExt, TransactionalHandler, Worker, WorkerBuilder,
};
