//! (i) Lists and filters of an inbox with many deliveries, and how fast an export reads them and an import adds them.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeadCause, Filter, Inbox, MemoryInbox, Record, State};
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::SqliteInbox;
use sqlx::postgres::PgPoolOptions;
use sqlx::raw_sql;

use crate::Scale;
use crate::orders::{Ids, delivery, id};
use crate::postgres::Server;
use crate::report::{median, print, thousands};

/// The number of deliveries that are added in one transaction, as by `onramp-webhooks inbox import`.
const BATCH: u64 = 1_000;

/// One of so many deliveries is a dead letter.
const DEAD_ONE_OF: u64 = 1_000;

/// The figures of a store.
struct Measured {
    added: f64,
    exported: f64,
    millis: Vec<f64>,
}

/// Runs the benchmark and prints its tables.
pub(crate) fn run(scale: Scale, rows: u64) -> anyhow::Result<()> {
    let rows = if scale.quick { 2_000 } else { rows };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sqlite, postgres) = runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let sqlite: Arc<dyn Inbox> = Arc::new(SqliteInbox::open(folder.path().join("inbox.db")).await?);
        let sqlite = measure(&sqlite, rows, scale.rounds).await?;
        let server = Server::start()?;
        let pool = PgPoolOptions::new().max_connections(8).connect(&server.url).await?;
        raw_sql("DROP SCHEMA IF EXISTS onramp_bench CASCADE").execute(&pool).await?;
        let inbox: Arc<dyn Inbox> = Arc::new(PostgresOptions::new(pool.clone()).schema("onramp_bench").open().await?);
        let postgres = measure(&inbox, rows, scale.rounds).await?;
        raw_sql("DROP SCHEMA onramp_bench CASCADE").execute(&pool).await?;
        anyhow::Ok((sqlite, postgres))
    })?;
    let queries = queries(rows).into_iter().map(|(name, _)| name).chain(["how many are open"]);
    let millis = queries.zip(sqlite.millis.iter().zip(&postgres.millis));
    print(
        &format!("(i) Milliseconds of a page of 50 among {} deliveries", thousands(rows as f64)),
        &["page", "SQLite", "PostgreSQL"],
        millis
            .map(|(name, (sqlite, postgres))| vec![name.to_owned(), format!("{sqlite:.1}"), format!("{postgres:.1}")])
            .collect(),
    );
    print(
        "(i) Deliveries per second",
        &["", "SQLite", "PostgreSQL"],
        vec![
            vec!["export".to_owned(), thousands(sqlite.exported), thousands(postgres.exported)],
            vec!["import".to_owned(), thousands(sqlite.added), thousands(postgres.added)],
        ],
    );
    Ok(())
}

/// The pages that an operator looks at.
fn queries(rows: u64) -> Vec<(&'static str, Filter)> {
    let page = || Filter::all().limit(50);
    let middle = Timestamp::from_millis(START + i64::try_from(rows / 2).unwrap_or(0) * 1_000);
    vec![
        ("the newest", page()),
        ("dead letters", page().state(State::Dead)),
        ("open dead letters of a cause", page().state(State::Dead).resolved(false).cause(DeadCause::RefusedByHandler)),
        ("a state that nothing has", page().state(State::Conflict).resolved(false)),
        ("handled", page().state(State::Handled)),
        ("an order", page().order(format!("wert/order/{}", id(Ids::Ordered, rows / 2)))),
        ("an identifier", page().about(id(Ids::Ordered, rows / 2))),
        ("an endpoint", page().endpoint("wert")),
        ("a type that nothing has", page().event_type("order_failed")),
        ("an error that nothing has", page().error("no such text")),
        ("before the middle", page().until(middle)),
        ("after the middle, oldest first", page().since(middle).oldest_first()),
    ]
}

const START: i64 = 1_700_000_000_000;

async fn measure(inbox: &Arc<dyn Inbox>, rows: u64, rounds: usize) -> anyhow::Result<Measured> {
    let template = template().await?;
    let begun = Instant::now();
    for first in (0..rows).step_by(usize::try_from(BATCH)?) {
        inbox.restore((first..rows.min(first + BATCH)).map(|n| record(&template, n)).collect()).await?;
    }
    let added = rows as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let (mut next, mut bytes) = (Some(Filter::all().oldest_first().with_bodies().limit(1_000)), 0);
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await?;
        bytes += page.records.iter().map(|record| record.to_json_line().len()).sum::<usize>();
        next = filter.following(&page);
    }
    anyhow::ensure!(bytes > 0, "nothing was exported");
    let exported = rows as f64 / begun.elapsed().as_secs_f64();
    let mut millis = Vec::new();
    for (_, filter) in queries(rows) {
        let mut rounds_of = Vec::new();
        for _ in 0..rounds.max(3) {
            let begun = Instant::now();
            inbox.list(filter.clone()).await?;
            rounds_of.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        millis.push(median(rounds_of));
    }
    let begun = Instant::now();
    inbox.open_counts().await?;
    millis.push(begun.elapsed().as_secs_f64() * 1_000.0);
    Ok(Measured { added, exported, millis })
}

/// Returns a delivery as an export has it.
async fn template() -> anyhow::Result<Record> {
    let inbox = MemoryInbox::new();
    inbox.record(delivery(Ids::Ordered, 0)).await?;
    let page = inbox.list(Filter::all().with_bodies()).await?;
    page.records.into_iter().next().context("the recorded delivery")
}

/// Returns delivery number `n`: most are handled, and some are dead letters.
fn record(template: &Record, n: u64) -> Record {
    let (new, mut record) = (delivery(Ids::Ordered, n), template.clone());
    record.received_at = Timestamp::from_millis(START + i64::try_from(n).unwrap_or(0) * 1_000);
    record.key = Some(DedupKey::from_parts(format!("wert/order/{}", id(Ids::Ordered, n)), "order_complete".to_owned()));
    record.fingerprint = new.fingerprint;
    record.body = Some(new.body);
    record.due_at = None;
    record.settled_at = Some(record.received_at);
    record.attempts = 1;
    record.state = State::Handled;
    if n.is_multiple_of(DEAD_ONE_OF) {
        (record.state, record.cause) = (State::Dead, Some(DeadCause::RefusedByHandler));
        record.note = Some("no row for the customer".to_owned());
    }
    record
}
