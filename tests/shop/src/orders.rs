//! Orders for a shop whose database fails sometimes.

use std::time::{Duration, Instant};

use crate::connection::Response;
use crate::event::order_complete;
use crate::home::Home;
use crate::shop::ShopProcess;
use crate::wait::{until, within};

/// The limit for a shop to recover after its database.
const LONGEST_RECOVERY: Duration = Duration::from_secs(10);

/// Sends orders, each of one unit of fiat for a customer of its own number, and remembers which were acknowledged.
#[derive(Debug, Default)]
pub struct Orders {
    sent: usize,
    /// The numbers of those that were acknowledged.
    pub acknowledged: Vec<usize>,
}

impl Orders {
    /// Sends one more; the answer comes in time, and is an acknowledgement or asks for another try.
    pub async fn send(&mut self, shop: &ShopProcess) -> Response {
        let order = self.sent;
        self.sent += 1;
        let begun = Instant::now();
        let reply = shop.wert(order_complete(&order.to_string(), &format!("customer-{order}"), "1")).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "Wert waits 5 s, and not {:?}", begun.elapsed());
        match reply.status {
            200 => self.acknowledged.push(order),
            _ => reply.assert_try_again(),
        }
        reply
    }

    /// All that was acknowledged is handled, and nothing twice.
    pub async fn assert_kept(&self, home: &Home) {
        home.database().settled().await;
        let points = home.database().points();
        for order in &self.acknowledged {
            assert_eq!(points.get(&format!("customer-{order}")).map(String::as_str), Some("1"), "order {order}");
        }
        assert!(points.values().all(|points| points == "1"), "{points:?}");
    }

    /// Waits until the shop records again, and says so.
    pub async fn recover(&mut self, shop: &ShopProcess) {
        within(LONGEST_RECOVERY, "the shop records again", async || (self.send(shop).await.status == 200).then_some(())).await;
        until("the shop is healthy", async || shop.get("/healthz").await.status == 200).await;
    }
}
