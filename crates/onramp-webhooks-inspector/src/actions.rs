//! Changes by operators.

use bytes::Bytes;
use onramp_webhooks::inbox::{DeliveryId, ReplayScope, Replayed, replay};
use onramp_webhooks::{StoreError, StoreErrorKind, clock::Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::access::Caller;
use crate::builder::Settings;
use crate::problem::Problem;
use crate::view;

/// Maximum length of the note of a resolution, in characters.
const LONGEST_NOTE: usize = 500;

/// The parts of an inspector that actions use.
pub(crate) struct Actions<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
    pub(crate) caller: &'a Caller,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    #[serde(default)]
    even_conflict: bool,
    #[serde(default)]
    even_handled: bool,
    /// The id, typed by the operator. Needed for a conflict, and for a delivery that was or may have been handled.
    #[serde(default)]
    confirm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolve {
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forget {
    /// The id, typed by the operator.
    confirm: String,
}

impl Actions<'_> {
    pub(crate) async fn run(&self, action: &str, id: DeliveryId, body: &Bytes) -> Result<Value, Problem> {
        let done = match action {
            "reveal" => self.reveal(id, parse(body)?).await?,
            "replay" => self.replay(id, parse(body)?).await?,
            "resolve" => self.resolve(id, parse(body)?).await?,
            "reopen" => self.reopen(id, parse(body)?).await?,
            "forget" => self.forget(id, parse(body)?).await?,
            _ => return Err(Problem::not_found()),
        };
        tracing::info!(action, delivery = %id, operator = self.caller.name, "an operator used the inspector");
        Ok(done)
    }

    async fn reveal(&self, id: DeliveryId, Nothing {}: Nothing) -> Result<Value, Problem> {
        let missing = || StoreError::new(StoreErrorKind::NotFound, "reveal a delivery");
        let record = self.settings.inbox.show(id).await?.ok_or_else(missing)?;
        // What cannot be recorded is not revealed.
        self.settings.inbox.revealed(self.now, id, &self.caller.name).await?;
        let history = self.settings.inbox.history(id).await?;
        Ok(view::whole(&record, &history, &self.settings.providers, true))
    }

    async fn replay(&self, id: DeliveryId, request: Replay) -> Result<Value, Problem> {
        let scope = match (request.even_conflict, request.even_handled) {
            (false, false) => ReplayScope::Unhandled,
            (true, false) => ReplayScope::EvenConflicts,
            (false, true) => ReplayScope::EvenHandled,
            (true, true) => return Err(Problem::bad_request("Send even_conflict or even_handled, not both.".to_owned())),
        };
        if scope != ReplayScope::Unhandled {
            confirmed(id, request.confirm.as_deref())?;
        }
        Ok(match replay(&*self.settings.inbox, &self.settings.providers, id, scope, self.now).await? {
            Replayed::Due => json!({ "object": "replay", "result": "due" }),
            Replayed::Duplicate { first } => json!({ "object": "replay", "result": "duplicate", "first": first.to_string() }),
            Replayed::Conflict { first } => json!({ "object": "replay", "result": "conflict", "first": first.to_string() }),
            Replayed::StillUnreadable { reason } => {
                json!({ "object": "replay", "result": "still_unreadable", "reason": reason })
            }
            _ => json!({ "object": "replay", "result": "unknown" }),
        })
    }

    async fn resolve(&self, id: DeliveryId, Resolve { note }: Resolve) -> Result<Value, Problem> {
        let note = note.trim();
        if note.is_empty() || note.chars().count() > LONGEST_NOTE {
            return Err(Problem::bad_request(format!("Write a note of at most {LONGEST_NOTE} characters.")));
        }
        self.settings.inbox.resolve(self.now, id, note).await?;
        Ok(json!({ "object": "resolution", "id": id.to_string() }))
    }

    async fn reopen(&self, id: DeliveryId, Nothing {}: Nothing) -> Result<Value, Problem> {
        self.settings.inbox.reopen(self.now, id).await?;
        Ok(json!({ "object": "reopening", "id": id.to_string() }))
    }

    async fn forget(&self, id: DeliveryId, Forget { confirm }: Forget) -> Result<Value, Problem> {
        confirmed(id, Some(&confirm))?;
        self.settings.inbox.forget(id).await?;
        Ok(json!({ "object": "forgetting", "id": id.to_string() }))
    }
}

fn confirmed(id: DeliveryId, typed: Option<&str>) -> Result<(), Problem> {
    match typed {
        Some(typed) if typed.trim().trim_start_matches('#') == id.to_string() => Ok(()),
        _ => Err(Problem::bad_request(format!("Type {id} to confirm."))),
    }
}

/// Reads the body of a request.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    // A list would be read as the fields in their sequence.
    let members = serde_json::from_slice::<serde_json::Map<String, Value>>(body);
    let read = members.and_then(|members| serde_json::from_value(Value::Object(members)));
    read.map_err(|error| Problem::bad_request(format!("The body cannot be read: {error}.")))
}
