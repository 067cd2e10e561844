//! `Debug` output shows no token. `cargo xtask tidy debug` finds the types whose output could, by their names here.

use std::fmt::Debug;

use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_inspector::{Access, Inspector, InspectorBuilder};

/// A text that stands for everything that must not be shown.
const HIDDEN: &str = "hidden-7c1f9e-hidden-7c1f9e-hidden-7c1f9e";

#[track_caller]
fn shows_nothing<T: Debug>(value: &T) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!shown.contains("hidden"), "{}: {shown}", std::any::type_name::<T>());
    }
}

#[test]
fn an_inspector_shows_no_token_and_access_shows_no_name() {
    let builder: InspectorBuilder = Inspector::builder(MemoryInbox::new()).token(HIDDEN);
    shows_nothing(&builder);
    shows_nothing::<Inspector>(&builder.build().unwrap());
    shows_nothing::<Access>(&Access::Operator(HIDDEN.to_owned()));
    shows_nothing::<Access>(&Access::Reader(HIDDEN.to_owned()));
}
