//! The purchases of a day, and the forgeries among them.

use bytes::Bytes;
use fastrand::Rng;
use onramp_webhooks_testkit::events::WertOrder;

/// One forgery in so many purchases.
const FORGED: usize = 20;

/// The fewest purchases with every kind of forgery.
pub(super) const FEWEST: usize = 240;

/// The share of purchases that come before the first forgery.
const QUIET: usize = 10;

/// One purchase of a customer, from the order to the points.
#[derive(Debug)]
pub(super) struct Purchase {
    /// The number in the plan, which seeds its random choices.
    pub(super) number: usize,
    pub(super) customer: String,
    /// The amount of fiat, and so the points.
    pub(super) fiat: String,
    pub(super) course: Course,
    pub(super) forgery: Option<Forgery>,
}

/// The truth about a purchase.
#[derive(Debug)]
pub(super) enum Course {
    Wert {
        order: WertOrder,
        outcome: Outcome,
    },
    /// A purchase at Kriptomat that is paid, and its postback.
    Kriptomat,
}

/// The outcome of an order at Wert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Paid,
    /// Paid, but the event never arrives.
    Dropped,
    /// Paid, but the API fails for every request with this order until the evening.
    Poisoned,
    Failed,
}

/// A forgery, which belongs to a purchase because it comes before it, after it or with its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Forgery {
    /// A purchase that does not exist.
    Invented,
    /// The purchase with another amount and customer, before the true event.
    First,
    /// The same after the true event.
    Later,
    /// The purchase with another address and other partner data, before the true event.
    Altered,
    /// A completed order without an id.
    WithoutId,
    /// A completion of an order that failed.
    OfFailedOrder,
    /// A completion whose fields do not fit.
    Unreadable,
    /// A postback that repeats all that was asked for, of a widget that was started and not paid.
    OfUnpaidWidget,
}

const AT_WERT: [Forgery; 7] = [
    Forgery::Invented,
    Forgery::First,
    Forgery::Later,
    Forgery::Altered,
    Forgery::WithoutId,
    Forgery::OfFailedOrder,
    Forgery::Unreadable,
];

const AT_KRIPTOMAT: [Forgery; 4] = [Forgery::Invented, Forgery::First, Forgery::Later, Forgery::OfUnpaidWidget];

/// Returns the purchases of a day in the order of their beginning. The first tenth has no forgery.
pub(super) fn plan(purchases: usize, random: &mut Rng) -> Vec<Purchase> {
    let mut plan: Vec<_> = (0..purchases).map(|number| Purchase::new(number, purchases, random)).collect();
    random.shuffle(&mut plan);
    plan.sort_by_key(|purchase| purchase.number >= purchases / QUIET);
    plan
}

impl Purchase {
    fn new(number: usize, purchases: usize, random: &mut Rng) -> Self {
        let is_quiet = number < purchases / QUIET;
        let forged =
            number.checked_sub(purchases / QUIET).filter(|number| number.is_multiple_of(FORGED)).map(|number| number / FORGED);
        let is_wert = !forged.unwrap_or(number).is_multiple_of(3);
        let forgery = forged.map(|number| match number % 3 {
            0 => AT_KRIPTOMAT[number / 3 % AT_KRIPTOMAT.len()],
            other => AT_WERT[(number / 3 * 2 + other - 1) % AT_WERT.len()],
        });
        let customer = match forgery {
            Some(_) => format!("victim-{number}"),
            None => format!("customer-{}", random.usize(0..purchases.div_ceil(8))),
        };
        let fiat = format!("{}.{:02}", random.u32(1..5_000), random.u32(0..100));
        let course = if is_wert { Self::order(number, &customer, &fiat, (forgery, is_quiet)) } else { Course::Kriptomat };
        Self { number, customer, fiat, course, forgery }
    }

    fn order(number: usize, customer: &str, fiat: &str, (forgery, is_quiet): (Option<Forgery>, bool)) -> Course {
        let outcome = match number {
            _ if forgery == Some(Forgery::OfFailedOrder) => Outcome::Failed,
            _ if forgery.is_some() => Outcome::Paid,
            _ if number % 10 < 1 => Outcome::Dropped,
            _ if number % 25 == 1 => Outcome::Failed,
            _ if number % 60 == 2 && !is_quiet => Outcome::Poisoned,
            _ => Outcome::Paid,
        };
        let (code, crypto) =
            [("BTC", "0.00391274"), ("MATIC", "123.456789012345678"), ("matic.sc.polygon", "77.5")][number % 7 % 3];
        let order = WertOrder::new().click_id(customer).fiat(fiat, "USD").crypto(crypto, code);
        Course::Wert { order, outcome }
    }

    /// Returns the name of the customer who gains from the forgery.
    pub(super) fn forger(&self) -> String {
        format!("mallory-{}", self.number)
    }
}

impl Forgery {
    /// The amount that a forger claims.
    pub(super) const CLAIM: &str = "9000.5";

    /// Returns the forged event for an order.
    pub(super) fn of_order(self, order: &WertOrder, forger: &str) -> Bytes {
        match self {
            Self::Altered => order.clone().with("address", "bc1qforged").with("partner_data", "forged").complete(),
            Self::OfFailedOrder => order.complete(),
            Self::WithoutId => claim(order, forger).without("id").with("transaction_id", forger).event("order_complete"),
            Self::Invented => claim(&WertOrder::new(), forger).complete(),
            Self::Unreadable => claim(order, forger).with("quote_amount", "a lot").complete(),
            Self::First | Self::Later | Self::OfUnpaidWidget => claim(order, forger).complete(),
        }
    }

    /// Returns whether the forged event comes before the true one.
    pub(super) fn is_before_the_truth(self) -> bool {
        !matches!(self, Self::Later | Self::OfFailedOrder | Self::OfUnpaidWidget)
    }
}

fn claim(order: &WertOrder, forger: &str) -> WertOrder {
    order.clone().click_id(forger).fiat(Forgery::CLAIM, "USD")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_smallest_day_has_every_forgery_and_the_promised_shares() {
        let plan = plan(FEWEST, &mut Rng::with_seed(1));
        let mut forgeries = BTreeMap::new();
        for purchase in &plan {
            let is_wert = matches!(purchase.course, Course::Wert { .. });
            forgeries.entry((is_wert, purchase.forgery)).and_modify(|number| *number += 1).or_insert(1);
        }
        for (is_wert, kinds) in [(true, &AT_WERT[..]), (false, &AT_KRIPTOMAT[..])] {
            for kind in kinds {
                assert!(forgeries.contains_key(&(is_wert, Some(*kind))), "{kind:?}: {forgeries:?}");
            }
        }
        let share = |is_so: fn(&Purchase) -> bool| plan.iter().filter(|purchase| is_so(purchase)).count();
        assert_eq!(share(|purchase| purchase.forgery.is_some()), (FEWEST - FEWEST / QUIET).div_ceil(FORGED));
        assert!(plan[..FEWEST / QUIET].iter().all(|purchase| purchase.forgery.is_none()));
        assert!(share(|purchase| matches!(purchase.course, Course::Wert { outcome: Outcome::Poisoned, .. })) > 0);
    }
}
