//! Reconciliations that go on where the last one ended, on any machine, and never pay what another inbox has paid.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{
    ClaimRequest, DeadCause, Filter, Inbox, Record, ReplayScope, Requeue, Settled, Settlement, State, replay,
};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::worker::PeriodicTask;
use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::wert::{Finding, OrdersQuery, Reconciler, Summary, Window};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::inbox::Readable;
use super::tools::wert;

/// 2026-01-02 00:00:00 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_767_312_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A time in Wert's format: so long before [`NOW`], or after it.
fn at(hours: i64) -> String {
    let hour = 24 + hours;
    let (month, day) = if hour < 0 { ("2025-12", 32) } else { ("2026-01", 1) };
    format!("{month}-{:02} {:02}:00:00", day + hour.div_euclid(24), hour.rem_euclid(24))
}

/// The reconciliation of a process that starts at `now`.
fn process(provider: &FakeProvider, inbox: &Readable, now: Timestamp) -> Reconciler {
    let clock = Arc::new(ManualClock::at(now));
    Reconciler::new(wert(provider).build().unwrap(), Arc::new(inbox.clone()), "wert").clock(clock)
}

async fn run(provider: &FakeProvider, inbox: &Readable, now: Timestamp) {
    process(provider, inbox, now).run().await.unwrap();
}

async fn received(inbox: &Readable) -> Vec<String> {
    let records = inbox.list(Filter::all().event_type("order_complete").limit(1_000)).await.unwrap().records;
    let order = |record: &Record| record.key.as_ref().unwrap().subject().split('/').nth(2).unwrap().to_owned();
    records.iter().rev().map(order).collect()
}

fn id(order: &WertOrder) -> String {
    order.id().unwrap().to_owned()
}

/// An order that Wert completed so many hours after [`NOW`], and whose event was lost.
fn lost(provider: &FakeProvider, hours: i64) -> WertOrder {
    let order = WertOrder::new();
    provider.add_order_of(&at(hours), &order, "success");
    order
}

async fn report(provider: &FakeProvider, inbox: &Readable) -> Summary {
    process(provider, inbox, NOW).report(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone()
}

#[tokio::test]
async fn a_new_inbox_does_not_pay_what_another_one_has_paid() {
    let provider = FakeProvider::start().await;
    let (old, new) = (Readable::default(), Readable::default());
    let paid = lost(&provider, -2);
    old.receive_at("wert", &[paid.complete()], NOW.before(2 * HOUR)).await;
    run(&provider, &new, NOW).await;
    run(&provider, &new, NOW.after(HOUR)).await;
    assert_eq!(received(&new).await, [""; 0]);

    let repaired = process(&provider, &new, NOW.after(HOUR)).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((repaired.missing, repaired.repaired), (1, 0));
    let [Finding::Unrepairable { reason, .. }] = &repaired.findings[..] else { panic!("{:?}", repaired.findings) };
    assert!(reason.contains("older than this inbox") && reason.contains("--repair-since"), "{reason}");

    let told = process(&provider, &new, NOW).repair_since(NOW.before(3 * HOUR));
    assert_eq!(told.repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().repaired, 1);
    assert_eq!(received(&new).await, [id(&paid)]);
}

#[tokio::test]
async fn an_order_made_while_the_shop_was_stopped_is_found_after_its_restart() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    let late = lost(&provider, 5);
    run(&provider, &inbox, NOW.after(6 * HOUR)).await;
    assert_eq!(received(&inbox).await, [id(&late)]);
    // Longer than it looks back.
    let later = lost(&provider, 10);
    run(&provider, &inbox, NOW.after(100 * HOUR)).await;
    assert_eq!(received(&inbox).await, [id(&late), id(&later)]);
}

