//! Every target holds for its seeds, and for small changes of them.

use fastrand::Rng;
use onramp_webhooks_fuzz::{TARGETS, Target, mutated};

fn holds(name: &str, mutations: usize) {
    let Some(target) = Target::find(name) else { panic!("there is no target {name}") };
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    let mut dice = Rng::with_seed(11);
    for number in 0..mutations {
        let input = mutated(&seeds, &mut dice);
        let outcome = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(outcome.is_ok(), "mutation {number} of {name}: \"{}\"", input.escape_ascii());
    }
}

macro_rules! tests {
    ($($name:ident: $mutations:literal)+) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name), $mutations);
        })+

        #[test]
        fn all_targets_are_tested() {
            let tested = [$(stringify!($name)),+];
            assert!(TARGETS.iter().map(|target| target.name).eq(tested));
        }
    };
}

tests! {
    amount: 2_000
    client_ip: 2_000
    cursor: 2_000
    event: 500
    form: 2_000
    idempotency: 1_000
    inbox: 100
    inbox_sqlite: 5
    inspector: 150
    json_line: 1_000
    path_secret: 1_000
    proxy_header: 2_000
    stored_reply: 2_000
    wert_api: 300
}
