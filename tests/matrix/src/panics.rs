//! The messages of panics. Cases fail by panicking, and some routes of a site panic on demand; only a failed case is printed.

use std::collections::HashMap;
use std::panic;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

static PANICS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

/// Stores panics by the name of their thread, instead of printing them.
pub(crate) fn collect() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current().name().unwrap_or_default().to_owned();
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).insert(thread, panic.to_string());
    }));
}

/// Returns the last panic of the thread with this name.
pub(crate) fn of(thread: &str) -> String {
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    panics.get(thread).cloned().unwrap_or_else(|| "no message".to_owned())
}