/// As after an update from a version that stored no beginning, or the first call of the command line.
#[tokio::test]
async fn an_inbox_begins_with_its_oldest_delivery() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    inbox.receive_at("other", &[WertOrder::new().complete()], NOW.before(90 * HOUR)).await;
    for hours in [1, 10, 3] {
        inbox.receive_at("wert", &[lost(&provider, -hours).complete()], NOW.before(hours.unsigned_abs() as u32 * HOUR)).await;
    }
    let (_before, after) = (lost(&provider, -11), lost(&provider, -9));
    let window = Window::last(48 * HOUR, NOW);
    let found = process(&provider, &inbox, NOW).repair(window).finish().await.unwrap().clone();
    assert_eq!((found.missing, found.repaired), (2, 1));
    assert!(received(&inbox).await.contains(&id(&after)));
    // It stays the same, whatever is pruned later.
    let stored = inbox.task_state("reconciliation of wert").await.unwrap();
    assert!(stored.text.contains(&NOW.before(10 * HOUR).as_millis().to_string()), "{stored:?}");
}

#[tokio::test]
async fn a_report_stores_nothing() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let missing = lost(&provider, -1);
    assert_eq!(report(&provider, &inbox).await.findings, [Finding::Missing { order: missing.id().unwrap().into() }]);
    process(&provider, &inbox, NOW).report_only().run().await.unwrap();
    assert_eq!((received(&inbox).await.len(), inbox.task_state("reconciliation of wert").await.unwrap().version), (0, 0));
}

#[tokio::test]
async fn each_run_asks_only_about_what_is_new() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    for number in 0..100 {
        let order = WertOrder::new();
        provider.add_order_of(&at(1), &order, "success");
        if number % 10 > 0 {
            inbox.receive_at("wert", &[order.complete()], NOW.after(HOUR)).await;
        }
    }
    let requests = async |now| {
        let before = provider.requests().len();
        run(&provider, &inbox, now).await;
        provider.requests().len() - before
    };
    assert!(requests(NOW.after(2 * HOUR)).await >= 5);
    assert_eq!(received(&inbox).await.len(), 100);
    // The repaired ones are deliveries of their own, which came after the last run.
    assert_eq!(requests(NOW.after(3 * HOUR)).await, 6, "the last hour is walked again");
    assert_eq!(requests(NOW.after(4 * HOUR)).await, 1);
}

/// As one that waited in a spill does.
#[tokio::test]
async fn a_delivery_that_comes_to_the_inbox_late_is_looked_up() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let [early, late] = [lost(&provider, -2), WertOrder::new()];
    inbox.receive_at("wert", &[early.complete()], NOW.before(2 * HOUR)).await;
    let searched = async |now| {
        let before = provider.requests().len();
        run(&provider, &inbox, now).await;
        let requests = provider.requests();
        requests[before..].iter().filter_map(|seen| seen.parameter("search_by").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(searched(NOW).await, [id(&early)]);
    inbox.receive_at("wert", &[late.complete()], NOW.before(HOUR)).await;
    assert_eq!(searched(NOW.after(HOUR)).await, [id(&late)]);
    assert_eq!(searched(NOW.after(2 * HOUR)).await, [""; 0]);
}

#[tokio::test]
async fn after_a_pause_that_wert_wants_the_next_run_goes_on() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    for hours in 1..=5 {
        for _ in 0..20 {
            lost(&provider, hours);
        }
    }
    let clock = Arc::new(ManualClock::at(NOW.after(6 * HOUR)));
    let api = wert(&provider).clock(clock.clone()).build().unwrap();
    let reconciler = Reconciler::new(api.clone(), Arc::new(inbox.clone()), "wert").clock(clock.clone());
    for _ in 0..3 {
        provider.answer_next(Answer::truth());
    }
    provider.answer_next(Answer::status(429).header("retry-after", "7200"));
    let error = reconciler.run().await.unwrap_err().to_string();
    assert!(error.contains("too many requests"), "{error}");
    assert_eq!(received(&inbox).await.len(), 60, "what was reached is repaired");

    // Everything that uses the account leaves it alone meanwhile.
    let made = provider.requests().len();
    let paused = api.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!((paused.kind(), paused.retry_after()), (ClientErrorKind::RateLimited, Some(2 * HOUR)));
    reconciler.run().await.unwrap_err();
    assert_eq!(provider.requests().len(), made);

    clock.set(NOW.after(8 * HOUR));
    reconciler.run().await.unwrap();
    assert_eq!(received(&inbox).await.len(), 100);
    let first = provider.requests()[made].parameter("start_date").unwrap().to_owned();
    assert!(first.contains("02:59:59") && first.contains("2026-01-02"), "it begins where it ended: {first}");
}

