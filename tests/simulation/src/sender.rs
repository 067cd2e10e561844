//! Senders: the providers and the forgers, who send until they have their acknowledgements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use onramp_webhooks::Receiver;
use onramp_webhooks::adapter::{Full, Request};
use tokio::time::{Instant, sleep, timeout};

use crate::machine::{Machine, one_of};
use crate::plan::{chance, millis};
use crate::posts::{Expects, Post};
use crate::world::{World, locked};

/// The time that a provider waits for a response.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time limit of a reply, and a little for the scheduler.
const ACK_DEADLINE: Duration = Duration::from_millis(4_010);

/// The requests of one post so far. Numbers are places in the sequence of all requests and responses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) acknowledged: u32,
    pub(crate) first_sent: Option<u64>,
    pub(crate) first_acknowledged: Option<(u64, usize)>,
    pub(crate) machines: BTreeSet<usize>,
}

/// All requests so far, by their posts.
#[derive(Debug)]
pub(crate) struct Log {
    sent: Mutex<(u64, Vec<Sent>)>,
}

impl Log {
    pub(crate) fn new(world: &World) -> Self {
        Self { sent: Mutex::new((0, vec![Sent::default(); world.posts.all.len()])) }
    }

    pub(crate) fn all(&self) -> Vec<Sent> {
        locked(&self.sent).1.clone()
    }

    fn change(&self, post: usize, change: impl FnOnce(u64, &mut Sent)) {
        let (number, sent) = &mut *locked(&self.sent);
        *number += 1;
        if let Some(sent) = sent.get_mut(post) {
            change(*number, sent);
        }
    }
}

/// Sends one post, again and again.
pub(crate) async fn send(world: Arc<World>, machines: Arc<Vec<Arc<Machine>>>, log: Arc<Log>, number: usize) {
    let Some(post) = world.posts.all.get(number) else { return };
    sleep(post.at).await;
    let mut left = post.copies;
    loop {
        if let Some((machine, status)) = request(&world, &machines, &log, number, post).await
            && ends(&world, post, status)
        {
            log.change(number, |now, sent| {
                sent.acknowledged += u32::from(post.expects == Expects::Acknowledgement);
                sent.first_acknowledged.get_or_insert((now, machine));
            });
            left -= 1;
            if left == 0 {
                return;
            }
        }
        sleep(millis(if fastrand::bool() { 1_000 } else { 10_000 })).await;
    }
}

/// Returns whether a status is the expected one. Others are only allowed if nothing could be recorded.
fn ends(world: &World, post: &Post, status: u16) -> bool {
    match (post.expects, status) {
        (Expects::Acknowledgement, 200) => true,
        (Expects::Refusal(expected), status) if status == expected => true,
        (Expects::Acknowledgement, 503) => false,
        (expected, status) => {
            world.violated(format!("{} got {status} instead of {expected:?}", post.path));
            true
        }
    }
}

/// Makes one request. Returns its machine and the status; `None` if no response came.
async fn request(world: &World, machines: &[Arc<Machine>], log: &Log, number: usize, post: &Post) -> Option<(usize, u16)> {
    let (machine, process) = one_of(machines)?;
    if world.fails(world.plan.network_loss) {
        return None;
    }
    log.change(number, |now, sent| {
        sent.first_sent.get_or_insert(now);
        sent.machines.insert(machine);
    });
    let patience = if world.fails(0.05) { millis(1_000) } else { PATIENCE };
    let response = timeout(patience, async {
        process.life.runs().await;
        let (begun, before) = (Instant::now(), process.life.interruptions());
        let status = status(&process.receiver, post).await;
        if process.life.interruptions() == before {
            judge(world, status, begun.elapsed());
        }
        process.life.runs().await;
        status
    });
    let status = response.await.ok();
    world.note(format_args!("machine {machine} replies {status:?} to post {number}"));
    Some((machine, status.filter(|_| !world.fails(world.plan.network_loss))?))
}

async fn status(receiver: &Receiver, post: &Post) -> u16 {
    let headers = [("content-type", "application/json")];
    let peer = post.peer.and_then(|peer| peer.parse().ok());
    let [body, spaced] = &post.bodies;
    let body = if chance(0.2) { spaced } else { body };
    receiver.receive(&Request::new("POST", &post.path, peer, &headers), Full::new(body.clone())).await.status()
}

/// Checks a reply: in time, and 503 only if neither the store nor the spill could record it.
fn judge(world: &World, status: u16, took: Duration) {
    if took > ACK_DEADLINE {
        world.violated(format!("a reply took {took:?}"));
    }
    let can_fail = !world.plan.has_spill || world.plan.spill_error > 0.0;
    if status == 503 && !can_fail {
        world.violated("a request got 503 although the spill could record it".to_owned());
    }
}
