#![doc = include_str!("../README.md")]

pub mod allow_list;
mod body;
pub mod client_ip;
pub mod clock;
mod delivery;
pub mod event;
pub mod extract;
pub mod fingerprint;
pub mod gate;
mod handler;
pub mod idempotency;
pub mod identity;
pub mod inbox;
pub mod kriptomat;
mod patience;
mod receiver;
pub mod reply;
mod request;
mod store_error;
mod telemetry;
mod unwinding;
pub mod wert;
pub mod worker;

pub use async_trait::async_trait;

pub use self::delivery::Delivery;
pub use self::event::{CompletedPurchase, Event, Provider};
pub use self::handler::{Handler, HandlerError, TransactionalHandler};
pub use self::inbox::Inbox;
pub use self::kriptomat::{Kriptomat, KriptomatPostback};
pub use self::receiver::watchdog;
pub use self::receiver::{BuildError, Endpoint, Receiver, ReceiverBuilder};
pub use self::reply::Reply;
pub use self::request::{Headers, Request};
pub use self::store_error::{StoreError, StoreErrorKind};
pub use self::wert::{Wert, WertEvent};
pub use self::worker::Worker;