#[tokio::test]
async fn an_order_that_is_not_final_is_looked_up_again() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    let [slow, failing, never] = std::array::from_fn(|_| WertOrder::new());
    for order in [&slow, &failing, &never] {
        provider.add_order_of(&at(1), order, "pending");
    }
    run(&provider, &inbox, NOW.after(2 * HOUR)).await;
    provider.forget_orders();
    for (order, status) in [(&slow, "success"), (&failing, "failed"), (&never, "pending")] {
        provider.add_order_of(&at(1), order, status);
    }
    run(&provider, &inbox, NOW.after(40 * HOUR)).await;
    assert_eq!(received(&inbox).await, [id(&slow)]);
    let unfinished = |text: &str, order: &WertOrder| text.contains(order.id().unwrap());
    let state = inbox.task_state("reconciliation of wert").await.unwrap().text;
    assert!(unfinished(&state, &never) && !unfinished(&state, &slow) && !unfinished(&state, &failing), "{state}");
    run(&provider, &inbox, NOW.after(50 * HOUR)).await;
    let state = inbox.task_state("reconciliation of wert").await.unwrap().text;
    assert!(!unfinished(&state, &never), "it is too old: {state}");
}

/// Wert fails to answer about it for a while, or does not return it.
#[tokio::test]
async fn an_order_that_is_not_final_is_not_given_up_while_wert_does_not_return_it() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    let slow = WertOrder::new();
    provider.add_order_of(&at(1), &slow, "pending");
    run(&provider, &inbox, NOW.after(3 * HOUR)).await;
    provider.forget_orders();
    provider.answer_about(&id(&slow), Answer::status(500));
    run(&provider, &inbox, NOW.after(4 * HOUR)).await;
    provider.answer_about(&id(&slow), Answer::truth());
    run(&provider, &inbox, NOW.after(5 * HOUR)).await;
    provider.add_order_of(&at(1), &slow, "success");
    run(&provider, &inbox, NOW.after(6 * HOUR)).await;
    assert_eq!(received(&inbox).await, [id(&slow)]);
}

#[tokio::test]
async fn an_order_that_wert_lists_late_is_found() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW.before(HOUR)).await;
    run(&provider, &inbox, NOW.after(HOUR)).await;
    let late = WertOrder::new();
    provider.add_order_of("2026-01-02 00:15:00", &late, "success");
    run(&provider, &inbox, NOW.after(HOUR + MINUTE)).await;
    assert_eq!(received(&inbox).await, [id(&late)]);
}

#[tokio::test]
async fn a_window_can_have_any_number_of_orders() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    for number in 0..300 {
        let time = format!("2026-01-01 10:00:{:02}", number / 25);
        provider.add_order_of(&time, &WertOrder::new(), "success");
    }
    let reconciler = process(&provider, &inbox, NOW).max_pages(3).repair_since(NOW.before(24 * HOUR));
    let found = reconciler.repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((found.orders, found.repaired), (300, 300), "each once, although a query has 60 of them");
    assert_eq!(received(&inbox).await.len(), 300);
}

#[tokio::test]
async fn of_many_machines_one_reconciles_at_a_time() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    run(&provider, &inbox, NOW).await;
    lost(&provider, 1);
    // A machine that ended in the middle of a run.
    provider.answer_always(Answer::never());
    let cut_off = process(&provider, &inbox, NOW.after(2 * HOUR));
    let held = async || inbox.task_state("reconciliation of wert").await.unwrap().text.contains("held_until\":1");
    let before = provider.requests().len();
    tokio::select! {
        result = cut_off.run() => panic!("{result:?}"),
        () = super::tools::until("it asks", async || provider.requests().len() > before) => {}
    }
    assert!(held().await);
    provider.answer_always(Answer::truth());
    let asked = provider.requests().len();
    run(&provider, &inbox, NOW.after(2 * HOUR + MINUTE)).await;
    assert_eq!((provider.requests().len(), received(&inbox).await.len()), (asked, 0), "another machine leaves it alone");
    run(&provider, &inbox, NOW.before(HOUR)).await;
    assert!(provider.requests().len() > asked, "a lease of a clock that was hours ahead does not count");
    run(&provider, &inbox, NOW.after(2 * HOUR + 6 * MINUTE)).await;
    assert_eq!(received(&inbox).await.len(), 1, "and takes over once the lease has ended");
    assert!(!held().await);
}

