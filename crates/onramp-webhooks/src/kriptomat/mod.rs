//! Kriptomat's postback.
//!
//! Facts come from Kriptomat's documentation of the widget, which contradicts itself on how additional fields are spelled; all its
//! ways are read, see [`AdditionalFields`].

mod additional_fields;
mod endpoint;
mod form;
mod postback;
pub mod started;

pub use additional_fields::AdditionalFields;
pub use endpoint::Kriptomat;
pub use postback::KriptomatPostback;
