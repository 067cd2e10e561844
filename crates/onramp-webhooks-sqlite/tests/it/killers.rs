//! A handler that ends the process.

use std::process::{Stdio, abort};
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::ManualClock;
use onramp_webhooks::inbox::{DeadCause, Filter, Inbox, Record, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, Handler, HandlerError, async_trait};
use onramp_webhooks_sqlite::SqliteInbox;

use crate::tools::{child, child_file, file, now, purchase, record};

/// Aborts the process at the first delivery.
struct Killer;

#[async_trait]
impl Handler for Killer {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if delivery.id().as_i64() == 1 {
            abort();
        }
        Ok(())
    }
}

/// Handles what is due, `minutes` after the arrival of the deliveries.
async fn work(path: &std::path::Path, minutes: u64) {
    let inbox = Arc::new(SqliteInbox::open(path).await.unwrap());
    let clock = ManualClock::at(now().after(Duration::from_secs(60 * minutes)));
    let worker = WorkerBuilder::new(inbox, Arc::new(Killer)).clock(Arc::new(clock)).spawn();
    worker.idle().await;
    worker.shutdown().await;
}

async fn kept(path: &std::path::Path) -> Vec<Record> {
    let mut kept = SqliteInbox::open(path).await.unwrap().list(Filter::all()).await.unwrap().records;
    kept.reverse();
    kept
}

/// Six starts of the process end in it, the seventh gives it up.
#[test]
fn what_ends_the_process_is_given_up_and_its_neighbours_are_handled() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = child_file() {
        let minutes = std::env::var("ONRAMP_TEST_MINUTES").unwrap().parse().unwrap();
        runtime.block_on(work(&path, minutes));
        return;
    }
    let (_folder, path) = file();
    runtime.block_on(async {
        let inbox = SqliteInbox::open(&path).await.unwrap();
        for _ in 0..4 {
            record(&inbox, purchase()).await;
        }
    });
    let test = "killers::what_ends_the_process_is_given_up_and_its_neighbours_are_handled";
    let starts = |minutes: u64| {
        let mut child = child(test, &path);
        child.env("ONRAMP_TEST_MINUTES", minutes.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        child.status().unwrap().success()
    };
    let ended: Vec<_> = (1..=7).map(starts).collect();
    assert_eq!(ended, [false, false, false, false, false, false, true]);
    let records = runtime.block_on(kept(&path));
    let states: Vec<_> = records.iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Dead, State::Handled, State::Handled, State::Handled]);
    assert_eq!(records[0].cause, Some(DeadCause::ProcessKilled));
}
