//! The operator, who replays what the faults have left behind, once they have ended.

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::{Filter, Inbox, Record, ReplayScope, State, list_all, replay};
use onramp_webhooks::provider::Providers;

use crate::world::World;

/// Replays dead letters of genuine events, and genuine events that a forged one had come before. Returns the genuine ones that are not handled yet.
pub(crate) async fn operate(world: &World, store: &dyn Inbox) -> Result<usize, StoreError> {
    let records = list_all(store, Filter::all().with_bodies()).await?;
    let mut open = 0;
    for record in &records {
        let is_genuine = record.body.as_ref().and_then(|body| world.posts.of(body)).is_some_and(|(_, post)| post.is_genuine);
        if !is_genuine || record.state == State::Handled {
            continue;
        }
        open += 1;
        let can_replay = match record.state {
            State::Dead => true,
            State::Conflict => is_first_dead(record, &records),
            _ => false,
        };
        if can_replay && replay(store, &Providers::default(), record.id, ReplayScope::EvenConflicts, world.now()).await.is_ok() {
            world.note(format_args!("the operator replays {}", record.id));
            world.model().requeued(record.id);
        }
    }
    Ok(open)
}

/// Returns whether the delivery that a conflict contradicts is dead.
fn is_first_dead(conflict: &Record, records: &[Record]) -> bool {
    let first = conflict.key.as_ref().and_then(|key| key.contradicted());
    records.iter().any(|record| record.key == first && record.state == State::Dead)
}
