//! Several shops that share a PostgreSQL server, as on several machines.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::crash::assert_nothing_again;
use crate::client::Client;
use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::ledger::Ledger;
use crate::shop::ShopProcess;
use crate::wait::until;

/// The number of shops that only receive, and the number of shops that handle.
const RECEIVERS: usize = 2;
const WORKERS: usize = 4;

/// The number of kills.
const KILLS: usize = 12;

/// The number of concurrent clients.
const CLIENTS: usize = 4;

/// Kills random members of a fleet of two receivers and four workers at random moments, while every third event is sent to both receivers
/// at the same time. `CRASH_SEED` sets the seed of the moments.
pub async fn kills_in_a_fleet_lose_nothing_and_repeat_nothing(subject: Subject) {
    let seed = std::env::var("CRASH_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let home = Home::of(subject);
    let mut fleet = Fleet::start(&home).await;
    let (ledger, stopped) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let receivers = Arc::clone(&fleet.receivers);
        clients.spawn(send(receivers, Arc::clone(&ledger), random.fork(), Arc::clone(&stopped)));
    }
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random.u64(20..150))).await;
        fleet.kill_one(&home, &mut random).await;
    }
    stopped.store(true, Ordering::Relaxed);
    clients.join_all().await;
    until("every delivery is settled", async || home.database().waiting() == 0).await;
    fleet.stop().await;
    ledger.assert_kept(&home);
    assert!(ledger.acknowledged_events() >= KILLS, "too few events were acknowledged");
    let (handled, killed) = (home.database().points().len(), home.database().killed().len());
    assert_eq!(home.database().deliveries(), handled + killed, "every event was recorded and handled once");
}

struct Fleet {
    members: Vec<Member>,
    /// The addresses of the receiving shops.
    receivers: Arc<Mutex<Vec<Client>>>,
}

struct Member {
    shop: ShopProcess,
    /// The deliveries that were completed before the shop started.
    completed: BTreeSet<String>,
}

impl Fleet {
    async fn start(home: &Home) -> Self {
        let mut members = Vec::new();
        for number in 0..RECEIVERS + WORKERS {
            members.push(Member::start(home, number, BTreeSet::new()).await);
        }
        let receivers = members.iter().take(RECEIVERS).map(|member| member.shop.client.clone()).collect();
        Self { members, receivers: Arc::new(Mutex::new(receivers)) }
    }

    /// Kills a random shop, and starts another one in its place.
    async fn kill_one(&mut self, home: &Home, random: &mut Rng) {
        let number = random.usize(0..self.members.len());
        let old = self.members.remove(number);
        assert_nothing_again(&old.shop.kill(), &old.completed);
        let new = Member::start(home, number, home.database().completed()).await;
        if let Some(receiver) = self.receivers.lock().unwrap().get_mut(number) {
            *receiver = new.shop.client.clone();
        }
        self.members.insert(number, new);
    }

    async fn stop(self) {
        for member in self.members {
            assert_nothing_again(&member.shop.stop().await, &member.completed);
        }
    }
}

impl Member {
    async fn start(home: &Home, number: usize, completed: BTreeSet<String>) -> Self {
        let handles = if number < RECEIVERS { "no" } else { "yes" };
        Self { shop: home.launch().env("HANDLE", handles).start().await, completed }
    }
}

/// Sends events until `stopped` is set. Every third event is sent to two receivers simultaneously, and every fourth event is a
/// repetition.
async fn send(receivers: Arc<Mutex<Vec<Client>>>, ledger: Arc<Ledger>, mut random: Rng, stopped: Arc<AtomicBool>) {
    while !stopped.load(Ordering::Relaxed) {
        let event = if random.u8(0..4) == 0 { ledger.again(&mut random) } else { ledger.new_event(&mut random) };
        let receivers: Vec<_> = receivers.lock().unwrap().clone();
        let sent = if random.u8(0..3) == 0 {
            let (one, other) = tokio::join!(event.send(&receivers[0]), event.send(&receivers[1]));
            [Some(one), Some(other)]
        } else {
            [Some(event.send(&receivers[random.usize(0..RECEIVERS)]).await), None]
        };
        // A receiver that was killed does not respond.
        for reply in sent.into_iter().flatten().flatten() {
            reply.assert_received();
            ledger.acknowledged(event.number);
        }
    }
}

/// A shop is frozen while it handles a delivery until its lease has expired, and continues after another shop has claimed the delivery.
pub async fn a_worker_that_was_frozen_past_its_lease_changes_nothing(subject: Subject) {
    let home = Home::of(subject);
    let frozen = home.start().await;
    frozen.wert(order_complete("1", "ada", "1.5")).await.assert_received();
    home.database().settled().await;
    let lock = home.lock_points().await;
    frozen.wert(order_complete("2", "ada", "2.25")).await.assert_received();
    until("the handler waits for the lock", async || home.database().is_anyone_waiting()).await;
    frozen.signal(Signal::STOP);
    let other = home.start().await;
    until("the other shop has claimed the delivery", async || home.database().claims() == 2).await;
    drop(lock);
    frozen.signal(Signal::CONT);
    home.database().settled().await;
    assert_eq!((other.points("ada").await, frozen.points("ada").await), ("3.75".to_owned(), "3.75".to_owned()));
    until("the frozen shop logs the lost lease", async || frozen.log().contains("taken over") || frozen.log().contains("lost"))
        .await;
    frozen.stop().await;
    assert_eq!(other.stop().await.handled().len(), 1);
    assert_eq!(home.database().points()["ada"], "3.75");
}
