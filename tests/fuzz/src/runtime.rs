//! The runtime of the targets that call asynchronous functions.

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Starts a task that runs while this thread waits for a future.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    RUNTIME.with(|runtime| drop(runtime.spawn(task)));
}
