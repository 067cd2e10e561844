//! Periodic tasks of a worker.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use onramp_webhooks::async_trait;
use onramp_webhooks::inbox::{Inbox, NewDelivery, Quarantine, Recorded, State};
use onramp_webhooks::worker::PeriodicTask;
use onramp_webhooks_testkit::events::WertOrder;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::harness::{Do, Harness, Remembering, end, rest};

const HOUR: Duration = Duration::from_secs(3_600);

/// Does what its turn says; after the last turn, nothing.
#[derive(Clone)]
struct Turns(Arc<(AtomicUsize, AtomicUsize)>, &'static [Turn]);

#[derive(Clone, Copy)]
enum Turn {
    Works,
    Fails,
    Panics,
    Takes(u64),
}

impl Turns {
    fn new(turns: &'static [Turn]) -> Self {
        Self(Arc::default(), turns)
    }

    fn begun(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn ended(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl PeriodicTask for Turns {
    fn name(&self) -> &str {
        "turns"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let turn = self.0.0.fetch_add(1, Ordering::SeqCst);
        match self.1.get(turn) {
            Some(Turn::Fails) => return Err("not today".into()),
            Some(Turn::Panics) => panic!("the task's own bug"),
            Some(Turn::Takes(seconds)) => tokio::time::sleep(Duration::from_secs(*seconds)).await,
            Some(Turn::Works) | None => {}
        }
        self.0.1.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_run_comes_soon_and_the_next_after_each_pause() {
    let (harness, task) = (Harness::new(), Turns::new(&[]));
    let working = harness.worker(|worker| worker.periodic_task(HOUR, task.clone()));
    rest().await;
    harness.pass(61);
    rest().await;
    assert_eq!(task.begun(), 1);
    for runs in 1..4 {
        harness.pass(3_590);
        rest().await;
        assert_eq!(task.begun(), runs);
        harness.pass(11);
        rest().await;
        assert_eq!(task.begun(), runs + 1);
    }
    end(working.worker).await;
    harness.pass(10_000);
    rest().await;
    assert_eq!(task.begun(), 4, "a worker that ended does nothing");
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_together_do_not_begin_together() {
    let harness = Harness::new();
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    struct Tells(usize, mpsc::UnboundedSender<usize>);
    #[async_trait]
    impl PeriodicTask for Tells {
        fn name(&self) -> &str {
            "tells"
        }

        async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
            Ok(self.1.send(self.0)?)
        }
    }
    let _all: Vec<_> = (0..40).map(|n| harness.worker(|worker| worker.periodic_task(HOUR, Tells(n, begun.clone())))).collect();
    rest().await;
    let mut at_once = Vec::new();
    for _ in 0..60 {
        harness.pass(1);
        rest().await;
        at_once.push(std::iter::from_fn(|| beginnings.try_recv().ok()).count());
    }
    assert_eq!(at_once.iter().sum::<usize>(), 40, "{at_once:?}");
    assert!(at_once.iter().all(|together| *together < 15), "{at_once:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_panics_is_tried_again_and_disturbs_nothing() {
    let (harness, task) = (Harness::new(), Turns::new(&[Turn::Fails, Turn::Panics, Turn::Works]));
    let other = Turns::new(&[]);
    let mut working = harness.worker(|worker| worker.periodic_task(HOUR, task.clone()).periodic_task(HOUR, other.clone()));
    for _ in 0..3 {
        rest().await;
        harness.pass(3_661);
    }
    rest().await;
    assert!(task.begun() >= 3 && task.ended() >= 1 && other.ended() >= 3, "{} {}", task.begun(), other.ended());
    harness.post(WertOrder::new().complete()).await;
    working.call().await.answer(Do::Handle);
    end(working.worker).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_task_within_its_grace() {
    for (takes, grace, ends, waited) in [(5, 8, 1, 5), (50, 8, 0, 8)] {
        let turns: &'static [Turn] = if takes == 5 { &[Turn::Takes(5)] } else { &[Turn::Takes(50)] };
        let (harness, task) = (Harness::new(), Turns::new(turns));
        let working = harness.worker(|worker| worker.grace(Duration::from_secs(grace)).periodic_task(HOUR, task.clone()));
        rest().await;
        harness.pass(61);
        // The task begins in this very moment.
        while task.begun() == 0 {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        end(working.worker).await;
        assert_eq!((task.ended(), begun.elapsed().as_secs()), (ends, waited));
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_dropped_goes_on() {
    let (harness, task, handler) = (Harness::new(), Turns::new(&[]), Remembering::default());
    drop(harness.receiver.worker(handler.clone()).periodic_task(HOUR, task.clone()).spawn());
    rest().await;
    harness.post_logins(3).await;
    harness.pass(61);
    rest().await;
    assert_eq!((task.begun(), handler.seen().len()), (1, 3));
}

/// As after an update: the earlier version could not read a body that this one can.
#[tokio::test(start_paused = true)]
async fn purchases_in_quarantine_are_handled_once_a_version_can_read_them() {
    let harness = Harness::new();
    let mut recorded = Vec::new();
    for (event_type, body) in [
        ("order_complete", WertOrder::new().complete()),
        ("order_complete", WertOrder::new().complete()),
        ("order_complete", WertOrder::new().without("base_amount").complete()),
        ("order_failed", WertOrder::new().event("order_failed")),
    ] {
        let mut new = NewDelivery::new("wert", "wert", harness.now(), body);
        new.event_type = Some(event_type.to_owned());
        new.quarantine = Some(Quarantine::unreadable("order.base: not a string"));
        recorded.push(harness.inbox.record(new).await.unwrap());
    }
    let Recorded::New(credited) = recorded[1] else { panic!("{recorded:?}") };
    harness.inbox.resolve(harness.now(), credited, "credited by hand").await.unwrap();
    let mut working = harness.worker(|worker| worker);
    rest().await;
    harness.pass(60);
    let call = working.call().await;
    assert_eq!(call.event_type, "order_complete");
    call.answer(Do::Handle);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 1), (State::Quarantined, 3)].into());
    assert_eq!(harness.inbox.show(credited).await.unwrap().unwrap().state, State::Quarantined, "it is not credited twice");
}
