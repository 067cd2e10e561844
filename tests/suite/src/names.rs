//! Unique names for tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

/// Returns a name that is unique on this machine, in lower case.
#[must_use]
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    format!("onramp_test_{time}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
