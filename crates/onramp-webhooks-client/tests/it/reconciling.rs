//! What Wert knows, against what the inbox received; and what is missing, made good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, Filter, Inbox, NewDelivery, Record, Recorded, Settled, Settlement, State};
use onramp_webhooks::worker::{PeriodicTask, WorkerBuilder};
use onramp_webhooks::{Delivery, Handler, HandlerError, StoreError, async_trait};
use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::wert::{Checkpoint, Finding, Phase, ReconcileError, ReconcileRun, Reconciler, Summary, Window};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, Lie, Paging};
use serde_json::{Value, json};

use super::inbox::Readable;
use super::tools::{until, wert};

/// 2026-01-02 00:00:00 UTC: the provider's first order is a day old.
const NOW: Timestamp = Timestamp::from_millis(1_767_312_000_000);
/// Before all orders, so that all of them are repaired.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn window() -> Window {
    Window::last(2 * DAY, NOW)
}

fn reconciler(provider: &FakeProvider, inbox: &Readable) -> Reconciler {
    let clock = Arc::new(ManualClock::at(NOW));
    Reconciler::new(wert(provider).build().unwrap(), Arc::new(inbox.clone()), "wert").clock(clock).repair_since(LONG_AGO)
}

async fn report(provider: &FakeProvider, inbox: &Readable) -> Summary {
    reconciler(provider, inbox).report(window()).finish().await.unwrap().clone()
}

async fn repair(provider: &FakeProvider, inbox: &Readable) -> Summary {
    reconciler(provider, inbox).repair(window()).finish().await.unwrap().clone()
}

/// So many complete orders, of which every tenth was not delivered.
async fn with_gaps(orders: usize) -> (FakeProvider, Readable, Vec<WertOrder>) {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let orders: Vec<_> = (0..orders).map(|_| WertOrder::new()).collect();
    for (number, order) in orders.iter().enumerate() {
        provider.add_order(order, "success");
        if number % 10 > 0 {
            inbox.receive_at("wert", &[order.payment_started(), order.complete()], NOW.before(DAY / 2)).await;
        }
    }
    (provider, inbox, orders)
}

async fn all(inbox: &Readable) -> Vec<Record> {
    inbox.list(Filter::all().event_type("order_complete").limit(10_000)).await.unwrap().records
}

fn orders(summary: &Summary) -> Vec<&str> {
    summary.findings.iter().map(|finding| finding.order().as_str()).collect()
}

/// Handled completions of each order; `true` stands for a synthetic one.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<BTreeMap<String, Vec<bool>>>>);

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if let Some(purchase) = delivery.event().completed_purchase()? {
            // The API's floats lose zeros at the end.
            let fiat = if delivery.is_synthetic() { "250.0 USD" } else { "250.00 USD" };
            assert_eq!((purchase.fiat.to_string().as_str(), purchase.crypto.to_string().as_str()), (fiat, "0.00391274 BTC"));
            assert_eq!(purchase.customer.primary(), Some("shop-20418"));
            let order = purchase.order.unwrap().to_string();
            self.0.lock().unwrap().entry(order).or_default().push(delivery.is_synthetic());
        }
        Ok(())
    }
}

