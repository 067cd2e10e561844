//! Checks of the inbox and its database.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::attention::{Attention, ItemKind, attention, cannot_record};
use onramp_webhooks::clock::{Clock, Timestamp};
use onramp_webhooks::inbox::{Filter, State};
use onramp_webhooks::provider::Providers;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::finding::Finding;
use super::{files, skew};
use crate::database::Address;
use crate::exit::Causes;
use crate::time::in_words;

/// Time limit for questions to the server.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Checks the database, and opens the inbox unless it cannot be used.
pub(super) async fn findings(address: &Address, schema: &str, clock: &dyn Clock) -> (Vec<Finding>, Option<Arc<dyn Inbox>>) {
    let mut findings = match address {
        Address::Sqlite(file) if file.is_file() => files::sqlite(file),
        Address::Sqlite(_) => Vec::new(),
        Address::Postgres(options) => server(options, clock).await,
    };
    let inbox = match address.open(schema).await {
        Ok(inbox) => inbox,
        Err(error) => {
            let general =
                "Check DATABASE_URL, and that the shop has started once: this command neither creates nor migrates an inbox.";
            let fix = error.next_step().map_or_else(|| general.to_owned(), |next| format!("Next: {next}."));
            findings.push(Finding::failed("store", error.to_string(), fix));
            return (findings, None);
        }
    };
    findings.push(match inbox.check().await {
        Ok(()) => Finding::good("store", format!("{address} can be read and written")),
        Err(error) => {
            Finding::failed("store", format!("writing: {}", Causes(&error)), cannot_record(&*inbox, &error).await.detail)
        }
    });
    match attention(&*inbox, &Providers::default(), clock.now()).await {
        Ok(found) => findings.extend(deliveries(&found, clock.now())),
        Err(error) => findings.push(Finding::failed(
            "deliveries",
            format!("reading: {}", Causes(&error)),
            cannot_record(&*inbox, &error).await.detail,
        )),
    }
    (findings, Some(inbox))
}

fn deliveries(found: &Attention, now: Timestamp) -> Vec<Finding> {
    let waiting: u64 = found.counts.iter().filter(|(state, _)| State::waits(*state)).map(|(_, count)| count).sum();
    let due =
        found.oldest_due.filter(|due| *due <= now).map(|due| format!("; the oldest is due for {}", in_words(now.since(due))));
    let mut findings = vec![Finding::good("backlog", format!("{waiting} deliveries wait{}", due.unwrap_or_default()))];
    findings.extend(found.items.iter().map(|item| match item.kind {
        ItemKind::Overdue => {
            Finding::failed("worker", item.title(), "Start the shop's worker, and see why it takes no deliveries.")
        }
        ItemKind::Refusing | ItemKind::Silent => Finding::failed("endpoint", item.title(), item.detail.clone()),
        _ => Finding::warning("deliveries", item.title(), format!("Run: onramp-webhooks {}", item.command)),
    }));
    findings
}

/// Checks a PostgreSQL server.
async fn server(options: &PgConnectOptions, clock: &dyn Clock) -> Vec<Finding> {
    let asking = async {
        let mut connection = options.connect().await?;
        let before = clock.now();
        let asked =
            sqlx::query_as::<_, (i64, bool)>("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8, pg_is_in_recovery()");
        let (time, is_replica) = asked.persistent(false).fetch_one(&mut connection).await?;
        let after = clock.now();
        // The answer has arrived; an error here changes nothing.
        let _ = connection.close().await;
        Ok::<_, sqlx::Error>((skew::finding("the database", before, after, Timestamp::from_millis(time)), is_replica))
    };
    let cannot = |error: &dyn std::error::Error| {
        let fix = "Check the host, port, user and password in DATABASE_URL, and that the server runs.";
        vec![Finding::failed("server", format!("asking the server: {}", Causes(error)), fix)]
    };
    match tokio::time::timeout(TIMEOUT, asking).await {
        Ok(Ok((clock, true))) => {
            let fix = "Use the address of the primary server: a replica cannot record events.";
            vec![clock, Finding::failed("server", "the server is a read-only replica", fix)]
        }
        Ok(Ok((clock, false))) => vec![clock],
        Ok(Err(error)) => cannot(&error),
        Err(elapsed) => cannot(&elapsed),
    }
}

/// Checks the time of the last delivery of an endpoint.
pub(super) async fn silence(inbox: &dyn Inbox, endpoint: &str, silent_after: Duration, now: Timestamp) -> Finding {
    let fix = "Check the address in the provider's dashboard, and that it still sends; `doctor --public-url` checks the way to the shop.";
    let last = match inbox.list(Filter::all().endpoint(endpoint).limit(1)).await {
        Ok(page) => page.records.first().map(|record| record.received_at),
        Err(error) => {
            let advice = cannot_record(inbox, &error).await.detail;
            return Finding::failed("silence", format!("{endpoint}: {}", Causes(&error)), advice);
        }
    };
    match last.map(|last| now.since(last)) {
        None => Finding::warning("silence", format!("{endpoint}: no delivery was found"), fix),
        Some(pause) if pause > silent_after => {
            Finding::failed("silence", format!("{endpoint}: no delivery for {}", in_words(pause)), fix)
        }
        Some(pause) => Finding::good("silence", format!("{endpoint}: the last delivery came {} ago", in_words(pause))),
    }
}
