//! Helpers for the cases. They panic if a store call fails.

use onramp_webhooks::event::OrderId;
use onramp_webhooks::purchases::{Purchase, PurchaseStatus};

use super::Fixture;
pub(super) use crate::tools::{at, at_once, patiently, prune_all};

/// A purchase with every field set, started at second `seconds`.
pub(super) fn purchase(uuid: &str, seconds: i64) -> Purchase {
    Purchase::new(uuid, at(seconds))
        .asset_type("ETH")
        .network("base")
        .to_address("0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96")
        .fiat_amount("35.00".parse().unwrap())
        .fiat_currency("GBP")
        .crypto_amount("1234567890.123456789012345678".parse().unwrap())
        .additional_field("0", "customer-7")
        .additional_field("campaign", "spring")
}

impl Fixture {
    pub(super) async fn started(&self, purchase: &Purchase) {
        patiently(|| self.start(purchase.clone())).await.unwrap();
    }

    pub(super) async fn known(&self, uuid: &str) -> PurchaseStatus {
        self.find(&OrderId::from(uuid)).await.unwrap()
    }

    pub(super) async fn released(&self, uuid: &str, seconds: i64) {
        self.release(&OrderId::from(uuid), at(seconds)).await.unwrap();
    }

    /// Prunes all purchases older than second `seconds`, and returns their number.
    pub(super) async fn pruned(&self, seconds: i64) -> u64 {
        prune_all(|| self.prune(at(seconds))).await
    }
}
