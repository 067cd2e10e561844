//! Orders for a shop whose database fails sometimes.

use std::time::{Duration, Instant};

use crate::connection::Response;
use crate::event::order_complete;
use crate::home::Home;
use crate::shop::ShopProcess;
use crate::wait::{until, within};

/// The time limit for a shop to recover after its database has recovered.
const LONGEST_RECOVERY: Duration = Duration::from_secs(10);

/// Sends orders and keeps the numbers of the acknowledged ones. Each order is for one unit of fiat and its own customer.
#[derive(Debug, Default)]
pub struct Orders {
    sent: usize,
    /// The numbers of the acknowledged orders.
    pub acknowledged: Vec<usize>,
}

impl Orders {
    /// Sends another order, and asserts that the response arrives in time and is an acknowledgement or a 503.
    pub async fn send(&mut self, shop: &ShopProcess) -> Response {
        let order = self.sent;
        self.sent += 1;
        let begun = Instant::now();
        let reply = shop.wert(order_complete(&order.to_string(), &format!("customer-{order}"), "1")).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "Wert waits 5 s, and the response took {:?}", begun.elapsed());
        match reply.status {
            200 => self.acknowledged.push(order),
            _ => reply.assert_try_again(),
        }
        reply
    }

    /// Asserts that all acknowledged orders are handled, and none twice.
    pub async fn assert_kept(&self, home: &Home) {
        home.database().settled().await;
        let points = home.database().points();
        for order in &self.acknowledged {
            assert_eq!(points.get(&format!("customer-{order}")).map(String::as_str), Some("1"), "order {order}");
        }
        assert!(points.values().all(|points| points == "1"), "{points:?}");
    }

    /// Waits until the shop records again and reports itself as healthy.
    pub async fn recover(&mut self, shop: &ShopProcess) {
        within(LONGEST_RECOVERY, "the shop records again", async || (self.send(shop).await.status == 200).then_some(())).await;
        until("the shop is healthy", async || shop.get("/healthz").await.status == 200).await;
    }
}
