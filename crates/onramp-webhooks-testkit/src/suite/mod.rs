//! What the suites are made of: cases with names, the ground that they run on, and stores that are opened for a case.
//!
//! The module of a suite has these types for what it is about.

mod fixture;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime;

pub use self::fixture::{Fixture, Store};

/// No case takes this long; one that does hangs.
const HANGS: Duration = Duration::from_secs(60);

/// One promise, and how to find out on the ground `G` whether it is kept.
pub struct Case<G> {
    name: &'static str,
    run: Run<G>,
}

type Run<G> = for<'a> fn(&'a G) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<G> Case<G> {
    pub(crate) const fn new(name: &'static str, run: Run<G>) -> Self {
        Self { name, run }
    }

    /// The case's name: the module and the function, such as `recording::the_same_again_is_a_duplicate`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tries the promise, on a runtime with several threads if there should be real races.
    ///
    /// # Panics
    /// When the promise is broken.
    pub async fn run(&self, ground: &G) {
        let ended = tokio::time::timeout(HANGS, (self.run)(ground)).await;
        assert!(ended.is_ok(), "did not end within {HANGS:?}");
    }
}

impl<G> Clone for Case<G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G> Copy for Case<G> {}

impl<G> fmt::Debug for Case<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Runs the case called `name` on a runtime of its own.
pub(crate) fn run<G>(mut cases: impl Iterator<Item = Case<G>>, name: &str, ground: &G) {
    let case = cases.find(|case| case.name == name).expect("the suite has the case");
    let runtime = runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(case.run(ground));
}

/// Makes `cases`, and the exported macro that turns each case into a test; both from the one list of a suite.
macro_rules! suite {
    (
        ($dollar:tt)
        $(#[$about:meta])*
        $suite:ident! calls $home:ident
        $($module:ident { $($(#[$attribute:meta])* $case:ident,)+ })+
    ) => {
        /// All cases, in a fixed order.
        pub fn cases() -> impl Iterator<Item = Case> {
            [$($($(#[$attribute])* Case::new(
                concat!(stringify!($module), "::", stringify!($case)),
                |ground| Box::pin($module::$case(ground)),
            ),)+)+].into_iter()
        }

        $(#[$about])*
        #[macro_export]
        macro_rules! $suite {
            ($dollar open:expr) => {
                $(
                    mod $module {
                        #[allow(unused_imports, reason = "whatever the function needs")]
                        use super::*;

                        $(
                            #[test]
                            $(#[$attribute])*
                            fn $case() {
                                $dollar crate::$home::run(concat!(stringify!($module), "::", stringify!($case)), $dollar open);
                            }
                        )+
                    }
                )+
            };
        }
    };
}

pub(crate) use suite;