async fn handle_all(inbox: &Readable, shop: &Shop) {
    let worker = WorkerBuilder::new(Arc::new(inbox.clone()), Arc::new(shop.clone())).spawn();
    let is_handled = |(state, count)| state == State::Handled || count == 0;
    until("everything is handled", || async { inbox.counts().await.unwrap().iter().all(is_handled) }).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn what_never_came_is_repaired_once_and_late_real_ones_are_duplicates() {
    let (provider, inbox, placed) = with_gaps(200).await;
    let missing: Vec<_> = placed.iter().step_by(10).map(|order| order.id().unwrap()).collect();
    let found = report(&provider, &inbox).await;
    assert_eq!((found.orders, found.missing, found.repaired, found.deliveries), (200, 20, 0, 180));
    assert_eq!(orders(&found), missing);
    assert!(!found.is_resolved() && found.findings.iter().all(|finding| matches!(finding, Finding::Missing { .. })));
    assert_eq!(all(&inbox).await.len(), 180, "a report changes nothing");

    let shop = Shop::default();
    let repaired = repair(&provider, &inbox).await;
    assert_eq!((repaired.missing, repaired.repaired, repaired.is_resolved()), (20, 20, true));
    assert_eq!(orders(&repaired), missing);
    let made: Vec<_> = all(&inbox).await.into_iter().filter(Record::is_synthetic).collect();
    assert_eq!(made.len(), 20);
    assert!(made.iter().all(|record| record.received_at == NOW && record.stage.is_some()));
    handle_all(&inbox, &shop).await;

    let again = repair(&provider, &inbox).await;
    assert_eq!((again.orders, again.missing, again.findings.len(), again.deliveries), (200, 0, 0, 180), "made after the window");
    for order in &placed {
        inbox.receive_at("wert", &[order.complete()], NOW).await;
    }
    handle_all(&inbox, &shop).await;
    let records = all(&inbox).await;
    assert_eq!(records.len(), 200, "no conflicts");
    assert!(records.iter().all(|record| record.duplicates == 1));
    assert_eq!(records.iter().filter(|record| record.is_synthetic()).count(), 20, "the first stays as it is");
    let handled = shop.0.lock().unwrap().clone();
    assert_eq!(handled.len(), 200);
    for (number, order) in placed.iter().enumerate() {
        assert_eq!(handled[order.id().unwrap()], [number % 10 == 0], "once");
    }
    let again = repair(&provider, &inbox).await;
    assert!(again.is_resolved() && again.missing == 0);
}

#[tokio::test]
async fn a_real_one_with_other_money_is_kept_for_an_operator() {
    let (provider, inbox, placed) = with_gaps(1).await;
    assert_eq!(repair(&provider, &inbox).await.repaired, 1);
    inbox.receive_at("wert", &[placed[0].clone().fiat("9000.00", "USD").complete()], NOW).await;
    let states: Vec<_> = all(&inbox).await.iter().map(|record| (record.state, record.is_synthetic())).collect();
    assert_eq!(states, [(State::Conflict, false), (State::Pending, true)]);
}

/// An inbox that receives an event just before a synthetic one is recorded.
#[derive(Clone, Debug)]
struct Overtaken(Readable, Bytes);

#[async_trait]
impl InboxDouble for Overtaken {
    fn inner(&self) -> &dyn Inbox {
        &self.0
    }

    async fn record(&self, new: NewDelivery) -> Result<Recorded, StoreError> {
        self.0.receive_at("wert", std::slice::from_ref(&self.1), NOW).await;
        self.0.record(new).await
    }
}

#[tokio::test]
async fn a_repair_that_a_real_one_with_other_money_overtakes_says_so() {
    for (paid, repairable) in [("250.00", true), ("9000.00", false)] {
        let (provider, inbox, placed) = with_gaps(1).await;
        let overtaken = Overtaken(inbox.clone(), placed[0].clone().fiat(paid, "USD").complete());
        let reconciler = Reconciler::new(wert(&provider).build().unwrap(), Arc::new(Double(overtaken)), "wert");
        let found = reconciler
            .clock(Arc::new(ManualClock::at(NOW)))
            .repair_since(LONG_AGO)
            .repair(window())
            .finish()
            .await
            .unwrap()
            .clone();
        assert_eq!((found.repaired, found.is_resolved()), (0, repairable), "{:?}", found.findings);
        assert_eq!(found.findings.iter().any(|finding| finding.to_string().contains("other amounts")), !repairable);
    }
}

#[tokio::test]
async fn a_synthetic_event_has_what_the_row_has_and_says_what_it_is() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    provider.add_row(json!({
        "order_id": "O", "click_id": "C", "status": "success", "created_at": "2026-01-01 00:00:02", "changed_at": "2026-01-01 00:00:47",
        "currency": "usd", "currency_amount": 4.5, "crypto": "matic.sc.polygon", "crypto_amount": 0.000000000000000001,
        "address": "0xAb", "transaction_id": "0xCd",
    }));
    repair(&provider, &inbox).await;
    let record = inbox.show(all(&inbox).await[0].id).await.unwrap().unwrap();
    let body: Value = serde_json::from_slice(&record.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "order_complete", "click_id": "C",
            "order": {
                "id": "O", "base": "matic.sc.polygon", "base_amount": "0.000000000000000001", "quote": "USD", "quote_amount": "4.5",
                "address": "0xAb", "transaction_id": "0xCd",
            },
            "onramp_webhooks": {
                "synthetic": "reconciliation", "status": "success", "created_at": "2026-01-01T00:00:02Z", "changed_at": "2026-01-01T00:00:47Z",
            },
        })
    );
    assert_eq!(record.key.unwrap().to_string(), "wert/order/O/order_complete");
}

