//! Kriptomat's widget postback.
//!
//! The facts are from Kriptomat's documentation of the widget, which contradicts itself on the spelling of additional fields. All
//! spellings are read; see [`AdditionalFields`].

mod additional_fields;
mod form;
mod postback;
mod provider;

pub use self::additional_fields::AdditionalFields;
pub use self::postback::{KriptomatPostback, PostbackId};
pub use self::provider::Kriptomat;
