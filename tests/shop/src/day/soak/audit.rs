//! The promises that a soak must have kept.

use std::collections::BTreeSet;

use onramp_webhooks::inbox::State;

use super::super::books::Books;
use super::super::evening::Evening;
use super::super::operator::findings;

/// The most violations of a promise that are listed.
const LISTED: usize = 20;

/// Returns the violations after all processes have stopped.
pub(super) async fn violations(evening: &Evening<'_>, handled: &[String]) -> Vec<String> {
    let (world, database, operator) = (evening.world, evening.home.database(), evening.operator().await);
    let (deliveries, report) = (operator.deliveries().await, operator.report().await);
    let mut violations = Vec::new();

    let lost = world.post.receipts().into_iter().filter(|receipt| !deliveries.has(receipt));
    violations.extend(lost.map(|receipt| format!("acknowledged and lost: {receipt:?}")).take(LISTED));

    let twice = repeated(handled).into_iter().map(|id| format!("delivery {id} was handled twice"));
    violations.extend(twice.take(LISTED));
    let completed = database.completed();
    let open = handled.iter().filter(|id| !completed.contains(*id));
    violations.extend(open.map(|id| format!("delivery {id} was handled and is not completed")).take(LISTED));

    let differences = Books::of(&world.purchases, world.is_confirming).differences(&database.points());
    let wrong =
        differences.into_iter().map(|(customer, exact, points)| format!("{customer} has {points:?} instead of {exact:?}"));
    violations.extend(wrong.take(LISTED));

    let forged = world.forged.lock().unwrap();
    // Receivers with spills may record a forged event after the true one that was sent later, so its state varies.
    let is_handled = |event| deliveries.of(event).is_some_and(|(_, state)| state == State::Handled);
    let gained = forged.values().filter(|forged| is_handled(&forged.event) && forged.end(world.is_confirming) != State::Handled);
    violations.extend(gained.map(|forged| format!("a forged event was handled: {forged:?}")).take(LISTED));

    let expected: BTreeSet<_> = forged.values().filter_map(|forged| forged.finding(world.is_confirming)).collect();
    let found: BTreeSet<_> = findings(&report).into_iter().collect();
    let unlike = expected.symmetric_difference(&found).map(|finding| format!("only expected or only found: {finding:?}"));
    violations.extend(unlike.take(LISTED));
    violations
}

/// Returns the ids that come more than once.
fn repeated(ids: &[String]) -> BTreeSet<&String> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(|id| !seen.insert(*id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_comes_again_is_found() {
        let ids = ["7", "8", "9", "8"].map(ToOwned::to_owned);
        assert_eq!(repeated(&ids), BTreeSet::from([&"8".to_owned()]));
        assert!(repeated(&ids[..3]).is_empty());
    }
}
