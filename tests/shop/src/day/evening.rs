//! The end of a day: all that is open is settled, with the operator's help.

use std::time::{Duration, Instant};

use onramp_webhooks::inbox::State;

use super::books::Books;
use super::operator::Operator;
use super::plan::{Course, Forgery, Purchase};
use super::world::World;
use crate::home::Home;

/// The time limit for the points to be exact, and its addition for each purchase.
const LONGEST: (Duration, Duration) = (Duration::from_secs(180), Duration::from_millis(50));

/// The database and the purchases of a day.
pub(super) struct Evening<'a> {
    pub(super) home: &'a Home,
    pub(super) world: &'a World,
}

impl Evening<'_> {
    /// Waits until no delivery waits, except those of orders that do not exist.
    pub(super) async fn settles(&self) {
        let parked = if self.world.is_confirming { self.world.invented() } else { 0 };
        let database = self.home.database();
        self.in_time(async || (database.waiting() != parked).then(|| "deliveries wait".to_owned())).await;
    }

    /// Repairs what is missing, as an operator does who does not wait for the next run of the shop.
    pub(super) async fn repair(&self) {
        let repaired = self.operator().await.repair().await;
        assert_eq!(repaired.missing, repaired.repaired, "{repaired:?}");
    }

    /// Has the true postbacks handled that came after forged ones, which the check has refused, and returns their number.
    /// Kriptomat has no API to ask.
    pub(super) async fn mend(&self) -> usize {
        let operator = self.operator().await;
        let deliveries = operator.deliveries().await;
        let forged = self.world.forged.lock().unwrap().clone();
        let mut mended = 0;
        for victim in self.world.purchases.iter().filter(|purchase| may_be_refused(purchase)) {
            let forged = &forged[&victim.number];
            let (id, state) = deliveries.of(&forged.true_event).unwrap();
            if state == State::Conflict {
                assert_eq!(deliveries.of(&forged.event).unwrap().1, State::Dead, "{forged:?}");
                operator.replay(id).await;
                mended += 1;
            }
        }
        mended
    }

    pub(super) async fn comes_to(&self, books: &Books) {
        self.in_time(async || {
            let differences = books.differences(&self.home.database().points());
            let some = &differences[..differences.len().min(20)];
            (!differences.is_empty()).then(|| format!("{} customers: {some:?}", differences.len()))
        })
        .await;
    }

    /// Waits until nothing is open. The time limit only ends a test that hangs.
    pub(super) async fn in_time(&self, open: impl AsyncFn() -> Option<String>) {
        let (longest, more) = LONGEST;
        let deadline = Instant::now() + longest + more * u32::try_from(self.world.purchases.len()).unwrap();
        while let Some(open) = open().await {
            assert!(Instant::now() < deadline, "{open}; states: {:?}", self.home.database().states());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn operator(&self) -> Operator {
        Operator::at(self.home, &self.world.provider, self.world.begun).await
    }
}

/// Returns whether a forged postback may be recorded before the true one of this purchase. One that is sent later overtakes a true one in
/// a spill.
fn may_be_refused(purchase: &Purchase) -> bool {
    matches!(purchase.forgery, Some(Forgery::First | Forgery::Later)) && matches!(purchase.course, Course::Kriptomat)
}

/// Returns whether a forged postback comes before the true one of this purchase.
pub(super) fn is_victim(purchase: &Purchase) -> bool {
    purchase.forgery == Some(Forgery::First) && matches!(purchase.course, Course::Kriptomat)
}