/// Leads all deliveries that are due to an end.
async fn settle(inbox: &Readable, outcome: Settled) {
    let claims = inbox.claim(NOW, ClaimRequest::new(100, MINUTE)).await.unwrap();
    let settlements = claims.deliveries.iter().map(|claimed| Settlement::new(claimed.lease, outcome.clone())).collect();
    assert_eq!(inbox.settle(NOW, settlements).await.unwrap(), []);
}

fn refused_by(cause: DeadCause) -> Settled {
    Settled::Dead { cause, error: "forged".into() }
}

/// A forged event has come before the true one, with another customer or other money; or Wert did not know the order for a day.
#[tokio::test]
async fn an_order_whose_event_was_refused_by_a_check_is_repaired_once() {
    let forgeries = [|order: WertOrder| order.click_id("mallory"), |order: WertOrder| order.fiat("9.00", "USD"), |order| order];
    for forge in forgeries {
        let (provider, inbox) = (FakeProvider::start().await, Readable::default());
        let order = lost(&provider, -2);
        inbox.receive_at("wert", &[forge(order.clone()).complete()], NOW.before(3 * HOUR)).await;
        settle(&inbox, refused_by(DeadCause::RefusedByCheck)).await;
        assert_eq!(report(&provider, &inbox).await.not_handled, 1);
        for repaired in [1, 0] {
            let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
            assert_eq!((repair.repaired, repair.is_resolved()), (repaired, true), "{:?}", repair.findings);
        }
        let states = async || {
            let records = inbox.list(Filter::all()).await.unwrap().records;
            records.iter().map(|record| (record.state, record.is_synthetic())).collect::<Vec<_>>()
        };
        assert_eq!(states().await, [(State::Pending, true), (State::Dead, false)]);
        settle(&inbox, Settled::Handled).await;
        inbox.receive_at("wert", &[order.complete()], NOW).await;
        let mut expected = vec![(State::Handled, true), (State::Dead, false)];
        if forge(order.clone()).complete() != order.complete() {
            expected.insert(0, (State::Conflict, false));
        }
        assert_eq!(states().await, expected);
        for record in inbox.list(Filter::all()).await.unwrap().records.iter().filter(|record| !record.is_synthetic()) {
            let replayed = replay(&inbox, &Providers::default(), record.id, ReplayScope::EvenConflicts, NOW).await;
            assert!(format!("{:?}", replayed.unwrap_err()).contains("was repaired as delivery 2"), "it is not paid twice");
        }
        let again = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
        assert_eq!((again.missing, again.is_resolved()), (0, true));
    }
}

#[tokio::test]
async fn an_event_that_a_handler_may_have_got_is_not_repaired() {
    for cause in [DeadCause::RefusedByHandler, DeadCause::AttemptsUsedUp, DeadCause::TransactionEnded, DeadCause::ProcessKilled] {
        let (provider, inbox) = (FakeProvider::start().await, Readable::default());
        inbox.receive_at("wert", &[lost(&provider, -2).complete()], NOW.before(3 * HOUR)).await;
        settle(&inbox, refused_by(cause)).await;
        let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
        assert_eq!((repair.repaired, repair.not_handled), (0, 1), "{cause}");
    }
}

