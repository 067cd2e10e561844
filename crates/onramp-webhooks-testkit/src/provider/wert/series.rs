//! Orders that are computed from their numbers.

use std::ops::Range;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use serde_json::Value;

use super::row::{self, WertRow};
use crate::events::{self, WertOrder};

/// The number of different customers of a series.
const CUSTOMERS: u64 = 100;

/// Completed orders at regular intervals, each computed when it is requested, so a series may have any length.
///
/// The orders are numbered from 0, the oldest. They belong in turn to `customer-0` to `customer-99`.
///
/// ```
/// use std::time::Duration;
/// use onramp_webhooks::clock::{Clock, SystemClock};
/// use onramp_webhooks_testkit::provider::{FakeProvider, OrderSeries};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (provider, day) = (FakeProvider::start().await, Duration::from_secs(24 * 3_600));
/// let yesterday = OrderSeries::new(1_000_000, SystemClock::default().now().before(day), day / 1_000_000);
/// let lost = yesterday.order(17).complete(); // the event of one of them
/// provider.set_series(yesterday);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderSeries {
    len: u64,
    /// The creation time of the first order, in milliseconds.
    first: i64,
    every: Duration,
}

impl OrderSeries {
    /// Creates a series of `len` orders. The first is created at `first`, and each other one `every` after the one before.
    #[must_use]
    pub const fn new(len: u64, first: Timestamp, every: Duration) -> Self {
        Self { len, first: first.as_millis(), every }
    }

    /// Returns the order with this number, for its events.
    #[must_use]
    pub fn order(&self, number: u64) -> WertOrder {
        let cents = 100 + number.wrapping_mul(7_919) % 100_000;
        WertOrder::new()
            .with("id", self.id(number))
            .click_id(format!("customer-{}", number % CUSTOMERS))
            .fiat(&format!("{}.{:02}", cents / 100, cents % 100), "USD")
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn row(&self, number: u64) -> Value {
        WertRow::of(&self.order(number), self.created(number)).into()
    }

    pub(super) fn created_at(&self, number: u64) -> String {
        row::format(self.created(number))
    }

    /// Returns the numbers of the orders whose creation time has both properties. Times have the first from one order on, and the second
    /// up to one.
    pub(super) fn created_in(&self, is_after: impl Fn(&str) -> bool, is_until: impl Fn(&str) -> bool) -> Range<u64> {
        let first = self.first_number(|number| is_after(&self.created_at(number)));
        first..self.first_number(|number| !is_until(&self.created_at(number)))
    }

    /// Returns the numbers of the orders with this id or customer.
    pub(super) fn search(&self, term: &str) -> impl Iterator<Item = u64> + use<> {
        let by_id = events::number_of(term).filter(|number| *number < self.len && self.id(*number) == term);
        let customer = term.strip_prefix("customer-").and_then(|number| number.parse().ok()).unwrap_or(CUSTOMERS);
        let is_customer = customer < CUSTOMERS && term == format!("customer-{customer}");
        let by_customer = (customer..if is_customer { self.len } else { 0 }).step_by(CUSTOMERS as usize);
        by_id.into_iter().chain(by_customer)
    }

    fn id(&self, number: u64) -> String {
        events::ulid(self.created(number), number)
    }

    fn created(&self, number: u64) -> Timestamp {
        let nanos = self.every.as_nanos().saturating_mul(number.into());
        let millis = i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.first.saturating_add(millis))
    }

    /// Returns the first number for which `is_so`, which stays so for all later ones.
    fn first_number(&self, is_so: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_so(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
