//! The audit after a run: every guarantee that can be judged by its end.

use std::collections::BTreeMap;
use std::time::Duration;

use onramp_webhooks::inbox::{Record, State};

use crate::posts::{Expects, Post, Purchase};
use crate::sender::Sent;
use crate::world::World;

/// The longest wait of a delivery for its handler in a calm run, beside a flood and a slow API of another endpoint.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Reports everything that is wrong.
pub(crate) fn audit(world: &World, records: &[Record], sent: &[Sent]) {
    let mut of_post: BTreeMap<usize, Vec<&Record>> = BTreeMap::new();
    for record in records {
        match record.body.as_ref().and_then(|body| world.posts.of(body)) {
            Some((number, _)) => of_post.entry(number).or_default().push(record),
            None => world.violated(format!("{} is a delivery that was never sent", record.id)),
        }
    }
    for (number, (post, sent)) in world.posts.all.iter().zip(sent).enumerate() {
        post_is_kept(world, number, post, sent, of_post.get(&number).map_or(&[], Vec::as_slice));
    }
    in_order(world, &of_post, sent);
    credited(world);
    if world.plan.is_calm {
        nobody_waits(world, &of_post);
    }
}

fn post_is_kept(world: &World, number: usize, post: &Post, sent: &Sent, kept: &[&Record]) {
    if let Expects::Refusal(_) = post.expects {
        if !kept.is_empty() {
            world.violated(format!("post {number} was refused and kept"));
        }
        return;
    }
    let copies: u64 = kept.iter().map(|record| 1 + record.duplicates).sum();
    if copies < u64::from(sent.acknowledged) {
        world.violated(format!("post {number} was acknowledged {} times and kept {copies} times", sent.acknowledged));
    }
    let is_handled = kept.iter().any(|record| record.state == State::Handled);
    if post.is_genuine && !is_handled {
        world.violated(format!("post {number} is genuine and was never handled"));
    }
    if !post.is_genuine && post.order.is_some() && is_handled {
        world.violated(format!("post {number} is forged and was handled"));
    }
}

/// Events of one order have the sequence of their acknowledgements, if one machine received them and its spill never failed.
fn in_order(world: &World, of_post: &BTreeMap<usize, Vec<&Record>>, sent: &[Sent]) {
    if world.plan.spill_error > 0.0 {
        return;
    }
    let id = |number: usize| of_post.get(&number)?.first().map(|record| record.id);
    for (earlier, first) in sent.iter().enumerate() {
        let Some((at, machine)) = first.first_acknowledged else { continue };
        for (later, second) in sent.iter().enumerate() {
            let of = |number: usize| world.posts.all.get(number).and_then(|post| post.order.as_ref());
            let is_same_machine = !world.plan.has_spill || second.machines.iter().eq([&machine]);
            let is_after = second.first_sent.is_some_and(|sent| sent > at);
            if of(earlier).is_some() && of(earlier) == of(later) && is_same_machine && is_after && id(earlier) > id(later) {
                world.violated(format!(
                    "post {later} was recorded before post {earlier}, which was acknowledged before it was sent"
                ));
            }
        }
    }
}

/// Each purchase is in the ledger once, with its exact amounts, and nothing else is.
fn credited(world: &World) {
    let mut owed: Vec<&Purchase> = world.posts.purchases.iter().collect();
    for credit in &world.ledger().credits {
        let is_owed = |purchase: &&Purchase| {
            (&purchase.customer, &purchase.crypto, &purchase.fiat) == (&credit.customer, &credit.crypto, &credit.fiat)
        };
        match owed.iter().position(is_owed) {
            Some(place) => drop(owed.swap_remove(place)),
            None => world.violated(format!("{} was credited {} for {}", credit.customer, credit.crypto, credit.fiat)),
        }
    }
    for purchase in owed {
        world.violated(format!("{} was not credited {} for {}", purchase.customer, purchase.crypto, purchase.fiat));
    }
}

/// In a calm run, no delivery of Kriptomat's waits for the flood at Wert's endpoint.
fn nobody_waits(world: &World, of_post: &BTreeMap<usize, Vec<&Record>>) {
    let records = of_post.values().flatten().filter(|record| &*record.endpoint == "kriptomat");
    for record in records {
        let waited = world.model().waited(record.id);
        if waited.is_none_or(|waited| waited > LONGEST_WAIT) {
            world.violated(format!("{} waited {waited:?} for its handler", record.id));
        }
    }
}