/// An operator may have credited it by hand.
#[tokio::test]
async fn an_order_whose_event_was_resolved_is_reported_and_not_repaired() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    inbox.receive_at("wert", &[lost(&provider, -2).complete()], NOW.before(3 * HOUR)).await;
    settle(&inbox, refused_by(DeadCause::RefusedByCheck)).await;
    let id = inbox.list(Filter::all()).await.unwrap().records[0].id;
    inbox.resolve(NOW, id, "credited by hand").await.unwrap();
    let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((repair.repaired, repair.not_handled), (0, 1));
    assert!(format!("{:?}", repair.findings).contains("dead, resolved"), "{:?}", repair.findings);
    inbox.reopen(NOW, id).await.unwrap();
    let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((repair.repaired, repair.not_handled), (1, 0));
}

/// The event does not say which of its currencies was paid; the order does.
#[tokio::test]
async fn an_unclear_event_is_compared_in_the_currency_of_the_order() {
    for (paid, differs) in [("35.50", 0), ("9.00", 1)] {
        let (provider, inbox) = (FakeProvider::start().await, Readable::default());
        let order = WertOrder::new().fiat("35.50", "XTS");
        provider.add_order_of(&at(-2), &order, "success");
        inbox.receive_at("wert", &[order.fiat(paid, "XTS").complete()], NOW.before(HOUR)).await;
        let found = report(&provider, &inbox).await;
        assert_eq!((found.differs, found.open()), (differs, differs), "{:?}", found.findings);
    }
}

/// An operator has had the true event handled, which came second.
#[tokio::test]
async fn an_order_whose_conflict_was_replayed_is_not_repaired() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let order = lost(&provider, -2);
    inbox.receive_at("wert", &[order.clone().fiat("9.00", "USD").complete()], NOW.before(3 * HOUR)).await;
    settle(&inbox, refused_by(DeadCause::RefusedByCheck)).await;
    inbox.receive_at("wert", &[order.complete()], NOW.before(2 * HOUR)).await;
    let conflict = inbox.list(Filter::all().state(State::Conflict)).await.unwrap().records[0].id;
    inbox.requeue(Requeue::new(NOW, conflict, State::Conflict)).await.unwrap();
    settle(&inbox, Settled::Handled).await;
    let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((repair.missing, repair.is_resolved()), (0, true), "{:?}", repair.findings);
}

#[tokio::test]
async fn an_event_without_an_order_id_holds_up_only_the_order_that_it_may_be_of() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let [like, other] = [WertOrder::new(), WertOrder::new().fiat("77.00", "USD")];
    for order in [&like, &other] {
        provider.add_order_of(&at(-2), order, "success");
    }
    inbox.receive_at("wert", &[WertOrder::new().without("id").event("order_complete")], NOW.before(3 * HOUR)).await;
    let repair = process(&provider, &inbox, NOW).repair(Window::last(48 * HOUR, NOW)).finish().await.unwrap().clone();
    assert_eq!((repair.missing, repair.repaired), (2, 1));
    let reasons: Vec<_> = repair.findings.iter().filter(|finding| finding.is_open()).map(ToString::to_string).collect();
    assert!(reasons.len() == 1 && reasons[0].contains(like.id().unwrap()) && reasons[0].contains("without an order id"));
}

#[tokio::test]
async fn an_order_about_which_wert_fails_stops_no_other() {
    let (provider, inbox) = (FakeProvider::start().await, Readable::default());
    let orders: Vec<_> = (0..30).map(|_| lost(&provider, -60)).collect();
    let altered = lost(&provider, -60);
    for order in orders.iter().chain([&altered.clone().fiat("9.00", "USD"), &WertOrder::new()]) {
        inbox.receive_at("wert", &[order.complete()], NOW.before(2 * HOUR)).await;
    }
    provider.answer_about(orders[7].id().unwrap(), Answer::status(500));
    let found = report(&provider, &inbox).await;
    assert_eq!(
        (found.deliveries, found.unclear, found.unknown_to_provider, found.differs),
        (32, 1, 1, 1),
        "{:?}",
        found.findings
    );
    let unclear = found.findings.iter().find(|finding| matches!(finding, Finding::Unclear { .. })).unwrap();
    assert_eq!(unclear.order().as_str(), orders[7].id().unwrap());
    assert!(unclear.to_string().contains("cannot be looked up"), "{unclear}");
}
