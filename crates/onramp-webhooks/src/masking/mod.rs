//! Masking: bodies and notes as operators see them, without personal data.
//!
//! Each provider lists the fields that are not personal ([`Facts::public_fields`](crate::provider::Facts::public_fields)). The values of all
//! other fields are masked, unknown ones included: two characters at each end of a long value are left, and none of a short one.
//!
//! ```
//! use onramp_webhooks::masking::masked;
//! use onramp_webhooks::provider::Providers;
//!
//! let body = br#"{"type":"order_complete","click_id":"customer-20418","order":{"quote_amount":"250.00"},"new":7}"#;
//! let shown = masked(&Providers::default(), &"wert".into(), body);
//! assert_eq!(
//!     shown.text(),
//!     r#"{
//!   "type": "order_complete",
//!   "click_id": "cu•••18",
//!   "order": {
//!     "quote_amount": "250.00"
//!   },
//!   "new": "•••"
//! }"#
//! );
//! assert_eq!(shown.scrub("no user customer-20418"), "no user •••");
//! ```

mod differences;
mod fields;
mod secrets;
mod text;

use std::fmt;

pub use self::differences::{Difference, differences};
use self::fields::{PublicFields, parsed};
use self::secrets::Secrets;
use self::text::Writer;
use crate::json::Json;
use crate::provider::{ProviderName, Providers};

/// The text that stands for masked data.
pub const MASK: &str = "•••";

/// A body as an operator sees it.
#[derive(Clone)]
pub struct Masked {
    text: String,
    is_cut: bool,
    secrets: Secrets,
}

/// Returns a body with its personal data masked.
#[must_use]
pub fn masked(providers: &Providers, provider: &ProviderName, body: &[u8]) -> Masked {
    Masked::new(&PublicFields::of(providers, provider), body)
}

/// Returns a body with all of its data, in the same layout as a [masked] one.
#[must_use]
pub fn revealed(body: &[u8]) -> Masked {
    Masked::new(&PublicFields::all(), body)
}

impl Masked {
    fn new(public: &PublicFields, body: &[u8]) -> Self {
        let mut masked = Self { text: String::new(), is_cut: false, secrets: Secrets::default() };
        let text = parsed(body);
        let Some(json) = text.as_deref().and_then(Json::parse) else {
            masked.secrets = Secrets::of_text(public, body);
            return masked;
        };
        (masked.text, masked.is_cut) = Writer::write(public, json.root());
        masked.secrets = Secrets::of(public, json.root());
        masked
    }

    /// Returns the body as JSON in lines, in the sequence in which it was received, and a form as an object; empty if it is neither.
    ///
    /// The text ends after 256 KiB, see [`is_cut`](Self::is_cut).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the text is only the beginning of a larger body.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns `note` without the values that are masked in the body, in upper or lower case. Values of less than four characters are
    /// found as whole words. All words of a body that is neither JSON nor a form are masked, and the whole note if it is not even text.
    #[must_use]
    pub fn scrub(&self, note: &str) -> String {
        self.secrets.scrub(note)
    }
}

/// Leaves out the body, which may have been revealed.
impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masked").field("bytes", &self.text.len()).field("is_cut", &self.is_cut).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