#[tokio::test]
async fn what_is_not_said_to_be_complete_is_never_repaired() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    for status in ["failed", "cancelled", "pending", "created", "progress", "refunded"] {
        provider.add_order(&WertOrder::new(), status);
        let delivered = WertOrder::new();
        provider.add_order(&delivered, status);
        inbox.receive_at("wert", &[delivered.complete()], NOW.before(DAY)).await;
    }
    provider.add_row(json!({ "order_id": "no amounts", "status": "success", "created_at": "2026-01-01 01:00:00" }));
    let found = repair(&provider, &inbox).await;
    assert_eq!((found.missing, found.repaired, found.status_differs, found.unclear), (1, 0, 5, 2));
    assert!(!found.is_resolved());
    assert_eq!(all(&inbox).await.len(), 6);
    let said: Vec<_> = found.findings.iter().map(ToString::to_string).collect();
    assert!(said[0].ends_with(r#"received as complete, but has the status "failed" at Wert"#), "{said:?}");
    assert!(said[7].contains("not repaired: its amounts"), "{said:?}");
}

#[tokio::test]
async fn an_order_is_resolved_only_if_its_event_was_handled_with_the_same_money() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let [paid, waiting, refused, altered] = std::array::from_fn(|_| WertOrder::new());
    for order in [&paid, &waiting, &refused, &altered] {
        provider.add_order(order, "success");
    }
    inbox.receive_at("wert", &[paid.complete(), refused.complete()], NOW.before(DAY / 2)).await;
    inbox.receive_at("wert", &[altered.clone().fiat("9000.00", "USD").complete()], NOW.before(DAY / 2)).await;
    let claims = inbox.claim(NOW, ClaimRequest::new(10, DAY)).await.unwrap().deliveries;
    let dead = Settled::Dead { cause: DeadCause::RefusedByHandler, error: "no such customer".into() };
    let outcomes = [Settled::Handled, dead, Settled::Handled];
    let settlements = claims.iter().zip(outcomes).map(|(claimed, outcome)| Settlement::new(claimed.lease, outcome)).collect();
    inbox.settle(NOW, settlements).await.unwrap();
    inbox.receive_at("wert", &[waiting.complete()], NOW.before(DAY / 2)).await;

    let found = repair(&provider, &inbox).await;
    assert_eq!((found.not_handled, found.differs, found.open(), found.is_resolved()), (1, 1, 2, false));
    let differences = found.findings.iter().map(|finding| match finding {
        Finding::NotHandled { order, state } => (order.as_str(), state.clone()),
        Finding::Differs { order, differences } => (order.as_str(), differences.join("; ")),
        other => panic!("{other}"),
    });
    let differences: BTreeMap<_, _> = differences.collect();
    assert_eq!(differences[refused.id().unwrap()], "dead");
    assert!(differences[altered.id().unwrap()].contains("9000.00"), "{differences:?}");
    assert_eq!(all(&inbox).await.len(), 4, "nothing was repaired");
}

