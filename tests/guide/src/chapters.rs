//! The chapters with examples, as documentation tests.

/// Makes the examples of each chapter a test.
macro_rules! chapters {
    ($($chapter:ident $file:literal)+) => {$(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../../../docs/src/", $file))]
        struct $chapter;
    )+};
}

chapters! {
    Migrating "migrating.md"
    StartAxum "start-axum.md"
    StartActix "start-actix.md"
    StartWarp "start-warp.md"
    Testing "testing.md"
    Trusting "trusting.md"
}
