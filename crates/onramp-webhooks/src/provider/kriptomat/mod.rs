//! Kriptomat's widget postback.
//!
//! The facts are from Kriptomat's documentation of the widget, which contradicts itself on the spelling of additional fields. All
//! spellings are read; see [`AdditionalFields`].

mod additional_fields;
mod endpoint;
mod form;
mod postback;

pub use self::additional_fields::AdditionalFields;
pub use self::endpoint::Kriptomat;
pub use self::postback::{KriptomatPostback, PostbackId};
