//! Traffic: what was received and handled, minute by minute, for operators.
//!
//! Every process counts the requests of its receiver and the attempts of its workers, and stores the counts in the inbox every minute. So the
//! traffic of all processes is seen together, without a metrics system. It is kept by minutes for two days, and by quarters of an hour for
//! 90 days. Bodies, secrets and customers are not part of it; the addresses of refused requests are kept for two days.
//!
//! The counts are for people, not for accounts: those of the last minute are missing if a process is killed, and a minute is counted twice
//! if its write took effect although its reply was lost.
//!
//! ```
//! use onramp_webhooks::clock::Timestamp;
//! use onramp_webhooks::inbox::MemoryInbox;
//! use onramp_webhooks::traffic::{Window, report};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inbox = MemoryInbox::new();
//! let report = report(&inbox, Window::Day, Timestamp::now()).await?;
//! assert_eq!(report.total().received(), 0);
//! assert_eq!(report.steps().len(), 96);
//! # Ok(())
//! # }
//! ```

mod counts;
mod latencies;
mod meter;
mod meters;
mod names;
mod process;
mod report;
mod slots;
mod summary;
mod window;

pub use self::counts::Traffic;
pub use self::latencies::Latencies;
pub(crate) use self::meter::Meter;
pub(crate) use self::meters::{Meters, STORE_EVERY};
pub use self::process::{Process, processes};
pub use self::report::{Report, report};
pub use self::summary::{Address, Durations, Summary};
pub use self::window::{Window, WindowError};

/// The name under which requests without an endpoint, and the backlog of the whole inbox, are counted.
const EVERYWHERE: &str = "";
