//! Wert's API, which delays, fails, forgets, and returns other orders and other amounts.

use std::collections::BTreeMap;
use std::time::Duration;

use onramp_webhooks::event::Money;
use tokio::time::sleep;

use crate::plan::millis;
use crate::posts::{Posts, Purchase};
use crate::world::World;

/// A hanging call ends after this time, long after everyone has given up on it.
const HANGING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Api {
    orders: BTreeMap<String, Purchase>,
}

/// An order as the API shows it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) order: String,
    pub(crate) is_final: bool,
    pub(crate) crypto: Money,
    pub(crate) fiat: Money,
}

impl Api {
    pub(crate) fn new(posts: &Posts) -> Self {
        let orders = posts.purchases.iter().filter_map(|purchase| Some((purchase.order.clone()?, purchase.clone())));
        Self { orders: orders.collect() }
    }

    /// Returns an order; `None` if the API does not know it.
    pub(crate) async fn ask(&self, world: &World, order: &str) -> Result<Option<Row>, &'static str> {
        let faults = world.plan.api;
        match () {
            () if world.fails(faults.slow) => sleep(millis(4_000)).await,
            () if world.fails(faults.hang) => sleep(HANGING).await,
            () => sleep(millis(100)).await,
        }
        if world.fails(faults.error) {
            return Err("the API failed");
        }
        let other = world.fails(faults.confuses).then(|| self.orders.keys().next()).flatten();
        let found = self.orders.get_key_value(other.map_or(order, String::as_str));
        let found = found.filter(|_| !world.fails(faults.forgets));
        Ok(found.map(|(id, purchase)| {
            let (mut crypto, fiat) = (purchase.crypto.clone(), purchase.fiat.clone());
            let is_final = !world.fails(faults.forgets);
            if world.fails(faults.lies) {
                crypto = Money::new(fiat.amount.clone(), crypto.currency);
            }
            Row { order: id.clone(), is_final, crypto, fiat }
        }))
    }
}
