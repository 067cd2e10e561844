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
mod operator;
mod plan;
mod post;
mod shops;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::State;
use onramp_webhooks_testkit::events::wert_test;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, OrderSeries};

use self::books::Books;
use self::operator::{Operator, findings};
use self::plan::{Course, FEWEST, Forgery, Purchase, plan};
use self::post::{Event, Post};
use self::shops::{Shops, asking};
use self::world::{World, now};
use crate::home::Subject;

/// The time limit for the points to be exact, and its addition for each purchase.
const LONGEST: (Duration, Duration) = (Duration::from_secs(180), Duration::from_millis(50));

/// The time between the first order of another inbox and the beginning of the day.
const YESTERDAY: Duration = Duration::from_secs(20 * 3_600);

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
    day.opening().await;
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
        // Another inbox has received yesterday's orders.
        provider.set_series(OrderSeries::new(purchases as u64, now().before(YESTERDAY), YESTERDAY / 2 / purchases as u32));
        let environment = if is_confirming { asking(&provider, 1 + purchases / 2_000) } else { Vec::new() };
        let shops = Shops::open(subject, environment).await;
        let world = Arc::new(World {
            purchases: plan(purchases, &mut random),
            provider,
            post: Post::to(Arc::clone(&shops.clients)),
            is_confirming,
            seed,
            finished: AtomicUsize::new(0),
            forged: Mutex::default(),
            begun: now(),
        });
        Self { shops, world, random }
    }

    /// Sends the dashboard's test event, with which the inbox begins, and waits for the next second, because Wert's times are whole seconds.
    async fn opening(&mut self) {
        self.world.post.deliver(&Event::wert(wert_test()), &mut self.random).await;
        let next_second = now().after(Duration::from_secs(1)).as_millis().div_euclid(1_000) * 1_000;
        SystemClock::default().sleep_until(Timestamp::from_millis(next_second)).await;
    }

    /// Without forgeries and troubles, everything is resolved, although events are dropped.
    async fn quiet_hours(&mut self, purchases: usize) {
        self.world.begin(0, purchases).join_all().await;
        if !self.world.is_confirming {
            self.repair().await;
        }
        let books = Books::of(&self.world.purchases[..purchases], self.world.is_confirming);
        self.comes_to(&books).await;
        let report = self.operator().await.report().await;
        assert!(report.is_resolved() && report.deliveries > 0, "{report:?}");
    }

    /// Begins some purchases, and has a trouble in the middle of them.
    async fn hours(&mut self, (from, to): (usize, usize), trouble: Trouble) {
        let mut customers = self.world.begin(from, to);
        while self.world.finished.load(Ordering::Relaxed) < usize::midpoint(from, to) {
            customers.try_join_next().transpose().unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let provider = &self.world.provider;
        match trouble {
            Trouble::Kill => self.shops.kill_one(&mut self.random).await,
            Trouble::ApiFails => (0..3).for_each(|_| provider.answer_next(Answer::status(500))),
            Trouble::ApiIsBusy => provider.answer_next(Answer::status(429).header("retry-after", "3")),
            Trouble::ApiBreaksOff => {
                for answer in [Answer::close(), Answer::truncated_json(), Answer::html()] {
                    provider.answer_next(answer);
                }
            }
            Trouble::DatabaseCrashes => self.shops.crash_the_database().await,
            Trouble::DatabaseMoves => self.shops.move_the_database().await,
        }
        customers.join_all().await;
    }

    /// Waits until the points are exact, with the operator's help, and repeats all events.
    async fn evening(&mut self) {
        self.world.cure();
        self.settles().await;
        self.repair().await;
        if self.world.is_confirming {
            self.mend().await;
        }
        let books = Books::of(&self.world.purchases, self.world.is_confirming);
        self.comes_to(&books).await;
        self.world.post.repeat_all(&mut self.random).await;
        let database = self.shops.home.database();
        self.in_time(async || (database.unhandled() > 0).then(|| "the repeated events".to_owned())).await;
        let differences = books.differences(&self.shops.home.database().points());
        assert!(differences.is_empty(), "{differences:?}");
        self.is_visible().await;
    }

    /// Waits until no delivery waits, except those of orders that do not exist.
    async fn settles(&self) {
        let is_invented =
            |purchase: &&Purchase| purchase.forgery == Some(Forgery::Invented) && matches!(purchase.course, Course::Wert { .. });
        let invented = self.world.purchases.iter().filter(is_invented).count();
        let parked = if self.world.is_confirming { invented } else { 0 };
        let database = self.shops.home.database();
        self.in_time(async || (database.waiting() != parked).then(|| format!("{:?}", database.states()))).await;
    }

    /// Repairs what is missing, as an operator does who does not wait for the next run of the shop.
    async fn repair(&self) {
        let repaired = self.operator().await.repair().await;
        assert_eq!(repaired.missing, repaired.repaired, "{repaired:?}");
    }

    /// Has the true postbacks handled that came after forged ones, which the check has refused. Kriptomat has no API to ask.
    async fn mend(&self) {
        let is_victim =
            |purchase: &&Purchase| purchase.forgery == Some(Forgery::First) && matches!(purchase.course, Course::Kriptomat);
        let (victims, others): (Vec<_>, Vec<_>) = self.world.purchases.iter().partition(is_victim);
        self.comes_to(&Books::of(others, true)).await;
        let operator = self.operator().await;
        let deliveries = operator.deliveries().await;
        let forged = self.world.forged.lock().unwrap().clone();
        for victim in victims {
            let forged = &forged[&victim.number];
            let (id, state) = deliveries.of(&forged.true_event).unwrap();
            assert_eq!((deliveries.of(&forged.event).unwrap().1, state), (State::Dead, State::Conflict), "{forged:?}");
            operator.replay(id).await;
        }
    }

    /// Asserts that an operator finds every forged event, and that the reconciliation finds nothing else.
    async fn is_visible(&self) {
        let (operator, is_confirming) = (self.operator().await, self.world.is_confirming);
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

    async fn comes_to(&self, books: &Books) {
        self.in_time(async || {
            let differences = books.differences(&self.shops.home.database().points());
            let some = &differences[..differences.len().min(20)];
            (!differences.is_empty()).then(|| format!("{} customers: {some:?}", differences.len()))
        })
        .await;
    }

    /// Waits until nothing is open. The time limit only ends a test that hangs.
    async fn in_time(&self, open: impl AsyncFn() -> Option<String>) {
        let (longest, more) = LONGEST;
        let deadline = Instant::now() + longest + more * u32::try_from(self.world.purchases.len()).unwrap();
        while let Some(open) = open().await {
            assert!(Instant::now() < deadline, "{open}; states: {:?}\n{}", self.shops.home.database().states(), self.shops.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn operator(&self) -> Operator {
        Operator::at(&self.shops.home, &self.world.provider, self.world.begun).await
    }
}
