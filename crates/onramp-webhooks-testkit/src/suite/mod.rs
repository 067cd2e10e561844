//! The parts of a suite: named cases, and fresh stores for each case.
//!
//! The module of each suite names these types for its trait.

mod fixture;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime;

pub use self::fixture::{Fixture, Store};

/// The time after which a case counts as hanging.
const HANGS: Duration = Duration::from_secs(60);

/// A named test case for one requirement, which runs on a setup `S`: an adapter, or the stores that a function opens.
pub struct Case<S> {
    name: &'static str,
    run: Run<S>,
}

type Run<S> = for<'a> fn(&'a S) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<S> Case<S> {
    pub(crate) const fn new(name: &'static str, run: Run<S>) -> Self {
        Self { name, run }
    }

    /// Returns the module and the function of the case, such as `recording::the_same_again_is_a_duplicate`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case. Only a multi-threaded runtime produces real races.
    ///
    /// # Panics
    /// If the requirement is not met.
    pub async fn run(&self, setup: &S) {
        let ended = tokio::time::timeout(HANGS, (self.run)(setup)).await;
        assert!(ended.is_ok(), "did not end within {HANGS:?}");
    }
}

impl<S> Clone for Case<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Case<S> {}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Runs the case `name` on a new runtime, for the tests that the macros generate.
#[doc(hidden)]
pub fn run<S>(mut cases: impl Iterator<Item = Case<S>>, name: &str, setup: &S) {
    let case = cases.find(|case| case.name == name).expect("the suite has the case");
    let runtime = runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(case.run(setup));
}

/// Generates the function `cases` and the exported macro of a suite from one list. The macro turns each case into a test.
macro_rules! suite {
    (
        ($dollar:tt)
        $(#[$about:meta])*
        $suite:ident! runs $home:ident on $setup:ident::$new:ident
        $($module:ident { $($(#[$attribute:meta])* $case:ident,)+ })+
    ) => {
        /// Returns all cases, in a fixed order.
        pub fn cases() -> impl Iterator<Item = Case> {
            [$($($(#[$attribute])* Case::new(
                concat!(stringify!($module), "::", stringify!($case)),
                |setup| Box::pin($module::$case(setup)),
            ),)+)+].into_iter()
        }

        $(#[$about])*
        #[macro_export]
        macro_rules! $suite {
            ($dollar open:expr) => {
                $(
                    mod $module {
                        #[allow(unused_imports, reason = "the function may need any of these names")]
                        use super::*;

                        $(
                            #[test]
                            $(#[$attribute])*
                            fn $case() {
                                $dollar crate::suite::run(
                                    $dollar crate::$home::cases(),
                                    concat!(stringify!($module), "::", stringify!($case)),
                                    &$dollar crate::$home::$setup::$new($dollar open),
                                );
                            }
                        )+
                    }
                )+
            };
        }
    };
}

pub(crate) use suite;
