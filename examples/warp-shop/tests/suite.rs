//! The suite of all shops.

onramp_webhooks_tests::shop_suite!(env!("CARGO_BIN_EXE_warp-shop"));
