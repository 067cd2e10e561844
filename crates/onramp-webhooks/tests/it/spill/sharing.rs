//! Several inboxes: with one spill, as processes of one machine, and with one primary inbox, as machines.

use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks_testkit::events::{WertOrder, wert_test};

use super::faulty_spill::FaultySpill;
use super::harness::{Harness, options, until};
use crate::faulty::{Faulty, InboxCall};

async fn host(primary: &Faulty, spill: &FaultySpill) -> Harness {
    let inbox = options(spill).over(primary.clone()).await.unwrap();
    Harness::of(primary.clone(), spill.clone(), inbox)
}

#[tokio::test(start_paused = true)]
async fn processes_that_share_a_spill_move_once_and_all_close() {
    let (primary, spill) = (Faulty::default(), FaultySpill::default());
    let hosts = [host(&primary, &spill).await, host(&primary, &spill).await, host(&primary, &spill).await];
    primary.is_away();
    for number in 0..300 {
        assert_eq!(hosts[number % 3].post(wert_test()).await, 200);
    }
    primary.recovers();
    // So long that the others come to move, too.
    primary.is_late(InboxCall::Record, Duration::from_secs(8));
    tokio::time::sleep(Duration::from_secs(20)).await;
    primary.recovers();
    for host in &hosts {
        host.closes().await;
    }
    assert_eq!(hosts[0].kept().await.len(), 300, "none has a key, and would be there twice");
}

#[tokio::test(start_paused = true)]
async fn traffic_at_one_process_does_not_keep_the_other_open() {
    let (primary, spill) = (Faulty::default(), FaultySpill::default());
    let hosts = [host(&primary, &spill).await, host(&primary, &spill).await];
    primary.is_away();
    let posting = |harness: &'static str, host: &Harness| {
        let receiver = host.receiver.clone();
        tokio::spawn(async move {
            loop {
                let request = Request::new("POST", "/wert", None, &[]);
                let status = receiver.receive(&request, Full::new(WertOrder::new().complete())).await.status();
                assert_eq!(status, 200, "{harness}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let traffic = [posting("one", &hosts[0]), posting("two", &hosts[1])];
    tokio::time::sleep(Duration::from_secs(3)).await;
    primary.recovers();
    primary.is_late(InboxCall::Record, Duration::from_millis(5));
    for host in &hosts {
        until("both close", async || !host.is_open().await).await;
    }
    traffic.iter().for_each(tokio::task::JoinHandle::abort);
}

/// One process ends and leaves something behind; the other has no outage of its own.
#[tokio::test(start_paused = true)]
async fn what_a_process_left_behind_is_moved_by_another() {
    let (primary, spill) = (Faulty::default(), FaultySpill::default());
    let stays = host(&primary, &spill).await;
    let goes = host(&primary, &spill).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    primary.is_away();
    assert_eq!(goes.post(WertOrder::new().complete()).await, 200);
    drop(goes);
    primary.recovers();
    assert!(!stays.is_open().await);
    until("the other moves it", async || stays.kept().await.len() == 1 && stays.waiting().await == 0).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_event_at_two_machines_is_one() {
    let primary = Faulty::default();
    let hosts = [host(&primary, &FaultySpill::default()).await, host(&primary, &FaultySpill::default()).await];
    primary.is_away();
    let orders: Vec<_> = (0..50).map(|_| WertOrder::new()).collect();
    for host in &hosts {
        for order in &orders {
            assert_eq!(host.post(order.complete()).await, 200);
        }
    }
    primary.recovers();
    for host in &hosts {
        host.closes().await;
    }
    let kept = hosts[0].kept().await;
    assert_eq!(kept.len(), 50);
    assert!(kept.iter().all(|record| record.duplicates == 1));
}
