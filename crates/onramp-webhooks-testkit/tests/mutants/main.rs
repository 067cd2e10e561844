//! Stores that each break one promise, and the case that has to notice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use onramp_webhooks_testkit::suite::Case;

/// Returns whether the stores of `store` pass the case called `name`.
async fn keeps<G: Send + Sync + 'static>(mut cases: impl Iterator<Item = Case<G>>, name: &str, store: G) -> bool {
    let case = cases.find(|case| case.name() == name).unwrap_or_else(|| panic!("there is no case {name}"));
    tokio::spawn(async move { case.run(&store).await }).await.is_ok()
}

/// A type with all defects, and a test for each: that the case notices it, and keeps quiet without it.
macro_rules! mutants {
    ($($defect:ident: $($test:ident => $case:literal),+;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Defect {
            None,
            $($defect,)+
        }

        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                assert!(crate::keeps(cases(), $case, store(Defect::None)).await, "{} fails without any defect", $case);
                assert!(!crate::keeps(cases(), $case, store(Defect::$defect)).await, "{} does not notice {:?}", $case, Defect::$defect);
            }
        )+)+
    };
}

mod idempotency;
mod inbox;
mod purchases;
mod spill;
mod transactional;
