//! An inbox that cannot record, or that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::adapter::Page as _;
use onramp_webhooks::clock::ManualClock;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, Space};
use onramp_webhooks::spill::{MemorySpill, SpillInbox};
use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};
use onramp_webhooks_inspector::{Inspector, InspectorBuilder};
use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};
use serde_json::Value;

use crate::tools::{COMPLETE, NOW, TOKEN, request};

/// An inbox without room for more.
#[derive(Clone, Debug, Default)]
struct Full {
    inner: Arc<MemoryInbox>,
    checks: Arc<AtomicUsize>,
}

#[async_trait]
impl InboxDouble for Full {
    fn inner(&self) -> &dyn Inbox {
        &self.inner
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call != InboxCall::Check {
            return Ok(());
        }
        self.checks.fetch_add(1, Ordering::SeqCst);
        Err(StoreError::new(StoreErrorKind::Full, "check"))
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(Some(Space::new(310 << 20, 95 << 20).log(4 << 20)))
    }
}

async fn overview(inspector: &Inspector) -> Value {
    let answer = inspector.respond(request("GET", "/api/overview", &[("authorization", &format!("Bearer {TOKEN}"))], "")).await;
    crate::tools::Answer(answer).json()
}

fn over(inbox: Full, clock: &ManualClock, build: impl FnOnce(InspectorBuilder) -> InspectorBuilder) -> Inspector {
    build(Inspector::builder(Double(inbox)).token(TOKEN).clock(Arc::new(clock.clone()))).build().unwrap()
}

#[tokio::test]
async fn an_inbox_that_cannot_record_is_the_first_problem() {
    let (inbox, clock) = (Full::default(), ManualClock::at(NOW));
    let inspector = over(inbox.clone(), &clock, |builder| builder);
    for _ in 0..5 {
        let item = &overview(&inspector).await["attention"][0];
        assert_eq!(
            (&item["kind"], &item["title"]),
            (&"cannot_record".into(), &"the inbox cannot record: the store is full".into())
        );
        assert_eq!(item["command"], "onramp-webhooks doctor");
        let detail = item["detail"].as_str().unwrap();
        assert!(detail.ends_with("The inbox takes: bodies 310 MiB, everything else 95 MiB, the log 4 MiB."), "{detail}");
        clock.advance(Duration::from_secs(2));
    }
    assert_eq!(inbox.checks.load(Ordering::SeqCst), 1, "a check writes");
    clock.advance(Duration::from_secs(60));
    overview(&inspector).await;
    assert_eq!(inbox.checks.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_inbox_that_is_only_looked_at_is_not_checked() {
    let inbox = Full::default();
    let inspector = over(inbox.clone(), &ManualClock::at(NOW), InspectorBuilder::read_only);
    assert_eq!(overview(&inspector).await["attention"], serde_json::json!([]));
    assert_eq!(inbox.checks.load(Ordering::SeqCst), 0);
}

/// An inbox that does not answer.
#[derive(Debug)]
struct Away(MemoryInbox);

#[async_trait]
impl InboxDouble for Away {
    fn inner(&self) -> &dyn Inbox {
        &self.0
    }

    async fn before(&self, _: InboxCall) -> Result<(), StoreError> {
        Err(StoreError::new(StoreErrorKind::Unavailable, "connect"))
    }
}

#[tokio::test]
async fn while_the_inbox_is_away_the_page_says_what_waits_in_the_spill() {
    let inbox = SpillInbox::new(Double(Away(MemoryInbox::new())), MemorySpill::new()).await.unwrap();
    let mut delivery = onramp_webhooks::inbox::NewDelivery::new("wert", "wert", NOW, COMPLETE.into());
    delivery.event_type = Some("order_complete".to_owned());
    inbox.record(delivery).await.unwrap();
    let inspector = Inspector::builder(inbox).token(TOKEN).clock(Arc::new(ManualClock::at(NOW))).build().unwrap();
    let problem = overview(&inspector).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.ends_with("Events are acknowledged: 1 wait in the spill, and move to the inbox by themselves."), "{detail}");
    assert_eq!(problem["status"], 503);
}
