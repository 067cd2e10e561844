//! The list of what needs the attention of an operator, each with the command that mends it.
//!
//! ```
//! use onramp_webhooks::attention::attention;
//! use onramp_webhooks::clock::Timestamp;
//! use onramp_webhooks::inbox::{Inbox, MemoryInbox, NewDelivery, Quarantine};
//! use onramp_webhooks::provider::Providers;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inbox = MemoryInbox::new();
//! let mut delivery = NewDelivery::new("wert", "wert", Timestamp::now(), r#"{"type":"order_complete"}"#.into());
//! delivery.event_type = Some("order_complete".to_owned());
//! delivery.quarantine = Some(Quarantine::unreadable("order: missing"));
//! inbox.record(delivery).await?;
//!
//! let attention = attention(&inbox, &Providers::default(), Timestamp::now()).await?;
//! assert_eq!(attention.items[0].title(), "1 event in quarantine that may report a purchase");
//! assert_eq!(attention.items[0].detail, "order_complete: order: missing");
//! assert_eq!(attention.items[0].command, "inbox show 1");
//! # Ok(())
//! # }
//! ```

mod conflicts;
mod dead_letters;
mod endpoints;
mod item;
mod overdue;
mod quarantine;
mod recording;
mod scan;

pub use self::item::{Item, ItemKind};
use self::overdue::Waiting;
pub use self::recording::cannot_record;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::{Counts, Inbox};
use crate::provider::Providers;

/// The problems that need the attention of an operator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attention {
    /// The problems, in this sequence: dead letters, conflicts, quarantined deliveries, deliveries that no worker handles, and endpoints whose
    /// provider may have stopped sending. Empty if nothing needs attention.
    pub items: Vec<Item>,
    /// The deliveries that wait, and the unresolved ones that are dead, quarantined or in conflict.
    pub counts: Counts,
    /// The time since which the waiting delivery that is due longest is due, or at which the first will be; `None` if none waits.
    pub oldest_due: Option<Timestamp>,
}

/// Lists what needs the attention of an operator. Looks at most at 10 000 deliveries of each kind.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn attention(inbox: &dyn Inbox, providers: &Providers, now: Timestamp) -> Result<Attention, StoreError> {
    let counts = inbox.open_counts().await?;
    let mut items = dead_letters::items(inbox, providers).await?;
    items.extend(conflicts::item(inbox, providers).await?);
    items.extend(quarantine::items(inbox, providers).await?);
    let Waiting { oldest_due, overdue } = overdue::waiting(inbox, providers, now).await?;
    items.extend(overdue);
    items.extend(endpoints::items(inbox, now).await?);
    Ok(Attention { items, counts, oldest_due })
}

#[cfg(test)]
mod tests;
