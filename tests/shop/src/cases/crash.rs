//! Repeated `kill -9`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::home::{Home, Subject};
use crate::ledger::Ledger;
use crate::shop::Ended;
use crate::wait::until;

/// The number of kills.
const KILLS: usize = 18;

/// The number of concurrent clients.
const CLIENTS: usize = 4;

/// Kills the shop at random moments, during its start or while clients send new and repeated events. In the end, every acknowledged event
/// has been credited once, and no completed delivery was handled again.
///
/// The moments come from a seed, which is printed. `CRASH_SEED` sets it.
pub async fn kills_lose_nothing_and_repeat_nothing(subject: Subject) {
    let seed = std::env::var("CRASH_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let home = Home::of(subject);
    let ledger = Arc::new(Ledger::default());
    let mut completed = BTreeSet::new();
    for kill in 0..KILLS {
        let ended =
            if kill % 6 == 5 { kill_a_start(&home, &mut random).await } else { kill_a_run(&home, &ledger, &mut random).await };
        assert_nothing_again(&ended, &completed);
        completed = home.database().completed();
    }
    let shop = home.start().await;
    until("every delivery is settled", async || home.database().waiting() == 0).await;
    assert_nothing_again(&shop.stop().await, &completed);
    ledger.assert_kept(&home);
    assert!(ledger.acknowledged_events() >= KILLS, "too few events were acknowledged");
}

/// Kills a shop that may not listen yet.
async fn kill_a_start(home: &Home, random: &mut Rng) -> Ended {
    let starting = home.launch().spawn();
    tokio::time::sleep(Duration::from_millis(random.u64(0..50))).await;
    starting.kill()
}

/// Kills a shop while clients send events to it.
async fn kill_a_run(home: &Home, ledger: &Arc<Ledger>, random: &mut Rng) -> Ended {
    let shop = home.start().await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(send(shop.client.clone(), Arc::clone(ledger), random.fork()));
    }
    tokio::time::sleep(Duration::from_millis(random.u64(50..600))).await;
    let ended = shop.kill();
    clients.join_all().await;
    ended
}

/// Sends events until the shop is gone. Every fourth event is a repetition.
async fn send(shop: Client, ledger: Arc<Ledger>, mut random: Rng) {
    loop {
        let event = if random.u8(0..4) == 0 { ledger.again(&mut random) } else { ledger.new_event(&mut random) };
        match event.send(&shop).await {
            Ok(reply) => {
                reply.assert_received();
                ledger.acknowledged(event.number);
            }
            Err(_) => return,
        }
    }
}

/// Asserts that the process handled no delivery that was completed before it started, and no delivery twice.
pub(super) fn assert_nothing_again(ended: &Ended, completed: &BTreeSet<String>) {
    let mut handled = BTreeSet::new();
    for line in ended.handled() {
        let delivery = line["delivery"].as_str().unwrap().to_owned();
        assert!(!completed.contains(&delivery), "handled again after it was completed: {line}");
        assert!(handled.insert(delivery), "handled twice by one process: {line}");
    }
}
