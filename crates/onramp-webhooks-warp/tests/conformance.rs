//! The conformance suite of adapters, on warp.

onramp_webhooks_testkit::adapter_suite!(onramp_webhooks_suite::serve::warp::serve);
