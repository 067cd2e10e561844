//! The conformance suite of adapters, on actix-web.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod serve;

onramp_webhooks_testkit::adapter_suite!(crate::serve::serve);
