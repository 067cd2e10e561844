//! The suite of the quickstarts.

onramp_webhooks_tests::quickstart_suite!(env!("CARGO_BIN_EXE_warp-quickstart"));
