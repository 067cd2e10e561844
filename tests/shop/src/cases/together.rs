//! Several shops that share a database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::ledger::Ledger;
use crate::shop::ShopProcess;
use crate::wait::until;

/// Every event is sent to both shops, and handled by one of them.
pub async fn two_shops_on_one_database_handle_every_event_once(subject: Subject) {
    let home = Home::of(subject);
    let (one, other) = tokio::join!(home.start(), home.start());
    for event in 0..300 {
        let (shop, again) = if event % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let id = event.to_string();
        if event % 3 == 0 {
            tokio::join!(shop.kriptomat(postback(&id, "ada", "0.1")), again.kriptomat(postback(&id, "ada", "0.1")))
                .0
                .assert_received();
        } else {
            shop.wert(order_complete(&id, "ada", "0.1")).await.assert_received();
        }
    }
    home.database().settled().await;
    assert_eq!((one.points("ada").await, other.points("ada").await), ("30".to_owned(), "30".to_owned()));
    let mut handled = one.stop().await.handled();
    handled.extend(other.stop().await.handled());
    let keys: BTreeSet<_> = handled.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!((keys.len(), handled.len()), (300, 300));
}

/// The number of events that wait when both shops start to handle.
const BACKLOG: usize = 800;

/// Eight senders get no other response than an acknowledgement, which comes within the ack deadline, while two shops handle a backlog.
pub async fn eight_senders_are_acknowledged_while_two_shops_handle(subject: Subject) {
    let home = Home::of(subject);
    let ledger = Arc::new(Ledger::default());
    let receiver = home.launch().env("HANDLE", "no").start().await;
    let enough = Arc::clone(&ledger);
    senders([&receiver, &receiver], &ledger, move || enough.acknowledged_events() >= BACKLOG).join_all().await;
    receiver.stop().await;
    let (one, other) = tokio::join!(home.start(), home.start());
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let sending = senders([&one, &other], &ledger, move || stop.load(Ordering::Relaxed));
    until("the backlog is handled", async || one.handled().len() + other.handled().len() >= BACKLOG).await;
    stopped.store(true, Ordering::Relaxed);
    sending.join_all().await;
    home.database().settled().await;
    let handled = one.stop().await.handled().len() + other.stop().await.handled().len();
    // A renewal that meets a commit on its way takes the delivery for lost, and its line is not printed.
    assert!(handled <= ledger.acknowledged_events(), "none is handled twice");
    ledger.assert_kept(&home);
}

/// Starts eight senders, half of them for each shop, that send until `is_over`.
fn senders(shops: [&ShopProcess; 2], ledger: &Arc<Ledger>, is_over: impl Fn() -> bool + Clone + Send + 'static) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let (shop, ledger, is_over) = (shops[sender % 2].client.clone(), Arc::clone(ledger), is_over.clone());
        senders.spawn(async move {
            let mut random = Rng::new();
            while !is_over() {
                let event = ledger.new_event(&mut random);
                event.send(&shop).await.unwrap().assert_received();
                ledger.acknowledged(event.number);
            }
        });
    }
    senders
}