#[tokio::test]
async fn what_wert_does_not_know_is_found_whatever_it_is_called() {
    let (provider, inbox, _) = with_gaps(30).await;
    let strange = [WertOrder::new(), WertOrder::new().with("id", "a,b"), WertOrder::new().with("id", " "), WertOrder::new()];
    for order in &strange {
        inbox.receive_at("wert", &[order.complete()], NOW.before(DAY / 2)).await;
    }
    inbox.receive_at("wert", &[strange[0].clone().fiat("9999", "USD").complete()], NOW.before(DAY / 2)).await;
    for elsewhere in [NOW.before(3 * DAY), NOW] {
        inbox.receive_at("wert", &[WertOrder::new().complete()], elsewhere).await;
    }
    inbox.receive_at("sandbox", &[WertOrder::new().complete()], NOW.before(DAY / 2)).await;
    let found = report(&provider, &inbox).await;
    assert_eq!((found.missing, found.unknown_to_provider, found.deliveries), (3, 4, 31));
    let unknown = found.findings.iter().filter(|finding| matches!(finding, Finding::UnknownToProvider { .. }));
    let mut unknown: Vec<_> = unknown.map(|finding| finding.order().as_str()).collect();
    let mut expected: Vec<_> = strange.iter().map(|order| order.id().unwrap()).collect();
    unknown.sort_unstable();
    expected.sort_unstable();
    assert_eq!(unknown, expected);
}

#[tokio::test]
async fn one_delivery_with_a_wrong_time_hides_no_other() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    for number in 0..250 {
        let time = if number == 200 { NOW.before(10 * DAY) } else { NOW.before(DAY / 2) };
        inbox.receive_at("wert", &[WertOrder::new().complete()], time).await;
    }
    let found = report(&provider, &inbox).await;
    assert_eq!((found.deliveries, found.unknown_to_provider), (249, 249));
}

#[tokio::test]
async fn events_without_an_order_id_are_never_doubled() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    inbox.receive_at("wert", &[WertOrder::new().without("id").with("transaction_id", "0xAb").event("order_complete")], NOW).await;
    provider.add_row(json!({ "order_id": "A", "status": "success", "transaction_id": "0xAb" }));
    let found = repair(&provider, &inbox).await;
    assert!(found.is_resolved() && found.missing == 0, "found by its transaction");

    provider.add_order(&WertOrder::new(), "success");
    let found = repair(&provider, &inbox).await;
    assert_eq!((found.missing, found.repaired), (1, 0), "it may be the one without an id");
    assert!(matches!(&found.findings[..], [Finding::Unrepairable { reason, .. }] if reason.contains("without an order id")));
    assert_eq!(all(&inbox).await.len(), 1);
}

/// Anyone who knows the address can send an event that cannot be read.
#[tokio::test]
async fn an_unreadable_completion_stops_repairs_only_of_the_orders_that_it_may_be() {
    let broken = |order: &WertOrder| order.clone().with("quote_amount", "a lot");
    let order = WertOrder::new;
    for (event, repaired) in [
        (broken(&order()), 1),
        (broken(&order().with("id", 7)), 1),
        (broken(&order().click_id("somebody-else")).without("id"), 1),
        (broken(&order()).without("id"), 0),
    ] {
        let (provider, inbox) = (FakeProvider::start().await, Readable::default());
        inbox.receive_at("wert", &[event.event("order_complete")], NOW.before(DAY / 2)).await;
        provider.add_order(&WertOrder::new(), "success");
        let found = repair(&provider, &inbox).await;
        assert_eq!((found.missing, found.repaired), (1, repaired), "{event:?}");
    }
}

#[tokio::test]
async fn at_the_wrong_endpoint_nothing_is_repaired() {
    let (provider, inbox, placed) = with_gaps(100).await;
    let missing = WertOrder::new();
    inbox.receive_at("sandbox", &[missing.complete()], NOW).await;
    provider.add_order(&missing, "success");
    let api = wert(&provider).build().unwrap();
    for endpoint in ["sandbox", "wort"] {
        let mistaken = Reconciler::new(api.clone(), Arc::new(inbox.clone()), endpoint).clock(Arc::new(ManualClock::at(NOW)));
        let mistaken = mistaken.repair_since(LONG_AGO);
        let found = mistaken.repair(window()).finish().await.unwrap().clone();
        assert_eq!((found.repaired, found.missing), (0, if endpoint == "wort" { 101 } else { 100 }), "{endpoint}");
        assert!(
            inbox.list(Filter::all().about(placed[0].id().unwrap())).await.unwrap().records.is_empty(),
            "not even what is missing"
        );
        assert!(found.findings[1].to_string().contains("were received at the endpoint \"wert\""), "{}", found.findings[1]);
    }
}

