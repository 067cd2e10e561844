//! The check of a user's identity: started, to be done again, failed, passed.

use serde::Serializer;

use super::Order;
use super::payload::Payload;
use crate::event::DecodeError;
use crate::event::fields::Fields;
use crate::event::model::ObjectWriter;

/// What a verification event carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// What the user is about to buy; documented for `verify_success`. Nothing is paid yet.
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
