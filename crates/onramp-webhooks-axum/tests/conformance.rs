//! The conformance suite of adapters, on axum.

onramp_webhooks_testkit::adapter_suite!(onramp_webhooks_suite::serve::axum::serve);
