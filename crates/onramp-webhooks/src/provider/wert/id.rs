//! Identifiers of Wert's events.

use crate::event::id::{hidden_ids, ids};

ids! {
    /// The `click_id` that the shop passed to Wert's widget to recognise its customer.
    ClickId
    /// Wert's id of a user, a ULID.
    UserId
    /// Wert's `hpp_session_id`: one visit to the payment page, a UUID.
    SessionId
}

hidden_ids! { ClickId UserId SessionId }
