//! Removal of a test's traces from a server.

/// Runs a future that removes `what`.
///
/// The test's runtime may be dropping the value that calls this, and cannot block on another future.
pub(crate) fn clean_up(what: &str, work: impl Future<Output = ()> + Send + 'static) {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    let is_removed = std::thread::spawn(run).join().is_ok();
    assert!(is_removed || std::thread::panicking(), "{what} was not removed");
}
