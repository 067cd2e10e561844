//! A day in the life of a shop: purchases, forgeries and troubles, and exact points in the evening.
//!
//! Two processes of the shop share a database. Two thirds of the purchases are at Wert, the others at Kriptomat. One in ten of Wert's completed
//! events is dropped, one purchase in twenty has a forgery, for every fifth purchase an earlier event is repeated, and the events of an order
//! come in any order. Some of Wert's rows have fewer digits or another name of the crypto, and none has amounts before it is final. In the
//! course of the day, shops are killed, the APIs fail, the database crashes, and it moves: the file to another folder, or a dump to another
//! server. Wert also has the orders of the day before, which another inbox has received.
//!
//! In the evening, the points of every customer are exact, each forged event is where an operator finds it, and the reconciliation is
//! resolved except for these. With confirmation, no forgery gains anything except the one that no check can tell from the truth. Without it,
//! each gains what the table *Trusting a webhook* of the README says.
//!
//! `DAY_PURCHASES` sets the number of purchases, and `DAY_SEED` the seed of the plan, which is printed. `cargo xtask day` sets both.

mod books;
mod evening;
mod operator;
mod plan;
mod post;
mod shops;
pub(crate) mod soak;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use onramp_webhooks_testkit::provider::FakeProvider;

use self::books::Books;
use self::evening::{Evening, is_victim};
use self::operator::findings;
use self::plan::{FEWEST, plan};
use self::post::Post;
use self::shops::{Shops, asking};
use self::world::World;
use crate::home::Subject;

/// The number of events that may be repeated.
const REMEMBERED: usize = 5_000;

/// The troubles of the day, in their order.
const TROUBLES: [Trouble; 8] = [
    Trouble::Kill,
    Trouble::ApiFails,
    Trouble::Kill,
    Trouble::DatabaseCrashes,
    Trouble::DatabaseMoves,
    Trouble::ApiIsBusy,
    Trouble::Kill,
    Trouble::ApiBreaksOff,
];

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    ApiFails,
    ApiIsBusy,
    ApiBreaksOff,
    DatabaseCrashes,
    DatabaseMoves,
}

/// A running day.
struct Day {
    shops: Shops,
    world: Arc<World>,
    random: Rng,
}

/// Runs a day with a shop that asks the providers' APIs, or with one that trusts its webhooks.
pub(crate) async fn run(subject: Subject, is_confirming: bool) {
    let number = |variable, default: u64| std::env::var(variable).map_or(default, |value| value.parse().unwrap());
    let (purchases, seed) = (number("DAY_PURCHASES", 0).max(FEWEST as u64) as usize, number("DAY_SEED", fastrand::u64(..)));
    println!("DAY_PURCHASES={purchases} DAY_SEED={seed}");
    let begun = Instant::now();
    let mut day = Day::begin(subject, is_confirming, (purchases, seed)).await;
    day.world.opening(&mut day.random).await;
    let quiet = purchases / 10;
    day.quiet_hours(quiet).await;
    let part = (purchases - quiet).div_ceil(TROUBLES.len());
    for (number, trouble) in TROUBLES.into_iter().enumerate() {
        let from = quiet + number * part;
        day.hours((from, purchases.min(from + part)), trouble).await;
    }
    let sent = begun.elapsed();
    day.evening().await;
    println!("{purchases} purchases, sent within {sent:?}, exact after {:?}", begun.elapsed());
    day.shops.stop().await;
}

impl Day {
    async fn begin(subject: Subject, is_confirming: bool, (purchases, seed): (usize, u64)) -> Self {
        let (mut random, provider) = (Rng::with_seed(seed), FakeProvider::start().await);
        let environment = if is_confirming { asking(&provider, 1 + purchases / 2_000) } else { Vec::new() };
        let shops = Shops::open(subject, environment).await;
        let post = Post::to(Arc::clone(&shops.clients), REMEMBERED);
        let world = Arc::new(World::new(plan(purchases, &mut random), provider, post, is_confirming, seed));
        Self { shops, world, random }
    }

    /// Without forgeries and troubles, everything is resolved, although events are dropped.
    async fn quiet_hours(&mut self, purchases: usize) {
        self.world.begin(0, purchases).join_all().await;
        if !self.world.is_confirming {
            self.end().repair().await;
        }
        let books = Books::of(&self.world.purchases[..purchases], self.world.is_confirming);
        self.end().comes_to(&books).await;
        let report = self.end().operator().await.report().await;
        assert!(report.is_resolved() && report.deliveries > 0, "{report:?}");
    }

    /// Begins some purchases, and has a trouble in the middle of them.
    async fn hours(&mut self, (from, to): (usize, usize), trouble: Trouble) {
        let mut customers = self.world.begin(from, to);
        while self.world.finished.load(Ordering::Relaxed) < usize::midpoint(from, to) {
            customers.try_join_next().transpose().unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match trouble {
            Trouble::Kill => self.shops.kill_one(&mut self.random).await,
            Trouble::ApiFails => self.world.api_fails(),
            Trouble::ApiIsBusy => self.world.api_is_busy(),
            Trouble::ApiBreaksOff => self.world.api_breaks_off(),
            Trouble::DatabaseCrashes => self.shops.crash_the_database().await,
            Trouble::DatabaseMoves => self.shops.move_the_database().await,
        }
        customers.join_all().await;
    }

    /// Waits until the points are exact, with the operator's help, and repeats all events.
    async fn evening(&mut self) {
        self.world.cure();
        let mut random = self.random.fork();
        let evening = self.end();
        evening.settles().await;
        evening.repair().await;
        if self.world.is_confirming {
            let (victims, others): (Vec<_>, Vec<_>) = self.world.purchases.iter().partition(|purchase| is_victim(purchase));
            evening.comes_to(&Books::of(others, true)).await;
            assert_eq!(evening.mend().await, victims.len());
        }
        let books = Books::of(&self.world.purchases, self.world.is_confirming);
        evening.comes_to(&books).await;
        self.world.post.repeat(REMEMBERED, &mut random).await;
        let database = self.shops.home.database();
        evening.in_time(async || (database.unhandled() > 0).then(|| "the repeated events".to_owned())).await;
        let differences = books.differences(&self.shops.home.database().points());
        assert!(differences.is_empty(), "{differences:?}");
        self.is_visible().await;
    }

    /// Asserts that an operator finds every forged event, and that the reconciliation finds nothing else.
    async fn is_visible(&self) {
        let (operator, is_confirming) = (self.end().operator().await, self.world.is_confirming);
        let (report, deliveries) = (operator.report().await, operator.deliveries().await);
        let forged = self.world.forged.lock().unwrap().clone();
        let mut kinds = BTreeMap::new();
        for forged in forged.values() {
            let state = |event| deliveries.of(event).map(|(_, state)| state);
            assert_eq!(state(&forged.event), Some(forged.end(is_confirming)), "{forged:?}");
            if let Some(end) = forged.end_of_truth(is_confirming) {
                assert_eq!(state(&forged.true_event), Some(end), "{forged:?}");
            }
            *kinds.entry(forged.kind).or_insert(0) += 1;
        }
        println!("forged: {kinds:?}");
        let expected: BTreeMap<_, _> = forged.values().filter_map(|forged| forged.finding(is_confirming)).collect();
        assert_eq!(findings(&report), expected);
        assert_eq!(report.is_resolved(), expected.is_empty());
    }

    fn end(&self) -> Evening<'_> {
        Evening { home: &self.shops.home, world: &self.world }
    }
}
