//! The command `onramp-webhooks inbox forget`.

use clap::Args;
use onramp_webhooks::inbox::{DeliveryId, why_not_forgotten};
use onramp_webhooks::provider::Providers;
use serde_json::json;

use super::change::{Decision, type_the_id};
use super::reading::{failed, whole};
use super::view::View;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox forget 1 --dry-run
  echo 1 | onramp-webhooks inbox forget 1";

/// Remove the body and the notes of a delivery, for good. Its key stays, so that copies are recognised.
///
/// The id has to be typed, or to be the standard input.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Forget {
    /// The id of the delivery
    id: DeliveryId,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl Forget {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let record = whole(&*inbox, self.id).await?;
        if let Some(why) = why_not_forgotten(record.state) {
            return Err(CliError::Refused(format!("delivery {} cannot be forgotten: {why}", self.id)));
        }
        let bytes = record.body.as_ref().map_or(0, |body| body.len());
        let meaning = Line::new().text(format_args!(
            "Delivery {} is {}. Its body of {bytes} bytes and its notes are removed for good, and it can never be replayed.",
            self.id, record.state
        ));
        if self.dry_run {
            output.note(&meaning);
            View::new(&Providers::default(), globals).list(&[record], output)?;
            return Ok(ExitStatus::Success);
        }
        if let Decision::Stop(status) = type_the_id(&record, &meaning, output).await? {
            return Ok(status);
        }
        inbox.forget(self.id).await.map_err(failed)?;
        match output.json {
            true => output.object(&json!({ "object": "change", "id": self.id.to_string(), "outcome": "forgotten" }))?,
            false => output.line(&Line::new().text(format_args!("#{}  forgotten", self.id)))?,
        }
        Ok(ExitStatus::Success)
    }
}
