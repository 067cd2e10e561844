//! The macro that generates the double of a trait from the list of its methods.

/// Generates the enum of a trait's calls, the trait of its doubles, and the implementation of the trait for [`Double`](super::Double).
macro_rules! double {
    (
        $(#[$about:meta])*
        $double:ident of $store:ident, $(#[$about_call:meta])* $call:ident
        { $($(#[$method_about:meta])* $name:ident: $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+ }
        $(waits { $wait_name:ident: $wait:ident; })?
        $(else { $($(#[$else_about:meta])* $else_name:ident,)+ })?
    ) => {
        $(#[$about_call])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $call {
            $(#[doc = concat!("A call of [`", stringify!($method), "`](", stringify!($store), "::", stringify!($method), ").")] $name,)+
            $(#[doc = concat!("A call of [`", stringify!($wait), "`](", stringify!($store), "::", stringify!($wait), ").")] $wait_name,)?
            $($($(#[$else_about])* $else_name,)+)?
        }

        $(#[$about])*
        #[async_trait]
        pub trait $double: fmt::Debug + Send + Sync + 'static {
            /// Returns the store that gets the next call.
            fn inner(&self) -> &dyn $store;

            /// Runs before each call.
            ///
            /// # Errors
            /// An error is returned to the caller, and the call is not passed on.
            async fn before(&self, _call: $call) -> Result<(), StoreError> {
                Ok(())
            }

            /// Runs after each call.
            ///
            /// # Errors
            /// An error is returned to the caller instead of the result of the call.
            async fn after(&self, _call: $call) -> Result<(), StoreError> {
                Ok(())
            }

            $(
                #[doc = concat!("Passes a call of [`", stringify!($method), "`](", stringify!($store), "::", stringify!($method), ") on.")]
                ///
                /// # Errors
                /// Returns the errors of the store, of [`before`](Self::before) and of [`after`](Self::after).
                async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                    self.before($call::$name).await?;
                    let result = self.inner().$method($($argument),*).await;
                    self.after($call::$name).await?;
                    result
                }
            )+

            $(
                #[doc = concat!("Passes a call of [`", stringify!($wait), "`](", stringify!($store), "::", stringify!($wait), ") on, unless ")]
                /// [`before`](Self::before) fails.
                async fn $wait(&self) {
                    if self.before($call::$wait_name).await.is_ok() {
                        self.inner().$wait().await;
                    }
                }
            )?
        }

        #[async_trait]
        impl<D: $double> $store for Double<D> {
            $(
                async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                    self.0.$method($($argument),*).await
                }
            )+

            $(
                async fn $wait(&self) {
                    self.0.$wait().await;
                }
            )?
        }
    };
}
