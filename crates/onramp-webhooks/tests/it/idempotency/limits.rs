//! A store in memory that is full.

use bytes::Bytes;
use onramp_webhooks::adapter::Request;
use onramp_webhooks::idempotency::MemoryIdempotencyStore;

use super::harness::{Harness, Outcome, keyed};

#[tokio::test]
async fn a_store_that_is_full_of_running_requests_lets_no_other_run() {
    let harness = Harness::on(MemoryIdempotencyStore::with_limits(1, 1 << 20));
    let lines = keyed("running");
    let request = Request::new("POST", "/orders", None, &lines);
    let running = harness.send_to(&request, "{}", async |_| {
        let lines = keyed("another");
        let refused = harness.claim(&Request::new("POST", "/orders", None, &lines), "{}").await;
        assert_eq!(refused.status(), 503, "{refused:?}");
        assert!(refused.headers().any(|(name, _)| name == "retry-after"), "{refused:?}");
        (201, Bytes::from_static(b"done"))
    });
    assert_eq!(running.await.status, 201);
    assert_eq!(harness.post("another", "{}").await, Outcome::first(2));
}

#[test]
fn fresh_keys_take_no_more_memory_than_the_limits_allow() {
    const KEYS: usize = 500;
    const BYTES: usize = 1 << 20;
    /// The memory of a key without its reply, in bytes.
    const KEY: usize = 400;
    let harness = Harness::on(MemoryIdempotencyStore::with_limits(KEYS, BYTES));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for size in [0, 10_000] {
        let taken = allocation_counter::measure(|| {
            for key in 0..5_000 {
                let key = format!("{size}-{key}");
                let lines = keyed(&key);
                let request = Request::new("POST", "/orders", None, &lines);
                runtime.block_on(harness.send_to(&request, "{}", async |_| (201, Bytes::from(vec![b'.'; size]))));
            }
        });
        assert!(taken.bytes_current < i64::try_from(BYTES + KEYS * KEY).unwrap(), "{size}: {taken:?}");
    }
}
