//! Workers that die or show no sign of life, in the health of their receiver.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{Inbox, MemoryInbox};
use onramp_webhooks::{Receiver, StoreError, Wert, async_trait};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use serde_json::{Value, json};
use tracing::Level;

use super::harness::{Harness, Remembering, end, rest};
use crate::faulty::InboxCall;
use crate::logs::Log;

/// Returns the numbers of workers in the health of a receiver, which has to be healthy.
async fn workers(receiver: &Receiver) -> Value {
    let reply = receiver.health().await;
    assert_eq!(reply.status(), 200, "a process without a worker can record");
    let report: Value = serde_json::from_slice(reply.body()).unwrap();
    ["running", "silent", "died"].map(|state| report["worker"][state].clone()).into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn workers_are_counted_until_their_shutdown() {
    let harness = Harness::new();
    assert_eq!(workers(&harness.receiver).await, json!([0, 0, 0]));
    let both = [Remembering::default(), Remembering::default()].map(|handler| harness.receiver.worker(handler).spawn());
    assert_eq!(workers(&harness.receiver).await, json!([2, 0, 0]));
    for worker in both {
        end(worker).await;
    }
    assert_eq!(workers(&harness.receiver).await, json!([0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_has_died() {
    let (log, _listening) = Log::listen("worker", Level::ERROR);
    let harness = Harness::new();
    harness.inbox.panics(InboxCall::Claim);
    let _dead = harness.receiver.worker(Remembering::default()).spawn();
    rest().await;
    assert_eq!(workers(&harness.receiver).await, json!([0, 0, 1]));
    let messages = log.messages();
    assert!(messages.len() == 1 && messages[0].starts_with("a worker died"), "{messages:?}");
    harness.inbox.recovers();
    let worker = harness.receiver.worker(Remembering::default()).spawn();
    rest().await;
    assert_eq!(workers(&harness.receiver).await, json!([1, 0, 1]));
    end(worker).await;
}

#[test]
fn a_worker_whose_runtime_is_gone_has_died() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (here, there) = (runtime(), runtime());
    let harness = Harness::new();
    let worker = there.block_on(async { harness.receiver.worker(Remembering::default()).spawn() });
    assert_eq!(here.block_on(workers(&harness.receiver)), json!([1, 0, 0]));
    drop(there);
    assert_eq!(here.block_on(workers(&harness.receiver)), json!([0, 0, 1]));
    drop(worker);
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_logged_once() {
    let (log, _listening) = Log::listen("watchdog", Level::ERROR);
    let harness = Harness::new();
    let stopped = ManualClock::at(harness.now());
    let worker = harness.receiver.worker(Remembering::default()).clock(Arc::new(stopped.clone())).spawn();
    for minute in 0..5 {
        rest().await;
        let expected = if minute == 2 { 1 } else { 0 };
        assert_eq!(
            log.take().iter().filter(|entry| entry.message.starts_with("a worker shows no")).count(),
            expected,
            "{minute}"
        );
        harness.pass(60);
    }
    stopped.set(harness.now());
    worker.idle().await;
    assert_eq!(workers(&harness.receiver).await, json!([1, 0, 0]));
    end(worker).await;
}

/// An inbox whose claims block their thread until the test has dropped the sender.
#[derive(Debug)]
struct Blocking {
    inbox: MemoryInbox,
    claiming: tokio::sync::mpsc::UnboundedSender<()>,
    blocked: Mutex<mpsc::Receiver<()>>,
}

#[async_trait]
impl InboxDouble for Blocking {
    fn inner(&self) -> &dyn Inbox {
        &self.inbox
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call == InboxCall::Claim {
            let _ = self.claiming.send(());
            let _ = self.blocked.lock().unwrap().recv();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_inbox_blocks_is_silent_until_it_goes_on() {
    let (claiming, mut claims) = tokio::sync::mpsc::unbounded_channel();
    let (block, blocked) = mpsc::channel();
    let inbox = Double(Blocking { inbox: MemoryInbox::new(), claiming, blocked: Mutex::new(blocked) });
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let receiver = Receiver::builder(inbox).endpoint(Wert::without_path_secret()).clock(Arc::new(clock.clone())).build().unwrap();
    let worker = receiver.worker(Remembering::default()).lease(Duration::from_secs(30)).spawn();
    claims.recv().await.unwrap();
    clock.advance(Duration::from_secs(75));
    assert_eq!(workers(&receiver).await, json!([1, 0, 0]));
    clock.advance(Duration::from_millis(1));
    assert_eq!(workers(&receiver).await, json!([0, 1, 0]));
    drop(block);
    worker.idle().await;
    assert_eq!(workers(&receiver).await, json!([1, 0, 0]));
    end(worker).await;
}
