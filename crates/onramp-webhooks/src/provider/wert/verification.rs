//! Events of a user's identity check: started, to be repeated, failed or passed.

use serde::Serializer;

use super::Order;
use super::payload::Payload;
use crate::event::DecodeError;
use crate::event::fields::Fields;
use crate::event::model::ObjectWriter;

/// The content of a verification event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The order that the user is about to place; documented for `verify_success`. Nothing is paid yet.
    pub order: Option<Order>,
}

impl Payload for Verification {
    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { order: fields.optional("order")? })
    }

    fn write<S: Serializer>(&self, object: &mut ObjectWriter<S>) -> Result<(), S::Error> {
        object.optional("order", &self.order)
    }
}
