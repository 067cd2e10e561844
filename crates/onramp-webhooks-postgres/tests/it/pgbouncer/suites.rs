//! The conformance suites.

use std::sync::Arc;

use onramp_webhooks_testkit::{idempotency, inbox, purchases, transactional};

use super::*;
use crate::transactional::Shop;

fn transaction_mode() -> Pooled {
    Pooled::new(PgBouncerOptions::transaction_mode().setting("default_pool_size", 4))
}

/// Two inboxes that share few connections to the server, and one behind a pooler in session mode, take turns.
mod inbox_in_both_modes {
    use super::*;

    async fn open(bound: QuarantineBound) -> inbox::Fixture {
        let pooled = transaction_mode();
        let session = PgBouncerOptions::session_mode().start(&url()).unwrap();
        let options = PostgresOptions::new(pool(&session).await).schema(pooled.schema.name());
        let other = options.quarantine(bound).open().await.unwrap();
        let inboxes = [pooled.open(bound).await, other, pooled.open(bound).await];
        inbox::Fixture::taking_turns(inboxes).keeping((pooled, session))
    }

    onramp_webhooks_testkit::inbox_suite!(open);
}

mod transactions_in_transaction_mode {
    use super::*;

    async fn open() -> transactional::Fixture {
        let pooled = transaction_mode();
        let inbox = Arc::new(pooled.open(QuarantineBound::default()).await);
        transactional::Fixture::new(Shop::new(inbox, pooled.schema).await).keeping(pooled.pooler)
    }

    onramp_webhooks_testkit::transactional_suite!(open);
}

mod keys_in_transaction_mode {
    use super::*;

    async fn open() -> idempotency::Fixture {
        let pooled = transaction_mode();
        let store = pooled.options().await.open_idempotency_store().await.unwrap();
        idempotency::Fixture::new(store).keeping(pooled)
    }

    onramp_webhooks_testkit::idempotency_suite!(open);
}

mod purchases_in_transaction_mode {
    use super::*;

    async fn open() -> purchases::Fixture {
        let pooled = transaction_mode();
        let store = pooled.options().await.open_purchases().await.unwrap();
        purchases::Fixture::new(store).keeping(pooled)
    }

    onramp_webhooks_testkit::purchases_suite!(open);
}