#[tokio::test]
async fn what_is_young_is_left_alone() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    for (order, created, changed) in [
        ("made just now", "2026-01-01 23:46:00", "2026-01-01 23:46:00"),
        ("complete just now", "2026-01-01 20:00:00", "2026-01-01 23:46:00"),
        ("old", "2026-01-01 23:44:00", "2026-01-01 23:45:00"),
        ("before", "2025-12-30 23:59:59", "2025-12-31 00:00:00"),
        ("at the beginning", "2025-12-31 00:00:00", "2025-12-31 00:00:00"),
    ] {
        let amounts = json!({"currency": "usd", "currency_amount": 1, "crypto": "btc", "crypto_amount": 1});
        let mut row = json!({"order_id": order, "status": "success", "created_at": created, "changed_at": changed});
        row.as_object_mut().unwrap().extend(amounts.as_object().unwrap().clone());
        provider.add_row(row);
    }
    let found = repair(&provider, &inbox).await;
    assert_eq!((orders(&found), found.too_recent), (vec!["old", "at the beginning"], 1));
}

#[tokio::test]
async fn a_clock_that_is_hours_off_doubles_nothing() {
    for (ahead, off) in [(true, 5 * 3_600), (false, 5 * 3_600)] {
        let (provider, inbox, placed) = with_gaps(60).await;
        let off = Duration::from_secs(off);
        let wrong = if ahead { NOW.after(off) } else { NOW.before(off) };
        let shop = Shop::default();
        for now in [wrong, NOW, wrong] {
            let reconciler = reconciler(&provider, &inbox).clock(Arc::new(ManualClock::at(now)));
            reconciler.repair(Window::last(2 * DAY, now)).finish().await.unwrap();
            handle_all(&inbox, &shop).await;
        }
        for order in &placed {
            inbox.receive_at("wert", &[order.complete()], wrong).await;
        }
        handle_all(&inbox, &shop).await;
        let handled = shop.0.lock().unwrap().clone();
        assert_eq!((handled.len(), handled.values().map(Vec::len).max()), (60, Some(1)));
        assert_eq!(all(&inbox).await.len(), 60);
    }
}

/// Makes steps up to the first error, if there is one, and answers how many.
async fn steps(pass: &mut ReconcileRun) -> (usize, Option<ReconcileError>) {
    let mut steps = 0;
    loop {
        match pass.step().await {
            Ok(Some(_)) => steps += 1,
            Ok(None) => return (steps, None),
            Err(error) => return (steps, Some(error)),
        }
    }
}

#[tokio::test]
async fn after_any_fault_it_goes_on_where_it_stood_also_in_another_process() {
    for paging in [Paging::Cursor, Paging::Offset] {
        let (provider, inbox, _) = with_gaps(90).await;
        provider.page_by(paging);
        for _ in 0..3 {
            provider.answer_next(Answer::truth());
        }
        provider.answer_next(Answer::status(500));
        let mut pass = reconciler(&provider, &inbox).repair(window());
        let (made, error) = steps(&mut pass).await;
        assert!(made == 3 && matches!(error, Some(ReconcileError::Provider(_))), "{made} {error:?}");
        let written = serde_json::to_string(pass.checkpoint()).unwrap();
        assert_eq!((pass.summary().orders, pass.summary().repaired), (60, 6));

        inbox.only(7);
        let (made, error) = steps(&mut pass).await;
        assert!(made == 0 && matches!(error, Some(ReconcileError::Inbox(_))), "{made} {error:?}");
        assert_eq!(serde_json::to_string(pass.checkpoint()).unwrap(), written, "it stands where it stood");
        inbox.only(usize::MAX);

        let checkpoint: Checkpoint = serde_json::from_str(&written).unwrap();
        let mut resumed = reconciler(&provider, &inbox).resume(checkpoint.clone()).unwrap();
        let seen = provider.requests().len();
        let summary = resumed.finish().await.unwrap().clone();
        assert!(provider.requests().len() - seen < 8, "it does not begin anew");
        assert_eq!((summary.orders, summary.deliveries, resumed.checkpoint().phase.clone()), (90, 81, Phase::Done));
        assert!(summary.is_resolved());
        assert_eq!(all(&inbox).await.len(), 90);
        let (_, error) = steps(&mut pass).await;
        assert!(error.is_none() && all(&inbox).await.len() == 90);

        let other = Reconciler::new(wert(&provider).build().unwrap(), Arc::new(inbox.clone()), "sandbox");
        assert!(other.resume(checkpoint).unwrap_err().to_string().contains("\"wert\""));
    }
}

