//! Schemas and deliveries, shared with other packages.

pub(crate) use onramp_webhooks_suite::deliveries::{claim, handled, indexed_filters_look_at_few, now, purchase, record};
pub(crate) use onramp_webhooks_suite::postgres::{TestSchema, assert_idle, connection, pool, pool_with, url};
pub(crate) use onramp_webhooks_suite::wait::{until, within};
