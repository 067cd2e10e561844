//! The command `onramp-webhooks status`.

use std::time::Duration;

use anstyle::Style;
use clap::Args;
use onramp_webhooks::attention::{Attention, Item, ItemKind, attention};
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::{DeadCause, State};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::traffic::{Summary, Window, report};
use onramp_webhooks::{Inbox, StoreError};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::away::Away;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::inbox::paid;
use crate::inbox::reading::failed;
use crate::inbox::stats::durations;
use crate::inbox::view::purchases;
use crate::interrupt::Interrupts;
use crate::output::{BOLD, GREEN, Output, RED, YELLOW};
use crate::text::Line;
use crate::time::{date_and_time, in_words, rfc3339};

/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "Examples:
  onramp-webhooks status
  onramp-webhooks status --json";

/// List what needs attention, each with the command that mends it. Exit code 3 if there is anything.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Status {
    /// Go on, and list them again whenever something changes, until Ctrl-C. A database that goes away is waited for
    #[arg(long)]
    watch: bool,
}

impl Status {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let (providers, mut shown) = (Providers::default(), None);
        let (mut interrupts, mut away) = (Interrupts::listen()?, Away::default());
        loop {
            let now = SystemClock::default().now();
            let looked = tokio::select! {
                looked = look(&*inbox, &providers, now, shown.as_ref()) => looked,
                () = interrupts.next() => return Ok(ExitStatus::Interrupted),
            };
            let looked = match shown {
                None => Some(looked.map_err(failed)?),
                Some(_) => away.is_waited_for(looked, output),
            };
            if let Some((found, object, traffic)) = looked {
                if let Some(traffic) = traffic {
                    match output.json {
                        true => output.object(&with_last_day(object.clone(), &traffic))?,
                        false => text(&found, &traffic, now, output)?,
                    }
                }
                if !self.watch || output.is_closed() {
                    return Ok(if found.items.is_empty() { ExitStatus::Success } else { ExitStatus::Findings });
                }
                shown = Some(object);
            }
            tokio::select! {
                () = sleep(BETWEEN_LOOKS) => {}
                () = interrupts.next() => return Ok(ExitStatus::Interrupted),
            }
        }
    }
}

/// Reads what needs attention, and the traffic if that differs from what was shown.
async fn look(
    inbox: &dyn Inbox,
    providers: &Providers,
    now: Timestamp,
    shown: Option<&Value>,
) -> Result<(Attention, Value, Option<Summary>), StoreError> {
    let found = attention(inbox, providers, now).await?;
    let object = object(&found);
    let traffic = match shown == Some(&object) {
        true => None,
        false => Some(report(inbox, Window::Day, now).await?.total().summary()),
    };
    Ok((found, object, traffic))
}

fn object(found: &Attention) -> Value {
    let counts: Map<String, Value> =
        found.counts.iter().filter(|(_, count)| *count > 0).map(|(state, count)| (state.to_string(), count.into())).collect();
    json!({
        "object": "status",
        "attention": found.items.iter().map(item).collect::<Vec<_>>(),
        "open": counts,
        "oldest_due_at": found.oldest_due.map(rfc3339),
    })
}

/// Adds what was received in the last day. It changes every minute, so a change of it alone is not shown.
fn with_last_day(mut object: Value, traffic: &Summary) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.insert("last_24h".to_owned(), json!(traffic));
    }
    object
}

fn item(item: &Item) -> Value {
    json!({
        "kind": item.kind.as_str(),
        "deliveries": item.tally.deliveries,
        "has_more": item.has_more,
        "title": item.title(),
        "detail": item.detail,
        "paid": paid(&item.tally),
        "unclear": item.tally.unclear,
        "since": item.tally.first.map(rfc3339),
        "newest_id": item.tally.newest.map(|id| id.to_string()),
        "command": format!("onramp-webhooks {}", item.command),
    })
}

fn text(found: &Attention, traffic: &Summary, now: Timestamp, output: &Output) -> Result<(), CliError> {
    let time = date_and_time(now, &output.zone);
    let title = match found.items.len() {
        0 => Line::new().styled(GREEN, "nothing needs attention"),
        1 => Line::new().styled(BOLD, "1 item needs attention"),
        number => Line::new().styled(BOLD, format_args!("{number} items need attention")),
    };
    output.line(&title.text(format_args!("  {time}")))?;
    found.items.iter().try_for_each(|item| write_item(item, output))?;
    backlog(found, now, output)?;
    last_day(traffic, output)
}

/// Writes what was received in the last day. An inbox whose receivers store no traffic has none.
fn last_day(traffic: &Summary, output: &Output) -> Result<(), CliError> {
    if traffic.received + traffic.refused == 0 {
        return Ok(());
    }
    let line = format!("24 h     {} received, {} refused", traffic.received, traffic.refused);
    let took = traffic.acknowledged.as_ref().map_or_else(String::new, |took| format!("; acknowledged: {}", durations(took)));
    output.line(&Line::new().text(line).text(took))
}

fn write_item(item: &Item, output: &Output) -> Result<(), CliError> {
    let (glyph, style) = glyph(item.kind);
    let since = item.tally.first.map_or_else(String::new, |first| format!(", since {}", date_and_time(first, &output.zone)));
    output.line(&Line::new().styled(style, format_args!("{glyph} {}", item.title())).text(since))?;
    if !item.detail.is_empty() {
        output.line(&Line::new().text("    ").text(&item.detail))?;
    }
    // The detail of a conflict has both amounts, and noise has none.
    let money = match item.kind {
        ItemKind::Conflicts | ItemKind::Quarantined => String::new(),
        _ => purchases(&item.tally),
    };
    if !money.is_empty() {
        output.line(&Line::new().text("    ").text(money))?;
    }
    if let ItemKind::DeadLetters { cause: None | Some(DeadCause::TransactionEnded) } = item.kind {
        output.line(&Line::new().text("    the result is unknown: the handler may have succeeded"))?;
    }
    output.line(&Line::new().text("    → ").styled(BOLD, format_args!("onramp-webhooks {}", item.command)))
}

const fn glyph(kind: ItemKind) -> (&'static str, Style) {
    match kind {
        ItemKind::DeadLetters { .. } | ItemKind::OtherDeadLetters => ("✗", RED),
        ItemKind::Conflicts => ("≠", RED),
        ItemKind::QuarantinedPurchases => ("?", RED),
        ItemKind::Quarantined => ("?", YELLOW),
        _ => ("–", YELLOW),
    }
}

fn backlog(found: &Attention, now: Timestamp, output: &Output) -> Result<(), CliError> {
    let waiting = found.counts.iter().filter(|(state, count)| state.waits() && *count > 0);
    let words: Vec<_> = waiting.map(|(state, count)| format!("{} {count}", State::as_str(state))).collect();
    let line = Line::new().text("backlog  ");
    let line = if words.is_empty() { line.text("empty") } else { line.text(words.join(", ")) };
    output.line(&match found.oldest_due {
        Some(due) if due <= now => line.text(format_args!("; oldest due for {}", in_words(now.since(due)))),
        Some(due) => line.text(format_args!("; the next is due in {}", in_words(due.since(now)))),
        None => line,
    })
}
