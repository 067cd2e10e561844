//! Events of a user's account: registered, logged in or out, card added.

use serde::{Deserialize, Serialize, Serializer};

use super::UserId;
use super::payload::Payload;
use crate::event::fields::{Decode, Fields};
use crate::event::model::{ObjectWriter, model};
use crate::event::{DecodeError, Extra};
use crate::json::Value;

/// The content of an account event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The user. Missing in older versions of Wert's events.
    pub user: Option<User>,
}

impl Payload for Account {
    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self { user: fields.optional("user")? })
    }

    fn write<S: Serializer>(&self, object: &mut ObjectWriter<S>) -> Result<(), S::Error> {
        object.optional("user", &self.user)
    }
}

/// A user of Wert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Wert's id of the user.
    pub user_id: Option<UserId>,
    /// The state of the user's identity checks.
    pub verification_status: Option<VerificationStatus>,
    /// Fields that this model does not have.
    pub extra: Extra,
}

model!(User { user_id: optional, verification_status: optional });

/// The state of a user's two identity checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationStatus {
    /// The full check.
    pub fkyc: Option<VerificationLevel>,
    /// The light check.
    pub lkyc: Option<VerificationLevel>,
    /// Fields that this model does not have.
    pub extra: Extra,
}

model!(VerificationStatus { fkyc: optional, lkyc: optional });

/// The state of one identity check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationLevel {
    /// The check's state.
    pub state: Option<VerificationState>,
    /// Fields that this model does not have.
    pub extra: Extra,
}

model!(VerificationLevel { state: optional });

/// A state of an identity check. Wert documents only `initiated`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum VerificationState {
    /// `initiated`
    Initiated,
    /// A state that this crate does not know, as it was received.
    Other(String),
}

impl VerificationState {
    /// Returns the state as Wert writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Initiated => "initiated",
            Self::Other(state) => state,
        }
    }
}

impl From<String> for VerificationState {
    fn from(state: String) -> Self {
        if state == "initiated" { Self::Initiated } else { Self::Other(state) }
    }
}

impl From<VerificationState> for String {
    fn from(state: VerificationState) -> Self {
        state.as_str().to_owned()
    }
}

impl Decode for VerificationState {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        String::decode(value).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{WertEvent, WertPayload};
    use super::*;

    #[test]
    fn an_undocumented_state_is_kept() {
        let event: WertEvent = serde_json::from_str(include_str!("../../../fixtures/wert/login.json")).unwrap();
        let WertPayload::Login(Account { user: Some(user) }) = event.payload else { panic!("{event:?}") };
        let status = user.verification_status.unwrap();
        assert_eq!(status.fkyc.unwrap().state, Some(VerificationState::Initiated));
        assert_eq!(status.lkyc.unwrap().state, Some(VerificationState::Other("approved".into())));
    }
}