#[tokio::test]
async fn a_fault_among_the_deliveries_is_gone_on_from_too() {
    let (provider, inbox, _) = with_gaps(240).await;
    // 12 pages of orders and one answer after them, the first page of deliveries, and the middle of the second.
    for _ in 0..12 + 5 + 2 {
        provider.answer_next(Answer::truth());
    }
    provider.answer_next(Answer::close());
    let mut pass = reconciler(&provider, &inbox).repair(window());
    let (_, error) = steps(&mut pass).await;
    assert!(error.is_some());
    assert!(matches!(pass.checkpoint().phase, Phase::Deliveries(Some(_))), "{:?}", pass.checkpoint().phase);
    let written = serde_json::to_value(pass.checkpoint()).unwrap();
    let mut resumed = reconciler(&provider, &inbox).resume(serde_json::from_value(written).unwrap()).unwrap();
    assert_eq!(resumed.finish().await.unwrap().deliveries, 216);
}

#[tokio::test]
async fn pages_without_end_and_lies_come_to_an_end() {
    for (lie, kind) in [
        (Lie::EndlessCursor, ClientErrorKind::EndlessPages),
        (Lie::RepeatedCursor, ClientErrorKind::EndlessPages),
        (Lie::OrderTwice, ClientErrorKind::Contradiction),
    ] {
        let (provider, inbox, _) = with_gaps(20).await;
        provider.answer_always(Answer::lie(lie));
        let mut pass = reconciler(&provider, &inbox).max_pages(10).max_findings(3).report(window());
        let (_, error) = steps(&mut pass).await;
        assert!(matches!(&error, Some(ReconcileError::Provider(error)) if error.kind() == kind), "{lie:?}: {error:?}");
        // The lies are about orders of one second, so a second query finds no later ones.
        assert!(provider.requests().len() <= 21, "{lie:?}: {}", provider.requests().len());
        assert!(pass.summary().findings.len() <= 3 && pass.summary().missing <= 400);
    }
}

#[tokio::test]
async fn several_machines_that_repair_at_once_make_one_of_each() {
    let (provider, inbox, _) = with_gaps(100).await;
    let passes = (0..6).map(|_| {
        let mut pass = reconciler(&provider, &inbox).repair(window());
        tokio::spawn(async move { pass.finish().await.unwrap().clone() })
    });
    let mut repaired = 0;
    for pass in passes.collect::<Vec<_>>() {
        let summary = pass.await.unwrap();
        assert!(summary.is_resolved());
        repaired += summary.repaired;
    }
    assert_eq!((repaired, all(&inbox).await.len()), (10, 100));
    let shop = Shop::default();
    handle_all(&inbox, &shop).await;
    assert!(shop.0.lock().unwrap().values().all(|handled| handled.len() == 1));
}

#[tokio::test]
async fn a_worker_does_it_by_the_clock() {
    let (provider, inbox, _) = with_gaps(100).await;
    let shop = Shop::default();
    let only_reported = reconciler(&provider, &inbox).report_only();
    only_reported.run().await.unwrap();
    assert_eq!(all(&inbox).await.len(), 90);
    let worker = || {
        let worker = WorkerBuilder::new(Arc::new(inbox.clone()), Arc::new(shop.clone()));
        worker.periodic_task(Duration::from_secs(1), reconciler(&provider, &inbox)).spawn()
    };
    let workers = [worker(), worker()];
    until("what was missing is made and handled", || async { shop.0.lock().unwrap().len() == 100 }).await;
    for worker in workers {
        worker.shutdown().await;
    }
    assert!(shop.0.lock().unwrap().values().all(|handled| handled.len() == 1));
    provider.answer_always(Answer::status(500));
    assert!(only_reported.run().await.unwrap_err().to_string().contains("querying Wert's orders"));
}
