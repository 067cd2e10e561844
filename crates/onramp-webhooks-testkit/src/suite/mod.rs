//! What the suites are made of: stores that are opened for a case, and cases with names.
//!
//! The module of a suite has these types for its trait.

mod fixture;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime;

pub use self::fixture::{Fixture, Store};

/// No case takes this long; one that does hangs.
const HANGS: Duration = Duration::from_secs(60);

/// One promise of a trait, and how to find out whether a store keeps it.
pub struct Case<S: ?Sized, O = ()> {
    name: &'static str,
    run: Run<S, O>,
}

type Run<S, O> = for<'a> fn(&'a Store<S, O>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<S: ?Sized, O> Case<S, O> {
    pub(crate) const fn new(name: &'static str, run: Run<S, O>) -> Self {
        Self { name, run }
    }

    /// The case's name: the module and the function, such as `recording::the_same_again_is_a_duplicate`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tries the promise on fresh stores, on a runtime with several threads if there should be real races.
    ///
    /// # Panics
    /// When the promise is broken.
    pub async fn run(&self, store: &Store<S, O>) {
        (self.run)(store).await;
    }
}

impl<S: ?Sized, O> Clone for Case<S, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized, O> Copy for Case<S, O> {}

impl<S: ?Sized, O> fmt::Debug for Case<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Runs the case called `name` on a runtime of its own.
pub(crate) fn run<S: ?Sized, O>(mut cases: impl Iterator<Item = Case<S, O>>, name: &str, store: &Store<S, O>) {
    let case = cases.find(|case| case.name == name).expect("the suite has the case");
    let runtime = runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(HANGS, case.run(store)).await });
    assert!(ended.is_ok(), "did not end within {HANGS:?}");
}

/// Makes `cases`, and the exported macro that turns each case into a test; both from the one list of a suite.
macro_rules! suite {
    (
        ($dollar:tt)
        $(#[$about:meta])*
        $suite:ident! calls $home:ident
        $($module:ident { $($case:ident,)+ })+
    ) => {
        /// All cases, in the order of the trait's methods.
        pub fn cases() -> impl Iterator<Item = Case> {
            [$($(Case::new(
                concat!(stringify!($module), "::", stringify!($case)),
                |store| Box::pin($module::$case(store)),
            ),)+)+].into_iter()
        }

        $(#[$about])*
        #[macro_export]
        macro_rules! $suite {
            ($dollar open:expr) => {
                $(
                    mod $module {
                        #[allow(unused_imports, reason = "whatever the function that opens needs")]
                        use super::*;

                        $(
                            #[test]
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
