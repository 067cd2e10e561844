//! Inboxes that belong to `listen`, and the secret that it made for them.

use onramp_webhooks::Inbox;
use onramp_webhooks::inbox::{Filter, TaskState};
use serde::{Deserialize, Serialize};

use crate::exit::CliError;

/// The name of the stored state.
const TASK: &str = "listen";

/// The state that `listen` stores in its inboxes.
#[derive(Serialize, Deserialize)]
struct Owned {
    /// The secret for this machine.
    secret: String,
}

/// Returns the secret that was made for this inbox. An inbox that `is_own` and has no deliveries gets `secret`.
///
/// Any other inbox that `listen` did not create is refused: its worker would take the events from the program that the inbox belongs to.
pub(super) async fn secret(inbox: &dyn Inbox, is_own: bool, secret: String) -> Result<String, CliError> {
    let failed = |error: &dyn std::error::Error| CliError::with_source("reading the inbox", error);
    let stored = inbox.task_state(TASK).await.map_err(|error| failed(&error))?;
    if let Some(known) = parse(&stored) {
        return Ok(known);
    }
    if !is_own || !inbox.list(Filter::all().limit(1)).await.map_err(|error| failed(&error))?.records.is_empty() {
        let reason = "the inbox belongs to another program, whose events would be handled here instead";
        return Err(
            CliError::Refused(reason.to_owned()).hint("use an inbox of its own, such as --database-url sqlite://onramp.db")
        );
    }
    let text = serde_json::to_string(&Owned { secret: secret.clone() }).map_err(|error| failed(&error))?;
    let version = stored.version;
    let is_first = inbox.set_task_state(stored.at(version, text)).await.map_err(|error| failed(&error))?;
    if is_first {
        return Ok(secret);
    }
    // Another `listen` was faster.
    let stored = inbox.task_state(TASK).await.map_err(|error| failed(&error))?;
    parse(&stored).ok_or_else(|| CliError::Failed("another process has changed the inbox; try again".to_owned()))
}

fn parse(stored: &TaskState) -> Option<String> {
    serde_json::from_str::<Owned>(&stored.text).ok().map(|owned| owned.secret)
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::clock::Timestamp;
    use onramp_webhooks::inbox::{MemoryInbox, NewDelivery};

    use super::*;

    #[tokio::test]
    async fn an_inbox_keeps_its_secret() {
        let inbox = MemoryInbox::new();
        assert_eq!(secret(&inbox, true, "one".to_owned()).await.unwrap(), "one");
        inbox.record(NewDelivery::new("wert", "wert", Timestamp::from_millis(0), "{}".into())).await.unwrap();
        assert_eq!(secret(&inbox, false, "other".to_owned()).await.unwrap(), "one");
    }

    #[tokio::test]
    async fn an_inbox_of_another_program_is_refused() {
        let inbox = MemoryInbox::new();
        inbox.record(NewDelivery::new("wert", "wert", Timestamp::from_millis(0), "{}".into())).await.unwrap();
        for (inbox, is_own) in [(&inbox, true), (&inbox, false), (&MemoryInbox::new(), false)] {
            let error = secret(inbox, is_own, "one".to_owned()).await.unwrap_err();
            assert_eq!((error.exit_status().code(), error.next_step().is_some()), (4, true));
        }
        assert_eq!(inbox.task_state(TASK).await.unwrap().version, 0, "nothing was changed");
    }
}
