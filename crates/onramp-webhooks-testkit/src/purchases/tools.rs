//! What the cases are written with. A call that fails where it must not is a panic, which is how a case speaks.

use onramp_webhooks::event::PostbackId;
use onramp_webhooks::kriptomat::started::{KnownPurchase, StartedPurchase};

use super::Fixture;
pub(super) use crate::tools::at;

/// A purchase that leaves nothing to the customer, started at second `seconds`.
pub(super) fn purchase(uuid: &str, seconds: i64) -> StartedPurchase {
    StartedPurchase::new(uuid, at(seconds))
        .asset_type("ETH")
        .network("base")
        .to_address("0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96")
        .fiat_amount("35.00".parse().unwrap())
        .crypto_amount("1234567890.123456789012345678".parse().unwrap())
}

impl Fixture {
    pub(super) async fn started(&self, purchase: &StartedPurchase) {
        self.start(purchase.clone()).await.unwrap();
    }

    pub(super) async fn known(&self, uuid: &str) -> KnownPurchase {
        self.find(&PostbackId::from(uuid)).await.unwrap()
    }

    pub(super) async fn released(&self, uuid: &str, seconds: i64) {
        self.release(&PostbackId::from(uuid), at(seconds)).await.unwrap();
    }

    /// Prunes what is older than second `seconds` until nothing is left to prune, and answers how many went.
    pub(super) async fn pruned(&self, seconds: i64) -> u64 {
        let mut pruned = 0;
        for _ in 0..10_000 {
            match self.prune(at(seconds)).await.unwrap() {
                0 => return pruned,
                round => pruned += round,
            }
        }
        panic!("there is always something left to prune");
    }
}
