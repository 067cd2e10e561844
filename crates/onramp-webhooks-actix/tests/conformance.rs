//! The conformance suite of adapters, on actix-web.

onramp_webhooks_testkit::adapter_suite!(onramp_webhooks_suite::serve::actix::serve);
