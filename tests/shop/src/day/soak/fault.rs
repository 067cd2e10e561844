//! The faults of a soak.

use std::time::{Duration, Instant};

use fastrand::Rng;
use onramp_webhooks_services::Postgres;
use onramp_webhooks_testkit::events::WertOrder;

use super::super::post::Event;
use super::super::world::World;
use super::fleet::{Ending, Fleet};

/// The number of events that have to be acknowledged during an outage of the database, and the longest time to wait for them.
const DURING_AN_OUTAGE: (usize, Duration) = (5, Duration::from_secs(5));

/// The most events that fill what the logs of the spills have kept of the disk.
const UNTIL_FULL: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    ReceiverIsKilled,
    ReceiverIsStopped,
    WorkerIsKilled,
    WorkerIsStopped,
    WorkerIsFrozen,
    DatabaseCrashes,
    DatabaseRestarts,
    DatabaseIsFrozen,
    PoolerIsKilled,
    DiskIsFull,
    ApiFails,
    ApiIsBusy,
    ApiBreaksOff,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::ReceiverIsKilled,
        Self::ReceiverIsStopped,
        Self::WorkerIsKilled,
        Self::WorkerIsStopped,
        Self::WorkerIsFrozen,
        Self::DatabaseCrashes,
        Self::DatabaseRestarts,
        Self::DatabaseIsFrozen,
        Self::PoolerIsKilled,
        Self::DiskIsFull,
        Self::ApiFails,
        Self::ApiIsBusy,
        Self::ApiBreaksOff,
    ];

    /// Returns the words of the variant's name.
    pub(super) fn name(self) -> String {
        let words = |name: String, letter: char| match letter {
            'A'..='Z' => name + " " + &letter.to_lowercase().to_string(),
            other => name + &other.to_string(),
        };
        format!("{self:?}").chars().fold(String::new(), words).trim_start().to_owned()
    }

    /// Has the fault happen, and ends it.
    pub(super) async fn happen(self, fleet: &mut Fleet, world: &World, random: &mut Rng) {
        match self {
            Self::ReceiverIsKilled => fleet.replace_a_receiver(Ending::Kill, random).await,
            Self::ReceiverIsStopped => fleet.replace_a_receiver(Ending::Stop, random).await,
            Self::WorkerIsKilled => fleet.replace_a_worker(Ending::Kill, random).await,
            Self::WorkerIsStopped => fleet.replace_a_worker(Ending::Stop, random).await,
            Self::WorkerIsFrozen => fleet.freeze_a_worker(random).await,
            Self::DatabaseCrashes => {
                fleet.database(Postgres::stop_immediate);
                some_are_acknowledged(world).await;
                fleet.database(Postgres::start_again);
            }
            Self::DatabaseRestarts => {
                fleet.database(Postgres::stop_fast);
                some_are_acknowledged(world).await;
                fleet.database(Postgres::start_again);
            }
            Self::DatabaseIsFrozen => {
                fleet.database(|server| server.freeze());
                some_are_acknowledged(world).await;
                fleet.database(|server| server.thaw());
            }
            Self::PoolerIsKilled => fleet.restart_pooler(),
            Self::DiskIsFull => {
                let before = world.post.counts().unavailable;
                fleet.database(Postgres::stop_fast);
                let ballast = fleet.fill_disk();
                nothing_is_acknowledged(world, random).await;
                drop(ballast);
                fleet.database(Postgres::start_again);
                fleet.responds().await;
                let mut counts = world.post.counts();
                counts.on_full_disk += counts.unavailable - before;
            }
            Self::ApiFails => world.api_fails(),
            Self::ApiIsBusy => world.api_is_busy(),
            Self::ApiBreaksOff => world.api_breaks_off(),
        }
        fleet.responds().await;
    }
}

/// Waits until the spills have acknowledged a few events. Customers who buy at Kriptomat need the database, and all may wait for
/// it.
async fn some_are_acknowledged(world: &World) {
    let (events, longest) = DURING_AN_OUTAGE;
    let (enough, deadline) = (world.post.counts().acknowledged + events, Instant::now() + longest);
    while world.post.counts().acknowledged < enough && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends large events until one is refused.
async fn nothing_is_acknowledged(world: &World, random: &mut Rng) {
    for _ in 0..UNTIL_FULL {
        let large = WertOrder::new().with("partner_data", "x".repeat(100_000)).payment_started();
        if world.post.offer(&Event::wert(large), random).await == Some(503) {
            return;
        }
    }
    panic!("a full disk was not noticed");
}
